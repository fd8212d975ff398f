/* The launcher: from Python to the entry of a generated library, and back.
 *
 * In comes a list of NumPy arrays and ints; out goes a list of results. The one idea: everything about a graph's inputs and outputs is parsed once into small
 * C structs when the launcher is made, so that a call reads the arrays' own structs, checks, allocates results and calls the entry, with no Python
 * between the kernels. All checks are made before anything is changed. Nothing of a call is kept in the launcher, so calls may overlap.
 *
 * Types: Launcher, and Block, the owner of a result's memory, which goes back to the runtime's pool when the last array over it dies. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>
#include "segue_runtime.h"

#define UNCHECKED INT64_MIN
#define POOLED_FROM (16 * 1024)      /* bytes of a result: smaller ones come from NumPy, which keeps them itself */
#define RELEASE_GIL_FROM (64 * 1024) /* bytes read and written: below, a release costs more than it gives */
#define ON_STACK 64

enum { ARRAY, SIZE, INPUT, OUTPUT, COMPUTED, VALUE };
enum { CONTIGUOUS, EXACT, ANY };

typedef struct {
    int kind, layout, writable, ndim;
    PyArray_Descr *descr;           /* ARRAY */
    int64_t dims[NPY_MAXDIMS];      /* ARRAY: a size, -1 - symbol, or UNCHECKED */
    int64_t strides[NPY_MAXDIMS];   /* ARRAY with an exact layout: in bytes */
    int64_t number;                 /* SIZE: the symbol; INPUT, OUTPUT: which */
    PyObject *value;                /* VALUE */
} Spec;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    segue_entry_function entry;
    segue_shapes_function shapes;
    const segue_runtime *runtime;
    Spec *inputs, *outputs;
    Py_ssize_t input_count, output_count, array_inputs, array_outputs, symbols, dimension_count;
    int64_t arena_bytes;
    PyObject *constants;            /* tuple of arrays */
    PyObject *errors;               /* dict: code -> (exception class, text) */
    int64_t calls;
} Launcher;

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
        if (dims[d] < 0) return PyErr_Format(PyExc_ValueError, "a result of the compiled graph would have a dimension of %zd elements", (Py_ssize_t)dims[d]);
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
static int parse_symbol(PyObject *object, Py_ssize_t symbols, int64_t *number, const char *what) {
    *number = PyLong_AsLongLong(object);
    if (*number == -1 && PyErr_Occurred()) return -1;
    if (*number >= 0 && *number < symbols) return 0;
    PyErr_Format(PyExc_ValueError, "%s %lld is not below %zd", what, (long long)*number, symbols);
    return -1;
}

static int parse_shape(PyObject *shape, Spec *spec, Py_ssize_t symbols, int may_be_free) {
    if (!PyTuple_Check(shape) || PyTuple_GET_SIZE(shape) > NPY_MAXDIMS) {
        PyErr_Format(PyExc_TypeError, "the shape in a spec is a tuple of at most %d entries, not %R", NPY_MAXDIMS, shape);
        return -1;
    }
    spec->ndim = (int)PyTuple_GET_SIZE(shape);
    for (int d = 0; d < spec->ndim; ++d) {
        PyObject *entry = PyTuple_GET_ITEM(shape, d);
        if (entry == Py_None && may_be_free) {
            spec->dims[d] = UNCHECKED;
            continue;
        }
        spec->dims[d] = PyLong_AsLongLong(entry);
        if (spec->dims[d] == -1 && PyErr_Occurred()) return -1;
        if (spec->dims[d] < -symbols) {
            PyErr_Format(PyExc_ValueError, "the shape %R names a symbol that does not exist: there are %zd", shape, symbols);
            return -1;
        }
    }
    return 0;
}

static int parse_layout(PyObject *strides, Spec *spec) {
    if (strides == Py_None) {
        spec->layout = CONTIGUOUS;
        return 0;
    }
    if (PyUnicode_Check(strides) && PyUnicode_CompareWithASCIIString(strides, "any") == 0) {
        spec->layout = ANY;
        return 0;
    }
    if (!PyTuple_Check(strides) || PyTuple_GET_SIZE(strides) != spec->ndim) {
        PyErr_Format(PyExc_TypeError, "strides are None (C-contiguous), 'any' or a tuple of %d ints (in elements), not %R", spec->ndim, strides);
        return -1;
    }
    spec->layout = EXACT;
    for (int d = 0; d < spec->ndim; ++d) {
        int64_t stride = PyLong_AsLongLong(PyTuple_GET_ITEM(strides, d));
        if (stride == -1 && PyErr_Occurred()) return -1;
        spec->strides[d] = stride * PyDataType_ELSIZE(spec->descr);
    }
    return 0;
}

