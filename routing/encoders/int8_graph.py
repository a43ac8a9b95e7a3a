"""Rewrites an ONNX network with int8 weights so that they stay int8 in memory; a script of its own, the home of onnx.

A file with weight-only quantization says `MatMul(x, Mul(Cast(W), scale))`, and onnxruntime folds the right side into
float32 weights of four times the size when it loads the file. Here each such product becomes one `MatMulNBits`, which
keeps the very same int8 weights and rounds x to int8 in blocks of a row: row by row, so that a text's vector does not
depend on the texts beside it. The word table, half of all weights, leaves the network: its rows become inputs, and who
asks reads the rows that a text needs from a file of their own.

Runs in a process of its own, `python int8_graph.py source.onnx folder`, because it takes 280 MB for some seconds. A
third argument, `tensors.npz`, names tensors that take the place of the source's own, such as tuned layers' weights.
Prints the least cosine between the vectors of both networks, and fails if it is below `LEAST_COSINE`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

BLOCK_SIZE = 32  # entries of a row that share a rounding step; 16 to 64 give the same vector alone and in a batch
ROUND_INPUTS = 4  # MatMulNBits' accuracy_level: inputs as int8; 0 keeps them float32 and is five times as slow
ZERO_POINT = 128  # MatMulNBits holds signed weights as unsigned ones around this
LEAST_COSINE = 0.99  # some processors' int8 instructions saturate: such vectors are refused
DOMAIN = "com.microsoft"
IDS = "input_ids"
ROWS, SCALES = "word_rows", "word_scales"  # the inputs that stand for the word table: int8 and float32
NETWORK_FILE = "model.onnx"
PATCHED_FILE = "patched.onnx"  # the source with other tensors, while it is needed
ROWS_FILE, SCALES_FILE = "word_rows.int8", "word_scales.float32"  # plain numbers, row by row


class NotRewritten(Exception):
    """The network is not of the expected form, or the new one gives other vectors."""


@dataclass(frozen=True, kw_only=True)
class Int8Weight:
    """An int8 weight times its scale, as the source file spells it: names of tensors."""

    quantized: str
    cast: str  # the same as float32
    scale: str


def rewrite(source: Path, folder: Path) -> None:
    """Writes the network of `source` with its int8 weights kept, and its word table, into the folder.

    Raises NotRewritten.
    """
    import onnx

    model = onnx.load(str(source))
    graph = model.graph
    name_to_tensor = {tensor.name: tensor for tensor in graph.initializer}
    name_to_weight = int8_weights(model, name_to_tensor)
    nodes: list[NodeProto] = []
    inputs = list(graph.input)
    for node in graph.node:
        weight = next((name_to_weight[name] for name in node.input if name in name_to_weight), None)
        if weight is None:
            nodes.append(node)
        elif node.op_type == "MatMul":
            nodes.append(_product(node, weight, name_to_tensor))
        elif node.op_type == "Gather" and node.input[1] == IDS:
            inputs += _take_out(weight, name_to_tensor, folder)
            nodes += _scaled(ROWS, SCALES, node.output[0])
        elif node.op_type == "Gather":
            nodes += _lookup(node, weight)
        else:
            raise NotRewritten(f"An int8 weight enters a {node.op_type!r}; it should be a MatMul or a Gather.")
    folded = {name for product, weight in name_to_weight.items() for name in (product, weight.cast)}
    nodes = [node for node in nodes if node.output[0] not in folded]
    used = {name for node in nodes for name in node.input}
    tensors = [tensor for name, tensor in name_to_tensor.items() if name in used]
    graph = onnx.helper.make_graph(nodes, graph.name, inputs, graph.output, tensors)
    opsets = [*model.opset_import, onnx.helper.make_opsetid(DOMAIN, 1)]
    rewritten = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)
    onnx.save(rewritten, str(folder / NETWORK_FILE))


def replace_tensors(source: Path, tensors: Path, target: Path) -> None:
    """Writes the network of `source` with those tensors in the place of its own of the same names.

    Raises NotRewritten for one that the source does not have, or has of another shape or type.
    """
    import onnx

    model = onnx.load(str(source))
    name_to_tensor = {tensor.name: tensor for tensor in model.graph.initializer}
    with np.load(tensors) as replaced:
        for name in replaced.files:
            new, old = replaced[name], name_to_tensor.get(name)
            if old is None:
                raise NotRewritten(f"The network has no tensor {name!r}.")
            known = onnx.numpy_helper.to_array(old)
            if (new.shape, new.dtype) != (known.shape, known.dtype):
                raise NotRewritten(
                    f"Tensor {name!r} is {new.dtype} of {new.shape}; {known.dtype} of {known.shape} would be right."
                )
            old.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(new), name))
    onnx.save(model, str(target))


def least_cosine(source: Path, folder: Path, *, texts: int = 8, seed: int = 0) -> float:
    """How near the two networks' mean vectors are at worst, over texts of random tokens of 2 to 64."""
    rng = np.random.default_rng(seed)
    inputs: list[dict[str, NDArray[Any]]] = []
    for length in rng.integers(2, 65, texts):
        ids = rng.integers(1000, 30_000, (1, length))  # BERT's whole words and pieces
        inputs.append({IDS: ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})
    scales = np.fromfile(folder / SCALES_FILE, dtype=np.float32)[:, None]
    rows = np.fromfile(folder / ROWS_FILE, dtype=np.int8).reshape(len(scales), -1)
    more: list[dict[str, NDArray[Any]]] = [
        given | {ROWS: rows[given[IDS]], SCALES: scales[given[IDS]]} for given in inputs
    ]
    a, b = _vectors(source, inputs), _vectors(folder / NETWORK_FILE, more)
    return min(float(x @ y) for x, y in zip(a, b, strict=True))


