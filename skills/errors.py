"""Errors of the skills floor: structured, so that an agent can tell what to do next (SERF, arXiv 2603.13417).

* SkillError           a skill could not be called
  - SkillNotFound      no library offers it
  - SkillRefused       the arguments are wrong; the message says what would be right
  - SkillFailed        the skill itself broke
* IndexRefused         the index on disk cannot be used as it is; the message says what to do
* RankerRefused        a ranker's artefact cannot be used as it is, or not with this index
"""

from __future__ import annotations

from storage.errors import ServiceError


class SkillError(ServiceError):
    """A skill could not be called."""

    code = "skill_error"


class SkillNotFound(SkillError):
    """No library offers a skill of this name."""

    code = "skill_not_found"


class SkillRefused(SkillError):
    """The arguments do not fit the skill."""

    code = "skill_refused"


class SkillFailed(SkillError):
    """The skill broke while it ran."""

    code = "skill_failed"
    is_retryable = True


class IndexRefused(ServiceError):
    """The index of skills cannot be used."""

    code = "index_refused"
    hint = "Build it again with `antroute skills index`."


class RankerRefused(ServiceError):
    """The ranker cannot be used."""

    code = "ranker_refused"
    hint = "Train it again with `antroute skills train`."
