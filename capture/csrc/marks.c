/* Marks on code objects: what the hook knows about a frame's code without looking it up in a cache. They lie in the code object itself and end with it. */
#include "capture.h"


static Py_ssize_t extra_index = -1;
static PyObject *skipped_prefixes; /* tuple of str, or NULL */
static PyObject *kept_prefixes;    /* tuple of str, or NULL: exceptions from them */
static uintptr_t generation;       /* of skipped_prefixes: marks found under another one are looked up again */

static uintptr_t raw_marks(PyCodeObject *code)
{
    void *value = NULL;
    if (code_get_extra(code, extra_index, &value) < 0) {
        PyErr_Clear();
    }
    return (uintptr_t)value;
}

static int set_code_marks(PyCodeObject *code, uintptr_t marks)
{
    return code_set_extra(code, extra_index, (void *)marks);
}

static Py_ssize_t longest_beginning(PyObject *file, PyObject *prefixes)
{
    Py_ssize_t longest = -1;
    for (Py_ssize_t i = 0; prefixes != NULL && i < PyTuple_GET_SIZE(prefixes); i++) {
        PyObject *prefix = PyTuple_GET_ITEM(prefixes, i);
        if (PyUnicode_GET_LENGTH(prefix) > longest && PyUnicode_Tailmatch(file, prefix, 0, PY_SSIZE_T_MAX, -1) == 1) {
            longest = PyUnicode_GET_LENGTH(prefix);
        }
    }
    return longest;
}

/* The longest prefix that fits decides: site-packages lies inside the standard library's folder, and a package that is skipped inside that. */
static int file_is_skipped(PyCodeObject *code)
{
    return longest_beginning(code->co_filename, skipped_prefixes) > longest_beginning(code->co_filename, kept_prefixes);
}

int code_mark_skip(PyCodeObject *code) { return set_code_marks(code, raw_marks(code) | MARK_SKIP); }
int code_mark_keep(PyCodeObject *code) { return set_code_marks(code, raw_marks(code) | MARK_KEEP); }

/* The marks of a code object, its file looked at once. */
uintptr_t code_marks(PyCodeObject *code)
{
    uintptr_t marks = raw_marks(code);
    if (marks & (MARK_SKIP | MARK_LEAF | MARK_KEEP)) {
        return marks & ~(uintptr_t)MARK_FILE;
    }
    if (!(marks & MARK_CHECKED) || marks >> MARK_BITS != generation) {
        marks = (generation << MARK_BITS) | MARK_CHECKED | (file_is_skipped(code) ? MARK_FILE : 0);
        if (set_code_marks(code, marks) < 0) {
            PyErr_Clear();
        }
    }
    return marks;
}

/* ---- what Python sees ------------------------------------------------------------------------------------------------- */

static PyCodeObject *code_argument(PyObject *object)
{
    if (PyFunction_Check(object)) {
        object = PyFunction_GET_CODE(object);
    }
    if (!PyCode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "expected a code object or a Python function, not %.100s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (PyCodeObject *)object;
}

static PyObject *mark(PyObject *object, uintptr_t bit)
{
    PyCodeObject *code = code_argument(object);
    if (code == NULL || set_code_marks(code, raw_marks(code) | bit) < 0) {
        return NULL;
    }
    return Py_NewRef(object);
}

static PyObject *py_skip(PyObject *module, PyObject *object) { return mark(object, MARK_SKIP); }
static PyObject *py_keep(PyObject *module, PyObject *object) { return mark(object, MARK_KEEP); }
static PyObject *py_leaf(PyObject *module, PyObject *object) { return mark(object, MARK_LEAF); }

static PyObject *py_is_skipped(PyObject *module, PyObject *object)
{
    PyCodeObject *code = code_argument(object);
    return code == NULL ? NULL : PyBool_FromLong((code_marks(code) & (MARK_SKIP | MARK_LEAF | MARK_FILE)) != 0);
}

static PyObject *tuple_of_strings(PyObject *strings)
{
    PyObject *tuple = PySequence_Tuple(strings);
    for (Py_ssize_t i = 0; tuple != NULL && i < PyTuple_GET_SIZE(tuple); i++) {
        if (!PyUnicode_Check(PyTuple_GET_ITEM(tuple, i))) {
            PyErr_SetString(PyExc_TypeError, "skip_prefixes() takes strings, the beginnings of file names");
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *py_skip_prefixes(PyObject *module, PyObject *args)
{
    PyObject *skipped, *kept = NULL;
    if (!PyArg_ParseTuple(args, "O|O:skip_prefixes", &skipped, &kept)) {
        return NULL;
    }
    skipped = tuple_of_strings(skipped);
    kept = skipped == NULL || kept == NULL ? NULL : tuple_of_strings(kept);
    if (skipped == NULL || PyErr_Occurred()) {
        Py_XDECREF(skipped);
        return NULL;
    }
    Py_XSETREF(skipped_prefixes, skipped);
    Py_XSETREF(kept_prefixes, kept);
    generation++;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"skip", py_skip, METH_O, "skip(code_or_function): frames of this code run untouched for ever. Returns its argument, so it is a decorator too."},
    {"keep", py_keep, METH_O, "keep(code_or_function): look this code up although its file is skipped. Returns its argument."},
    {"leaf", py_leaf, METH_O, "leaf(code_or_function): frames of this code run with the hook off, and so does all that they call. A decorator too."},
    {"is_skipped", py_is_skipped, METH_O, "is_skipped(code_or_function) -> bool: by skip(), leaf() or its file."},
    {"skip_prefixes", py_skip_prefixes, METH_VARARGS,
     "skip_prefixes(skipped, kept=()): skip code by the beginning of its file name; the longest that fits decides. Replaces the lists."},
    {NULL},
};

int marks_ready(PyObject *module)
{
    extra_index = code_extra_index();
    if (extra_index < 0) {
        PyErr_SetString(PyExc_RuntimeError, "the interpreter gives out no more indices for values on code objects");
        return -1;
    }
    return PyModule_AddFunctions(module, methods);
}
