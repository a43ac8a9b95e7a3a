"""Which texts a sentence encoder learns to bring together, and which it learns to keep apart.

Wording of many kinds, so that it does not learn that of the queries alone: single queries, long ones made of several,
and descriptions that must find the body they describe. Hard negatives are mined from the whole pool by the encoder as
it is; those that look as right as the right one are taken for unlabelled right ones and left out (Qu et al., 2021,
RocketQA, arXiv:2010.08191).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from skills.base import Skill
from skills.ranking.base import Floats
from skills.training.queries import LabelledQuery

QUERY_TOKENS, HEAD_TOKENS, LONG_TOKENS, WINDOW_TOKENS = 48, 64, 128, 96
WINDOW_CHARACTERS = 500  # as an index's windows
LONG_PARTS = (3, 4)  # queries of one skill in a long one
BOILERPLATE = (  # what surrounds a task without telling which one it is
    "You are working in a folder on a Linux machine. Read the files, make a plan and carry out the task.",
    "Please help me with the following. Explain each step briefly and ask nothing back.",
    "Here is the situation. We have little time, and the result is shown to the whole team tomorrow.",
    "Save what you make in the folder output and check it before you answer.",
    "",
)
COPY_COSINE = 0.92  # of two heads, from which on a skill is never held against its like
FALSE_NEGATIVE_MARGIN = 0.05  # a skill that is nearer than the right one by more is taken for a right one
NEGATIVES = 16  # the nearest wrong skills that one is drawn from
NEAREST = 64  # skills looked at for them
QUERIES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Of the pairs; the rest are single queries with the head of their skill."""

    long: float = 0.15
    described: float = 0.12  # a description with the beginning of the body
    window: float = 0.08  # a query with the beginning of the body


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A text, and the skill whose head, or the beginning of whose body, it must find."""

    text: str
    right: int  # row in the pool
    acceptable: frozenset[int]  # rows that are right, too
    is_body: bool = False
    is_long: bool = False


@dataclass(frozen=True, kw_only=True)
class Similarities:
    """What the untrained encoder says; vectors have length one."""

    heads: Floats  # (pool, size)
    texts: Floats  # (pairs, size)

    def allowed(self, pair: int, one: Pair, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the rows may be held against the pair."""
        nearness = self.heads[rows] @ self.texts[pair]
        most = float(self.heads[one.right] @ self.texts[pair]) + FALSE_NEGATIVE_MARGIN
        is_copy = self.heads[rows] @ self.heads[one.right] >= COPY_COSINE
        return np.asarray((nearness <= most) & ~is_copy & ~np.isin(rows, list(one.acceptable)))


