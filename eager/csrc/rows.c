/* The extension module segue.eager._dispatch: what a row's call does in the common case.
 *
 * In come a row (eager/ops/definition.py: an OpDef is a Row) and its arguments, out goes a tensor. The one idea: a call with operands of the same dtypes and shapes
 * as an earlier one needs no checks and no casts, so its kernel runs at once; whatever is otherwise, traced arrays, transforms, an operand that a kernel refuses,
 * goes the general way, which is Python's (eager/ops/dispatch.py) and says what was wrong. */
#define SEGUE_EAGER_MAIN
#include "eager.h"
#include <structmember.h>

#define MOST_ARGUMENTS 16
#define MOST_WORDS 96 /* of a key: two for a call, and one for each argument and each of its dimensions */

Installed segue_installed;

static PyObject *name_tracers, *name_levels, *name_enabled;

/* ---- what a call looks like */

typedef struct {
    npy_int64 words[MOST_WORDS]; /* the default dtype; then for a tensor its type and rank, and its sizes; for anything else -1 */
    PyObject *others[2 * MOST_ARGUMENTS + 1]; /* behind a place for the words: the types of numbers, types and values of attributes; borrowed */
    PyObject *arrays[MOST_ARGUMENTS + 1]; /* the kernel's arguments: numpy, then arrays in place of tensors; owned */
    Py_ssize_t count, word_count, other_count;
    int requires_grad;
} Call;

static void call_clear(Call *call) {
    for (Py_ssize_t i = 0; i < call->count; ++i) Py_DECREF(call->arrays[i + 1]);
}

/* Read the arguments of a call: 1, 0 where it is none of the common case, or -1 with an exception. What was read is owned in either case. */
static int call_read(Call *call, Row *row, PyObject *args) {
    call->count = call->requires_grad = 0;
    call->other_count = 0;
    call->word_count = 1;
    call->words[0] = (npy_int64)(intptr_t)PyList_GET_ITEM(segue_installed.defaults, 0);
    call->arrays[0] = segue_installed.numpy;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
        PyObject *argument = PyTuple_GET_ITEM(args, i);
        if (!IS_TENSOR(argument)) {
            if (call->word_count == MOST_WORDS) return 0;
            call->words[call->word_count++] = -1;
            call->others[++call->other_count] = (PyObject *)Py_TYPE(argument);
            if (PyTuple_GET_ITEM(row->operand, i) != Py_True) call->others[++call->other_count] = argument;
            call->arrays[++call->count] = Py_NewRef(argument);
            continue;
        }
        if (!Py_IS_TYPE(SLOT(argument, tensor, _data), &PyArray_Type)) return 0;
        if (refreshed(argument) < 0) return -1;
        PyArrayObject *array = (PyArrayObject *)SLOT(argument, tensor, _data);
        int rank = PyArray_NDIM(array);
        if (call->word_count + 1 + rank > MOST_WORDS) return 0;
        call->words[call->word_count++] = (npy_int64)PyArray_TYPE(array) << 8 | rank;
        for (int d = 0; d < rank; ++d) call->words[call->word_count++] = PyArray_DIM(array, d);
        call->requires_grad |= SLOT(argument, tensor, _requires_grad) == Py_True;
        call->arrays[++call->count] = Py_NewRef((PyObject *)array);
    }
    return 1;
}

/* The key of a call in `row.known`. */
static PyObject *call_key(Call *call) {
    PyObject *words = PyBytes_FromStringAndSize((char *)call->words, call->word_count * (Py_ssize_t)sizeof *call->words);
    if (!words || !call->other_count) return words;
    PyObject *key = PyTuple_New(1 + call->other_count);
    if (!key) {
        Py_DECREF(words);
        return NULL;
    }
    PyTuple_SET_ITEM(key, 0, words);
    for (Py_ssize_t i = 1; i <= call->other_count; ++i) PyTuple_SET_ITEM(key, i, Py_NewRef(call->others[i]));
    return key;
}

/* ---- carrying it out */

/* Whether a mode of the thread is on: 1, 0, or -1 with an exception. */
static int is_on(PyObject *name) {
    PyObject *mode = PyObject_GetAttr(segue_installed.state, name);
    if (!mode) return -1;
    int on = PyObject_IsTrue(mode);
    Py_DECREF(mode);
    return on;
}

static PyObject *with_warnings_off(PyObject *kernel, Call *call) {
    PyObject *token = PyObject_CallNoArgs(segue_installed.hush);
    if (!token) return NULL;
    PyObject *found = PyObject_Vectorcall(kernel, call->arrays, call->count + 1, NULL);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallOneArg(segue_installed.restore, token);
    Py_DECREF(token);
    Py_XDECREF(done);
    if (!done) Py_CLEAR(found);
    if (done || type) PyErr_Restore(type, value, traceback);
    return found;
}

