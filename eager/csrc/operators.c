/* Python's operators of tensors: what stands in the class Tensor under `__add__` and the like.
 *
 * In come a tensor and a tensor or number, out goes the row's result. The one idea: an operator is its row, asked at once; only what is beside a tensor and is neither a
 * tensor nor a plain number goes to a function of Python's, which knows what to make of it. */
#include "eager.h"
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *row, *otherwise;
    char reverse;
} Operator;

static PyObject *operator_call(PyObject *callable, PyObject *const *args, size_t flagged, PyObject *names) {
    Operator *self = (Operator *)callable;
    if (PyVectorcall_NARGS(flagged) == 2 && (!names || !PyTuple_GET_SIZE(names)) && segue_installed.tensor && IS_TENSOR(args[0]) &&
        (PyFloat_CheckExact(args[1]) || PyLong_CheckExact(args[1]) || IS_TENSOR(args[1]))) {
        if (!self->reverse) return PyObject_Vectorcall(self->row, args, 2, NULL);
        PyObject *turned[] = {args[1], args[0]};
        return PyObject_Vectorcall(self->row, turned, 2, NULL);
    }
    return PyObject_Vectorcall(self->otherwise, args, flagged, names);
}

static PyObject *operator_get(PyObject *self, PyObject *owner, PyObject *type) {
    return !owner || owner == Py_None ? Py_NewRef(self) : PyMethod_New(self, owner);
}

/* Its name and the like are the function's. */
static PyObject *operator_attribute(PyObject *self, PyObject *name) {
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
    PyErr_Clear();
    return PyObject_GetAttr(((Operator *)self)->otherwise, name);
}

static PyObject *operator_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *row, *otherwise;
    int reverse;
    if (!PyArg_ParseTuple(args, "O!Op:Operator", &Row_Type, &row, &otherwise, &reverse)) return NULL;
    Operator *self = (Operator *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->vectorcall = operator_call;
    self->row = Py_NewRef(row);
    self->otherwise = Py_NewRef(otherwise);
    self->reverse = (char)reverse;
    return (PyObject *)self;
}

static int operator_traverse(Operator *self, visitproc visit, void *arg) {
    Py_VISIT(self->row);
    Py_VISIT(self->otherwise);
    return 0;
}

static void operator_dealloc(Operator *self) {
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->row);
    Py_XDECREF(self->otherwise);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef operator_members[] = {
    {"__wrapped__", T_OBJECT_EX, offsetof(Operator, otherwise), READONLY, "the function for other operands"},
    {NULL},
};
PyTypeObject Operator_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "segue.eager._dispatch.Operator",
    .tp_basicsize = sizeof(Operator),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_doc = "Operator(row, otherwise, reverse): a method of a tensor and another operand.",
    .tp_new = operator_new,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Operator, vectorcall),
    .tp_getattro = operator_attribute,
    .tp_descr_get = operator_get,
    .tp_traverse = (traverseproc)operator_traverse,
    .tp_dealloc = (destructor)operator_dealloc,
    .tp_members = operator_members,
};
