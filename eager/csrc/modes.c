/* The modes of each thread: one object of a Python class (eager/autograd/mode.py: Modes) for each, behind one name.
 *
 * In comes the class, out goes an object whose attributes are those of the calling thread's own one. The one idea: what the thread that asked last has is
 * remembered, so asking again costs two comparisons; the thread's dict, which owns it, says when it goes. */
#include "eager.h"

/* What the last question of an OS thread found. `age` tells whether an object of any thread has gone since. */
static _Thread_local struct {
    PyThreadState *thread;
    PyObject *asked, *own;
    unsigned long age;
} last;
static unsigned long age = 1;

typedef struct {
    PyObject_HEAD
    PyObject *factory;
} PerThread;

static void gone(PyObject *capsule) {
    ++age;
    Py_XDECREF((PyObject *)PyCapsule_GetPointer(capsule, NULL));
}

/* The calling thread's object, made where there is none yet. Borrowed. */
static PyObject *found_or_made(PyObject *self) {
    PyObject *all = PyThreadState_GetDict();
    if (!all) return PyErr_Format(PyExc_RuntimeError, "this thread has no place for modes");
    PyObject *capsule = PyDict_GetItemWithError(all, self);
    if (!capsule) {
        PyObject *made = PyErr_Occurred() ? NULL : PyObject_CallNoArgs(((PerThread *)self)->factory);
        if (!made) return NULL;
        if (!(capsule = PyCapsule_New(made, NULL, gone))) {
            Py_DECREF(made);
            return NULL;
        }
        int stored = PyDict_SetItem(all, self, capsule);
        Py_DECREF(capsule);
        if (stored < 0) return NULL;
    }
    return PyCapsule_GetPointer(capsule, NULL);
}

PyObject *thread_modes(PyObject *self) {
    PyThreadState *thread = PyThreadState_Get();
    if (last.asked == self && last.thread == thread && last.age == age) return last.own;
    PyObject *own = found_or_made(self);
    if (own) {
        last.asked = self;
        last.thread = thread;
        last.own = own;
        last.age = age;
    }
    return own;
}

/* ---- the type PerThread */

static PyObject *per_thread_get(PyObject *self, PyObject *name) {
    PyObject *own = thread_modes(self);
    return own ? PyObject_GenericGetAttr(own, name) : NULL;
}

static int per_thread_set(PyObject *self, PyObject *name, PyObject *value) {
    PyObject *own = thread_modes(self);
    if (!own) return -1;
    if (value) return PyObject_GenericSetAttr(own, name, value);
    PyErr_Format(PyExc_AttributeError, "%U cannot be deleted", name);
    return -1;
}

static PyObject *per_thread_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *factory;
    if (!PyArg_ParseTuple(args, "O:PerThread", &factory)) return NULL;
    PerThread *self = (PerThread *)type->tp_alloc(type, 0);
    if (self) self->factory = Py_NewRef(factory);
    return (PyObject *)self;
}

static void per_thread_dealloc(PerThread *self) {
    ++age;
    Py_DECREF(self->factory);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

PyTypeObject PerThread_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "segue.eager._dispatch.PerThread",
    .tp_basicsize = sizeof(PerThread),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "PerThread(factory): what factory() returns, of each thread's own.",
    .tp_new = per_thread_new,
    .tp_getattro = per_thread_get,
    .tp_setattro = per_thread_set,
    .tp_dealloc = (destructor)per_thread_dealloc,
};