def sampled_pairs(
    pool: Sequence[Skill], queries: Sequence[LabelledQuery], *, count: int, shares: Shares, seed: int
) -> list[Pair]:
    """`count` pairs at most, over as many skills as there are; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    id_to_row = {skill.skill_id: row for row, skill in enumerate(pool)}
    rows = [frozenset(id_to_row[i] for i in query.gold_ids if i in id_to_row) for query in queries]
    row_to_queries = _by_skill(rows)
    counts = {name: round(share * count) for name, share in asdict(shares).items()}
    pairs = list(_described(pool, counts["described"], rng))
    pairs += _long(queries, rows, row_to_queries, counts["long"], rng)
    single = list(_round_robin(row_to_queries, count - len(pairs), rng))
    with_body = [place for place, (row, _) in enumerate(single) if pool[row].body.strip()]
    is_body = set(_some(with_body, counts["window"], rng))
    for place, (row, query) in enumerate(single):
        pairs.append(Pair(text=queries[query].text, right=row, acceptable=rows[query], is_body=place in is_body))
    return [pairs[place] for place in rng.permutation(len(pairs))]


def hard_negatives(pairs: Sequence[Pair], similarities: Similarities, *, seed: int) -> list[int]:
    """One row a pair: among the nearest that may be held against it."""
    rng = np.random.default_rng(seed)
    heads = similarities.heads
    chosen: list[int] = []
    for first in range(0, len(pairs), QUERIES_AT_ONCE):
        nearness = similarities.texts[first : first + QUERIES_AT_ONCE] @ heads.T
        nearest = np.argsort(-nearness, axis=1, kind="stable")[:, :NEAREST]
        for place, rows in enumerate(nearest, start=first):
            allowed = rows[similarities.allowed(place, pairs[place], rows)][:NEGATIVES]
            chosen.append(int(rng.choice(allowed) if len(allowed) else rng.integers(len(heads))))
    return chosen


def head_text(skill: Skill) -> str:
    """As an index has it."""
    return f"{skill.name}: {skill.description}"


def window_text(skill: Skill) -> str:
    return skill.body[:WINDOW_CHARACTERS]


def tuning_half(queries: Sequence[LabelledQuery], *, seed: int = 0) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of the queries to tune with, and of those to train a ranker with; copies of a skill fall to one side.

    A ranker that learned from queries the encoder was tuned with would trust its similarities too much.
    """
    leader: dict[str, str] = {}

    def first_of(skill_id: str) -> str:
        while (above := leader.setdefault(skill_id, skill_id)) != skill_id:
            skill_id = above
        return skill_id

    for query in queries:
        ids = sorted(query.gold_ids)
        for skill_id in ids[1:]:
            leader[first_of(skill_id)] = first_of(ids[0])
    groups = sorted({first_of(min(query.gold_ids)) for query in queries})
    np.random.default_rng(seed).shuffle(groups)
    tuned = set(groups[: len(groups) // 2])
    sides: tuple[list[str], list[str]] = ([], [])
    for query in queries:
        sides[first_of(min(query.gold_ids)) not in tuned].append(query.query_id)
    return frozenset(sides[0]), frozenset(sides[1])


def queries_digest(queries: Sequence[LabelledQuery]) -> str:
    """Names this set of queries, whatever their order."""
    lines = sorted(f"{query.query_id}\n{query.text}\n{sorted(query.gold_ids)}" for query in queries)
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def left_to_learn(queries: Sequence[LabelledQuery], *, seed: int, tuned_with: str) -> frozenset[str]:
    """Ids of those that an encoder was not tuned with: all, but where one half's digest is `tuned_with`."""
    own, left = tuning_half(queries, seed=seed)
    is_same = queries_digest([query for query in queries if query.query_id in own]) == tuned_with
    return left if is_same else own | left


def _by_skill(rows: Sequence[Collection[int]]) -> dict[int, list[int]]:
    """Queries by the first of their right skills: copies count once."""
    found: dict[int, list[int]] = {}
    for query, right in enumerate(rows):
        if right:
            found.setdefault(min(right), []).append(query)
    return found


def _round_robin(
    row_to_queries: Mapping[int, Sequence[int]], count: int, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Row and query: one of each skill, then another of each, until there are enough."""
    left = {row: _some(queries, len(queries), rng) for row, queries in sorted(row_to_queries.items())}
    while count > 0 and left:
        rows = _some(sorted(left), count, rng)
        for row in rows:
            yield row, left[row].pop()
            if not left[row]:
                del left[row]
        count -= len(rows)


def _long(
    queries: Sequence[LabelledQuery],
    rows: Sequence[frozenset[int]],
    row_to_queries: Mapping[int, Sequence[int]],
    count: int,
    rng: np.random.Generator,
) -> Iterator[Pair]:
    able = [row for row, own in sorted(row_to_queries.items()) if len(own) >= LONG_PARTS[0]]
    for row in _some(able, count, rng):
        own = row_to_queries[row]
        parts = _some(own, int(rng.choice(LONG_PARTS)), rng)
        text = " ".join(
            [BOILERPLATE[rng.integers(len(BOILERPLATE))], *(queries[query].text for query in parts)]
        ).strip()
        yield Pair(text=text, right=row, acceptable=rows[parts[0]], is_long=True)


def _described(pool: Sequence[Skill], count: int, rng: np.random.Generator) -> Iterator[Pair]:
    able = [row for row, skill in enumerate(pool) if skill.description.strip() and skill.body.strip()]
    for row in _some(able, count, rng):
        yield Pair(text=pool[row].description, right=row, acceptable=frozenset({row}), is_body=True)


def _some(numbers: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    """At most `count` of them, in random order."""
    return [numbers[place] for place in rng.permutation(len(numbers))[:count]]
