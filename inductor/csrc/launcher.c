/* The launcher: from Python to the entry of a generated library, and back.
 *
 * In comes a list of NumPy arrays and ints; out goes a list of results. The one idea: everything about a graph's inputs and outputs is parsed once
 * into small C structs when the launcher is made, so that a call reads the arrays' own structs, checks, allocates results and calls the entry, with
 * no Python between the kernels. All checks are made before anything is changed. Nothing of a call is kept in the launcher, so calls may overlap.
 *
 * Types: Launcher, and Block, the owner of a result's memory, which goes back to the runtime's pool when the last array over it dies. */
#include <dlfcn.h>
#include "launcher.h"

#define POOLED_FROM (16 * 1024)      /* bytes of a result: smaller ones come from NumPy, which keeps them itself */
#define RELEASE_GIL_FROM (64 * 1024) /* bytes read and written: below, a release costs more than it gives */
#define ON_STACK 64

/* ---- Block */
typedef struct {
    PyObject_HEAD
    void *memory;
    const segue_runtime *runtime;
} Block;

static void block_dealloc(Block *self) {
    self->runtime->release(self->memory);
    Py_TYPE(self)->tp_free((PyObject *)self);
}
static PyTypeObject BlockType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "segue.inductor._launcher.Block",
    .tp_basicsize = sizeof(Block),
    .tp_dealloc = (destructor)block_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Owner of a result's memory; it goes back to the pool when the last array over it dies.",
};

/* A new C-contiguous array, not cleared. Large ones stand on a block of the pool. */
static PyObject *new_array(const segue_runtime *runtime, PyArray_Descr *descr, int ndim, npy_intp *dims) {
    int64_t bytes = PyDataType_ELSIZE(descr);
    for (int d = 0; d < ndim; ++d) {
        if (dims[d] < 0)
            return PyErr_Format(PyExc_ValueError, "a result of the compiled graph would have a dimension of %zd elements", (Py_ssize_t)dims[d]);
        if (__builtin_mul_overflow(bytes, (int64_t)dims[d], &bytes)) return PyErr_NoMemory();
    }
    Py_INCREF(descr);
    if (bytes < POOLED_FROM) return PyArray_NewFromDescr(&PyArray_Type, descr, ndim, dims, NULL, NULL, 0, NULL);
    Block *block = PyObject_New(Block, &BlockType);
    if (!block) {
        Py_DECREF(descr);
        return NULL;
    }
    block->runtime = runtime;
    block->memory = runtime->acquire(bytes);
    if (!block->memory) {
        Py_DECREF(descr);
        Py_DECREF(block);
        return PyErr_NoMemory();
    }
    PyObject *array = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, dims, NULL, block->memory, NPY_ARRAY_CARRAY, NULL);
    if (!array) {
        Py_DECREF(block);
        return NULL;
    }
    if (PyArray_SetBaseObject((PyArrayObject *)array, (PyObject *)block) < 0) { /* takes the block, also when it fails */
        Py_DECREF(array);
        return NULL;
    }
    return array;
}

/* ---- Making a launcher */
static int check_constants(PyObject *constants) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants); ++i) {
        PyObject *array = PyTuple_GET_ITEM(constants, i);
        if (PyArray_Check(array) && PyArray_IS_C_CONTIGUOUS((PyArrayObject *)array)) continue;
        PyErr_Format(PyExc_TypeError, "constant %zd is not a C-contiguous array", i);
        return -1;
    }
    return 0;
}

static PyObject *launcher_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames);

