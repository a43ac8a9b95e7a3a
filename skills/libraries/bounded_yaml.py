"""Loads YAML that nobody vouches for: plain values, no aliases, few levels."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from skills.errors import SkillRefused

MAX_LEVELS = 100  # the parser calls itself for each, and the process ends where its stack does
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def load_yaml(text: str) -> object:
    """The one document in the text. Raises SkillRefused for aliases (merged ones grow exponentially) and for more
    than MAX_LEVELS levels, ValueError for what is no YAML.
    """
    try:
        level = 0
        for token in _tokens(text):
            level += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if isinstance(token, yaml.AliasToken):
                raise SkillRefused("It uses YAML aliases; write the values out.")
            if level > MAX_LEVELS:
                raise SkillRefused(f"It has more than {MAX_LEVELS} levels of YAML, one inside the other.")
        return yaml.load(text, Loader=yaml.CSafeLoader) if yaml.__with_libyaml__ else yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def _tokens(text: str) -> Iterator[object]:
    yield from yaml.scan(text, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)
