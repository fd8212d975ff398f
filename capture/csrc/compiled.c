/* Compiled and Disabled: callables that stand in the place of a function and look like it.

   A call of a Compiled opens a region: its cache is the active one of this thread, and the hook is installed, until the call ends. A call of a Disabled
   runs with the hook off. Both forward what they do not have themselves to the function, so that signatures, names and docs are the function's. */
#include "capture.h"
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;
    PyObject *cache; /* NULL in a Disabled */
    PyObject *dict;
    PyObject *weak_references;
} Wrapper;

/* A call inside of function transforms, as tuple and dict. */
static PyObject *call_at_levels(PyObject *compiled, PyObject *const *args, size_t count, PyObject *names)
{
    Py_ssize_t given = PyVectorcall_NARGS(count), named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    PyObject *positional = PyTuple_New(given), *keywords = PyDict_New(), *result = NULL;
    if (positional != NULL && keywords != NULL) {
        for (Py_ssize_t i = 0; i < given; i++) {
            PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
        }
        Py_ssize_t i = 0;
        while (i < named && PyDict_SetItem(keywords, PyTuple_GET_ITEM(names, i), args[given + i]) == 0) {
            i++;
        }
        if (i == named) {
            result = PyObject_CallFunctionObjArgs(segue_lift, compiled, positional, keywords, NULL);
        }
    }
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return result;
}

static PyObject *compiled_call(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    Wrapper *self = (Wrapper *)object;
    if (segue_thread.off || segue_eager) {
        return PyObject_Vectorcall(self->function, args, count, names);
    }
    COUNT(calls);
    if (segue_thread.levels > 0 && segue_lift != NULL) {
        return call_at_levels(object, args, count, names);
    }
    Cache *before = segue_thread.cache;
    Py_INCREF(self);
    segue_thread.cache = (Cache *)self->cache;
    hook_enter();
    PyObject *result = PyObject_Vectorcall(self->function, args, count, names);
    hook_leave();
    segue_thread.cache = before;
    Py_DECREF(self);
    return result;
}

static PyObject *disabled_call(PyObject *object, PyObject *const *args, size_t count, PyObject *names)
{
    Wrapper *self = (Wrapper *)object;
    Py_INCREF(self);
    segue_thread.off++;
    PyObject *result = PyObject_Vectorcall(self->function, args, count, names);
    segue_thread.off--;
    Py_DECREF(self);
    return result;
}

static PyObject *wrapper_new(PyTypeObject *type, PyObject *function, PyObject *cache, vectorcallfunc call)
{
    if (!PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "%s() takes a callable, not %.100s", type->tp_name, Py_TYPE(function)->tp_name);
        return NULL;
    }
    Wrapper *self = (Wrapper *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = call;
        self->function = Py_NewRef(function);
        self->cache = Py_XNewRef(cache);
    }
    return (PyObject *)self;
}

static PyObject *compiled_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"function", "cache", NULL};
    PyObject *function, *cache;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!:Compiled", names, &function, &Cache_Type, &cache)) {
        return NULL;
    }
    PyObject *plain = PyMethod_Check(function) ? PyMethod_GET_FUNCTION(function) : function;
    if (PyFunction_Check(plain) && code_mark_keep((PyCodeObject *)PyFunction_GET_CODE(plain)) < 0) { /* who asks for a library's function gets it */
        return NULL;
    }
    return wrapper_new(type, function, cache, compiled_call);
}

static PyObject *disabled_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"function", NULL};
    PyObject *function;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Disabled", names, &function)) {
        return NULL;
    }
    return wrapper_new(type, function, NULL, disabled_call);
}

static int wrapper_traverse(Wrapper *self, visitproc visit, void *arg)
{
    Py_VISIT(self->function);
    Py_VISIT(self->cache);
    Py_VISIT(self->dict);
    return 0;
}

static int wrapper_clear(Wrapper *self)
{
    Py_CLEAR(self->dict);
    return 0; /* every cycle goes through the function's or the cache's own parts, which the collector clears; a call always finds both */
}