static PyObject *launcher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"entry", "runtime", "inputs", "outputs", "symbols", "arena_bytes", "shapes", "constants", "errors", NULL};
    unsigned long long entry, runtime, shapes = 0;
    PyObject *inputs, *outputs, *constants = NULL, *errors = NULL;
    Py_ssize_t symbols = 0;
    long long arena_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KKOO|nLKOO!", names, &entry, &runtime, &inputs, &outputs, &symbols, &arena_bytes, &shapes,
                                     &constants, &PyDict_Type, &errors))
        return NULL;
    if (!entry || !runtime || symbols < 0 || arena_bytes < 0) {
        PyErr_SetString(PyExc_ValueError, "entry and runtime are addresses, symbols and arena_bytes are not negative");
        return NULL;
    }
    Launcher *self = (Launcher *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->vectorcall = launcher_call;
    self->entry = (segue_entry_function)(uintptr_t)entry;
    self->shapes = (segue_shapes_function)(uintptr_t)shapes;
    self->runtime = (const segue_runtime *)(uintptr_t)runtime;
    self->symbols = symbols;
    self->arena_bytes = arena_bytes;
    self->errors = Py_XNewRef(errors);
    self->constants = constants ? PySequence_Tuple(constants) : PyTuple_New(0);
    if (!self->constants || check_constants(self->constants) < 0) goto failed;
    if (self->runtime->abi != SEGUE_RUNTIME_ABI) {
        PyErr_Format(PyExc_RuntimeError, "the runtime library has ABI %lld, the launcher %d: rebuild the package",
                     (long long)self->runtime->abi, SEGUE_RUNTIME_ABI);
        goto failed;
    }
    if (parse_specs(inputs, &self->inputs, &self->input_count, self, 0) < 0) goto failed;
    if (parse_specs(outputs, &self->outputs, &self->output_count, self, 1) < 0) goto failed;
    for (Py_ssize_t i = 0; i < self->input_count; ++i) self->array_inputs += self->inputs[i].kind == ARRAY;
    for (Py_ssize_t i = 0; i < self->output_count; ++i) {
        self->array_outputs += self->outputs[i].kind == ARRAY;
        self->dimension_count += self->outputs[i].kind == ARRAY ? self->outputs[i].ndim : self->outputs[i].kind == COMPUTED;
        if (self->outputs[i].kind == COMPUTED && !self->shapes) {
            PyErr_SetString(PyExc_ValueError, "a computed output needs the library's segue_shapes");
            goto failed;
        }
    }
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

static void launcher_dealloc(Launcher *self) {
    free_specs(self->inputs, self->input_count);
    free_specs(self->outputs, self->output_count);
    Py_XDECREF(self->constants);
    Py_XDECREF(self->errors);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* ---- Results */
static PyObject *result(Launcher *self, const Spec *spec, PyObject *const *items, PyObject *results, const int64_t *sizes,
                        const int64_t **dimensions) {
    npy_intp dims[NPY_MAXDIMS];
    switch (spec->kind) {
    case ARRAY:
        for (int d = 0; d < spec->ndim; ++d) {
            int64_t dim = self->shapes ? *(*dimensions)++ : spec->dims[d];
            dims[d] = (npy_intp)(!self->shapes && dim < 0 ? sizes[-1 - dim] : dim);
        }
        return new_array(self->runtime, spec->descr, spec->ndim, dims);
    case SIZE: return PyLong_FromLongLong(sizes[spec->number]);
    case INPUT: return Py_NewRef(items[spec->number]);
    case OUTPUT: return Py_NewRef(PyList_GET_ITEM(results, spec->number));
    case COMPUTED: return PyLong_FromLongLong(*(*dimensions)++);
    default: return Py_NewRef(spec->value);
    }
}

static PyObject *make_results(Launcher *self, PyObject *const *items, const int64_t *sizes, const int64_t *dimensions, void **data, int64_t *bytes) {
    PyObject *results = PyList_New(self->output_count);
    if (!results) return NULL;
    for (Py_ssize_t i = 0; i < self->output_count; ++i) {
        PyObject *made = result(self, &self->outputs[i], items, results, sizes, &dimensions);
        if (!made) {
            Py_DECREF(results);
            return NULL;
        }
        PyList_SET_ITEM(results, i, made);
        if (self->outputs[i].kind != ARRAY) continue;
        *data++ = PyArray_DATA((PyArrayObject *)made);
        *bytes += PyArray_NBYTES((PyArrayObject *)made);
    }
    return results;
}

static void raise_code(Launcher *self, int64_t code) {
    PyObject *key = PyLong_FromLongLong(code);
    PyObject *own = key && self->errors ? PyDict_GetItemWithError(self->errors, key) : NULL;
    Py_XDECREF(key);
    if (PyErr_Occurred()) return;
    if (own && PyTuple_Check(own) && PyTuple_GET_SIZE(own) == 2) {
        PyErr_SetObject(PyTuple_GET_ITEM(own, 0), PyTuple_GET_ITEM(own, 1));
        return;
    }
    switch (code) {
    case SEGUE_ERROR_MEMORY: PyErr_SetString(PyExc_MemoryError, "the compiled graph ran out of memory"); return;
    case SEGUE_ERROR_ARGUMENT: PyErr_SetString(PyExc_ValueError, "the run-time library was given sizes or dtypes that it does not take"); return;
    case SEGUE_ERROR_INDEX: PyErr_SetString(PyExc_IndexError, "an index is out of range in the compiled graph"); return;
    case SEGUE_ERROR_VALUE: PyErr_SetString(PyExc_RuntimeError, "an operator of the compiled graph does not take one of the values: a divisor of zero, a class out of range"); return;
    default: PyErr_Format(PyExc_RuntimeError, "the compiled graph failed with code %lld", (long long)code);
    }
}

/* ---- A call */
static int64_t enter(Launcher *self, void **in, void **out, const int64_t *sizes, int64_t arena_bytes, int64_t bytes) {
    void *arena = NULL;
    if (arena_bytes > 0 && !(arena = self->runtime->acquire(arena_bytes))) return SEGUE_ERROR_MEMORY;
    int64_t code;
    if (bytes + arena_bytes < RELEASE_GIL_FROM) {
        code = self->entry(in, out, sizes, arena, self->runtime);
    } else {
        Py_BEGIN_ALLOW_THREADS
        code = self->entry(in, out, sizes, arena, self->runtime);
        Py_END_ALLOW_THREADS
    }
    self->runtime->release(arena);
    return code;
}

static PyObject *launch(Launcher *self, PyObject *const *items, int64_t *numbers, void **data) {
    int64_t *sizes = numbers, *dimensions = numbers + self->symbols;
    void **out = data + self->array_inputs + PyTuple_GET_SIZE(self->constants);
    int64_t bytes = 0, arena_bytes = self->arena_bytes;
    if (bind_inputs(self, items, data, sizes, &bytes) < 0) return NULL;
    if (self->shapes) self->shapes(sizes, dimensions, &arena_bytes);
    PyObject *results = make_results(self, items, sizes, dimensions, out, &bytes);
    if (!results) return NULL;
    self->calls++;
    int64_t code = enter(self, data, out, sizes, arena_bytes, bytes);
    if (code == SEGUE_OK) return results;
    Py_DECREF(results);
    raise_code(self, code);
    return NULL;
}

static PyObject *launcher_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    Launcher *self = (Launcher *)object;
    if (PyVectorcall_NARGS(nargsf) != 1 || kwnames) {
        PyErr_SetString(PyExc_TypeError, "a launcher takes one list of arrays and ints");
        return NULL;
    }
    if (!PyList_Check(args[0]) && !PyTuple_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "a launcher takes one list of arrays and ints, not %.100s", Py_TYPE(args[0])->tp_name);
        return NULL;
    }
    if (PySequence_Fast_GET_SIZE(args[0]) != self->input_count) {
        PyErr_Format(PyExc_TypeError, "the compiled graph takes %zd inputs but %zd were given", self->input_count, PySequence_Fast_GET_SIZE(args[0]));
        return NULL;
    }
    size_t count = (size_t)self->input_count, numbers = (size_t)(self->symbols + self->dimension_count);
    size_t pointers = (size_t)(self->array_inputs + PyTuple_GET_SIZE(self->constants) + self->array_outputs);
    PyObject *item[ON_STACK], **items = item;
    int64_t number[ON_STACK], *sizes = number;
    void *pointer[ON_STACK], **data = pointer, *memory = NULL;
    if (count > ON_STACK || numbers > ON_STACK || pointers > ON_STACK) {
        memory = PyMem_Malloc((count + pointers) * sizeof(void *) + numbers * sizeof(int64_t));
        if (!memory) return PyErr_NoMemory();
        sizes = memory;
        data = (void **)(sizes + numbers);
        items = (PyObject **)(data + pointers);
    }
    for (size_t i = 0; i < count; ++i) items[i] = Py_NewRef(PySequence_Fast_GET_ITEM(args[0], i)); /* the list may change during the call */
    PyObject *results = launch(self, items, sizes, data);
    for (size_t i = 0; i < count; ++i) Py_DECREF(items[i]);
    PyMem_Free(memory);
    return results;
}