/* What a kernel gave as an array that may stand under a tensor: of the dtype promised, and without gaps. Takes `found`. */
static PyObject *settled(PyObject *found, PyObject *dtype) {
    if (found && !Py_IS_TYPE(found, &PyArray_Type)) Py_SETREF(found, PyArray_FROM_O(found));
    if (!found) return NULL;
    PyArray_Descr *has = PyArray_DESCR((PyArrayObject *)found), *promised = (PyArray_Descr *)dtype;
    if (has != promised && !PyArray_EquivTypes(has, promised)) Py_SETREF(found, PyObject_CallMethod(found, "astype", "O", dtype));
    if (found && !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)found)) Py_SETREF(found, PyArray_NewCopy((PyArrayObject *)found, NPY_CORDER));
    return found;
}

static PyObject *carry_out_known(Row *row, PyObject *args, Call *call, PyObject *known) {
    PyObject *array;
    if (row->is_view)
        array = PyObject_Vectorcall(row->kernel, call->arrays, call->count + 1, NULL);
    else
        array = settled(with_warnings_off(row->kernel, call), PyTuple_GET_ITEM(known, 0));
    if (!array) return NULL;
    PyObject *out = row->is_view ? view_tensor(row, args, array) : fresh_tensor(array);
    Py_DECREF(array);
    if (out && call->requires_grad && PyTuple_GET_ITEM(known, 2) == Py_True) {
        int enabled = is_on(name_enabled);
        if (enabled < 0 || (enabled && record_step(row, args, out, PyTuple_GET_ITEM(known, 1)) < 0)) Py_CLEAR(out);
    }
    return out;
}

/* Whether the exception that is set may be an operator's answer to its operands, which the general way words. */
static int is_refusal(void) {
    PyObject *kinds[] = {PyExc_TypeError, PyExc_RuntimeError, PyExc_ValueError, PyExc_IndexError, PyExc_ZeroDivisionError, PyExc_MemoryError};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
        if (PyErr_ExceptionMatches(kinds[i])) return 1;
    return 0;
}

static PyObject *carry_out(Row *row, PyObject *args) {
    int tracers = row->learns && PyTuple_GET_SIZE(args) <= MOST_ARGUMENTS ? is_on(name_tracers) : 1;
    int watched = tracers ? tracers : is_on(name_levels);
    if (watched < 0) return NULL;
    if (watched) return PyObject_CallFunctionObjArgs(segue_installed.general, row, args, NULL);
    Call call;
    int common = call_read(&call, row, args);
    PyObject *key = common > 0 ? call_key(&call) : NULL;
    PyObject *known = key ? PyDict_GetItemWithError(row->known, key) : NULL, *out = NULL;
    int learning = key && !known && !PyErr_Occurred(); /* an attribute that is no key raises TypeError */
    if (known) {
        Py_INCREF(known);
        out = carry_out_known(row, args, &call, known);
        Py_DECREF(known);
    }
    call_clear(&call);
    if (learning)
        out = PyObject_CallFunctionObjArgs(segue_installed.learn, row, args, key, NULL);
    else if (!out && (!PyErr_Occurred() || is_refusal())) {
        PyErr_Clear();
        out = PyObject_CallFunctionObjArgs(segue_installed.general, row, args, NULL);
    }
    Py_XDECREF(key);
    return out;
}

/* ---- the type Row */

/* 1, or 0 with an exception */
static int is_installed(void) {
    if (!segue_installed.general) PyErr_SetString(PyExc_RuntimeError, "the dispatcher is not installed yet");
    return segue_installed.general != NULL;
}

static PyObject *row_call(Row *self, PyObject *args, PyObject *kwargs) {
    if (!is_installed()) return NULL;
    if (!self->kernel) return PyErr_Format(PyExc_RuntimeError, "a row is called before it is prepared");
    if ((!kwargs || !PyDict_GET_SIZE(kwargs)) && PyTuple_GET_SIZE(args) == PyTuple_GET_SIZE(self->operand)) return carry_out(self, args);
    PyObject *none = kwargs ? Py_NewRef(kwargs) : PyDict_New();
    PyObject *bound = none ? PyObject_CallMethod((PyObject *)self, "bind", "OO", args, none) : NULL;
    PyObject *out = bound ? carry_out(self, bound) : NULL;
    Py_XDECREF(none);
    Py_XDECREF(bound);
    return out;
}

static PyObject *row_prepare(Row *self, PyObject *args) {
    PyObject *kernel, *operand, *pullable;
    int is_view, detaches, learns;
    if (!PyArg_ParseTuple(args, "OO!O!ppp", &kernel, &PyTuple_Type, &operand, &PyTuple_Type, &pullable, &is_view, &detaches, &learns)) return NULL;
    if (PyTuple_GET_SIZE(operand) != PyTuple_GET_SIZE(pullable)) return PyErr_Format(PyExc_ValueError, "two descriptions of the arguments differ in length");
    Py_XSETREF(self->known, PyDict_New());
    Py_XSETREF(self->plans, PyDict_New());
    if (!self->known || !self->plans) return NULL;
    Py_XSETREF(self->operand, Py_NewRef(operand));
    Py_XSETREF(self->pullable, Py_NewRef(pullable));
    Py_XSETREF(self->kernel, Py_NewRef(kernel));
    self->is_view = (char)is_view;
    self->detaches = (char)detaches;
    self->learns = (char)learns;
    Py_RETURN_NONE;
}

