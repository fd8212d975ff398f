/* The run-time library as a Python module, `segue.inductor._runtime`.
 *
 * In comes nothing; out go the address of the function table that generated code is given, and the few switches that inductor/runtime.py turns. The
 * one idea: Python never sits between generated code and the library; this file is all that knows both. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>
#include "internal.h"

namespace segue_rt {
segue_runtime table = {SEGUE_RUNTIME_ABI, 1, parallel_for, matmul, convolution, convolution_input_gradient, convolution_weight_gradient,
                       max_pool_indices, cumsum, argsort, acquire, release, elementary, uniform, kernel};
}

static PyObject* threads(PyObject*, PyObject*) { return PyLong_FromLongLong(segue_rt::thread_count()); }
static PyObject* set_threads(PyObject*, PyObject* argument) {
    long long count = PyLong_AsLongLong(argument);
    if (count == -1 && PyErr_Occurred()) return nullptr;
    if (count < 0) return PyErr_Format(PyExc_ValueError, "set_threads() takes 0 (what the machine allows) or a positive number, not %lld", count);
    segue_rt::set_thread_count(count);
    Py_RETURN_NONE;
}
static PyObject* load_blas(PyObject*, PyObject* argument) {
    const char* path = PyUnicode_AsUTF8(argument);
    if (!path) return nullptr;
    const char* problem = nullptr;
    if (!segue_rt::load_blas(path, &problem)) return PyErr_Format(PyExc_OSError, "%s: %s", path, problem ? problem : "cannot be loaded");
    Py_RETURN_NONE;
}
static PyObject* set_huge_pages(PyObject*, PyObject* argument) {
    int wanted = PyObject_IsTrue(argument);
    if (wanted < 0) return nullptr;
    segue_rt::set_huge_pages(wanted != 0);
    Py_RETURN_NONE;
}
static PyObject* set_pool_limit(PyObject*, PyObject* argument) {
    long long bytes = PyLong_AsLongLong(argument);
    if (bytes == -1 && PyErr_Occurred()) return nullptr;
    if (bytes < 0) return PyErr_Format(PyExc_ValueError, "set_pool_limit() takes a number of bytes, not %lld", bytes);
    segue_rt::set_pool_limit(bytes);
    Py_RETURN_NONE;
}
static PyObject* pool_state(PyObject*, PyObject*) {
    segue_rt::PoolState now = segue_rt::pool_state();
    return Py_BuildValue("{s:L,s:L,s:L,s:L,s:L,s:L}", "cached_bytes", static_cast<long long>(now.cached_bytes), "live_bytes",
                         static_cast<long long>(now.live_bytes), "peak_bytes", static_cast<long long>(now.peak_bytes), "limit_bytes",
                         static_cast<long long>(now.limit_bytes), "fresh", static_cast<long long>(now.fresh), "reused", static_cast<long long>(now.reused));
}
static PyObject* forget_peak(PyObject*, PyObject*) {
    segue_rt::forget_peak();
    Py_RETURN_NONE;
}
static PyObject* trim_pool(PyObject*, PyObject*) {
    segue_rt::trim_pool();
    Py_RETURN_NONE;
}

/* The data of dense arrays; None is null. False, without an error, for what is neither, and for more than there is room for. */
template <class Pointer> static bool addresses(PyObject* arrays, Pointer* found, Py_ssize_t room, int64_t* dtype) {
    if (!PyTuple_Check(arrays) || PyTuple_GET_SIZE(arrays) > room) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arrays); ++i) {
        PyObject* given = PyTuple_GET_ITEM(arrays, i);
        if (given == Py_None) continue;
        if (!PyArray_Check(given) || !PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject*>(given))) return false;
        PyArrayObject* array = reinterpret_cast<PyArrayObject*>(given);
        const int type = PyArray_TYPE(array);
        if (type == NPY_FLOAT || type == NPY_DOUBLE) *dtype = type == NPY_FLOAT ? SEGUE_FLOAT32 : SEGUE_FLOAT64;
        found[i] = PyArray_DATA(array);
    }
    return true;
}
template <class Number, class Read> static bool numbers(PyObject* given, Number* found, Py_ssize_t room, Read read) {
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) > room) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); ++i) found[i] = read(PyTuple_GET_ITEM(given, i));
    return true;
}
static PyObject* run(PyObject*, PyObject* const* args, Py_ssize_t count) {
    segue_kernel call = {};
    if (count != 5) return PyErr_Format(PyExc_TypeError, "run() takes a function, outputs, inputs, sizes and numbers, not %zd arguments", count);
    call.function = PyLong_AsLongLong(args[0]);
    bool there = addresses(args[1], call.outputs, 4, &call.dtype) && addresses(args[2], call.inputs, 6, &call.dtype) &&
                 numbers(args[3], call.sizes, 8, PyLong_AsLongLong) && numbers(args[4], call.numbers, 4, PyFloat_AsDouble);
    if (PyErr_Occurred()) return nullptr;
    int64_t code = SEGUE_ERROR_ARGUMENT;
    if (there) {
        Py_BEGIN_ALLOW_THREADS
        code = segue_rt::kernel(&call);
        Py_END_ALLOW_THREADS
    }
    return PyLong_FromLongLong(code);
}

static PyMethodDef methods[] = {
    {"run", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(run)), METH_FASTCALL, "Run a kernel for eager code: (function, outputs, inputs, sizes, numbers) -> error code."},
    {"threads", threads, METH_NOARGS, "Threads of the pool."},
    {"set_threads", set_threads, METH_O, "Set the threads of the pool; 0: what affinity, cgroup quota and OMP_NUM_THREADS leave."},
    {"load_blas", load_blas, METH_O, "Use the CBLAS of scipy-openblas32 at this path. Raises OSError."},
    {"set_huge_pages", set_huge_pages, METH_O, "Whether large blocks ask for huge pages."},
    {"set_pool_limit", set_pool_limit, METH_O, "Most bytes that free blocks may hold."},
    {"pool_state", pool_state, METH_NOARGS, "cached_bytes, live_bytes, peak_bytes, limit_bytes, and how many blocks were fresh and reused."},
    {"forget_peak", forget_peak, METH_NOARGS, "Start a new measurement of peak_bytes."},
    {"trim_pool", trim_pool, METH_NOARGS, "Give the free blocks back to the system."},
    {nullptr, nullptr, 0, nullptr}};
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "segue.inductor._runtime", "The run-time library of generated code.", -1, methods,
                                 nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__runtime(void) {
    import_array();
    PyObject* module = PyModule_Create(&definition);
    if (!module) return nullptr;
    PyObject* address = PyLong_FromVoidPtr(&segue_rt::table);
    if (PyModule_AddObjectRef(module, "table", address) < 0 || PyModule_AddIntConstant(module, "abi", SEGUE_RUNTIME_ABI) < 0) {
        Py_XDECREF(address);
        Py_DECREF(module);
        return nullptr;
    }
    Py_DECREF(address);
#define X(NAME) #NAME,
    static const char* const names[] = {SEGUE_KERNELS(X)};
#undef X
    PyObject* kernels = PyDict_New();
    for (const char* name : names) {
        PyObject* place = PyLong_FromSsize_t(PyDict_GET_SIZE(kernels));
        if (PyDict_SetItemString(kernels, name, place) < 0) return nullptr;
        Py_DECREF(place);
    }
    if (PyModule_AddObjectRef(module, "kernels", kernels) < 0) return nullptr;
    Py_DECREF(kernels);
    return module;
}
