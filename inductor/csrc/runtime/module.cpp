/* The run-time library as a Python module, `segue.inductor._runtime`.
 *
 * In comes nothing; out go the address of the function table that generated code is given, and the few switches that inductor/runtime.py turns. The
 * one idea: Python never sits between generated code and the library; this file is all that knows both. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
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

static PyMethodDef methods[] = {
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
    PyObject* module = PyModule_Create(&definition);
    if (!module) return nullptr;
    PyObject* address = PyLong_FromVoidPtr(&segue_rt::table);
    if (PyModule_AddObjectRef(module, "table", address) < 0 || PyModule_AddIntConstant(module, "abi", SEGUE_RUNTIME_ABI) < 0) {
        Py_XDECREF(address);
        Py_DECREF(module);
        return nullptr;
    }
    Py_DECREF(address);
    return module;
}