static int row_traverse(Row *self, visitproc visit, void *arg) {
    Py_VISIT(self->kernel);
    Py_VISIT(self->operand);
    Py_VISIT(self->pullable);
    Py_VISIT(self->known);
    Py_VISIT(self->plans);
    return 0;
}

static int row_clear(Row *self) {
    Py_CLEAR(self->kernel);
    Py_CLEAR(self->operand);
    Py_CLEAR(self->pullable);
    Py_CLEAR(self->known);
    Py_CLEAR(self->plans);
    return 0;
}

static void row_dealloc(Row *self) {
    PyObject_GC_UnTrack(self);
    row_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef row_members[] = {
    {"known", T_OBJECT_EX, offsetof(Row, known), READONLY, "what calls look like -> (dtype of the result's array, metas, whether the tape takes them)"},
    {"plans", T_OBJECT_EX, offsetof(Row, plans), READONLY, "active arguments -> what the tape keeps"},
    {NULL},
};
static PyMethodDef row_methods[] = {
    {"prepare", (PyCFunction)row_prepare, METH_VARARGS,
     "prepare(kernel, operand, pullable, is_view, detaches, learns): what a call reads, once for all. operand and pullable: a bool for each argument."},
    {NULL},
};
PyTypeObject Row_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "segue.eager._dispatch.Row",
    .tp_basicsize = sizeof(Row),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "The callable part of an operator's row.",
    .tp_new = PyType_GenericNew,
    .tp_call = (ternaryfunc)row_call,
    .tp_traverse = (traverseproc)row_traverse,
    .tp_clear = (inquiry)row_clear,
    .tp_dealloc = (destructor)row_dealloc,
    .tp_members = row_members,
    .tp_methods = row_methods,
};

/* ---- the module */

static PyObject *py_install(PyObject *module, PyObject *args, PyObject *kwargs) {
#define X(name, doc) #name,
    static char *names[] = {INSTALLED(X) NULL};
#undef X
    Installed given;
#define X(name, doc) , &given.name
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOOOOOOO:install", names INSTALLED(X))) return NULL;
#undef X
    if (!PyType_Check(given.tensor) || !PyType_Check(given.storage) || !PyType_Check(given.node) || !PyList_Check(given.defaults) ||
        !PyList_GET_SIZE(given.defaults))
        return PyErr_Format(PyExc_TypeError, "install() takes classes and a list");
#define X(name, doc) Py_XSETREF(segue_installed.name, Py_NewRef(given.name));
    INSTALLED(X)
#undef X
    if (tensors_ready() < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *py_fresh(PyObject *module, PyObject *array) { return is_installed() ? fresh_tensor(array) : NULL; }

static PyObject *py_viewed(PyObject *module, PyObject *args) {
    PyObject *row, *arguments, *array;
    if (!is_installed() || !PyArg_ParseTuple(args, "O!O!O", &Row_Type, &row, &PyTuple_Type, &arguments, &array)) return NULL;
    if (!PyTuple_GET_SIZE(arguments) || !IS_TENSOR(PyTuple_GET_ITEM(arguments, 0))) return PyErr_Format(PyExc_TypeError, "a view is of a tensor");
    return view_tensor((Row *)row, arguments, array);
}

static PyObject *py_record(PyObject *module, PyObject *args) {
    PyObject *row, *arguments, *out, *metas;
    if (!is_installed() || !PyArg_ParseTuple(args, "O!O!OO", &Row_Type, &row, &PyTuple_Type, &arguments, &out, &metas)) return NULL;
    if (PyTuple_GET_SIZE(arguments) != PyTuple_GET_SIZE(((Row *)row)->pullable) || !IS_TENSOR(out))
        return PyErr_Format(PyExc_TypeError, "record() takes all arguments of a row, and its result");
    if (record_step((Row *)row, arguments, out, metas) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"install", (PyCFunction)(void (*)(void))py_install, METH_VARARGS | METH_KEYWORDS, "install(...): the classes and functions that calls use."},
    {"fresh", py_fresh, METH_O, "fresh(array) -> Tensor: a leaf over new memory."},
    {"viewed", py_viewed, METH_VARARGS, "viewed(row, arguments, array) -> Tensor: over the first argument's memory; it remembers how it came from its base."},
    {"record", py_record, METH_VARARGS, "record(row, arguments, out, metas): put the step on the tape, if an argument that has a formula needs a gradient."},
    {NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "segue.eager._dispatch",
    .m_doc = "Calls of operators in the common case.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__dispatch(void) {
    import_array();
    name_tracers = PyUnicode_InternFromString("tracers");
    name_levels = PyUnicode_InternFromString("levels");
    name_enabled = PyUnicode_InternFromString("enabled");
    PyObject *module = name_tracers && name_levels && name_enabled ? PyModule_Create(&definition) : NULL;
    if (!module || PyType_Ready(&Row_Type) < 0 || PyModule_AddObjectRef(module, "Row", (PyObject *)&Row_Type) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
