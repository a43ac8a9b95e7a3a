"""MiniLM with last layers that were tuned for skills: as small and as fast, under a name of its own."""

from __future__ import annotations

from pathlib import Path

from routing.encoders.minilm import MODEL_PLACE, MODEL_SHA256, MiniLMEncoder, packaged_file
from routing.encoders.small_model import RECIPE
from routing.errors import EncoderUnavailable
from skills.encoder import Encoder
from skills.tuned_layers import TunedLayers, read_tuned_layers

NAME_DIGITS = 12  # of the layers' digest, in the encoder's name


class TunedMiniLM(MiniLMEncoder):
    """The packaged network with these layers in the place of its own; made once and kept in `cache_dir`.

    Raises EncoderUnavailable: layers of another base, or no folder to keep the network in. It never falls back to the
    packaged layers, whose vectors are others.
    """

    def __init__(self, layers: TunedLayers, *, cache_dir: Path | None = None) -> None:
        if layers.base_sha256 != MODEL_SHA256:
            raise EncoderUnavailable(
                f"The tuned layers are of a base with the SHA-256 {layers.base_sha256!r}; here is {MODEL_SHA256}.",
                hint="Tune an encoder again with this version.",
            )
        self._layers = layers
        super().__init__(cache_dir=cache_dir)
        self.name = tuned_name(layers)

    def _load(self, cache_dir: Path) -> None:
        self._load_small(packaged_file(*MODEL_PLACE, MODEL_SHA256), cache_dir, self._layers)


def tuned_name(layers: TunedLayers) -> str:
    """Of the encoder with these layers."""
    return f"minilm-tuned@{layers.sha256[:NAME_DIGITS]}-{RECIPE}"


def encoder_of(folder: Path, *, cache_dir: Path | None = None) -> Encoder | None:
    """The encoder whose tuned layers the artefact (a ranker's, say) carries; None where it carries none.

    Raises ArtifactRefused, EncoderUnavailable.
    """
    layers = read_tuned_layers(folder)
    return None if layers is None else TunedMiniLM(layers, cache_dir=cache_dir)


def tuned_encoder(folder: Path, *, cache_dir: Path | None = None) -> Encoder:
    """As `encoder_of`, of an artefact that must carry one. Raises ArtifactRefused, EncoderUnavailable."""
    encoder = encoder_of(folder, cache_dir=cache_dir)
    if encoder is None:
        raise EncoderUnavailable(
            f"The artefact in {str(folder)!r} carries no tuned encoder; name one that does, or the encoder 'minilm'."
        )
    return encoder
