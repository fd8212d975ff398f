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

/* ---- what a call looks like */

typedef struct {
    npy_int64 words[MOST_WORDS]; /* the default dtype; then for a tensor its type, whether it has gaps, its rank and sizes; for anything else -1 */
    PyObject *others[2 * MOST_ARGUMENTS + 1]; /* behind a place for the words: the types of numbers, types and values of attributes; borrowed */
    PyObject *arrays[MOST_ARGUMENTS + 1]; /* the kernel's arguments: numpy, then arrays in place of tensors; owned */
    PyObject *operands[MOST_ARGUMENTS + 1]; /* behind a place for a callee's own use: those that are no attributes; borrowed from `arrays` */
    Py_ssize_t count, word_count, other_count, operand_count;
    int requires_grad;
} Call;

static void call_clear(Call *call) {
    for (Py_ssize_t i = 0; i < call->count; ++i) Py_DECREF(call->arrays[i + 1]);
}

/* Read the arguments of a call: 1, 0 where it is none of the common case, or -1 with an exception. What was read is owned in either case. */
static int call_read(Call *call, Row *row, PyObject *const *args, Py_ssize_t count) {
    call->count = call->other_count = call->operand_count = call->requires_grad = 0;
    call->word_count = 1;
    call->words[0] = (npy_int64)(intptr_t)PyList_GET_ITEM(segue_installed.defaults, 0);
    call->arrays[0] = segue_installed.numpy;
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject *argument = args[i];
        int is_operand = PyTuple_GET_ITEM(row->operand, i) == Py_True;
        if (!IS_TENSOR(argument)) {
            if (call->word_count == MOST_WORDS) return 0;
            call->words[call->word_count++] = -1;
            call->others[++call->other_count] = (PyObject *)Py_TYPE(argument);
            if (is_operand)
                call->operands[++call->operand_count] = argument;
            else
                call->others[++call->other_count] = argument;
            call->arrays[++call->count] = Py_NewRef(argument);
            continue;
        }
        if (!Py_IS_TYPE(SLOT(argument, tensor, _data), &PyArray_Type)) return 0;
        if (refreshed(argument) < 0) return -1;
        PyArrayObject *array = (PyArrayObject *)SLOT(argument, tensor, _data);
        int rank = PyArray_NDIM(array);
        if (call->word_count + 1 + rank > MOST_WORDS) return 0;
        call->words[call->word_count++] = (npy_int64)PyArray_TYPE(array) << 16 | (PyArray_IS_C_CONTIGUOUS(array) ? 256 : 0) | rank;
        for (int d = 0; d < rank; ++d) call->words[call->word_count++] = PyArray_DIM(array, d);
        call->requires_grad |= SLOT(argument, tensor, _requires_grad) == Py_True;
        call->arrays[++call->count] = Py_NewRef((PyObject *)array);
        if (is_operand) call->operands[++call->operand_count] = (PyObject *)array;
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

/* Whether two attributes are surely the same: one object, or ints, or tuples of ints. */
static int is_same(PyObject *a, PyObject *b) {
    if (a == b) return 1;
    if (PyLong_CheckExact(a) && PyLong_CheckExact(b)) return PyObject_RichCompareBool(a, b, Py_EQ) == 1;
    if (!PyTuple_CheckExact(a) || !PyTuple_CheckExact(b) || PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i) {
        PyObject *x = PyTuple_GET_ITEM(a, i), *y = PyTuple_GET_ITEM(b, i);
        if (x != y && !(PyLong_CheckExact(x) && PyLong_CheckExact(y) && PyObject_RichCompareBool(x, y, Py_EQ) == 1)) return 0;
    }
    return 1;
}

static int is_key_of(PyObject *key, Call *call) {
    if (PyTuple_CheckExact(key) != (call->other_count > 0)) return 0;
    PyObject *words = call->other_count ? PyTuple_GET_ITEM(key, 0) : key;
    Py_ssize_t size = call->word_count * (Py_ssize_t)sizeof *call->words;
    if (PyBytes_GET_SIZE(words) != size || memcmp(PyBytes_AS_STRING(words), call->words, (size_t)size)) return 0;
    if (call->other_count && PyTuple_GET_SIZE(key) != 1 + call->other_count) return 0;
    for (Py_ssize_t i = 1; i <= call->other_count; ++i)
        if (!is_same(PyTuple_GET_ITEM(key, i), call->others[i])) return 0;
    return 1;
}

/* What is known of calls like this one, or NULL; then `key` is its key in `row.known`, unless there is an exception (an attribute that is no key). */
static PyObject *look_up(Row *row, Call *call, PyObject **key) {
    *key = NULL;
    for (int i = 0; i < RECENT && row->keys[i]; ++i)
        if (is_key_of(row->keys[i], call)) return Py_NewRef(row->values[i]);
    if (!(*key = call_key(call))) return NULL;
    PyObject *known = PyDict_GetItemWithError(row->known, *key);
    if (!known) return NULL;
    Py_INCREF(known);
    Py_XSETREF(row->values[row->oldest], Py_NewRef(known));
    Py_XSETREF(row->keys[row->oldest], *key);
    row->oldest = (row->oldest + 1) % RECENT;
    *key = NULL;
    return known;
}

/* ---- carrying it out */

static PyObject *handed_over(PyObject *function, Row *row, PyObject *const *args, Py_ssize_t count, PyObject *key) {
    PyObject *given = PyTuple_New(count);
    if (!given) return NULL;
    for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(given, i, Py_NewRef(args[i]));
    PyObject *out = PyObject_CallFunctionObjArgs(function, row, given, key, NULL);
    Py_DECREF(given);
    return out;
}

static PyObject *with_warnings_off(PyObject *function, PyObject *const *args, size_t count) {
    PyObject *token = PyObject_CallNoArgs(segue_installed.hush);
    if (!token) return NULL;
    PyObject *found = PyObject_Vectorcall(function, args, count, NULL);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallOneArg(segue_installed.restore, token);
    Py_DECREF(token);
    Py_XDECREF(done);
    if (!done) Py_CLEAR(found);
    if (done || type) PyErr_Restore(type, value, traceback);
    return found;
}

/* A function of NumPy's, in the thread's context in which NumPy does not warn: there is nobody in it who would miss other context variables. */
static PyObject *run_direct(PyObject *function, Call *call, PyObject *quiet) {
    size_t count = (size_t)call->operand_count | PY_VECTORCALL_ARGUMENTS_OFFSET;
    if (quiet == Py_None) return with_warnings_off(function, call->operands + 1, count);
    if (PyContext_Enter(quiet) < 0) { /* a finalizer, which the call brought about, runs inside of another one's */
        PyErr_Clear();
        return with_warnings_off(function, call->operands + 1, count);
    }
    PyObject *found = PyObject_Vectorcall(function, call->operands + 1, count, NULL);
    if (PyContext_Exit(quiet) < 0) Py_CLEAR(found);
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

static PyObject *carry_out_known(Row *row, PyObject *const *args, Call *call, PyObject *known, PyObject *modes) {
    PyObject *array, *direct = PyTuple_GET_ITEM(known, 3);
    if (row->is_view && direct == Py_None)
        array = PyObject_Vectorcall(row->kernel, call->arrays, (size_t)call->count + 1, NULL);
    else if (row->is_view)
        array = PyObject_Vectorcall(direct, call->operands + 1, (size_t)call->operand_count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    else
        array = settled(direct != Py_None ? run_direct(direct, call, SLOT(modes, modes, quiet))
                                          : with_warnings_off(row->kernel, call->arrays, (size_t)call->count + 1), PyTuple_GET_ITEM(known, 0));
    if (!array) return NULL;
    PyObject *out = row->is_view ? view_tensor(row, args, call->count, array) : fresh_tensor(array);
    Py_DECREF(array);
    if (out && call->requires_grad && PyTuple_GET_ITEM(known, 2) == Py_True) {
        int enabled = PyObject_IsTrue(SLOT(modes, modes, enabled));
        if (enabled < 0 || (enabled && record_step(row, args, out, PyTuple_GET_ITEM(known, 1), modes) < 0)) Py_CLEAR(out);
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

static PyObject *carry_out(Row *row, PyObject *const *args, Py_ssize_t count) {
    PyObject *modes = thread_modes(segue_installed.state);
    if (!modes) return NULL;
    int watched = !row->learns || count > MOST_ARGUMENTS ? 1 : PyObject_IsTrue(SLOT(modes, modes, tracers));
    if (!watched) watched = PyObject_IsTrue(SLOT(modes, modes, levels));
    if (watched) return watched < 0 ? NULL : handed_over(segue_installed.general, row, args, count, NULL);
    Call call;
    PyObject *key = NULL, *known = NULL, *out = NULL;
    if (call_read(&call, row, args, count) > 0) known = look_up(row, &call, &key);
    int learning = key && !known && !PyErr_Occurred();
    if (known) {
        out = carry_out_known(row, args, &call, known, modes);
        Py_DECREF(known);
    }
    call_clear(&call);
    if (learning)
        out = handed_over(segue_installed.learn, row, args, count, key);
    else if (!out && (!PyErr_Occurred() || is_refusal())) {
        PyErr_Clear();
        out = handed_over(segue_installed.general, row, args, count, NULL);
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

static PyObject *row_call(PyObject *callable, PyObject *const *args, size_t flagged, PyObject *names) {
    Row *self = (Row *)callable;
    Py_ssize_t count = PyVectorcall_NARGS(flagged);
    if (!is_installed()) return NULL;
    if (!self->kernel) return PyErr_Format(PyExc_RuntimeError, "a row is called before it is prepared");
    if ((!names || !PyTuple_GET_SIZE(names)) && count == PyTuple_GET_SIZE(self->operand)) return carry_out(self, args, count);
    PyObject *given = PyTuple_New(count), *named = PyDict_New(), *bound = NULL, *out = NULL;
    for (Py_ssize_t i = 0; given && i < count; ++i) PyTuple_SET_ITEM(given, i, Py_NewRef(args[i]));
    int whole = given && named;
    for (Py_ssize_t i = 0; whole && names && i < PyTuple_GET_SIZE(names); ++i)
        whole = PyDict_SetItem(named, PyTuple_GET_ITEM(names, i), args[count + i]) == 0;
    if (whole && (bound = PyObject_CallMethod(callable, "bind", "OO", given, named))) {
        if (PyTuple_CheckExact(bound) && PyTuple_GET_SIZE(bound) == PyTuple_GET_SIZE(self->operand))
            out = carry_out(self, &PyTuple_GET_ITEM(bound, 0), PyTuple_GET_SIZE(bound));
        else
            PyErr_SetString(PyExc_TypeError, "bind() returns all arguments of a row");
    }
    Py_XDECREF(given);
    Py_XDECREF(named);
    Py_XDECREF(bound);
    return out;
}

static PyObject *row_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *self = PyType_GenericNew(type, args, kwargs);
    if (self) ((Row *)self)->vectorcall = row_call;
    return self;
}

static void forget(Row *self) {
    for (int i = 0; i < RECENT; ++i) {
        Py_CLEAR(self->keys[i]);
        Py_CLEAR(self->values[i]);
    }
}

static PyObject *row_prepare(Row *self, PyObject *args) {
    PyObject *kernel, *operand, *pullable;
    int is_view, detaches, learns;
    if (!PyArg_ParseTuple(args, "OO!O!ppp", &kernel, &PyTuple_Type, &operand, &PyTuple_Type, &pullable, &is_view, &detaches, &learns)) return NULL;
    if (PyTuple_GET_SIZE(operand) != PyTuple_GET_SIZE(pullable)) return PyErr_Format(PyExc_ValueError, "two descriptions of the arguments differ in length");
    if (Py_TYPE(self)->tp_call == PyVectorcall_Call) Py_TYPE(self)->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL; /* 3.11 does not inherit it; not where `__call__` is overridden */
    forget(self);
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
    for (int i = 0; i < RECENT; ++i) {
        Py_VISIT(self->keys[i]);
        Py_VISIT(self->values[i]);
    }
    return 0;
}

static int row_clear(Row *self) {
    Py_CLEAR(self->kernel);
    Py_CLEAR(self->operand);
    Py_CLEAR(self->pullable);
    Py_CLEAR(self->known);
    Py_CLEAR(self->plans);
    forget(self);
    return 0;
}

static void row_dealloc(Row *self) {
    PyObject_GC_UnTrack(self);
    row_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef row_members[] = {
    {"known", T_OBJECT_EX, offsetof(Row, known), READONLY, "what calls look like -> (dtype of the result's array, metas, whether the tape takes them, direct)"},
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
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "The callable part of an operator's row.",
    .tp_new = row_new,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Row, vectorcall),
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
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOOOOOOOO:install", names INSTALLED(X))) return NULL;
#undef X
    if (!PyType_Check(given.tensor) || !PyType_Check(given.storage) || !PyType_Check(given.node) || !PyType_Check(given.modes) ||
        !Py_IS_TYPE(given.state, &PerThread_Type) || !PyList_Check(given.defaults) ||
        !PyList_GET_SIZE(given.defaults))
        return PyErr_Format(PyExc_TypeError, "install() takes classes, what is per thread, and a list");
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
    return view_tensor((Row *)row, &PyTuple_GET_ITEM(arguments, 0), PyTuple_GET_SIZE(arguments), array);
}

static PyObject *py_record(PyObject *module, PyObject *args) {
    PyObject *row, *arguments, *out, *metas;
    if (!is_installed() || !PyArg_ParseTuple(args, "O!O!OO", &Row_Type, &row, &PyTuple_Type, &arguments, &out, &metas)) return NULL;
    if (PyTuple_GET_SIZE(arguments) != PyTuple_GET_SIZE(((Row *)row)->pullable) || !IS_TENSOR(out))
        return PyErr_Format(PyExc_TypeError, "record() takes all arguments of a row, and its result");
    PyObject *modes = thread_modes(segue_installed.state);
    if (!modes || record_step((Row *)row, &PyTuple_GET_ITEM(arguments, 0), out, metas, modes) < 0) return NULL;
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
    PyTypeObject *types[] = {&Row_Type, &PerThread_Type, &Operator_Type};
    PyObject *module = PyModule_Create(&definition);
    for (size_t i = 0; module && i < sizeof types / sizeof *types; ++i)
        if (PyModule_AddType(module, types[i]) < 0) Py_CLEAR(module);
    return module;
}
