"""A stand-in for CuPy over NumPy, for machines without a GPU: the part of CuPy's surface that segue calls, with CuPy's refusals.

Its arrays never become NumPy's by themselves (`__array__` raises TypeError, as CuPy's does), its functions take no NumPy arrays, an index out of bounds wraps around
instead of raising, and what CuPy has not (`LACKING`) it has not either. So a test that passes over it shows that the dispatch brings nothing together that does not belong
together; what CuPy really computes only the tests marked `gpu` show.
"""

import types

import numpy as np

LACKING = {"errstate"}
NO_ACCUMULATION, NO_AT = {"maximum", "minimum", "logaddexp"}, {"multiply"}  # as seen with CuPy 14.2


def _in(value):
    """What NumPy is to see. A NumPy array beside the stand-in's is what CuPy refuses."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if type(value) in (tuple, list):
        return type(value)(map(_in, value))
    return value


def _out(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if type(value) in (tuple, list):
        return type(value)(map(_out, value))
    return value


def _wrapped(function):
    def call(*args, **kwargs):
        with np.errstate(all="ignore"):
            return _out(function(*map(_in, args), **{name: _in(value) for name, value in kwargs.items()}))

    return call


class _Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class _Pointer:
    """A place in the memory of an array."""

    def __init__(self, root, ptr):
        self.root, self.ptr = root, ptr
        self.mem = types.SimpleNamespace(ptr=root.ctypes.data)

    def __add__(self, count):
        return _Pointer(self.root, self.ptr + count)


class ndarray:  # noqa: N801  (CuPy's name)
    """An array that holds its elements where NumPy does not reach them."""

    __array_priority__ = 100

    def __init__(self, host, dtype=None, memptr=None, strides=None):
        if memptr is not None:  # CuPy's way to lay an array over memory: the first argument is a shape
            host = np.ndarray(host, dtype, memptr.root.reshape(-1, order="A").view(np.uint8), memptr.ptr - memptr.mem.ptr, strides)
        self.host = host

    def get(self):
        return np.array(self.host)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return _wrapped(getattr(ufunc, method))(*args, **kwargs)

    def __array_function__(self, function, kinds, args, kwargs):
        return _wrapped(function)(*args, **kwargs)

    device = types.SimpleNamespace(id=0)
    flags = property(lambda self: _Flags(self.host.flags))
    T = property(lambda self: ndarray(self.host.T))
    real = property(lambda self: ndarray(self.host.real), lambda self, value: setattr(self.host, "real", _in(value)))
    imag = property(lambda self: ndarray(self.host.imag), lambda self, value: setattr(self.host, "imag", _in(value)))

    @property
    def base(self):
        root = self._root()
        return None if root is self.host else ndarray(root)

    @property
    def data(self):
        return _Pointer(self._root(), self.host.ctypes.data)

    def _root(self):
        """The array that owns the memory; as_strided puts an object of its own in between."""
        root = self.host
        while getattr(root, "base", None) is not None:
            root = root.base
        return root

    def __getitem__(self, key):
        return _out(self.host[self._inside(key)])

    def __setitem__(self, key, value):
        self.host[self._inside(key)] = _in(value)

    def _inside(self, key):
        """The key with indices out of bounds wrapped around, as CuPy does it without a word."""
        parts = key if isinstance(key, tuple) else (key,)
        found, dim = [], 0
        for part in parts:
            part = _in(part)
            if isinstance(part, np.ndarray) and part.dtype.kind in "iu":
                part = part % self.host.shape[dim] if part.size else part
            found.append(part)
            dim += part is not None and part is not Ellipsis
        return tuple(found)

    def __bool__(self):
        return bool(self.host)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return iter(map(_out, self.host))

    def __int__(self):
        return int(self.host)

    def __float__(self):
        return float(self.host)

    def __index__(self):
        return self.host.__index__()

    def item(self):
        return self.host.item()

    def tolist(self):
        return self.host.tolist()


for _name in ("shape", "dtype", "strides", "ndim", "size", "itemsize", "nbytes"):
    setattr(ndarray, _name, property(lambda self, name=_name: getattr(self.host, name)))
for _name in (
    "reshape", "transpose", "astype", "copy", "view", "squeeze", "min", "max", "all", "any", "sum", "prod", "ravel", "conj", "conjugate", "argsort", "fill", "take",
    *(f"__{word}__" for word in (
        "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul and rand or ror xor rxor lshift rlshift rshift rrshift neg pos abs "
        "invert eq ne lt le gt ge").split()),
):  # fmt: skip
    setattr(ndarray, _name, lambda self, *args, name=_name, **kwargs: _wrapped(getattr(self.host, name))(*args, **kwargs))
for _name in "add sub mul truediv floordiv and or xor".split():
    setattr(ndarray, f"__i{_name}__", lambda self, other, name=_name: _assign(self, getattr(self.host, f"__i{name}__")(_in(other))))


def _assign(array, found):
    assert found is array.host
    return array


class _Ufunc:
    def __init__(self, ufunc):
        self.ufunc = ufunc
        self.reduce = _wrapped(ufunc.reduce)

    def __call__(self, *args, **kwargs):
        return _wrapped(self.ufunc)(*args, **kwargs)

    def accumulate(self, *args, **kwargs):
        if self.ufunc.__name__ in NO_ACCUMULATION:
            raise NotImplementedError(f"`cupy_{self.ufunc.__name__}.accumulate` is not supported yet")
        return _wrapped(self.ufunc.accumulate)(*args, **kwargs)

    def at(self, array, places, values):
        if self.ufunc.__name__ in NO_AT or array.dtype.kind == "V":
            raise NotImplementedError(f"`cupy_{self.ufunc.__name__}.at` is not supported yet")
        self.ufunc.at(array.host, _in(places), _in(values))


class _Device:
    def __init__(self, index):
        self.id = index

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def use(self):
        pass

    def synchronize(self):
        pass


class _Event:
    done = True

    def __init__(self, block=False, disable_timing=False):
        pass

    def record(self, stream=None):
        pass

    def synchronize(self):
        pass


class _Stream(_Device):
    done = True

    def __init__(self, non_blocking=False):
        super().__init__(0)

    def wait_event(self, event):
        pass


_PROPERTIES = {"name": b"Stand-in", "major": 9, "minor": 0, "totalGlobalMem": 1 << 30, "multiProcessorCount": 1}


class _Module(types.ModuleType):
    """NumPy's functions under CuPy's rules."""

    ndarray = ndarray
    lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=_wrapped(np.lib.stride_tricks.as_strided)))
    cuda = types.SimpleNamespace(
        Device=_Device, Event=_Event, Stream=_Stream, get_current_stream=_Stream, get_elapsed_time=lambda start, end: 0.0,
        runtime=types.SimpleNamespace(
            getDeviceCount=lambda: 1, getDevice=lambda: 0, memGetInfo=lambda: (1 << 29, 1 << 30), getDeviceProperties=lambda index: _PROPERTIES,
        ),
    )  # fmt: skip

    def ReductionKernel(self, arguments, result, *texts):  # noqa: N802  (CuPy's name)
        """The one kernel of this kind that segue has: whether an integer array leaves its bounds."""
        assert texts[-1] == "segue_outside"
        return lambda array, size: bool(((array.host < 0) | (array.host >= size)).any())

    def get_default_memory_pool(self):
        return types.SimpleNamespace(used_bytes=lambda: 512, total_bytes=lambda: 1024, free_all_blocks=lambda: None)

    def asarray(self, value, dtype=None, order=None):
        return ndarray(np.asarray(value.host if isinstance(value, ndarray) else value, dtype=dtype, order=order))

    def array(self, value, dtype=None, order="K", copy=True):
        return ndarray(np.array(value.host if isinstance(value, ndarray) else value, dtype=dtype, order=order))

    def __getattr__(self, name):
        if name in LACKING or not hasattr(np, name):
            raise AttributeError(f"module 'stand_in' has no attribute {name!r}")
        found = getattr(np, name)
        if isinstance(found, np.ufunc):
            return _Ufunc(found)
        return found if isinstance(found, type) or not callable(found) else _wrapped(found)


module = _Module("stand_in")