static void wrapper_dealloc(Wrapper *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weak_references != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    wrapper_clear(self);
    Py_CLEAR(self->function);
    Py_CLEAR(self->cache);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* Names that every type has, but that the function answers; descriptors, so that those who look past __getattribute__, as help() does, find it, too. */
static PyObject *forwarded_get(PyObject *object, void *name)
{
    Wrapper *self = (Wrapper *)object;
    PyObject *found = self->dict == NULL ? NULL : PyDict_GetItemString(self->dict, name);
    return found != NULL ? Py_NewRef(found) : PyObject_GetAttrString(self->function, name);
}

static int forwarded_set(PyObject *object, PyObject *value, void *name)
{
    PyObject *dict = PyObject_GenericGetDict(object, NULL);
    int failed = dict == NULL || (value != NULL ? PyDict_SetItemString(dict, name, value) : PyDict_DelItemString(dict, name)) < 0;
    Py_XDECREF(dict);
    if (failed && value == NULL) {
        PyErr_SetString(PyExc_AttributeError, name);
    }
    return failed ? -1 : 0;
}

static PyObject *wrapper_getattr(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(object, name);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        found = PyObject_GetAttr(((Wrapper *)object)->function, name);
    }
    return found;
}

static PyObject *compiled_get(PyObject *self, PyObject *instance, PyObject *owner)
{
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static PyObject *compiled_repr(Wrapper *self) { return PyUnicode_FromFormat("<compiled %R>", self->function); }
static PyObject *disabled_repr(Wrapper *self) { return PyUnicode_FromFormat("<not compiled %R>", self->function); }

/* Pickled by name, as a function is; copies are the object itself. */
static PyObject *wrapper_reduce(Wrapper *self, PyObject *ignored) { return PyObject_GetAttrString(self->function, "__qualname__"); }
static PyObject *wrapper_deepcopy(PyObject *self, PyObject *memo) { return Py_NewRef(self); }

static PyMethodDef wrapper_methods[] = {
    {"__reduce__", (PyCFunction)wrapper_reduce, METH_NOARGS, NULL},
    {"__deepcopy__", wrapper_deepcopy, METH_O, NULL},
    {NULL},
};

static PyMemberDef compiled_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(Wrapper, function), READONLY, NULL},
    {"cache", T_OBJECT, offsetof(Wrapper, cache), READONLY, "the Cache that is active while this runs"},
    {NULL},
};

static PyMemberDef disabled_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(Wrapper, function), READONLY, NULL},
    {NULL},
};

static PyGetSetDef wrapper_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"__doc__", forwarded_get, forwarded_set, NULL, "__doc__"},
    {"__module__", forwarded_get, forwarded_set, NULL, "__module__"},
    {NULL},
};

#define WRAPPER_SLOTS                                                                                                              \
    .tp_basicsize = sizeof(Wrapper), .tp_vectorcall_offset = offsetof(Wrapper, vectorcall), .tp_call = PyVectorcall_Call,          \
    .tp_dictoffset = offsetof(Wrapper, dict), .tp_weaklistoffset = offsetof(Wrapper, weak_references),                             \
    .tp_traverse = (traverseproc)wrapper_traverse, .tp_clear = (inquiry)wrapper_clear, .tp_dealloc = (destructor)wrapper_dealloc,  \
    .tp_getattro = wrapper_getattr, .tp_setattro = PyObject_GenericSetAttr, .tp_descr_get = compiled_get,                          \
    .tp_methods = wrapper_methods, .tp_getset = wrapper_getset,                                                                    \
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL

PyTypeObject Compiled_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.capture._capture.Compiled",
    .tp_doc = "What segue.compile gives for a function.",
    .tp_new = compiled_new,
    .tp_repr = (reprfunc)compiled_repr,
    .tp_members = compiled_members,
    WRAPPER_SLOTS,
};

PyTypeObject Disabled_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.capture._capture.Disabled",
    .tp_doc = "What segue.compiler.disable gives for a function.",
    .tp_new = disabled_new,
    .tp_repr = (reprfunc)disabled_repr,
    .tp_members = disabled_members,
    WRAPPER_SLOTS,
};
