/* The specs of a launcher: parsing them, and checking the inputs of a call against them.
 *
 * In come the tuples that inductor/build.py describes, and later a call's arrays and ints; out come the small structs of launcher.h, and the arrays'
 * addresses and the symbols' values. The one idea: a spec is data, so a refusal can always say what was expected and what came. */
#define NO_IMPORT_ARRAY
#include "launcher.h"

/* ---- Parsing */
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

int parse_specs(PyObject *sequence, Spec **specs, Py_ssize_t *count, Launcher *self, int is_output) {
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
    for (Py_ssize_t i = 0; i < length && !failed; ++i)
        failed = parse_spec(PySequence_Fast_GET_ITEM(items, i), *specs + i, self, is_output);
    Py_DECREF(items);
    return failed;
}

void free_specs(Spec *specs, Py_ssize_t count) {
    for (Py_ssize_t i = 0; specs && i < count; ++i) {
        Py_XDECREF(specs[i].descr);
        Py_XDECREF(specs[i].value);
    }
    PyMem_Free(specs);
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
    const char *writable = spec->writable ? ", writable" : "";
    PyObject *text = PyUnicode_FromFormat("%S of shape %S, %s%s", (PyObject *)spec->descr, shape, layouts[spec->layout], writable);
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
            PyErr_Format(PyExc_ValueError, "input %zd of the compiled graph: expected %U; got %S of shape %S, strides %S bytes (%s)", position,
                         wanted, (PyObject *)PyArray_DESCR((PyArrayObject *)got), shape, strides, why);
        Py_XDECREF(shape);
        Py_XDECREF(strides);
    }
    Py_DECREF(wanted);
    return -1;
}

static int bind_array(Py_ssize_t position, const Spec *spec, PyObject *object, int64_t *sizes) {
    if (!PyArray_Check(object)) return refuse(position, spec, sizes, object, "");
    PyArrayObject *array = (PyArrayObject *)object;
    if (PyArray_DESCR(array) != spec->descr && !PyArray_EquivTypes(PyArray_DESCR(array), spec->descr))
        return refuse(position, spec, sizes, object, "dtype");
    if (PyArray_NDIM(array) != spec->ndim) return refuse(position, spec, sizes, object, "number of dimensions");
    const npy_intp *dims = PyArray_DIMS(array), *strides = PyArray_STRIDES(array);
    for (int d = 0; d < spec->ndim; ++d) {
        int64_t wanted = spec->dims[d];
        if (wanted == UNCHECKED) continue;
        if (wanted < 0) {
            int64_t *size = &sizes[-1 - wanted];
            if (*size == UNBOUND) *size = dims[d];
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
    if (*known != UNBOUND && *known != size) {
        PyErr_Format(PyExc_ValueError, "input %zd of the compiled graph: expected the size %lld, got %lld", position, (long long)*known,
                (long long)size);
        return -1;
    }
    *known = size;
    return 0;
}

int bind_inputs(Launcher *self, PyObject *const *items, void **data, int64_t *sizes, int64_t *bytes) {
    for (Py_ssize_t s = 0; s < self->symbols; ++s) sizes[s] = UNBOUND;
    for (Py_ssize_t i = 0; i < self->input_count; ++i) /* ints first: they name the sizes */
        if (self->inputs[i].kind == SIZE && bind_size(i, &self->inputs[i], items[i], sizes) < 0) return -1;
    for (Py_ssize_t i = 0; i < self->input_count; ++i) {
        if (self->inputs[i].kind != ARRAY) continue;
        if (bind_array(i, &self->inputs[i], items[i], sizes) < 0) return -1;
        *data++ = PyArray_DATA((PyArrayObject *)items[i]);
        *bytes += PyArray_NBYTES((PyArrayObject *)items[i]);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->constants); ++i)
        *data++ = PyArray_DATA((PyArrayObject *)PyTuple_GET_ITEM(self->constants, i));
    return 0;
}
