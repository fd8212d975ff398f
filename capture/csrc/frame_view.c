/* FrameView: what a frame holds before its first instruction, as an object that Python can keep. */
#include "capture.h"
#include <structmember.h>

static FrameView *view_of(PyObject *function, PyObject *globals, PyObject *builtins, PyObject *code, PyObject *slots)
{
    FrameView *self = PyObject_GC_New(FrameView, &FrameView_Type);
    if (self == NULL) {
        Py_DECREF(slots);
        return NULL;
    }
    self->function = Py_NewRef(function);
    self->globals = Py_NewRef(globals);
    self->builtins = Py_NewRef(builtins);
    self->code = Py_NewRef(code);
    self->slots = slots;
    self->locals = NULL;
    PyObject_GC_Track(self);
    return self;
}

PyObject *frame_view_new(const FrameValues *values)
{
    PyObject *slots = PyTuple_New(values->count);
    if (slots == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < values->count; i++) {
        PyTuple_SET_ITEM(slots, i, Py_NewRef(values->slots[i] == NULL ? Py_None : values->slots[i]));
    }
    return (PyObject *)view_of(values->function, values->globals, values->builtins, (PyObject *)values->code, slots);
}

int frame_view_values(PyObject *object, FrameValues *values)
{
    if (!Py_IS_TYPE(object, &FrameView_Type)) {
        PyErr_Format(PyExc_TypeError, "expected a FrameView, not %.100s", Py_TYPE(object)->tp_name);
        return -1;
    }
    FrameView *view = (FrameView *)object;
    values->slots = ((PyTupleObject *)view->slots)->ob_item;
    values->count = PyTuple_GET_SIZE(view->slots);
    values->function = view->function;
    values->globals = view->globals;
    values->builtins = view->builtins;
    values->code = (PyCodeObject *)view->code;
    return 0;
}

static PyObject *view_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"function", "parameters", NULL};
    PyObject *function, *parameters;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:FrameView", names, &PyFunction_Type, &function, &PyDict_Type, &parameters)) {
        return NULL;
    }
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
    Py_ssize_t count = code_parameters(code);
    PyObject *slots = PyTuple_New(count);
    for (Py_ssize_t i = 0; slots != NULL && i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(code->co_localsplusnames, i);
        PyObject *value = PyDict_GetItemWithError(parameters, name);
        if (value == NULL) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_KeyError, "FrameView() of %U needs a value for its parameter '%U'", code->co_qualname, name);
            }
            Py_CLEAR(slots);
            break;
        }
        PyTuple_SET_ITEM(slots, i, Py_NewRef(value));
    }
    PyFunctionObject *object = (PyFunctionObject *)function;
    return slots == NULL ? NULL : (PyObject *)view_of(function, object->func_globals, object->func_builtins, (PyObject *)code, slots);
}

static PyObject *view_locals(FrameView *self, void *ignored)
{
    if (self->locals != NULL) {
        return Py_NewRef(self->locals);
    }
    PyCodeObject *code = (PyCodeObject *)self->code;
    PyObject *locals = PyDict_New();
    PyObject *closure = PyFunction_Check(self->function) ? PyFunction_GET_CLOSURE(self->function) : NULL;
    Py_ssize_t frees = closure == NULL ? 0 : PyTuple_GET_SIZE(closure);
    for (Py_ssize_t i = 0; locals != NULL && i < PyTuple_GET_SIZE(self->slots); i++) {
        if (PyDict_SetItem(locals, PyTuple_GET_ITEM(code->co_localsplusnames, i), PyTuple_GET_ITEM(self->slots, i)) < 0) {
            Py_CLEAR(locals);
        }
    }
    for (Py_ssize_t i = 0; locals != NULL && i < frees && frees == code->co_nfreevars; i++) {
        PyObject *name = PyTuple_GET_ITEM(code->co_localsplusnames, code->co_nlocalsplus - frees + i);
        if (PyDict_SetItem(locals, name, PyTuple_GET_ITEM(closure, i)) < 0) {
            Py_CLEAR(locals);
        }
    }
    self->locals = Py_XNewRef(locals);
    return locals;
}

static int view_traverse(FrameView *self, visitproc visit, void *arg)
{
    Py_VISIT(self->function);
    Py_VISIT(self->globals);
    Py_VISIT(self->builtins);
    Py_VISIT(self->code);
    Py_VISIT(self->slots);
    Py_VISIT(self->locals);
    return 0;
}

static void view_dealloc(FrameView *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->function);
    Py_CLEAR(self->globals);
    Py_CLEAR(self->builtins);
    Py_CLEAR(self->code);
    Py_CLEAR(self->slots);
    Py_CLEAR(self->locals);
    PyObject_GC_Del(self);
}

static int view_clear(FrameView *self)
{
    Py_CLEAR(self->locals); /* the other parts are never NULL while the view lives; a cycle through them ends here or in the parts */
    return 0;
}

static PyMemberDef view_members[] = {
    {"function", T_OBJECT, offsetof(FrameView, function), READONLY, "the function object"},
    {"code", T_OBJECT, offsetof(FrameView, code), READONLY, "its code when the frame began"},
    {"globals", T_OBJECT, offsetof(FrameView, globals), READONLY, "globals of the frame"},
    {"builtins", T_OBJECT, offsetof(FrameView, builtins), READONLY, "builtins of the frame"},
    {"parameters", T_OBJECT, offsetof(FrameView, slots), READONLY, "tuple of the parameters' values, in the order of co_varnames"},
    {NULL},
};

static PyGetSetDef view_getset[] = {
    {"locals", (getter)view_locals, NULL, "dict: parameters by name, and free variables as cell objects", NULL},
    {NULL},
};

PyTypeObject FrameView_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.capture._capture.FrameView",
    .tp_doc = "FrameView(function, parameters): what a frame of `function` holds before its first instruction, with a dict of its parameters' values.",
    .tp_basicsize = sizeof(FrameView),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = view_new,
    .tp_traverse = (traverseproc)view_traverse,
    .tp_clear = (inquiry)view_clear,
    .tp_dealloc = (destructor)view_dealloc,
    .tp_members = view_members,
    .tp_getset = view_getset,
};
