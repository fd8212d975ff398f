/* Calls of resume functions.

   A caller holds what it calls with until the call returns, and so an object that the user's program drops behind a break would live up to the end of the
   function. A resume function is called with a tuple that nobody else has: once its frame holds the arguments, the hook empties the tuple. */
#include "capture.h"

_Thread_local Handing segue_handing;

/* The frame of the function that is being called holds them. */
void empty_arguments(void)
{
    PyObject *arguments = segue_handing.arguments;
    segue_handing.function = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); i++) {
        PyObject *held = PyTuple_GET_ITEM(arguments, i);
        PyTuple_SET_ITEM(arguments, i, Py_NewRef(Py_None));
        Py_DECREF(held);
    }
}

/* Call with a tuple, which is emptied on the way. */
static PyObject *call_and_hand_over(PyObject *function, PyObject *arguments)
{
    Handing before = segue_handing;
    segue_handing = (Handing){Py_REFCNT(arguments) == 1 ? function : NULL, arguments};
    PyObject *result = PyObject_Vectorcall(function, ((PyTupleObject *)arguments)->ob_item, (size_t)PyTuple_GET_SIZE(arguments), NULL);
    segue_handing = before;
    return result;
}

static PyObject *py_go_on(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyFunction_Check(args[1]) || !PyTuple_CheckExact(args[2])) {
        PyErr_SetString(PyExc_TypeError, "go_on() takes a class, a function and a tuple");
        return NULL;
    }
    PyObject *result = call_and_hand_over(args[1], args[2]);
    while (result != NULL && Py_TYPE(result) == (PyTypeObject *)args[0]) {
        PyObject *function = Py_NewRef(PyTuple_GET_ITEM(result, 0)), *arguments = Py_NewRef(PyTuple_GET_ITEM(result, 1));
        Py_DECREF(result);
        result = call_and_hand_over(function, arguments);
        Py_DECREF(function);
        Py_DECREF(arguments);
    }
    return result;
}

static PyMethodDef methods[] = {
    {"go_on", (PyCFunction)(void (*)(void))py_go_on, METH_FASTCALL,
     "go_on(kind, function, arguments): call the function with a tuple that nobody else has, and as long as it returns a `kind`, (function, arguments), call that."},
    {NULL},
};

int resume_ready(PyObject *module) { return PyModule_AddFunctions(module, methods); }
