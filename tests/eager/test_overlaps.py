"""In-place operations whose operand lies in the memory that they write: refused where PyTorch refuses them, eagerly and in captured code, and computed elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import segue

torch: Any = pytest.importorskip("torch")

# How the operand lies to the tensor that is written, from a base of 4 x 3.
OPERANDS = {
    "itself": "b, b[:]",
    "a row on": "b[1:], b[:-1]",
    "its first row": "b, b[:1]",
    "one element": "b, b[0, 0]",
    "turned": "b[:3], b[:3].t()",
    "repeated": "b.clone(), b[:1].expand(4, 3)",
    "the other half": "b[:2], b[2:]",
    "columns beside": "b[:, :2], b[:, 1:]",
    "another dimension": "b[:1], b[0]",
}
BINARY = (
    "add sub mul div fmod remainder pow atan2 floor_divide hypot eq lt ne ge logical_and logical_or logical_xor copysign nextafter true_divide xlogy igamma copy"
).split()
WRITES = [
    *(f"a.{name}_(o)" for name in BINARY),
    "a.clamp_(min=o)",
    "a.clamp_(o, o + 1)",
    "a.lerp_(o, 0.5)",
    "a.lerp_(T.ones(3), o)",
    "a.addcmul_(o, T.ones(3))",
    "a.addcdiv_(T.ones(3), o)",
    "a.masked_fill_(a > 2, o)",
    "a.masked_scatter_(T.arange(a.numel()).reshape(a.shape) < o.numel(), o)",
    "a.index_add_(0, T.arange(o.shape[0]), o)",
    "a.index_copy_(0, T.arange(o.shape[0]), o)",
    "a.index_reduce_(0, T.arange(o.shape[0]), o, 'prod')",
    "a.index_fill_(0, T.tensor([0]), o)",
    "a.index_put_((T.arange(a.shape[0]),), o)",
    "a.index_put_((T.arange(a.shape[0]),), o, accumulate=True)",
    "a.scatter_(0, T.zeros(o.shape, dtype=T.int64), o)",
    "a.scatter_(0, T.zeros(o.shape, dtype=T.int64), o, reduce='add')",
    "a.scatter_add_(0, T.zeros(o.shape, dtype=T.int64), o)",
    "a.scatter_reduce_(0, T.zeros(o.shape, dtype=T.int64), o, 'sum')",
    "a.put_(T.arange(o.numel()).reshape(o.shape), o)",
    "a.addmm_(o, T.eye(3))",
    "a.fill_(o)",
    "a[:] = o",
    "a[T.arange(a.shape[0])] = o",
    "a[T.ones(a.shape, dtype=T.bool)] = o",
    "a += o",
    "T._foreach_mul_([a], [o])",
]
WHOLE = [  # programs of their own
    "b[1:].view(T.int32).add_(b[:-1].view(T.int32))",
    "b.view(-1)[6:].copy_(b.view(-1)[:6])",
    "b.view(-1)[5:11].copy_(b.view(-1)[:6])",
    "b.detach()[1:].sub_(b[:3])",
    "b.unsqueeze(0).add_(b)",
    "b.diagonal().add_(b[0])",
    "b[0] += b[1]",
    "b[0][1:] += b[0][:-1]",
    "b[[0, 1]] = b[[1, 0]]",
    "b[[0, 1]] = b[:2]",
    "b[b > 3] = b[0, 0]",
    "b.view(2, 2, 3)[0].add_(b.view(2, 2, 3)[1])",
    "b[b.shape[0] // 2:].add_(b[:b.shape[0] // 2])",
    "b.select(0, -1).mul_(b.select(0, -2))",
    "i = b.long() % 4; i[0].index_add_(0, i[0], T.ones(3, dtype=T.int64)); b.copy_(i)",
    "i = b.long() % 4; i[0].index_fill_(0, i[0], 7); b.copy_(i)",
    "i = b.long() % 4; i[0].scatter_(0, i[0], 7); b.copy_(i)",
    "i = b.long() % 3; i[0].put_(i[0], T.ones(3, dtype=T.int64)); b.copy_(i)",
    "i = b.long() % 3; i[0][i[0]] = T.ones(3, dtype=T.int64); b.copy_(i)",
    "m = b > 3; m.masked_fill_(m, False); b.copy_(m)",
    "m = b > 3; m[1:].masked_fill_(m[:-1], False); b.copy_(m)",
    "m = b > 3; m[1:][m[:-1]] = False; b.copy_(m)",
]  # fmt: skip


def _program(text: str, T: Any) -> Callable:
    space: dict[str, Any] = {"T": T}
    exec("def program(b):\n    " + text.replace("; ", "\n    ") + "\n    return b", space)
    return space["program"]


def _outcome(program: Callable, T: Any) -> Any:
    base = (T.arange(12.0) + 1).reshape(4, 3)
    try:
        return program(base).tolist()
    except (RuntimeError, IndexError) as problem:
        return "single memory location" in str(problem) or str(problem)


def _texts(operand: str) -> list[str]:
    """The programs for one way to lie. Columns that meet are left out of `index_reduce_`, in which PyTorch refuses them as the rows that it happens to go through."""
    return [f"a, o = {OPERANDS[operand]}; {write}; b = a" for write in WRITES if operand != "columns beside" or "index_reduce" not in write]


@pytest.mark.parametrize("operand", OPERANDS)
def test_operands_in_the_written_memory_are_refused_as_pytorch_refuses_them(operand: str) -> None:
    for text in _texts(operand):
        ours, theirs = _outcome(_program(text, segue), segue), _outcome(_program(text, torch), torch)
        if not isinstance(theirs, str):  # else another error, of shapes or kinds, which other tests are about
            assert (ours is True) == (theirs is True), f"{text}: {ours} where PyTorch gives {theirs}"


@pytest.mark.parametrize("text", WHOLE)
@pytest.mark.parametrize("dynamic", [False, True])
def test_programs_with_operands_in_the_written_memory(text: str, dynamic: bool) -> None:
    ours, theirs = _outcome(_program(text, segue), segue), _outcome(_program(text, torch), torch)
    assert ours == theirs
    assert _outcome(segue.compile(_program(text, segue), backend="eager", dynamic=dynamic), segue) == ours
    if ours is not True:  # what is not refused ends no graph
        assert _outcome(segue.compile(_program(text, segue), backend="eager", dynamic=dynamic, fullgraph=True), segue) == ours


@pytest.mark.parametrize("operand", ["itself", "a row on", "one element", "the other half", "columns beside"])
def test_captured_code_refuses_what_eager_refuses(operand: str) -> None:
    for text in _texts(operand):
        expected = _outcome(_program(text, segue), segue)
        found = _outcome(segue.compile(_program(text, segue), backend="eager"), segue)
        assert found == expected, text


@pytest.mark.parametrize("split", [1, 2, 3])
def test_the_answer_is_asked_again_for_other_sizes(split: int) -> None:
    """A captured function that took halves apart from one another refuses them where they meet."""

    def shifted(x: Any, n: int) -> Any:
        x[n:].mul_(x[:-n])
        return x

    compiled = segue.compile(shifted, backend="eager", dynamic=True)
    for size in (2 * split, 2 * split + 2):
        given = segue.arange(float(size)), segue.arange(float(size))
        expected = _outcome(lambda b, x=given[0]: shifted(x, split), segue)
        assert _outcome(lambda b, x=given[1]: compiled(x, split), segue) == expected
        assert (expected is True) == (size > 2 * split)


def test_bfloat16_rows_added_to_themselves_are_refused_in_compiled_code_too() -> None:
    def added(b: Any) -> Any:
        return b.bfloat16().index_add_(0, segue.tensor([0]), b.bfloat16()[:1]).float()

    def refused(b: Any) -> Any:
        z = b.bfloat16()
        return z.index_add_(0, segue.tensor([0]), z[:1])

    for backend in ("eager", "inductor"):
        assert _outcome(segue.compile(added, backend=backend), segue) == _outcome(added, segue)
        assert _outcome(segue.compile(refused, backend=backend), segue) is True
