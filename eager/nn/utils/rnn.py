"""Sequences of different lengths in one batch: padded and packed.

In come sequences, out go padded tensors or `PackedSequence`s. The one idea: a packed sequence holds all first entries, then all second ones ..., longest example first, so
that the rows of a time are one slice. Where only the run of a graph knows the lengths, functional/packing.py does the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...dtypes import int64
from ...functional import packing
from ...functional.creation import arange, empty_like, full, tensor
from ...functional.reduction import argsort
from ...functional.shape import cat, filled_up
from ...tensor import Tensor


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """`data` (sum of lengths, *), `batch_sizes` (int64: how many examples have a t-th entry), and the orders that sort the batch by length and back."""

    __slots__ = ()

    def __new__(
        cls, data: Tensor, batch_sizes: Tensor | None = None, sorted_indices: Tensor | None = None, unsorted_indices: Tensor | None = None
    ) -> PackedSequence:
        if batch_sizes is None:
            raise ValueError("PackedSequence: batch_sizes is missing; pack_padded_sequence makes one")
        if unsorted_indices is None and sorted_indices is not None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with `data` in another dtype or on another device."""
        return type(self)(self.data.to(*args, **kwargs), self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with `data` in the processor's memory; further arguments are those of `to`."""
        return self.to(*args, device="cpu", **kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with `data` on a GPU; further arguments are those of `to`. Raises DeviceError where there is none."""
        return self.to(*args, **{"device": "cuda", **kwargs})

    def pin_memory(self) -> PackedSequence:
        """The same with pinned `data`."""
        return type(self)(self.data.pin_memory(), *self[1:])

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda


def _converted(name: str) -> Any:
    def method(self: PackedSequence) -> PackedSequence:
        return type(self)(getattr(self.data, name)(), *self[1:])

    method.__name__, method.__qualname__ = name, f"PackedSequence.{name}"
    method.__doc__ = f"The same with `data` converted by `Tensor.{name}()`."
    return method


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
    setattr(PackedSequence, _name, _converted(_name))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The order that undoes an order."""
    if permutation is None:
        return None
    return empty_like(permutation).scatter(0, permutation, arange(permutation.numel(), dtype=permutation.dtype, device=permutation.device))


def pack_padded_sequence(input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Pack (T, N, *), or (N, T, *) with `batch_first`, whose examples have `lengths`.

    With `enforce_sorted` they must be sorted, longest first. Raises RuntimeError for lengths that are not, that do not fit, or that are not positive.

    >>> import segue
    >>> packed = pack_padded_sequence(segue.arange(6).reshape(3, 2), [3, 1])
    >>> packed.data, packed.batch_sizes
    (tensor([0, 1, 2, 4]), tensor([2, 1, 1]))
    """
    if isinstance(lengths, Tensor) and lengths.ndim != 1:
        raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.ndim}D")
    padded = input.transpose(0, 1) if batch_first else input
    varying = packing.lengths_of(lengths)
    if varying is not None:
        return PackedSequence(*packing.pack(padded, varying, enforce_sorted))
    sizes = [int(size) for size in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    if len(sizes) != padded.shape[1]:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} (batch_size={padded.shape[1]})")
    if any(size <= 0 for size in sizes):
        raise RuntimeError(f"Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: {sizes}")
    if max(sizes) > padded.shape[0]:
        raise RuntimeError(f"Expected all lengths to be at most {padded.shape[0]}, the size of the input in time, but got {sizes}")
    order = None
    if enforce_sorted:
        if any(a < b for a, b in zip(sizes, sizes[1:])):
            raise RuntimeError("`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass `enforce_sorted=False` to "
                "pack_padded_sequence to sidestep this requirement")  # fmt: skip
    else:
        order = argsort(tensor(sizes, dtype=int64, device=input.device), descending=True, stable=True)
        padded = padded.index_select(1, order)
        sizes = sorted(sizes, reverse=True)
    counts = [sum(size > t for size in sizes) for t in range(sizes[0])]
    data = cat([padded[t, :count] for t, count in enumerate(counts)], 0)
    return PackedSequence(data, tensor(counts, dtype=int64), order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The padded tensor and the lengths (int64): the inverse of `pack_padded_sequence`. Raises ValueError for a `total_length` that is too short."""
    varying = packing.lengths_of(sequence.batch_sizes)
    if varying is not None:
        return _in_order(sequence, *packing.pad(sequence.data, varying, padding_value, total_length), batch_first)
    counts = sequence.batch_sizes.tolist()
    length = len(counts)
    if total_length is not None and total_length < length:
        raise ValueError(f"Expected total_length to be at least the length of the longest sequence in input, but got total_length={total_length} and max "
            f"sequence length being {length}")  # fmt: skip
    rows, start = [], 0
    trailing = tuple(sequence.data.shape[1:])
    for count in counts:
        part = sequence.data[start : start + count]
        start += count
        if count < counts[0]:
            part = cat([part, full((counts[0] - count, *trailing), padding_value, dtype=part.dtype, device=part.device)], 0)
        rows.append(part.unsqueeze(0))
    if total_length is not None and total_length > length:
        rows.append(full((total_length - length, counts[0], *trailing), padding_value, dtype=sequence.data.dtype, device=sequence.data.device))
    padded = cat(rows, 0)
    lengths = tensor([sum(count > i for count in counts) for i in range(counts[0])], dtype=int64)
    return _in_order(sequence, padded, lengths, batch_first)


def _in_order(sequence: PackedSequence, padded: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """A padded batch and its lengths in the order in which the examples came."""
    if sequence.unsorted_indices is not None:
        padded, lengths = padded.index_select(1, sequence.unsorted_indices), lengths[sequence.unsorted_indices]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Tensor:
    """Sequences (L, *) as one tensor (T, N, *), or (N, T, *) with `batch_first`, filled up on one side. Raises RuntimeError for another side."""
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"padding_side should be either 'left' or 'right', but got {padding_side!r}")
    parts = list(sequences.unbind(0) if isinstance(sequences, Tensor) else sequences)
    longest = max(part.shape[0] for part in parts)
    out = cat([filled_up(part, longest, padding_value, padding_side == "left").unsqueeze(0) for part in parts], 0)
    return out if batch_first else out.transpose(0, 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths.tolist())]


def pack_sequence(sequences: Iterable[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L, *); with `enforce_sorted` they must be sorted, longest first."""
    parts = list(sequences)
    if not parts:
        raise RuntimeError("pack_sequence(): received an empty list of sequences")
    return pack_padded_sequence(pad_sequence(parts), [part.shape[0] for part in parts], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed one."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
