/* The extension module segue.capture._capture: its types and functions under their names. */
#include "capture.h"

int hashes_ready(PyObject *module); /* hashes.c: nobody else needs it */

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "segue.capture._capture",
    .m_doc = "The frame hook, the entry of compiled functions, and the guard engine.",
    .m_size = -1,
    .m_methods = hook_methods,
};

PyMODINIT_FUNC PyInit__capture(void)
{
    static const struct {
        const char *name;
        PyTypeObject *type;
    } types[] = {
        {"FrameView", &FrameView_Type}, {"Program", &Program_Type},   {"CacheEntry", &Entry_Type},
        {"Cache", &Cache_Type},         {"Compiled", &Compiled_Type}, {"Disabled", &Disabled_Type},
    };
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL || engine_ready() < 0 || marks_ready(module) < 0 || tracers_ready(module) < 0 || iterators_ready(module) < 0 || hook_ready(module) < 0 ||
        resume_ready(module) < 0 || hashes_ready(module) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (PyType_Ready(types[i].type) < 0 || PyModule_AddObjectRef(module, types[i].name, (PyObject *)types[i].type) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    }
    return module;
}
