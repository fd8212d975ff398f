/* What traces this thread's lines: nothing, a tool that counts them, or a debugger (any other tracer is taken for one).

   The two need different things of compiled functions, see capture/interp/telling.py; here stands only how they are told apart: by the package of the
   object whose method, or callable, the tracer is. It is asked behind calls in compiled code too, where a debugger must not step into the question. */
#include "capture.h"
#include <string.h>

static const char *const counters[] = {"coverage", "trace"};

/* 1 when the type belongs to a counting tool, 0 when not, -1 with an error. */
static int counts_lines(PyTypeObject *type)
{
    PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
    const char *name = module == NULL ? NULL : PyUnicode_AsUTF8(module);
    int found = name == NULL ? -1 : 0;
    for (size_t i = 0; found == 0 && i < sizeof counters / sizeof *counters; i++) {
        size_t length = strlen(counters[i]);
        found = strncmp(name, counters[i], length) == 0 && (name[length] == 0 || name[length] == '.');
    }
    Py_XDECREF(module);
    return found;
}

static PyObject *py_is_debugged(PyObject *module, PyObject *ignored)
{
    PyThreadState *tstate = PyThreadState_Get();
    PyObject *tracer = tstate->c_traceobj;
    if (tstate->c_tracefunc == NULL || tracer == NULL) {
        Py_RETURN_FALSE;
    }
    int counts = counts_lines(Py_TYPE(PyMethod_Check(tracer) ? PyMethod_GET_SELF(tracer) : tracer));
    return counts < 0 ? NULL : PyBool_FromLong(!counts);
}

static PyMethodDef methods[] = {
    {"is_debugged", py_is_debugged, METH_NOARGS, "is_debugged() -> bool: whether this thread has a tracer (sys.settrace) that does more than to count lines."},
    {NULL},
};

int tracers_ready(PyObject *module) { return PyModule_AddFunctions(module, methods); }
