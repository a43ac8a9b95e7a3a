"""Any sentence encoder of a model hub that offers an ONNX file and BERT's word pieces: `hub:ORGANISATION/NAME`."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path

from routing.encoders.minilm import MiniLMEncoder
from routing.errors import EncoderUnavailable
from routing.registry import HUB_PREFIX as PREFIX

MODEL_FILE = "onnx/model.onnx"
TOKENIZER_FILE = "tokenizer.json"
DEFAULT_REVISION = "main"
REVISION_DIGITS = 12  # of the commit, in the encoder's name


class HubEncoder(MiniLMEncoder):
    """Mean of the token vectors, length one. Its name holds the commit, so that another one is another encoder.

    Raises EncoderUnavailable: no hub within reach and nothing kept of it, no such model, or one of another form.
    """

    def __init__(self, name: str, *, cache_dir: Path | None = None, endpoint: str | None = None) -> None:
        """`name`: `hub:ORGANISATION/NAME` or `hub:ORGANISATION/NAME@REVISION`. `endpoint`: the hub's URL."""
        repository, _, revision = name.removeprefix(PREFIX).partition("@")
        folder = (cache_dir or user_cache_path("antroute") / "encoders") / "hub"
        wanted = revision or DEFAULT_REVISION
        model = _fetched(repository, MODEL_FILE, wanted, folder, endpoint)
        tokenizer = _fetched(repository, TOKENIZER_FILE, wanted, folder, endpoint)
        super().__init__(model_path=model, tokenizer_path=tokenizer)
        self.name = f"{PREFIX}{repository}@{_commit_of(tokenizer)[:REVISION_DIGITS]}"
        self.dimension = int(self._session.get_outputs()[0].shape[-1])


def _fetched(repository: str, file: str, revision: str, folder: Path, endpoint: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, file, revision=revision, cache_dir=folder, endpoint=endpoint))
    except LocalEntryNotFoundError as exc:
        raise EncoderUnavailable(
            f"The hub cannot be reached, and nothing of {repository!r} is kept in {str(folder)!r}.",
            hint="Use --encoder minilm, which comes inside a package.",
        ) from exc
    except HFValidationError as exc:
        raise EncoderUnavailable(f"{repository!r} is no model of a hub; write hub:ORGANISATION/NAME.") from exc
    except (HfHubHTTPError, OSError) as exc:
        raise EncoderUnavailable(f"The hub has no {file!r} of {repository!r} at {revision!r}: {exc}") from exc


def _commit_of(path: Path) -> str:
    """The hub's cache keeps files at snapshots/COMMIT/…"""
    parts = path.parts
    return parts[parts.index("snapshots") + 1]
