"""Checkpoints: regions of a forward whose intermediate values are computed again in the backward in place of being kept.

In come a function and its arguments, out go its results; memory is traded for time (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
The one idea: the region's saved tensors go through the hooks of autograd/saved.py. Packing one gives a number; the first that the backward unpacks runs the
function again, under the same random numbers and the same autocast, and what is packed then has the same numbers. In captured code the region's nodes
are marked, and the partitioner may compute them again (graph/partition.py); where the function changes something, it is run twice there, too (capture/interp/transforms.py).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .autograd import engine
from .autograd.function import Function
from .autograd.mode import STATE, enable_grad, no_grad
from .autograd.saved import Packed, saved_tensors_hooks
from .autograd.tape import packed, unpacked
from .errors import AutogradError, error
from .random import default_generator
from .tensor import Tensor

Contexts = tuple[AbstractContextManager, AbstractContextManager]


class CheckpointError(AutogradError):
    """The function, run again, saved other tensors than the first time."""


class AllThere(Exception):  # noqa: N818
    """Ends a second run as soon as it has given all that is needed."""


def noop_context_fn() -> Contexts:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


class _Draws:
    """Where the stream of random numbers stands; in a graph that is traced, how many draws it has."""

    def __init__(self) -> None:
        self.tracer = STATE.tracers[-1] if STATE.tracers else None
        self.place = (default_generator.seed_value, default_generator.offset) if self.tracer is None else self.tracer.random_calls

    def restore(self) -> None:
        if self.tracer is None:
            default_generator.seed_value, default_generator.offset = self.place
        else:
            self.tracer.random_calls = self.place


class _Surroundings:
    """What the function's results depend on beside its arguments: random state and autocast."""

    def __init__(self, preserve_rng_state: bool) -> None:
        self.random = _Draws() if preserve_rng_state else None
        self.autocast = STATE.autocast

    def run(self, function: Callable[[], Any]) -> Any:
        """Call the function in these surroundings, and put back those of now."""
        before, autocast = _Draws(), STATE.autocast
        if self.random is not None:
            self.random.restore()
        STATE.autocast = self.autocast
        try:
            with STATE.tracers[-1].repetition() if STATE.tracers else nullcontext():
                return function()
        finally:
            STATE.autocast = autocast
            if self.random is not None:
                before.restore()


