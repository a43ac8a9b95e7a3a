"""The search for skills in an index on disk: retrieve, then rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from skills.base import Skill, SkillHit, SkillSearch
from skills.encoder import Encoder
from skills.errors import SkillNotFound
from skills.index.generations import current_generation
from skills.index.manifest import IndexManifest
from skills.index.opened import Opened, open_current
from skills.index.retrieval import Known, retrieve
from skills.index.settings import SearchSettings
from skills.index.words import KnowsQueries, words_of
from skills.ranking.base import Floats, Proposer, Ranker, Reranked, Retrieved

QUERIES_AT_ONCE = 64
LONGEST_EXCERPT = 4_000  # characters of a query that are encoded
WARM_UP_SKILLS = 32
LoadRanker = Callable[[Path], Ranker]


class SkillIndex:
    """A `SkillSearcher` over one generation; a newer one needs `reopened`. May be searched from many threads."""

    def __init__(
        self, opened: Opened, *, encoder: Encoder, ranker: Ranker | None = None, settings: SearchSettings | None = None
    ) -> None:
        self._opened = opened
        self._encoder = encoder
        self._ranker = ranker
        self._settings = settings or SearchSettings()
        words = words_of(ranker)
        self._known = Known(
            words=words if words is not None and words.sha256 == opened.manifest.learned_words else None,
            query_mean=ranker.query_mean if isinstance(ranker, KnowsQueries) else None,
            proposer=ranker if isinstance(ranker, Proposer) else None,
        )
        self.sha256 = opened.sha256
        self.ranker_sha256 = "" if ranker is None else ranker.sha256
        self.encoder_name = encoder.name

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        encoder: Encoder,
        load_ranker: LoadRanker | None = None,
        settings: SearchSettings | None = None,
        verify: bool = False,
        use_gpu: bool = True,
    ) -> SkillIndex:
        """Maps the current generation into memory; sizes are checked always, digests if `verify`.

        `load_ranker` makes the ranker of the folder that the index was built with; None: retrieval alone. Raises
        IndexRefused, and what `load_ranker` raises.
        """
        opened = open_current(folder, encoder=encoder, verify=verify, use_gpu=use_gpu)
        place = opened.ranker_folder
        ranker = None if load_ranker is None or place is None else load_ranker(place)
        index = cls(opened, encoder=encoder, ranker=ranker, settings=settings)
        index._warm_up()
        return index

    @property
    def manifest(self) -> IndexManifest:
        return self._opened.manifest

    @property
    def arrays(self) -> Opened:
        """What it holds, by row. See `skills.ranking.base.SkillArrays`."""
        return self._opened

    def is_current(self) -> bool:
        """Whether no newer generation serves: one small file is read. Raises IndexRefused."""
        return current_generation(self._opened.folder) == self._opened.name

    def search(self, texts: Sequence[str], *, top: int) -> list[SkillSearch]:
        """See `SkillSearcher`. A blank text finds nothing."""
        asked = [place for place, text in enumerate(texts) if text.strip()]
        searches = [SkillSearch(hits=())] * len(texts)
        for first in range(0, len(asked), QUERIES_AT_ONCE):
            some = asked[first : first + QUERIES_AT_ONCE]
            found = self.retrieve([texts[place] for place in some], candidates=max(top, self._settings.candidates))
            ranked = [None] * len(found) if self._ranker is None else self._ranker.rerank(found)
            for place, one, scores in zip(some, found, ranked, strict=True):
                searches[place] = self._search(one, scores, top)
        return searches

    def retrieve(
        self, texts: Sequence[str], *, candidates: int | None = None, vectors: Floats | None = None
    ) -> list[Retrieved]:
        """The first stage alone, for a ranker or for learning one; texts are not blank.

        `vectors`: (texts, dimension), where the texts were encoded before.
        """
        if vectors is None:
            vectors = self._encoded(texts)
        return retrieve(
            self._opened,
            texts,
            vectors,
            self._settings,
            candidates=candidates or self._settings.candidates,
            known=self._known,
        )

    def skills(self, skill_ids: Sequence[str]) -> list[Skill]:
        """See `SkillSearcher`."""
        unknown = [skill_id for skill_id in skill_ids if skill_id not in self._opened.id_to_row]
        if unknown:
            raise SkillNotFound(f"The index has no skill {unknown[0]!r}.")
        rows = [self._opened.id_to_row[skill_id] for skill_id in skill_ids]
        return self._opened.documents(np.array(rows, dtype=np.int64))

    def _warm_up(self) -> None:
        """Asks for some of its own skills, so that the first query does not wait for the disk."""
        rows = np.unique(np.linspace(0, len(self._opened.cards) - 1, WARM_UP_SKILLS).astype(np.int64))
        if self._opened.count:
            names = [self._opened.cards[row].name or "?" for row in rows.tolist()]
            self.retrieve(names, vectors=self._opened.vectors.of(rows)[:, 0])

    def _encoded(self, texts: Sequence[str]) -> Floats:
        if not self._opened.count:  # nothing will be found, so nothing needs to be known
            return np.zeros((len(texts), self._encoder.dimension), dtype=np.float32)
        return self._encoder.encode([text[:LONGEST_EXCERPT] for text in texts])

    def _search(self, found: Retrieved, ranked: Reranked | None, top: int) -> SkillSearch:
        scores = found.fused if ranked is None else ranked.scores
        order = np.lexsort((self._opened.id_order[found.rows], -scores))[:top]
        hits = []
        for rank, place in enumerate(order.tolist(), start=1):
            card = self._opened.cards[int(found.rows[place])]
            hits.append(
                SkillHit(
                    skill_id=card.skill_id,
                    name=card.name,
                    sha256=card.sha256,
                    rank=rank,
                    retrieval=float(found.fused[place]),
                    rerank=None if ranked is None else float(ranked.scores[place]),
                )
            )
        return SkillSearch(hits=tuple(hits), fit_probability=None if ranked is None else ranked.fit_probability)
