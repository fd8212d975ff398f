"""Calls of the native run-time library, as C++ text.

In comes a unit whose row lowers to `Extern`, with its operands as strides over buffers; out goes the block of code that fills the call's struct. The one
idea: one printer a symbol in one table, so that a new library function is one entry here and one field of `segue_runtime`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..eager import dtypes
from ..graph.symbolic import structural_key
from .expressions import product, same, size_of
from .units import Operand, Unit, shape_of

CODES = {
    dtypes.bool: "SEGUE_BOOL", dtypes.uint8: "SEGUE_UINT8", dtypes.int8: "SEGUE_INT8", dtypes.int16: "SEGUE_INT16", dtypes.int32: "SEGUE_INT32",
    dtypes.int64: "SEGUE_INT64", dtypes.float16: "SEGUE_FLOAT16", dtypes.bfloat16: "SEGUE_BFLOAT16", dtypes.float32: "SEGUE_FLOAT32",
    dtypes.float64: "SEGUE_FLOAT64",
}  # fmt: skip
MAX_BATCH = 6

Text = Callable[[Any], str]


class Call:
    """What a printer needs: the unit, `size(expr)` and `address(buffer, offset in elements)` as text."""

    def __init__(self, unit: Unit, size: Text, address: Callable[[Any, Any], str]) -> None:
        self.unit = unit
        self.size = size
        self.address = address
        self.attributes = [
            argument for parameter, argument in zip(unit.node.target.schema.parameters, unit.node.args) if parameter.kind == "attribute"
        ]

    def operand(self, number: int) -> str:
        operand = self.unit.operands[number]
        return self.address(operand.buffer, operand.offset)

    @property
    def output(self) -> str:
        return self.address(self.unit.buffer, 0)

    def fill(self, struct: str, function: str, fields: dict[str, Any]) -> list[str]:
        """The block that makes one call."""
        text = [f"{struct} call = {{}};"]
        text += [f"call.{name} = {value if isinstance(value, str) else self.size(size_of(value))};" for name, value in fields.items()]
        text.append(f"if (const int64_t error = rt->{function}(&call)) return error;")
        return ["{", *("    " + line for line in text), "}"]


def _matmul(call: Call) -> list[str]:
    x, y = call.unit.operands
    shape = shape_of(call.unit.node)
    m, n, k = shape[-2], shape[-1], x.shape[-1]
    strides = call.unit.memory.strides
    sizes, a, b, c = _batch(x, y, shape, strides)
    c_row = strides[-2]
    if len(sizes) == 1 and b[0] == 0 and same(a[0], size_of(x.strides[-2] * m)) and same(c[0], size_of(c_row * m)):
        m, sizes = size_of(sizes[0] * m), []  # one product in place of a batch
    fields: dict[str, Any] = {
        "dtype": CODES[call.unit.node.value.dtype], "m": m, "n": n, "k": k, "a": call.operand(0), "a_row": x.strides[-2], "a_column": x.strides[-1],
        "b": call.operand(1), "b_row": y.strides[-2], "b_column": y.strides[-1], "c": call.output, "c_row": c_row, "c_column": strides[-1],
    }  # fmt: skip
    if sizes:
        fields["batch_rank"] = len(sizes)
        for position, values in enumerate(zip(sizes, a, b, c)):
            for name, value in zip(("batch", "a_batch", "b_batch", "c_batch"), values):
                fields[f"{name}[{position}]"] = value
    return call.fill("segue_matmul", "matmul", fields)


def _batch(x: Operand, y: Operand, shape: tuple, result: tuple) -> tuple[list, list, list, list]:
    """Sizes and strides of the batch, dimensions that step evenly joined."""
    rank = len(shape) - 2
    found: list[list] = []
    for d in range(rank):
        size = shape[d]
        if size == 1:
            continue
        strides = [_stride_at(operand, d, rank) for operand in (x, y)]
        entry = [size, *strides, result[d]]
        if found and all(same(outer, size_of(inner * size)) for outer, inner in zip(found[-1][1:], entry[1:])):
            found[-1] = [size_of(found[-1][0] * size), *entry[1:]]
        else:
            found.append(entry)
    if len(found) > MAX_BATCH:
        raise ValueError(f"matmul: a batch of {len(found)} dimensions that do not lie evenly in memory; at most {MAX_BATCH}")
    return tuple([entry[i] for entry in found] for i in range(4))  # type: ignore[return-value]


def _stride_at(operand: Operand, dim: int, rank: int) -> Any:
    own = dim - (rank - (len(operand.shape) - 2))
    return 0 if own < 0 or operand.shape[own] == 1 else operand.strides[own]


def _convolution(function: str, image: str, weight: str, output: str) -> Callable[[Call], list[str]]:
    """`image`, `weight`, `output`: which operand (a number as text) or "result" each array of the struct is."""

    def printer(call: Call) -> list[str]:
        def array(which: str) -> tuple[str, tuple]:
            return (call.output, shape_of(call.unit.node)) if which == "result" else (call.operand(int(which)), call.unit.operands[int(which)].shape)

        stride, padding, dilation, groups = call.attributes[-4:]
        (inputs, x), (weights, w), (outputs, y) = array(image), array(weight), array(output)
        fields = {
            "dtype": CODES[call.unit.node.value.dtype], "batch": x[0], "in_channels": x[1], "out_channels": w[0], "groups": groups,
            "input": f"(void*)({inputs})", "weight": f"(void*)({weights})", "output": f"(void*)({outputs})",
            **_space("in_size", x[2:]), **_space("kernel", w[2:]), **_space("out_size", y[2:]), **_space("stride", stride),
            **_space("padding", padding, 0), **_space("dilation", dilation),
        }  # fmt: skip
        return call.fill("segue_convolution", function, fields)

    return printer


def _space(name: str, values: tuple, neutral: int = 1) -> dict[str, Any]:
    """The fields of an array of three numbers; leading dimensions that are not there get the neutral one."""
    filled = (neutral,) * (3 - len(values)) + tuple(values)
    return {f"{name}[{d}]": value for d, value in enumerate(filled)}


def _pool(call: Call) -> list[str]:
    x, y = call.unit.operands[0].shape, shape_of(call.unit.node)
    kernel, stride, padding, dilation = call.attributes[:4]
    rank = len(kernel)
    fields = {
        "dtype": CODES[call.unit.operands[0].dtype], "planes": product(x[:-rank]), "input": call.operand(0), "indices": f"(int64_t*)({call.output})",
        **_space("size", x[-rank:]), **_space("out_size", y[-rank:]), **_space("kernel", kernel), **_space("stride", stride),
        **_space("padding", padding, 0), **_space("dilation", dilation),
    }  # fmt: skip
    return call.fill("segue_pool", "max_pool_indices", fields)


def _along(function: str) -> Callable[[Call], list[str]]:
    def printer(call: Call) -> list[str]:
        shape, dim = call.unit.operands[0].shape, call.attributes[0]
        at = dim % len(shape) if shape else 0
        fields: dict[str, Any] = {
            "dtype": CODES[call.unit.operands[0].dtype], "outer": product(shape[:at]), "size": shape[at] if shape else 1, "inner": product(shape[at + 1 :]),
            "input": call.operand(0), "output": f"(void*)({call.output})",
        }  # fmt: skip
        if function == "argsort":
            fields["descending"] = int(call.attributes[1])
            fields["wanted"] = _wanted(call.unit.node, at)
        return call.fill("segue_along", function, fields)

    return printer


def _wanted(node: Any, dim: int) -> Any:
    """How many places of an order are looked at (topk): those that a slice from the first on takes, if that is all that reads it. 0: all."""
    ends = {structural_key(end): end for end in (_end(user, dim) for user in node.users)}
    return next(iter(ends.values())) if len(ends) == 1 else 0


def _end(user: Any, dim: int) -> Any:
    """Where a slice from the first place on ends, which may be a size that varies; 0 for all else."""
    if user.target is None or user.target.name != "slice":
        return 0
    _, along, start, end, step = user.args
    return end if structural_key((along, start, step)) == (dim, 0, 1) else 0


PRINTERS: dict[str, Callable[[Call], list[str]]] = {
    "matmul": _matmul,
    "convolution": _convolution("convolution", "0", "1", "result"),
    "convolution_input_gradient": _convolution("convolution_input_gradient", "result", "1", "0"),
    "convolution_weight_gradient": _convolution("convolution_weight_gradient", "1", "result", "0"),
    "max_pool_indices": _pool,
    "cumsum": _along("cumsum"),
    "argsort": _along("argsort"),
}