class _Region:
    """One call of a checkpointed function."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, surroundings: _Surroundings, early_stop: bool, check: str) -> None:
        self.function, self.kwargs, self.surroundings = function, kwargs, surroundings
        hooks = STATE.saved_hooks  # of a checkpoint around this one, which computes the arguments again, too
        self.args = [packed(a, hooks[-1], a._wrap) if hooks and isinstance(a, Tensor) else a for a in args]
        self.versions = [(a._storage, a._version) for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        self.early_stop, self.check = early_stop, check
        self.context: AbstractContextManager = nullcontext()
        self.metadata: list[tuple] = []
        self.again: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> int:
        """The number of a saved tensor."""
        self.metadata.append(_metadata(tensor))
        return len(self.metadata) - 1

    def unpack(self, number: int) -> Tensor:
        """A saved tensor, computed again where it is not there; it is given once."""
        if number not in self.again:
            self.recompute()
        return self.again.pop(number)

    def recompute(self) -> None:
        """Run the function again and take what it saves. Raises CheckpointError where that differs from the first time, and AutogradError where an argument does."""
        changed = [(version, storage.version) for storage, version in self.versions if storage.version != version]
        if changed:
            raise error(
                AutogradError,
                "one of the variables needed for gradient computation has been modified by an inplace operation: an argument of checkpoint() was at version "
                f"{changed[0][0]}, it is now at version {changed[0][1]}",
                "use the operation that returns a new tensor, or clone() before it",
            )
        numbers = itertools.count()
        found: dict[int, Tensor] = {}

        def keep(tensor: Tensor) -> Tensor:
            found[next(numbers)] = tensor
            return tensor

        def end() -> None:
            if self.early_stop and len(found) == len(self.metadata):
                raise getattr(self.function, "all_there", AllThere)()

        def pack(tensor: Tensor) -> Tensor:
            keep(tensor)
            end()
            return tensor

        pack.within_a_call, pack.behind_a_call = keep, end  # type: ignore[attr-defined]  # a compiled call is not left half-way

        args = [unpacked(a) if isinstance(a, Packed) else a for a in self.args]

        def run() -> None:
            with enable_grad(), self.context, saved_tensors_hooks(pack, lambda tensor: tensor):
                self.function(*args, **self.kwargs)

        try:
            self.surroundings.run(run)
        except AllThere:
            pass
        self.compare(found)
        self.again = found

    def compare(self, found: dict[int, Tensor]) -> None:
        """Whether the second run saved what the first did: as many tensors, of the same shapes and dtypes."""
        if len(found) != len(self.metadata):
            raise error(
                CheckpointError,
                "segue.utils.checkpoint: A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.metadata)}\nNumber of tensors saved during recomputation: {len(found)}",
            )
        if self.check == "none":
            return
        differ = [(i, old, _metadata(found[i])) for i, old in enumerate(self.metadata) if old != _metadata(found[i])]
        if differ:
            lines = "\n".join(f"tensor at position {i}:\nsaved metadata: {_shown(old)}\nrecomputed metadata: {_shown(new)}" for i, old, new in differ)
            raise error(
                CheckpointError,
                "segue.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the forward pass.\n" + lines,
            )


def _metadata(tensor: Tensor) -> tuple:
    return tuple(tensor.shape), tensor.dtype, tensor.device


def _shown(metadata: tuple) -> dict:
    return dict(zip(("shape", "dtype", "device"), (list(metadata[0]), *metadata[1:])))


EARLY_STOP: list[bool | None] = [None]


class set_checkpoint_early_stop:  # noqa: N801  (PyTorch's name)
    """Within the block, whether second runs end as soon as they have given what is needed, whatever the checkpoints say."""

    def __init__(self, enable: bool) -> None:
        self.enable = enable

    def __enter__(self) -> None:
        EARLY_STOP.append(self.enable)

    def __exit__(self, *exception: object) -> None:
        EARLY_STOP.pop()


def checkpoint(
    function: Callable, *args: Any, use_reentrant: bool | None = None, context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args, **kwargs)`, whose intermediate values are computed again in the backward.

    `use_reentrant=True` runs the first time without a tape (then only tensors among the arguments themselves get gradients, and only by `backward()`); False
    keeps the tape and not its values. `preserve_rng_state=False` does not repeat random numbers. `context_fn` gives a context for each of the two runs.
    `determinism_check="none"` does not compare what the runs save. Raises ValueError for keywords that do not go together, and in the backward
    CheckpointError (a RuntimeError) where the second run differs from the first.

    >>> import segue
    >>> x = segue.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp().log(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if use_reentrant is None:
        warnings.warn("checkpoint: use_reentrant should be passed; False is recommended, True is what it means without", stacklevel=2)
        use_reentrant = True
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ('default', 'none'), but got {determinism_check}")
    preserve = kwargs.pop("preserve_rng_state", True)
    if STATE.tracers:
        with STATE.tracers[-1].checkpoint():
            return function(*args, **kwargs)
    stop = early_stop if EARLY_STOP[-1] is None else EARLY_STOP[-1]
    return run_twice(function, args, kwargs, use_reentrant, preserve, context_fn, determinism_check, debug, stop)


def run_twice(
    function: Callable, args: tuple, kwargs: dict, use_reentrant: bool, preserve_rng_state: bool = True, context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True,
) -> Any:  # fmt: skip
    """See `checkpoint`."""
    surroundings = _Surroundings(preserve_rng_state)
    if use_reentrant:
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if STATE.enabled and not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        return _Reentrant.apply(function, surroundings, *args)
    first, second = context_fn()
    if not STATE.enabled:
        with first:
            return function(*args, **kwargs)
    region = _Region(function, args, kwargs, surroundings, early_stop, determinism_check)
    region.context = second
    with first, saved_tensors_hooks(region.pack, region.unpack):
        return function(*args, **kwargs)


class _Reentrant(Function):
    """The region as one step of the tape, whose backward runs it again with a tape of its own."""

    on_its_tape = True

    @staticmethod
    def forward(ctx: Any, function: Callable, surroundings: _Surroundings, *args: Any) -> Any:
        """Run without a tape."""
        ctx.function, ctx.surroundings = function, surroundings
        ctx.plain = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Run with a tape, and go back through it."""
        if STATE.enabled:
            raise error(
                AutogradError, "checkpoint(use_reentrant=True) cannot be differentiated twice, nor by autograd.grad(create_graph=True)", "use_reentrant=False"
            )
        args = list(ctx.plain)
        for place, tensor in zip(ctx.places, ctx.saved_tensors):
            args[place] = tensor.detach().requires_grad_(tensor.requires_grad)

        def run() -> Any:
            with enable_grad():
                return ctx.function(*args)

        found = ctx.surroundings.run(run)
        pairs = [(out, g) for out, g in zip(found if isinstance(found, (tuple, list)) else (found,), gradients) if isinstance(out, Tensor) and out.requires_grad]
        if not pairs:
            raise error(AutogradError, "none of output has requires_grad=True, this checkpoint() is not necessary")
        engine.backward([out for out, _ in pairs], [g for _, g in pairs])
        return (None, None, *(a.grad if isinstance(a, Tensor) else None for a in args))


def checkpoint_sequential(functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any) -> Any:
    """A sequence of functions (or an nn.Sequential) in `segments` checkpoints of equal length; the last is run as it is.

    >>> import segue
    >>> x = segue.ones(2, requires_grad=True)
    >>> checkpoint_sequential([segue.sin, segue.exp, segue.tanh, segue.cos], 2, x, use_reentrant=False).shape
    segue.Size([2])
    """
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))

    def part(start: int, end: int) -> Callable:
        def forward(x: Any) -> Any:
            for step in steps[start:end]:
                x = step(x)
            return x

        return forward

    size = len(steps) // segments
    for number in range(segments - 1):
        piece = part(number * size, (number + 1) * size)
        input = checkpoint(piece, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(size * (segments - 1), len(steps))(input)


def detach_variable(inputs: Sequence[Any]) -> tuple:
    """The tensors of a tuple as leaves of their own, other values as they are."""
    with no_grad():
        return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)


def get_device_states(*args: Any) -> tuple[list, list]:
    """The devices of the arguments and their generators' states: none, because one generator, the CPU's, serves all devices.

    >>> get_device_states()
    ([], [])
    """
    return [], []


def set_device_states(devices: Sequence[Any], states: Sequence[Any], *, device_type: str | None = None) -> None:
    """Put back what `get_device_states` gave."""
