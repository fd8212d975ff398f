/* Stores into dicts under a hash that is known: what capture followed (a `__hash__` in Python) must not run again where the dict is made.

   The interpreter exports the function for its own extension modules; since 3.13 it is declared in internal headers only. */
#include "capture.h"

int hashes_ready(PyObject *module);

#if PY_VERSION_HEX >= 0x030D0000
PyAPI_FUNC(int) _PyDict_SetItem_KnownHash(PyObject *dict, PyObject *key, PyObject *value, Py_hash_t hash);
#endif

static PyObject *py_store_hashed(PyObject *module, PyObject *args)
{
    PyObject *target, *key, *value;
    Py_ssize_t hash;
    if (!PyArg_ParseTuple(args, "O!OOn:store_hashed", &PyDict_Type, &target, &key, &value, &hash)) {
        return NULL;
    }
    if (_PyDict_SetItem_KnownHash(target, key, value, hash) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"store_hashed", py_store_hashed, METH_VARARGS, "store_hashed(dict, key, value, hash): dict[key] = value, where the key's hash is known and not asked for."},
    {NULL},
};

int hashes_ready(PyObject *module) { return PyModule_AddFunctions(module, methods); }
