"""Query text to context: which task it looks like, and signals that cost next to nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routing.base import Context, Vector
from routing.encoders.cached import CachedEncoder
from storage.errors import InvalidInput

HEAD_CHARACTERS = 600  # what is read of a long text: most instructions stand first or last
TAIL_CHARACTERS = 300
LONG_CHARACTERS = 8_000  # a text of this length or more has the length signal 1
TEMPERATURE = 0.04  # of the softmax; best likelihood on the held-out queries of the tests: 0.03 to 0.05

SIGNALS = ("length", "digits", "math_marks", "code_marks", "question", "quotes", "lines")
MATH_MARK = re.compile(r"\d\s*[-+*/^=%×÷]|[-+*/^=]\s*\d|√")
CODE_MARK = re.compile(r"[{}\[\]<>;_]|\w\(|==|=>|::|```|\b(?:def|class|return|import|print|SELECT)\b")
QUESTION = re.compile(r"\?|\b(?:what|who|when|where|which|why|how)\b", re.IGNORECASE)
QUOTE = re.compile(r"[\"“”«»`]|'[^']+'")


class Featurizer(Protocol):
    """What a router needs to turn texts into contexts."""

    @property
    def context_names(self) -> tuple[str, ...]: ...

    @property
    def encoder_name(self) -> str: ...

    def contexts(self, texts: Sequence[str]) -> list[Context]:
        """One context a text. Blocking: callers use a thread, unless `is_instant`."""
        ...

    def is_instant(self, text: str) -> bool:
        """Whether the text's vector is remembered, so that no thread is needed."""
        ...


@dataclass(frozen=True, kw_only=True)
class TaskCatalog:
    """The kinds of work that are told apart, each by a few examples."""

    task_to_examples: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        if not self.task_to_examples:
            raise InvalidInput("The task catalog is empty; name at least one task with examples.", field="tasks")
        for task, examples in self.task_to_examples.items():
            if not examples or isinstance(examples, str) or not all(isinstance(text, str) for text in examples):
                raise InvalidInput(f"Task {task!r} needs a list of example texts, not {examples!r}.", field="tasks")

    @classmethod
    def default(cls) -> TaskCatalog:
        """The catalog that comes with the package."""
        import yaml

        text = files("routing").joinpath("tasks.yaml").read_text(encoding="utf-8")
        return cls(task_to_examples=yaml.safe_load(text))


class TaskFeaturizer:
    """Context vector [1, w(q), signals]; w(q) = softmax(nearness to each task's examples / temperature).

    Nearness is the mean of two cosines: to the task's centroid, and to its nearest example. Examples are encoded once,
    on first use.
    """

    def __init__(
        self, encoder: CachedEncoder, catalog: TaskCatalog | None = None, *, temperature: float = TEMPERATURE
    ) -> None:
        self._encoder = encoder
        self._catalog = TaskCatalog.default() if catalog is None else catalog
        self._temperature = temperature
        self._lock = Lock()  # two first calls must not encode the examples twice
        self._examples: _EncodedExamples | None = None
        self.tasks = tuple(self._catalog.task_to_examples)

    @property
    def encoder_name(self) -> str:
        return self._encoder.name

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of the vector's entries, in order."""
        return ("bias", *(f"task:{task}" for task in self.tasks), *(f"signal:{signal}" for signal in SIGNALS))

    def is_instant(self, text: str) -> bool:
        return self._examples is not None and self._encoder.has(excerpt(text))

    def contexts(self, texts: Sequence[str]) -> list[Context]:
        """See `Featurizer.contexts`. Raises EncoderUnavailable."""
        if not texts:
            return []
        vectors = self._encoder.encode([excerpt(text) for text in texts])
        nearness = self._encoded_examples().nearness(vectors)
        mixtures = _softmax(nearness / self._temperature)
        return [self._context(*each) for each in zip(texts, mixtures, vectors, strict=True)]

    def _context(self, text: str, mixture: Vector, embedding: NDArray[np.float32]) -> Context:
        return Context(
            task=self.tasks[int(mixture.argmax())],
            task_mixture=dict(zip(self.tasks, mixture.tolist(), strict=True)),
            vector=np.concatenate(([1.0], mixture, signals(text))),
            encoder=self._encoder.name,
            embedding=embedding,
        )

    def _encoded_examples(self) -> _EncodedExamples:
        with self._lock:
            if self._examples is None:
                groups = list(self._catalog.task_to_examples.values())
                vectors = self._encoder.encoder.encode([excerpt(text) for group in groups for text in group])
                self._examples = _EncodedExamples(vectors, [len(group) for group in groups])
            return self._examples


class _EncodedExamples:
    """The vectors of all tasks' examples, laid out so that nearness is two matrix products whatever the task count."""

    def __init__(self, vectors: NDArray[np.float32], group_sizes: Sequence[int]) -> None:
        groups = np.split(vectors, np.cumsum(group_sizes)[:-1])
        centroids = np.stack([group.mean(axis=0) for group in groups])
        self._centroids = centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-9)
        self._vectors = vectors
        self._first = np.cumsum([0, *group_sizes[:-1]])

    def nearness(self, vectors: NDArray[np.float32]) -> Vector:
        """Texts × tasks."""
        cosines = vectors @ self._vectors.T
        nearest = np.maximum.reduceat(cosines, self._first, axis=1)
        near: Vector = (0.5 * nearest + 0.5 * vectors @ self._centroids.T).astype(np.float64)
        return near


def excerpt(text: str) -> str:
    """The head and the tail of a text: reading it costs the same however long the text is."""
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]} … {text[-TAIL_CHARACTERS:]}"


def signals(text: str) -> Vector:
    """The values of `SIGNALS`, each in [0, 1], from an excerpt; a logarithm or a ratio where counts have no end."""
    read = excerpt(text)
    size = max(len(read), 1)
    return np.array(
        [
            min(1.0, math.log1p(len(text)) / math.log1p(LONG_CHARACTERS)),
            min(1.0, 3 * sum(map(str.isdigit, read)) / size),
            _several(MATH_MARK.findall(read)),
            _several(CODE_MARK.findall(read)),
            1.0 if QUESTION.search(read) else 0.0,
            _several(QUOTE.findall(read)),
            _several(read.split("\n")[1:]),
        ]
    )


def _several(found: Sequence[str]) -> float:
    """0 for none, 1/2 for one, nearing 1 for many."""
    return len(found) / (len(found) + 1)


def _softmax(scores: Vector) -> Vector:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Vector = powers / powers.sum(axis=1, keepdims=True)
    return shares