def int8_weights(model: ModelProto, name_to_tensor: Mapping[str, TensorProto]) -> dict[str, Int8Weight]:
    """Each product of an int8 tensor, cast, and a scale; by the product's name."""
    from onnx import TensorProto

    cast_to_tensor = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "Cast" and node.input[0] in name_to_tensor
        if name_to_tensor[node.input[0]].data_type == TensorProto.INT8
    }
    weights = {
        node.output[0]: Int8Weight(quantized=cast_to_tensor[node.input[0]], cast=node.input[0], scale=node.input[1])
        for node in model.graph.node
        if node.op_type == "Mul" and node.input[0] in cast_to_tensor and node.input[1] in name_to_tensor
    }
    if not weights:
        raise NotRewritten("The network has no int8 weights that are cast and scaled.")
    return weights


def _product(node: NodeProto, weight: Int8Weight, name_to_tensor: dict[str, TensorProto]) -> NodeProto:
    """One MatMulNBits for a MatMul, with tensors of its own in the layout that it asks for: column, block, entry."""
    from onnx import helper, numpy_helper

    quantized = numpy_helper.to_array(name_to_tensor[weight.quantized])
    rows, columns = quantized.shape
    if rows % BLOCK_SIZE:
        raise NotRewritten(f"A weight has {rows} rows; they should be a multiple of {BLOCK_SIZE}.")
    blocks = rows // BLOCK_SIZE
    entries = (quantized.astype(np.int16) + ZERO_POINT).astype(np.uint8).T.reshape(columns, blocks, BLOCK_SIZE)
    scales = numpy_helper.to_array(name_to_tensor[weight.scale]).astype(np.float32).reshape(columns, 1)
    names = [f"{weight.quantized}_blocks", f"{weight.scale}_blocks"]
    name_to_tensor[names[0]] = numpy_helper.from_array(np.ascontiguousarray(entries), names[0])
    name_to_tensor[names[1]] = numpy_helper.from_array(np.repeat(scales, blocks, axis=1), names[1])
    return helper.make_node(
        "MatMulNBits",
        [node.input[0], *names],
        list(node.output),
        domain=DOMAIN,
        K=rows,
        N=columns,
        bits=8,
        block_size=BLOCK_SIZE,
        accuracy_level=ROUND_INPUTS,
    )


def _take_out(weight: Int8Weight, name_to_tensor: Mapping[str, TensorProto], folder: Path) -> Iterator[ValueInfoProto]:
    """Writes the word table's rows and scales to files, and declares the inputs that stand for them."""
    from onnx import TensorProto, helper, numpy_helper

    rows = numpy_helper.to_array(name_to_tensor[weight.quantized])
    rows.tofile(folder / ROWS_FILE)
    numpy_helper.to_array(name_to_tensor[weight.scale]).astype(np.float32).tofile(folder / SCALES_FILE)
    yield helper.make_tensor_value_info(ROWS, TensorProto.INT8, ["texts", "tokens", rows.shape[1]])
    yield helper.make_tensor_value_info(SCALES, TensorProto.FLOAT, ["texts", "tokens", 1])


def _lookup(node: NodeProto, weight: Int8Weight) -> Iterator[NodeProto]:
    """Look up, cast and scale, instead of cast, scale and look up: the same numbers to the last bit."""
    from onnx import helper

    output, ids = node.output[0], node.input[1]
    yield helper.make_node("Gather", [weight.quantized, ids], [f"{output}_int8"])
    yield helper.make_node("Gather", [weight.scale, ids], [f"{output}_scale"])
    yield from _scaled(f"{output}_int8", f"{output}_scale", output)


def _scaled(quantized: str, scale: str, output: str) -> Iterator[NodeProto]:
    from onnx import TensorProto, helper

    yield helper.make_node("Cast", [quantized], [f"{output}_float"], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [f"{output}_float", scale], [output])


def _vectors(path: Path, inputs: list[dict[str, NDArray[Any]]]) -> list[NDArray[np.float32]]:
    """The mean token vector of each text, length one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    means = [session.run(None, given)[0][0].mean(axis=0) for given in inputs]
    return [mean / np.linalg.norm(mean) for mean in means]


def main(source: Path, folder: Path, tensors: Path | None = None) -> None:
    """Rewrites and compares. Raises NotRewritten."""
    if tensors is not None:
        replace_tensors(source, tensors, folder / PATCHED_FILE)
        source = folder / PATCHED_FILE
    rewrite(source, folder)
    cosine = least_cosine(source, folder)
    if tensors is not None:
        source.unlink()
    if not cosine >= LEAST_COSINE:  # also where it is no number
        raise NotRewritten(f"The smaller network's vectors have a cosine of {cosine:.4f}; it should be {LEAST_COSINE}.")
    sys.stdout.write(f"{cosine:.6f}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