/* ("array", dtype, shape[, strides[, writable]]), ("size", symbol), ("input", i), ("output", k), ("computed",), ("value", object) */
static int parse_spec(PyObject *tuple, Spec *spec, Launcher *self, int is_output) {
    static const char *const names[] = {"array", "size", "input", "output", "computed", "value"};
    if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) < 1 || !PyUnicode_Check(PyTuple_GET_ITEM(tuple, 0))) {
        PyErr_Format(PyExc_TypeError, "a spec is a tuple that begins with its kind, not %R", tuple);
        return -1;
    }
    Py_ssize_t length = PyTuple_GET_SIZE(tuple);
    int kind = 0, kinds = is_output ? VALUE : SIZE;
    while (kind <= kinds && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(tuple, 0), names[kind]) != 0) ++kind;
    if (kind > kinds || length < (kind == ARRAY ? 3 : kind == COMPUTED ? 1 : 2)) {
        PyErr_Format(PyExc_ValueError, "%R is not a spec of an %s", tuple, is_output ? "output" : "input");
        return -1;
    }
    spec->kind = kind;
    switch (kind) {
    case ARRAY:
        if (!PyArray_DescrConverter(PyTuple_GET_ITEM(tuple, 1), &spec->descr)) return -1;
        if (parse_shape(PyTuple_GET_ITEM(tuple, 2), spec, self->symbols, !is_output) < 0) return -1;
        if (length > 3 && !is_output && parse_layout(PyTuple_GET_ITEM(tuple, 3), spec) < 0) return -1;
        spec->writable = length > 4 ? PyObject_IsTrue(PyTuple_GET_ITEM(tuple, 4)) : 0;
        return spec->writable < 0 ? -1 : 0;
    case SIZE: return parse_symbol(PyTuple_GET_ITEM(tuple, 1), self->symbols, &spec->number, "symbol");
    case INPUT: return parse_symbol(PyTuple_GET_ITEM(tuple, 1), self->input_count, &spec->number, "input");
    case OUTPUT: return parse_symbol(PyTuple_GET_ITEM(tuple, 1), spec - self->outputs, &spec->number, "earlier output");
    case VALUE: spec->value = Py_NewRef(PyTuple_GET_ITEM(tuple, 1)); return 0;
    default: return 0;
    }
}

static int parse_specs(PyObject *sequence, Spec **specs, Py_ssize_t *count, Launcher *self, int is_output) {
    PyObject *items = PySequence_Fast(sequence, "specs are a sequence of tuples");
    if (!items) return -1;
    Py_ssize_t length = PySequence_Fast_GET_SIZE(items);
    *specs = PyMem_Calloc(length ? (size_t)length : 1, sizeof(Spec));
    if (!*specs) {
        Py_DECREF(items);
        PyErr_NoMemory();
        return -1;
    }
    *count = length;
    int failed = 0;
    for (Py_ssize_t i = 0; i < length && !failed; ++i) failed = parse_spec(PySequence_Fast_GET_ITEM(items, i), *specs + i, self, is_output);
    Py_DECREF(items);
    return failed;
}

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
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "KKOO|nLKOO!", names, &entry, &runtime, &inputs, &outputs, &symbols, &arena_bytes, &shapes, &constants,
                                     &PyDict_Type, &errors))
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
        PyErr_Format(PyExc_RuntimeError, "the runtime library has ABI %lld, the launcher %d: rebuild the package", (long long)self->runtime->abi, SEGUE_RUNTIME_ABI);
        goto failed;
    }
    if (parse_specs(inputs, &self->inputs, &self->input_count, self, 0) < 0 || parse_specs(outputs, &self->outputs, &self->output_count, self, 1) < 0) goto failed;
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

static void free_specs(Spec *specs, Py_ssize_t count) {
    for (Py_ssize_t i = 0; specs && i < count; ++i) {
        Py_XDECREF(specs[i].descr);
        Py_XDECREF(specs[i].value);
    }
    PyMem_Free(specs);
}

