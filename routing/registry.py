"""Names of policies and encoders to `module:Class`; nothing is imported until named."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

from routing.base import Policy
from routing.errors import EncoderUnavailable, UnknownPolicy
from skills.encoder import Encoder

POLICIES = {
    "amro_paper": "routing.policies.amro_paper:AmroPaper",
    "best_single": "routing.policies.best_single:BestSingle",
    "cheapest": "routing.policies.cheapest:Cheapest",
    "graph": "routing.policies.graph_neural:GraphNeural",
    "lints": "routing.policies.lints:LinTS",
    "linucb": "routing.policies.linucb:LinUCB",
    "pheromone": "routing.policies.pheromone:Pheromone",
    "table": "routing.policies.table:Table",
    "thompson": "routing.policies.thompson:Thompson",
    "uniform": "routing.policies.uniform:Uniform",
}

ENCODERS = {
    "hashing": "routing.encoders.hashing:HashingEncoder",
    "minilm": "routing.encoders.minilm:MiniLMEncoder",
}
ENCODERS_WITH_FILES = ("minilm",)  # these take a `cache_dir`
HUB_PREFIX = "hub:"
HUB_ENCODER = "routing.encoders.hub:HubEncoder"
TUNED_PREFIX = "tuned:"  # before the folder of an artefact that carries tuned layers
TUNED_ENCODER = "routing.encoders.tuned:tuned_encoder"
AUTO = "auto"  # the sentence encoder where it loads, else hashing

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EncoderChoice:
    """An encoder, why it is not the one that was wished for, and why it takes more memory than it could."""

    encoder: Encoder
    fallback_reason: str | None = None  # None: it is the one that was wished for
    larger_reason: str | None = None  # None: it has no smaller form, or this is it


def make_policy(name: str, **options: object) -> Policy:
    """The policy of this name, with its constructor's options. Raises UnknownPolicy, which names the nearest."""
    if name not in POLICIES:
        raise UnknownPolicy(unknown("policy", name, POLICIES))
    return cast(Policy, _load(POLICIES[name])(**options))


def make_encoder(name: str = AUTO, *, cache_dir: Path | None = None, **options: object) -> Encoder:
    """As `choose_encoder`; reasons go to the log. Raises EncoderUnavailable."""
    choice = choose_encoder(name, cache_dir=cache_dir, **options)
    if choice.fallback_reason is not None:
        logger.warning("Routing without a sentence encoder, with %r: %s", choice.encoder.name, choice.fallback_reason)
    if choice.larger_reason is not None:
        logger.warning("Encoder %r takes more memory than it could: %s", choice.encoder.name, choice.larger_reason)
    return choice.encoder


def choose_encoder(name: str = AUTO, *, cache_dir: Path | None = None, **options: object) -> EncoderChoice:
    """The encoder of this name, loaded, with its constructor's options; `auto` takes none and encodes one text.

    `cache_dir`: where an encoder that makes files keeps them; default: the user's cache folder. The first time that
    takes some seconds. Raises EncoderUnavailable, and ArtifactRefused for the folder of `tuned:FOLDER`.
    """
    if name == AUTO:
        try:
            choice = choose_encoder("minilm", cache_dir=cache_dir)
            choice.encoder.encode(["ready?"])
        except EncoderUnavailable as exc:
            return EncoderChoice(encoder=choose_encoder("hashing").encoder, fallback_reason=str(exc))
        return choice
    if name.startswith(HUB_PREFIX):
        hub = cast("Callable[..., Encoder]", _load(HUB_ENCODER))
        return EncoderChoice(encoder=hub(name, cache_dir=cache_dir, **options))
    if name.startswith(TUNED_PREFIX):
        tuned = cast("Callable[..., Encoder]", _load(TUNED_ENCODER))
        return EncoderChoice(encoder=tuned(Path(name.removeprefix(TUNED_PREFIX)), cache_dir=cache_dir, **options))
    if name not in ENCODERS:
        places = [f"{HUB_PREFIX}ORGANISATION/NAME", f"{TUNED_PREFIX}FOLDER"]
        raise EncoderUnavailable(unknown("encoder", name, [AUTO, *ENCODERS, *places]))
    if name in ENCODERS_WITH_FILES:
        options["cache_dir"] = cache_dir
    encoder = cast(Encoder, _load(ENCODERS[name])(**options))
    return EncoderChoice(encoder=encoder, larger_reason=getattr(encoder, "larger_reason", None))


def unknown(kind: str, name: str, known: Mapping[str, object] | list[str]) -> str:
    """What to tell who asked for a name that is not there."""
    nearest = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"No {kind} {name!r}; {hint}known: {', '.join(sorted(known)) or 'none'}."


def _load(place: str) -> type[object]:
    module, _, attribute = place.partition(":")
    return cast("type[object]", getattr(import_module(module), attribute))
