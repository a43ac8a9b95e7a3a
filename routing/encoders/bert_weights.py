"""Reads the weights of an encoder of BERT's form out of its int8 network file, as float32, for training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from routing.encoders.int8_graph import Int8Weight, int8_weights
from routing.errors import EncoderUnavailable
from skills.tuned_layers import BertNetwork, Floats

if TYPE_CHECKING:
    from onnx import AttributeProto, ModelProto, TensorProto

HEADS = 12  # of MiniLM-L6; the file does not say
EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "words",
    "embeddings.position_embeddings.weight": "positions",
    "embeddings.token_type_embeddings.weight": "types",
    "embeddings.LayerNorm.weight": "norm.weight",
    "embeddings.LayerNorm.bias": "norm.bias",
}
PARTS = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "attended_norm",
    "intermediate.dense": "wide",
    "output.dense": "narrow",
    "output.LayerNorm": "narrow_norm",
}
_NAME = re.compile(r"(?:.*\.)?(embeddings\.\w+\.\w+|encoder\.layer\.(\d+)\.([\w.]+)\.(weight|bias))$")


def bert_network(path: Path, sha256: str, *, heads: int = HEADS) -> BertNetwork:
    """`sha256`: of the file. Takes some 250 MB for a moment. Raises EncoderUnavailable."""
    try:
        import onnx
    except ImportError as exc:
        raise EncoderUnavailable(f"An encoder's weights cannot be read: {exc}. pip install onnx.") from exc
    try:
        model = onnx.load(str(path))
        arrays, stored = _read(model)
        epsilons = {_epsilon(node.attribute) for node in model.graph.node if node.op_type == "LayerNormalization"}
        (epsilon,) = epsilons
    except Exception as exc:  # the library's own errors for a broken file share no exported base
        raise EncoderUnavailable(f"File {str(path)!r} holds no encoder of BERT's form: {exc!r}.") from exc
    layers = 1 + max((int(name.split(".")[0]) for name in arrays if name[0].isdigit()), default=-1)
    missing = sorted(_wanted(layers) - set(arrays))
    if missing or not layers:
        raise EncoderUnavailable(f"File {str(path)!r} lacks {missing[:3]}; it should hold all weights of BERT.")
    return BertNetwork(file_sha256=sha256, arrays=arrays, stored=stored, layers=layers, heads=heads, epsilon=epsilon)


def _wanted(layers: int) -> set[str]:
    own = {
        f"{layer}.{part}.{leaf}" for layer in range(layers) for part in PARTS.values() for leaf in ("weight", "bias")
    }
    return own | set(EMBEDDINGS.values())


def _read(model: ModelProto) -> tuple[dict[str, Floats], dict[str, tuple[str, ...]]]:
    """Our name of each array to its numbers, and to its tensors in the file."""
    from onnx import TensorProto, numpy_helper

    name_to_tensor = {tensor.name: tensor for tensor in model.graph.initializer}
    products = int8_weights(model, name_to_tensor)
    arrays: dict[str, Floats] = {}
    stored: dict[str, tuple[str, ...]] = {}
    for product, weight in _named_products(model, products).items():
        if (name := _our_name(product)) is not None:
            arrays[name], stored[name] = _floats(weight, name_to_tensor), (weight.quantized, weight.scale)
    for file_name, tensor in name_to_tensor.items():
        name = _our_name(file_name)
        if name is not None and tensor.data_type == TensorProto.FLOAT:
            arrays[name], stored[name] = np.array(numpy_helper.to_array(tensor)), (file_name,)
    return arrays, stored


def _named_products(model: ModelProto, products: Mapping[str, Int8Weight]) -> dict[str, Int8Weight]:
    """By the weight's name in BERT: a table has it, a matrix is named by the bias that is added to what it gives."""
    matmul_to_weight = {
        node.output[0]: products[node.input[1]]
        for node in model.graph.node
        if node.op_type == "MatMul" and node.input[1] in products
    }
    named = dict(products)
    for node in model.graph.node:
        if node.op_type == "Add" and node.input[0] in matmul_to_weight:
            named[node.input[1].removesuffix("bias") + "weight"] = matmul_to_weight[node.input[0]]
    return named


def _our_name(file_name: str) -> str | None:
    found = _NAME.match(file_name)
    if found is None:
        return None
    whole, layer, part, leaf = found.groups()
    if layer is None:
        return EMBEDDINGS.get(whole)
    return f"{layer}.{PARTS[part]}.{leaf}" if part in PARTS else None


def _floats(weight: Int8Weight, name_to_tensor: Mapping[str, TensorProto]) -> Floats:
    from onnx import numpy_helper

    quantized, scale = (numpy_helper.to_array(name_to_tensor[name]) for name in (weight.quantized, weight.scale))
    return np.asarray(quantized.astype(np.float32) * scale.astype(np.float32))


def _epsilon(attributes: Iterable[AttributeProto]) -> float:
    from onnx import helper

    return next((float(helper.get_attribute_value(a)) for a in attributes if a.name == "epsilon"), 1e-5)