static void launcher_dealloc(Launcher *self) {
    free_specs(self->inputs, self->input_count);
    free_specs(self->outputs, self->output_count);
    Py_XDECREF(self->constants);
    Py_XDECREF(self->errors);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* ---- Checking the inputs of a call */
static PyObject *wanted_text(const Spec *spec, const int64_t *sizes) {
    static const char *const layouts[] = {"C-contiguous", "with the strides of the example", "with any strides"};
    PyObject *shape = PyTuple_New(spec->ndim);
    if (!shape) return NULL;
    for (int d = 0; d < spec->ndim; ++d) {
        int64_t dim = spec->dims[d];
        int64_t size = dim < 0 && dim != UNCHECKED ? sizes[-1 - dim] : dim;
        PyObject *entry = size < 0 ? PyUnicode_FromString("?") : PyLong_FromLongLong(size);
        if (!entry) {
            Py_DECREF(shape);
            return NULL;
        }
        PyTuple_SET_ITEM(shape, d, entry);
    }
    PyObject *text = PyUnicode_FromFormat("%S of shape %S, %s%s", (PyObject *)spec->descr, shape, layouts[spec->layout], spec->writable ? ", writable" : "");
    Py_DECREF(shape);
    return text;
}

static int refuse(Py_ssize_t position, const Spec *spec, const int64_t *sizes, PyObject *got, const char *why) {
    PyObject *wanted = wanted_text(spec, sizes);
    if (!wanted) return -1;
    if (!PyArray_Check(got)) {
        PyErr_Format(PyExc_TypeError, "input %zd of the compiled graph: expected %U; got %.100s", position, wanted, Py_TYPE(got)->tp_name);
    } else {
        PyObject *shape = PyObject_GetAttrString(got, "shape"), *strides = PyObject_GetAttrString(got, "strides");
        if (shape && strides)
            PyErr_Format(PyExc_ValueError, "input %zd of the compiled graph: expected %U; got %S of shape %S, strides %S bytes (%s)", position, wanted,
                         (PyObject *)PyArray_DESCR((PyArrayObject *)got), shape, strides, why);
        Py_XDECREF(shape);
        Py_XDECREF(strides);
    }
    Py_DECREF(wanted);
    return -1;
}

static int bind_array(Py_ssize_t position, const Spec *spec, PyObject *object, int64_t *sizes) {
    if (!PyArray_Check(object)) return refuse(position, spec, sizes, object, "");
    PyArrayObject *array = (PyArrayObject *)object;
    if (PyArray_DESCR(array) != spec->descr && !PyArray_EquivTypes(PyArray_DESCR(array), spec->descr)) return refuse(position, spec, sizes, object, "dtype");
    if (PyArray_NDIM(array) != spec->ndim) return refuse(position, spec, sizes, object, "number of dimensions");
    const npy_intp *dims = PyArray_DIMS(array), *strides = PyArray_STRIDES(array);
    for (int d = 0; d < spec->ndim; ++d) {
        int64_t wanted = spec->dims[d];
        if (wanted == UNCHECKED) continue;
        if (wanted < 0) {
            int64_t *size = &sizes[-1 - wanted];
            if (*size < 0) *size = dims[d];
            wanted = *size;
        }
        if (dims[d] != wanted) return refuse(position, spec, sizes, object, "shape");
    }
    if (spec->layout == CONTIGUOUS) {
        if (!PyArray_IS_C_CONTIGUOUS(array)) return refuse(position, spec, sizes, object, "strides");
    } else if (spec->layout == EXACT && PyArray_SIZE(array) > 0) {
        for (int d = 0; d < spec->ndim; ++d)
            if (strides[d] != spec->strides[d] && dims[d] > 1) return refuse(position, spec, sizes, object, "strides");
    }
    if (spec->writable && !PyArray_ISWRITEABLE(array)) return refuse(position, spec, sizes, object, "read-only, and the graph writes to it");
    if (!PyArray_ISALIGNED(array)) return refuse(position, spec, sizes, object, "not aligned");
    return 0;
}

static int bind_size(Py_ssize_t position, const Spec *spec, PyObject *object, int64_t *sizes) {
    int64_t size = PyLong_AsLongLong(object);
    if (size == -1 && PyErr_Occurred()) return -1;
    int64_t *known = &sizes[spec->number];
    if (*known >= 0 && *known != size) {
        PyErr_Format(PyExc_ValueError, "input %zd of the compiled graph: expected the size %lld, got %lld", position, (long long)*known, (long long)size);
        return -1;
    }
    *known = size;
    return 0;
}

/* Fills data (of the array inputs, then the constants) and sizes, and adds up the bytes. */
static int bind(Launcher *self, PyObject *const *items, void **data, int64_t *sizes, int64_t *bytes) {
    for (Py_ssize_t s = 0; s < self->symbols; ++s) sizes[s] = -1;
    for (Py_ssize_t i = 0; i < self->input_count; ++i) /* ints first: they name the sizes */
        if (self->inputs[i].kind == SIZE && bind_size(i, &self->inputs[i], items[i], sizes) < 0) return -1;
    for (Py_ssize_t i = 0; i < self->input_count; ++i) {
        if (self->inputs[i].kind != ARRAY) continue;
        if (bind_array(i, &self->inputs[i], items[i], sizes) < 0) return -1;
        *data++ = PyArray_DATA((PyArrayObject *)items[i]);
        *bytes += PyArray_NBYTES((PyArrayObject *)items[i]);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->constants); ++i) *data++ = PyArray_DATA((PyArrayObject *)PyTuple_GET_ITEM(self->constants, i));
    return 0;
}

/* ---- Results */
static PyObject *result(Launcher *self, const Spec *spec, PyObject *const *items, PyObject *results, const int64_t *sizes, const int64_t **dimensions) {
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
    if (bind(self, items, data, sizes, &bytes) < 0) return NULL;
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
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "segue.inductor._launcher", "Calls generated libraries.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__launcher(void) {
    import_array();
    if (PyType_Ready(&LauncherType) < 0 || PyType_Ready(&BlockType) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    if (PyModule_AddObjectRef(module, "Launcher", (PyObject *)&LauncherType) < 0 || PyModule_AddObjectRef(module, "Block", (PyObject *)&BlockType) < 0 ||
        PyModule_AddIntConstant(module, "ABI", SEGUE_RUNTIME_ABI) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
