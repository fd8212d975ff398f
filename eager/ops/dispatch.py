"""The dispatcher: how one row is carried out on tensors, whatever their arrays are.

In come a row and its arguments, out goes one tensor: promoted, computed (by the NumPy or CuPy kernel, or recorded by a tracer), wrapped and
put on the tape. The one idea: everything above the array is the same code for real arrays and traced ones, so tracing a program is running it.

A row's call begins in C (eager/csrc/rows.c), which carries out by itself what `_learn` has seen before, on plain arrays; all else comes here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._dispatch import install, record, viewed
from ..autograd.mode import STATE, Modes
from ..autograd.tape import SEQUENCE, OperatorNode, Plan, metas_of
from ..cuda import ACCELERATED, making
from ..dtypes import _default, bfloat16, float16, float32
from ..errors import SegueError, error
from ..memory import Storage
from ..quiet import hush, restore
from ..tensor import Tensor, fresh
from ..transforms.levels import lifted
from .definition import OPS, OpDef
from .handed import INSTEAD, holds_handed, without_handed
from .pointwise import WIDE
from .transfers import carry_out

HALF = (float16, bfloat16)
_ndarray = np.ndarray
_ascontiguous = np.ascontiguousarray
_PROBLEMS = (TypeError, RuntimeError, ValueError, IndexError, ZeroDivisionError, MemoryError)


_KNOWN = 1024  # calls remembered for a row


def _learn(op: OpDef, args: tuple, key: Any) -> Tensor:
    """The general way, and what it shows of the calls that are like this one: with operands of the same shapes and dtypes they need no check and no cast."""
    out = _general(op, args)
    tensors = [argument for argument in args if isinstance(argument, Tensor)]
    promoted = op.dtype(*args)
    compute, result = promoted if type(promoted) is tuple else (promoted, promoted)
    if tensors and (getattr(op.dtype, "no_cast", False) or all(x.dtype is compute for x in tensors)):
        if len(op.known) >= _KNOWN:
            op.known.clear()
        differentiable = op.vjp is not None and (result.is_floating_point or result.is_complex)
        op.known[key] = result.numpy, metas_of(op, args), differentiable, _direct(op, args)
    return out


def _direct(op: OpDef, args: tuple) -> Any:
    """The function of the operands alone that the kernel comes down to in a call like this one, if the kernel knows one."""
    direct = getattr(op.kernel, "direct", None)
    return None if direct is None else direct(*(argument._data if isinstance(argument, Tensor) else argument for argument in args))


def _general(op: OpDef, args: tuple) -> Tensor:
    if STATE.tracers and holds_handed(args):
        if op.name in INSTEAD:
            return INSTEAD[op.name](*args)
        args = without_handed(op, args)
    if STATE.levels:
        args = lifted(args)
    requires = False
    tensors = False
    for argument in args:
        if isinstance(argument, Tensor):
            tensors = True
            if argument._base is not None and argument._epoch != argument._storage.epoch:
                argument._refresh()
            requires = requires or argument._requires_grad
        elif type(argument) in (tuple, list) and argument:
            for part in argument:
                if isinstance(part, Tensor):
                    tensors = True
                    requires = requires or part.requires_grad
    try:
        promoted = op.dtype(*args)
    except (TypeError, RuntimeError, ValueError, IndexError) as error:
        raise blame(error, op, args) from None
    if type(promoted) is tuple:
        compute, result = promoted
    else:
        compute = result = promoted
    if tensors and not getattr(op.dtype, "no_cast", False):
        given = args
        args = _cast(op, args, compute)
        if args is not given and compute in HALF and op.name in WIDE and any(_is_wider(given[place], compute) for place in WIDE[op.name]):
            return cast(op(*_cast(op, given, float32)), compute)
    array = _compute(op, args, result.numpy, tensors)
    out = viewed(op, args, array) if op.is_view else fresh(array)
    if requires and STATE.enabled and op.vjp is not None and (result.is_floating_point or result.is_complex):
        record(op, args, out, metas_of(op, args))
    return out


def _compute(op: OpDef, args: tuple, result: np.dtype, tensors: bool) -> Any:
    """The result's array: from the kernel, or recorded when an operand is traced (or, for creation, a tracer is active)."""
    arrays = []
    traced = beside = None
    for argument in args:
        if isinstance(argument, Tensor):
            argument = argument._data
            if type(argument) is not _ndarray:
                traced = getattr(argument, "tracer", traced)
                beside = ACCELERATED.get(type(argument), beside)
        elif type(argument) in (tuple, list) and argument:
            parts = []
            for part in argument:
                if isinstance(part, Tensor):
                    part = part._data
                    if type(part) is not _ndarray:
                        traced = getattr(part, "tracer", traced)
                        beside = ACCELERATED.get(type(part), beside)
                parts.append(part)
            argument = tuple(parts)
        arrays.append(argument)
    if traced is None and STATE.tracers and (not tensors or any(map(_varies, args))):
        traced = STATE.tracers[-1]
    if beside is None and (not tensors or op.kind == "random"):
        beside = making()
    try:
        if traced is not None:
            return traced.record(op, tuple(arrays), op.shape(*args), result)
        if op.kind != "pointwise":
            op.shape(*args)  # NumPy would let some of PyTorch's errors pass
        if beside is not None:
            return carry_out(op, arrays, result, beside)
        token = hush()
        try:
            array = op.kernel(np, *arrays)
        finally:
            restore(token)
    except _PROBLEMS as error:
        raise _explain(error, op, args) from None
    if type(array) is not _ndarray:
        if type(array) in ACCELERATED:  # brought there from the host
            return array
        array = np.asarray(array)
    if array.dtype != result:
        array = array.astype(result)
    if not op.is_view and not array.flags.c_contiguous:
        array = _ascontiguous(array)
    return array


