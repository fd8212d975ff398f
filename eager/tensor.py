"""The tensor: an array, the storage it shares with its views, and its place on the tape.

In comes an array (NumPy's, CuPy's, or one that a tracer made), out goes an object with PyTorch's attributes. The one idea: a tensor is a thin shell.
What it computes stands in the rows (eager/ops), its methods are the public operators attached by `eager.functional`, and the rules for views and
in-place operations are here, written once for every kind of array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from ._dispatch import fresh as fresh  # a leaf over new memory, as the dispatcher makes one for each operation
from .attached import Attached
from .autograd import engine
from .autograd.engine import LAZY
from .autograd.mode import STATE, enable_grad
from .autograd.tape import CallbackNode, HookHandle, Part, hooked
from .cuda import ACCELERATED, beside, device_of, strides_of
from .dtypes import CPU, from_numpy_dtype
from .errors import AutogradError, DtypeError, InplaceError, WrittenByTrace, error
from .layouts import layout, strided
from .memory import Portable, Storage, need_writable, stored
from .shapes import SIZES, Size
from .sizes import same_size
from .viewing import replace_view, viewed

_from_numpy_dtype = dtypes._FROM_NUMPY
_ndarray = np.ndarray


_COPIES = frozenset({"copy", "setitem"})  # writes of what may be another tensor


class Tensor(Attached, Portable):
    """An n-dimensional array with gradients, in PyTorch's manner.

    Make one with `segue.tensor`, `segue.zeros`, `segue.from_numpy` ...; methods and operators are those of `segue.*`.

    >>> import segue
    >>> x = segue.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = (
        "_data",
        "_storage",
        "_requires_grad",
        "_grad",
        "_edge",
        "_base",
        "_chain",
        "_epoch",
        "_hooks",
        "_retains",
        "__dict__",
        "__weakref__",
    )
    _data: Any  # numpy.ndarray, cupy.ndarray, or an array of a tracer's
    _storage: Storage
    _requires_grad: bool
    _grad: Any  # Tensor, None, or LAZY
    _edge: Any  # where it stands on the tape: a Node, a Part of one, or None for a leaf
    _base: Tensor | None  # of a view: the tensor whose place on the tape a write changes
    _chain: tuple  # of a view: the steps (row, attributes) from its base
    _epoch: int
    _hooks: list[Callable] | None
    _retains: HookHandle | None  # what retain_grad() hooked
    __array_priority__ = 1000  # NumPy's operators give way to ours

    def __new__(cls, data: Any = None, *args: Any, **kwargs: Any) -> Tensor:
        if cls is Tensor:
            return FACTORY[1](dtypes.get_default_dtype(), *(() if data is None else (data, *args)), **kwargs)
        return object.__new__(cls)

    @classmethod
    def _wrap(cls, array: Any, storage: Storage) -> Tensor:
        """A tensor over `array`, with nothing checked: the way in for the dispatcher."""
        out = object.__new__(cls)
        out._data = array
        out._storage = storage
        out._requires_grad = False
        out._grad = out._edge = None
        out._base = out._hooks = None
        out._chain = ()
        out._epoch = 0
        out._retains = None
        return out

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def shape(self) -> Size:
        array = self._data
        return SIZES[array.shape] if type(array) is _ndarray else Size(array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return _from_numpy_dtype[self._data.dtype]

    @property
    def ndim(self) -> int:
        return len(self._data.shape)

    @property
    def device(self) -> dtypes.device:
        return CPU if type(self._data) is np.ndarray else device_of(self._data)

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def is_meta(self) -> bool:
        return self.device.type == "meta"

    @property
    def layout(self) -> layout:
        return strided

    @property
    def itemsize(self) -> int:
        return self._data.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.numel() * self.itemsize

    def dim(self) -> int:
        return len(self._data.shape)

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self._data.shape[dim]

    def numel(self) -> int:
        if type(self._data) is _ndarray:
            return self._data.size
        count = 1
        for size in self._data.shape:
            count = count * size
        return count

    nelement = numel

    def element_size(self) -> int:
        return self.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Strides in elements."""
        strides = strides_of(self._data)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, *, memory_format: Any = None) -> bool:
        array = self._data
        if type(array) is np.ndarray:
            return bool(array.flags.c_contiguous)
        expected: Any = 1
        for size, stride in zip(reversed(array.shape), reversed(strides_of(array))):
            if not same_size(stride, expected):
                if size == 1:
                    continue
                if stride != expected:
                    return any(s == 0 for s in array.shape)
            expected = expected * size
        return True

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    def data_ptr(self) -> int:
        """The address of the first element; for a real array only."""
        return self._data.data.ptr if type(self._data) in ACCELERATED else self._data.ctypes.data

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._data.shape[0]

    def __hash__(self) -> int:
        return id(self)

    def new(self, *args: Any, size: Any = None, other: Any = None, device: Any = None) -> Tensor:
        """PyTorch's older `new_empty(sizes)` and `new_tensor(data)`: `x.new(2, 3)`, `x.new([1, 2])`, of this tensor's dtype and device."""
        given = (*args, *(() if size is None else size), *(() if other is None else (other,)))
        return FACTORY[1](self.dtype, *given, device=self.device if device is None else device)

    # ------------------------------------------------------------------------------------------------ gradients

    @property
    def requires_grad(self) -> bool:
        if self._base is not None and self._epoch != self._storage.epoch:
            self._refresh()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient. Raises RuntimeError for integer tensors, and for switching it off on a result."""
        if not isinstance(requires_grad, bool):
            raise error(TypeError, f"requires_grad_(): argument 'requires_grad' must be bool, not {type(requires_grad).__name__}")
        if requires_grad and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise error(AutogradError, f"only Tensors of floating point and complex dtype can require gradients, not {self.dtype}", "x.float()")
        if not requires_grad and self._edge is not None:
            raise error(AutogradError, "you can only change requires_grad flags of leaf variables", "x.detach()")
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        return self._edge is None

    @property
    def grad_fn(self) -> Any:
        if self._base is not None and self._epoch != self._storage.epoch:
            self._refresh()
        return self._edge.node if isinstance(self._edge, Part) else self._edge

    @property
    def grad(self) -> Tensor | None:
        if self._grad is LAZY:
            self._grad = self._data.tracer.load_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad must be a Tensor or None, not {type(value).__name__}")
            if tuple(value.shape) != tuple(self.shape):
                raise error(AutogradError, f"assigned grad has shape {tuple(value.shape)}, the tensor {tuple(self.shape)}")
            if value.dtype is not self.dtype:
                raise error(AutogradError, f"assigned grad has dtype {value.dtype}, the tensor {self.dtype}", f"x.grad = g.to({self.dtype})")
        self._grad = value

    @property
    def data(self) -> Tensor:
        """The tensor without its place on the tape, which does not hear of what is written here: a saved value that is changed so counts as what it was."""
        out = self.detach()
        out._storage = out._storage.unheard()
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        version = self._storage.version
        self._data, self._storage = value._data, value._storage.unheard()
        self._storage.version = version

    @property
    def _version(self) -> int:
        return self._storage.version

    def backward(self, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None) -> None:
        """Sum this tensor's gradients into `.grad` of the leaves that it came from; see `segue.autograd.backward`."""
        engine.backward([self], None if gradient is None else [gradient], retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(gradient)` whenever this tensor's gradient is computed; what it returns (if anything) takes its place."""
        if not self.requires_grad:
            raise error(AutogradError, "cannot register a hook on a tensor that doesn't require gradient")
        if self._edge is None:
            return HookHandle(self, "_hooks", hook)
        node, index = (self._edge.node, self._edge.index) if isinstance(self._edge, Part) else (self._edge, None)

        def on_node(value: Any) -> Any:
            if index is None:
                return hooked(hook, value)
            return value if value[index] is None else [*value[:index], hooked(hook, value[index]), *value[index + 1 :]]

        on_node.result = index  # type: ignore[attr-defined]
        on_node.rank = 1 if getattr(hook, "__func__", None) is Tensor._keep else 0  # type: ignore[attr-defined]
        return HookHandle(node, "hooks", on_node)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> HookHandle:
        """Call `hook(self)` whenever a backward has brought `.grad` up to date. Raises RuntimeError for tensors that are no leaves or want no gradient."""
        if not self.requires_grad:
            raise error(AutogradError, "cannot register a hook on a tensor that doesn't require gradient")
        if self._edge is not None:
            raise error(AutogradError, "post accumulate grad hooks cannot be registered on non-leaf tensors", "register_hook")
        return HookHandle(self, "_hooks", engine.AfterAccumulation(hook))

    def retain_grad(self) -> None:
        """Keep this result's gradient in `.grad` at the next backward."""
        if self._edge is not None and not self._retains:
            self._retains = self.register_hook(self._keep)

    def _keep(self, gradient: Tensor) -> None:
        self._grad = gradient if self._grad is None else self._grad + gradient

    def _retain_anew(self) -> None:
        """After a write: the gradient that is kept is that of what the tensor is now."""
        if self._retains:
            self._retains.remove()
            self._retains = self.register_hook(self._keep) if self._edge is not None else None

    def detach_(self) -> Tensor:
        self._edge = None
        self._requires_grad = False
        return self

    # ------------------------------------------------------------------------------------------------ views and writes

    def _root(self) -> Tensor:
        """The base of a view. `t_()` and the like make a base a view of what it was, which its views then stand on."""
        base = self._base
        assert base is not None
        while base._base is not None:
            base = base._base
        self._base = base
        return base

    def _refresh(self) -> None:
        """Put a view back on the tape after its base changed its place there: replay the chain on the base."""
        self._epoch = self._storage.epoch
        base = self._root()
        if not base._requires_grad:
            return
        value = base
        with enable_grad():  # it may be read first under no_grad()
            for op, attributes in self._chain:
                value = op(value, *attributes)
        self._edge = value._edge
        self._requires_grad = value._requires_grad
        self._retain_anew()

    def _check_write(self, name: str, shape: tuple, source: dtypes.dtype) -> None:
        """Whether an in-place operation with a result of this shape and dtype may write here; raises before anything is changed."""
        if STATE.enabled and self.requires_grad:
            if self._edge is None:
                raise error(
                    InplaceError,
                    f"a leaf Variable that requires grad is being used in an in-place operation ({name}_)",
                    "use no_grad(), or the operation that returns a new tensor",
                )
            if self._base is not None and self._root()._edge is None and self._root()._requires_grad:
                raise error(
                    InplaceError, f"a view of a leaf Variable that requires grad is being used in an in-place operation ({name}_)", "use no_grad()"
                )
        if source.category > self.dtype.category:
            raise error(
                DtypeError, f"{name}_(): result type {source.name} can't be cast to the desired output type {self.dtype.name}", f"x = x.{name}(...)"
            )
        if tuple(shape) != tuple(self._data.shape):
            raise error(
                RuntimeError, f"{name}_(): output with shape {list(self.shape)} doesn't match the broadcast shape {list(shape)}", f"x = x.{name}(...)"
            )

    def _write(self, name: str, value: Tensor) -> Tensor:
        """The second half of every in-place operation: `value` goes into this tensor's memory, and its place on the tape is taken over."""
        self._check_write(name, value._data.shape, value.dtype)
        if STATE.enabled and self._requires_grad and self._base is None and not value._requires_grad:
            value = engine.F[0].overwrite(self, value)  # it goes on requiring a gradient: none comes to what was there
        apart = name in _COPIES and self._base is None and value._edge is not None  # a place on the tape of its own, and in a graph a node
        array = self._data
        if type(array) is np.ndarray or type(array) in ACCELERATED:
            need_writable(array, name)
            source = value._data
            if type(source) is not type(array):
                if hasattr(source, "tracer"):
                    problem: Any = error(WrittenByTrace, f"{name}_(): a traced or transformed (vmap, jvp) value cannot be written into a real tensor")
                    problem.tensor = self
                    raise problem
                source = beside(source, array)
            array[...] = source.real if value.dtype.is_complex and not self.dtype.is_complex else source
        else:
            value = engine.F[0].clone(array.tracer.lift(value)) if apart else array.tracer.lift(value)
            array.tracer.write(array, value._data)
        self._storage.version += 1
        if STATE.enabled and (value._requires_grad or self._requires_grad):
            self._rebase(engine.F[0].alias(value) if apart else value)
        return self

    def _rebase(self, value: Tensor) -> None:
        """Take over `value`'s place on the tape; for a view, give the base a step that replaces the viewed part."""
        if self._base is None:
            leaf = value._requires_grad and value._edge is None  # its history is the leaf, which this tensor is not
            self._edge = CallbackNode((value,), lambda g: [g], "CopyBackward") if leaf else value._edge
            self._requires_grad = value._requires_grad
            self._storage.epoch += 1
            self._epoch = self._storage.epoch
            self._retain_anew()
            return
        base, chain = self._root(), self._chain
        old = (base if base._edge is None else base._edge) if base._requires_grad else None
        new = value._edge if value._edge is not None else (value if value._requires_grad else None)

        def pull(g: Tensor) -> list[Tensor | None]:
            part = viewed(g, chain)
            return [None if old is None else replace_view(g, chain, engine.F[0].zeros_like(part)), None if new is None else part]

        base._edge = CallbackNode((old, new), pull, "ViewWriteBackward")
        base._requires_grad = True
        self._storage.epoch += 1
        base._epoch = self._storage.epoch
        base._retain_anew()
        self._refresh()

    # ------------------------------------------------------------------------------------------------ to and from Python and NumPy

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The NumPy array that this tensor stands on; memory is shared. Raises RuntimeError if a gradient is required, TypeError on a GPU; `force` copies it from there."""
        if self.requires_grad and not force:
            raise error(AutogradError, "Can't call numpy() on Tensor that requires grad.", "tensor.detach().numpy()")
        if type(self._data) in ACCELERATED and not force:
            raise error(TypeError, f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.")
        return self._real("numpy()")

    def _real(self, what: str) -> np.ndarray:
        array = self._data
        if type(array) is np.ndarray:
            return array
        if type(array) in ACCELERATED:
            return array.get()
        if hasattr(array, "concrete"):  # inside of a function transform
            return array.concrete(what)
        raise error(RuntimeError, f"{what} needs the values of a tensor that has none (it is on the meta device or being traced)")

    def item(self) -> Any:
        """The only element, as a Python number. Raises RuntimeError when there are more."""
        if self.numel() != 1:
            raise error(RuntimeError, f"a Tensor with {self.numel()} elements cannot be converted to Scalar", "tensor.tolist()")
        value = self._real("item()").reshape(-1)[0]
        return float(value) if self.dtype is dtypes.bfloat16 else value.item()

    def tolist(self) -> Any:
        array = self._real("tolist()")
        return array.astype(np.float32).tolist() if self.dtype is dtypes.bfloat16 else array.tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise error(
                RuntimeError,
                "Boolean value of Tensor with " + ("no values" if self.numel() == 0 else "more than one value") + " is ambiguous",
                ".any() or .all()",
            )
        return bool(self._real("bool()").reshape(-1)[0])

    def __int__(self) -> int:
        return int(self._one())

    def __float__(self) -> float:
        return float(self._one())

    def __complex__(self) -> complex:
        return complex(self._one())

    def _one(self) -> Any:
        if self.numel() != 1:
            raise error(ValueError, f"only one element tensors can be converted to Python scalars, not {self.numel()}", "tensor.tolist()")
        return self.item()

    def __index__(self) -> int:
        if self.dtype.category > dtypes.INTEGER or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __format__(self, spec: str) -> str:
        if self.ndim == 0 and not self.is_meta and type(self) is Tensor:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def _like(self, array: Any, requires_grad: bool | None = None) -> Tensor:
        """A leaf of this tensor's class and attributes over another array: how a tracer makes the twin of an input."""
        twin = type(self)._wrap(array, Storage())
        twin._requires_grad = self._requires_grad if requires_grad is None else requires_grad
        twin.__dict__.update(self.__dict__)
        return twin


FACTORY: list[Callable] = []  # `segue.tensor` and the legacy constructor, installed by eager.functional and eager.legacy


def wrap(array: np.ndarray) -> Tensor:
    """A leaf over a NumPy array, sharing its memory. Raises TypeError for element types that tensors cannot hold.

    Negative strides and foreign byte orders are copied, as nothing below could address them.
    """
    from_numpy_dtype(array.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return Tensor._wrap(array, Storage() if array.base is None else stored(array))
