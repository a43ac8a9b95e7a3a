"""A sentence encoder of BERT's form in torch, lower layers apart from the upper ones that are trained.

Devlin et al., 2019, arXiv:1810.04805; sentence vectors are means of token vectors (Reimers and Gurevych, 2019,
arXiv:1908.10084). Torch is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skills.progress import Progress
from skills.tuned_layers import BertNetwork

if TYPE_CHECKING:
    import torch

Halves = NDArray[np.float16]
RUN_TOKENS = 2048  # in one run of the network
RUN_TEXTS = 32  # at most, so that texts of like length run together
HIDDEN = -1e9  # what attention is given for padding


@dataclass(frozen=True, kw_only=True)
class States:
    """Token vectors of many texts below the trained layers, one after another; text i has rows `offsets[i:i + 2]`."""

    rows: Halves  # (tokens, size)
    offsets: NDArray[np.int64]

    def of(self, text: int) -> Halves:
        return self.rows[self.offsets[text] : self.offsets[text + 1]]

    def length(self, text: int) -> int:
        return int(self.offsets[text + 1] - self.offsets[text])


class Encoding:
    """Runs a network's layers on tensors."""

    def __init__(self, network: BertNetwork, *, trained: int, is_bfloat16: bool) -> None:
        """`trained`: how many of the last layers. `is_bfloat16`: products in half precision, where it is faster."""
        import torch

        self.network = network
        self.first_trained = network.layers - trained
        self._tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array.T if _is_matrix(name) else array))
            for name, array in network.arrays.items()
        }
        self.parameters = {
            name: self._tensors[name].clone().requires_grad_(True) for name in upper_names(network, trained)
        }
        self._precision: Callable[[], AbstractContextManager[object]] = nullcontext
        if is_bfloat16:
            self._precision = lambda: torch.autocast("cpu", dtype=torch.bfloat16)

    def states(self, token_ids: Sequence[Sequence[int]], on_progress: Progress) -> States:
        """What the trained layers are given for these texts: computed once."""
        import torch

        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.empty((int(offsets[-1]), self.network.arrays["words"].shape[1]), dtype=np.float16)
        done = 0
        with torch.no_grad(), self._precision():
            for run in runs(lengths):
                ids = torch.zeros((len(run), int(lengths[run].max())), dtype=torch.long)
                for place, text in enumerate(run):
                    ids[place, : lengths[text]] = torch.tensor(token_ids[text])
                x = self._embedded(ids)
                bias = _attention_bias(lengths[run])
                for layer in range(self.first_trained):
                    x = self._layer(layer, x, bias, self._tensors)
                for place, text in enumerate(run):
                    rows[offsets[text] : offsets[text + 1]] = x[place, : lengths[text]].to(torch.float16).numpy()
                done += len(run)
                on_progress(done, len(token_ids), "running the encoder's fixed layers")
        return States(rows=rows, offsets=offsets)

    def vectors(self, states: States, texts: Sequence[int]) -> torch.Tensor:
        """(texts, size), length one; with gradients where torch keeps them."""
        import torch

        lengths = np.array([states.length(text) for text in texts], dtype=np.int64)
        order, parts = [], []
        for run in runs(lengths):
            order += run
            parts.append(self._run([states.of(texts[place]) for place in run]))
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(parts)[back]

    def _run(self, rows: Sequence[Halves]) -> torch.Tensor:
        import torch
        from torch.nn import functional

        lengths = np.array([len(one) for one in rows], dtype=np.int64)
        x = torch.zeros((len(rows), int(lengths.max()), rows[0].shape[1]))
        for place, one in enumerate(rows):
            x[place, : len(one)] = torch.from_numpy(one).float()
        bias = _attention_bias(lengths)
        with self._precision():
            for layer in range(self.first_trained, self.network.layers):
                x = self._layer(layer, x, bias, self.parameters)
        shown = (torch.arange(x.shape[1])[None] < torch.from_numpy(lengths)[:, None]).float()[:, :, None]
        return functional.normalize((x.float() * shown).sum(1) / shown.sum(1), dim=-1)

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        of = self._tensors
        x = of["words"][ids] + of["positions"][: ids.shape[1]] + of["types"][0]
        return functional.layer_norm(x, x.shape[-1:], of["norm.weight"], of["norm.bias"], self.network.epsilon)

    def _layer(
        self, layer: int, x: torch.Tensor, bias: torch.Tensor | None, tensors: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        from torch.nn import functional

        texts, tokens, size = x.shape
        heads = self.network.heads

        def linear(part: str, given: torch.Tensor) -> torch.Tensor:
            return functional.linear(given, tensors[f"{layer}.{part}.weight"], tensors[f"{layer}.{part}.bias"])

        def norm(part: str, given: torch.Tensor) -> torch.Tensor:
            weight, shift = tensors[f"{layer}.{part}.weight"], tensors[f"{layer}.{part}.bias"]
            return functional.layer_norm(given.float(), (size,), weight, shift, self.network.epsilon)

        query, key, value = (
            linear(part, x).view(texts, tokens, heads, size // heads).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=None if bias is None else bias.to(query.dtype)
        )
        x = norm("attended_norm", x + linear("attended", mixed.transpose(1, 2).reshape(texts, tokens, size)))
        return norm("narrow_norm", x + linear("narrow", functional.gelu(linear("wide", x))))


def upper_names(network: BertNetwork, trained: int) -> list[str]:
    """The arrays of the last layers."""
    parts = (*BertNetwork.LINEAR, *BertNetwork.NORMS)
    layers = range(network.layers - trained, network.layers)
    return [f"{layer}.{part}.{leaf}" for layer in layers for part in parts for leaf in ("weight", "bias")]


def is_bfloat16_fast() -> bool:
    """Whether this processor multiplies half-precision numbers in one step; else they would be slower."""
    import torch

    found: bool = torch.cpu._is_avx512_bf16_supported()
    return found


def runs(lengths: NDArray[np.int64]) -> Iterator[list[int]]:
    """Which texts to run together: like lengths, so that there is little padding."""
    run: list[int] = []
    for text in np.argsort(lengths, kind="stable").tolist():
        if run and ((len(run) + 1) * lengths[text] > RUN_TOKENS or len(run) == RUN_TEXTS):
            yield run
            run = []
        run.append(text)
    if run:
        yield run


def _is_matrix(name: str) -> bool:
    """Stored as (inputs, outputs); torch has it the other way round."""
    return name.endswith(".weight") and "norm" not in name


def _attention_bias(lengths: NDArray[np.int64]) -> torch.Tensor | None:
    """What hides the padding; None where there is none."""
    import torch

    longest = int(lengths.max())
    if int(lengths.min()) == longest:
        return None
    padding = torch.arange(longest)[None] >= torch.from_numpy(lengths)[:, None]
    return torch.zeros(padding.shape).masked_fill(padding, HIDDEN)[:, None, None, :]