def _varies(argument: Any) -> bool:
    """Whether an argument is a size that varies while a graph is traced, or holds one."""
    return hasattr(argument, "segue_symbol") or (type(argument) is tuple and any(map(_varies, argument)))


def _explain(error: Exception, op: OpDef, args: tuple) -> Exception:
    """The row's own error where its shape facet raises one, else the kernel's, both with the user's line."""
    try:
        op.shape(*args)
    except (TypeError, RuntimeError, ValueError, IndexError) as better:
        return blame(better, op, args)
    return blame(error, op, args)


def _cast(op: OpDef, args: tuple, compute: Any) -> tuple:
    """Tensor operands in the compute dtype; each cast is an operation of its own, so that it has a derivative and is seen by the compiler."""
    for argument in args:
        if isinstance(argument, Tensor):
            if argument.dtype is not compute:
                break
        elif type(argument) in (tuple, list) and any(isinstance(part, Tensor) and part.dtype is not compute for part in argument):
            break
    else:
        return args
    casted = []
    for argument in args:
        if isinstance(argument, Tensor) and argument.dtype is not compute:
            argument = cast(argument, compute)
        elif type(argument) in (tuple, list):
            argument = tuple(cast(p, compute) if isinstance(p, Tensor) and p.dtype is not compute else p for p in argument)
        casted.append(argument)
    return tuple(casted)


def _is_wider(argument: Any, compute: Any) -> bool:
    """A 0-d tensor beside half precision: it counts as a number."""
    return isinstance(argument, Tensor) and argument.dtype is not compute and argument.ndim == 0


def cast(x: Tensor, dtype: Any) -> Tensor:
    """`x` in another dtype, through the row `cast`."""
    return OPS["cast"](x, dtype)


def blame(problem: Exception, op: OpDef, args: tuple) -> Exception:
    """The same exception with the operator, its operands' shapes and dtypes, and the user's line; segue's own finished errors pass unchanged."""
    text = str(problem)
    if "\n  File " in text or not isinstance(problem, (TypeError, RuntimeError, ValueError, IndexError, ZeroDivisionError)):
        return problem
    kind = type(problem) if isinstance(problem, SegueError) or type(problem) in (TypeError, IndexError, NotImplementedError) else RuntimeError
    head = text if text.startswith(op.name) else f"{op.name}(): {text}"
    return error(kind, f"{head}  [{_describe(op, args)}]")


def _describe(op: OpDef, args: tuple) -> str:
    """`x: float32(2, 3), dim=1` for an error's text."""

    def one(argument: Any) -> str:
        if isinstance(argument, Tensor):
            return f"{argument.dtype.name}{tuple(argument.shape)}"
        if type(argument) in (tuple, list) and any(isinstance(part, Tensor) for part in argument):
            return "[" + ", ".join(one(part) for part in argument) + "]"
        return repr(argument)

    return ", ".join(f"{parameter.name}={one(argument)}" for parameter, argument in zip(op.schema.parameters, args))


install(
    tensor=Tensor, storage=Storage, node=OperatorNode, plan=Plan, sequence=SEQUENCE, modes=Modes, state=STATE, defaults=_default, general=_general, learn=_learn,
    hush=hush, restore=restore, numpy=np,
)  # fmt: skip