static PyObject *get_calls(PyObject *self, void *closure) { return PyLong_FromLongLong(((Launcher *)self)->calls); }
static PyObject *get_arena_bytes(PyObject *self, void *closure) { return PyLong_FromLongLong(((Launcher *)self)->arena_bytes); }
static PyGetSetDef launcher_attributes[] = {
    {"calls", get_calls, NULL, "How often the entry was called.", NULL},
    {"arena_bytes", get_arena_bytes, NULL, "Bytes of the arena; 0 where segue_shapes computes them.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyTypeObject LauncherType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "segue.inductor._launcher.Launcher",
    .tp_basicsize = sizeof(Launcher),
    .tp_dealloc = (destructor)launcher_dealloc,
    .tp_vectorcall_offset = offsetof(Launcher, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "Launcher(entry, runtime, inputs, outputs, symbols=0, arena_bytes=0, shapes=0, constants=(), errors={})\n\n"
              "Calls a generated library's entry: launcher(list of arrays and ints) -> list of results. See inductor/build.py for the specs.",
    .tp_getset = launcher_attributes,
    .tp_new = launcher_new,
};

/* ---- The module */
static PyObject *load(PyObject *module, PyObject *args) {
    const char *path;
    PyObject *names;
    if (!PyArg_ParseTuple(args, "sO!", &path, &PyTuple_Type, &names)) return NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* never closed: launchers and arrays may outlive everything */
    if (!handle) return PyErr_Format(PyExc_OSError, "%s", dlerror());
    PyObject *addresses = PyTuple_New(PyTuple_GET_SIZE(names));
    for (Py_ssize_t i = 0; addresses && i < PyTuple_GET_SIZE(names); ++i) {
        const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
        PyObject *address = name ? PyLong_FromUnsignedLongLong((unsigned long long)(uintptr_t)dlsym(handle, name)) : NULL;
        if (!address) {
            Py_DECREF(addresses);
            return NULL;
        }
        PyTuple_SET_ITEM(addresses, i, address);
    }
    return addresses;
}

static PyObject *empty(PyObject *module, PyObject *args) {
    unsigned long long runtime;
    PyObject *shape;
    PyArray_Descr *descr;
    npy_intp dims[NPY_MAXDIMS];
    if (!PyArg_ParseTuple(args, "KO!O&", &runtime, &PyTuple_Type, &shape, PyArray_DescrConverter, &descr)) return NULL;
    PyObject *array = NULL;
    Py_ssize_t ndim = PyTuple_GET_SIZE(shape);
    if (ndim > NPY_MAXDIMS) {
        PyErr_SetString(PyExc_ValueError, "too many dimensions");
        goto done;
    }
    for (Py_ssize_t d = 0; d < ndim; ++d) {
        dims[d] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, d));
        if (dims[d] == -1 && PyErr_Occurred()) goto done;
    }
    array = new_array((const segue_runtime *)(uintptr_t)runtime, descr, (int)ndim, dims);
done:
    Py_DECREF(descr);
    return array;
}

static PyMethodDef methods[] = {
    {"load", load, METH_VARARGS, "load(path, names) -> addresses of the names in the shared library, 0 for those it lacks. Raises OSError."},
    {"empty", empty, METH_VARARGS, "empty(runtime, shape, dtype) -> array, not cleared, on memory of the runtime's pool where it is large."},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "segue.inductor._launcher", "Calls generated libraries.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__launcher(void) {
    import_array();
    if (PyType_Ready(&LauncherType) < 0 || PyType_Ready(&BlockType) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    if (PyModule_AddObjectRef(module, "Launcher", (PyObject *)&LauncherType) < 0 ||
        PyModule_AddObjectRef(module, "Block", (PyObject *)&BlockType) < 0 || PyModule_AddIntConstant(module, "ABI", SEGUE_RUNTIME_ABI) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
