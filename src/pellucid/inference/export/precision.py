"""An ONNX graph in half precision: most of it in 16 bits, what needs their range or their digits in 32."""

from typing import Any

import onnx_ir as ir

HALVES = {"fp16": ir.DataType.FLOAT16, "bf16": ir.DataType.BFLOAT16}
# What sums over many values, and what leads from such sums to a divisor
WIDE = frozenset(
    {"LayerNormalization", "Softmax", "ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare", "Pow", "Sqrt"}
    | {"Reciprocal", "Clip", "Div"}
)


def to_half(model: ir.Model, precision: str) -> None:
    """Change a float32 graph in place; images in and out stay float32, as does the sum that is the result.

    Args:
        model: a graph that records the types of all its values.
        precision: "fp16" or "bf16".
    """
    half, graph = HALVES[precision], model.graph
    results = {output.producer() for output in graph.outputs}
    wide = {node for node in graph if node in results or node.op_type in WIDE or not any(map(_is_float, node.inputs))}
    for value in graph.initializers.values():
        if value.dtype == ir.DataType.FLOAT and value.const_value and not wide.issuperset(value.consumers()):
            value.const_value = ir.tensor(value.const_value.numpy().astype(half.numpy()), name=value.name)
            value.type = ir.TensorType(half)

    casts: dict[tuple[Any, ir.DataType], Any] = {}
    for node in list(graph):
        wanted = ir.DataType.FLOAT if node in wide else half
        for index, value in enumerate(node.inputs):
            if value is None or not _is_float(value) or value.dtype == wanted:
                continue
            if (value, wanted) not in casts:
                cast = ir.node("Cast", [value], {"to": wanted}, name=f"{value.name}_{wanted.name.lower()}")
                cast.outputs[0].type, cast.outputs[0].shape = ir.TensorType(wanted), value.shape
                graph.insert_before(node, cast)
                casts[value, wanted] = cast.outputs[0]
            node.replace_input_with(index, casts[value, wanted])
        for output in node.outputs:
            if output.dtype == ir.DataType.FLOAT:
                output.type = ir.TensorType(wanted)


def _is_float(value: Any) -> bool:
    return value is not None and value.dtype in (ir.DataType.FLOAT, *HALVES.values())
