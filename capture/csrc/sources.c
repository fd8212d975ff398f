/* Paths to values: each kind of Source as one C function, by the name that sources.py gives it. */
#include "program.h"

int swallow(void)
{
    if (PyErr_Occurred() == NULL || PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
        return 0;
    }
    return -1;
}

static int give(PyObject *value, PyObject **result) /* a borrowed value, or NULL for none */
{
    *result = Py_XNewRef(value);
    return value != NULL ? 1 : swallow();
}

static int hand_over(PyObject *value, PyObject **result) /* a new reference, or NULL */
{
    *result = value;
    return value != NULL ? 1 : swallow();
}

#define STEP(name) static int name(const Node *node, PyObject *base, const FrameValues *values, PyObject **result)

STEP(step_local) { return give(node->index < values->count ? values->slots[node->index] : NULL, result); }

static PyObject *free_cell(const Node *node, const FrameValues *values)
{
    PyObject *closure = PyFunction_Check(values->function) ? PyFunction_GET_CLOSURE(values->function) : NULL;
    PyObject *cell = closure != NULL && node->index < PyTuple_GET_SIZE(closure) ? PyTuple_GET_ITEM(closure, node->index) : NULL;
    return cell != NULL && PyCell_Check(cell) ? cell : NULL;
}

STEP(step_free_cell) { return give(free_cell(node, values), result); }

STEP(step_cell)
{
    PyObject *cell = free_cell(node, values);
    return give(cell == NULL ? NULL : PyCell_GET(cell), result);
}

STEP(step_global) { return give(PyDict_Check(values->globals) ? PyDict_GetItemWithError(values->globals, node->argument) : NULL, result); }
STEP(step_builtin) { return give(PyDict_Check(values->builtins) ? PyDict_GetItemWithError(values->builtins, node->argument) : NULL, result); }
STEP(step_function) { return give(values->function, result); }
STEP(step_constant) { return give(node->argument, result); }
STEP(step_attribute) { return hand_over(PyObject_GetAttr(base, node->argument), result); }

STEP(step_instance_dict)
{
    if (PyType_Check(base)) {
        return give(NULL, result);
    }
    PyObject **place = _PyObject_GetDictPtr(base);
    if (place != NULL && *place != NULL && PyDict_Check(*place)) {
        return give(*place, result);
    }
    PyObject *dict = PyObject_GenericGetDict(base, NULL); /* makes the dict of an instance that has none yet */
    if (dict != NULL && !PyDict_Check(dict)) {
        Py_CLEAR(dict);
    }
    return hand_over(dict, result);
}

STEP(step_type_entry) { return give(PyType_Check(base) ? _PyType_Lookup((PyTypeObject *)base, node->argument) : NULL, result); }

static int is_deque(PyObject *value) /* exactly: a subclass may have methods of its own */
{
    static PyObject *type = NULL; /* kept as long as the process */
    if (type == NULL) {
        PyObject *module = PyImport_ImportModule("collections");
        type = module == NULL ? NULL : PyObject_GetAttrString(module, "deque");
        Py_XDECREF(module);
        if (type == NULL) {
            PyErr_Clear();
        }
    }
    return (PyObject *)Py_TYPE(value) == type;
}

STEP(step_item)
{
    if (is_deque(base)) {
        return hand_over(PySequence_GetItem(base, node->index), result);
    }
    if (!PyList_Check(base) && !PyTuple_Check(base)) {
        return give(NULL, result);
    }
    Py_ssize_t size = PySequence_Fast_GET_SIZE(base), index = node->index < 0 ? node->index + size : node->index;
    return give(index >= 0 && index < size ? PySequence_Fast_GET_ITEM(base, index) : NULL, result);
}

STEP(step_dict_value) { return give(PyDict_Check(base) ? PyDict_GetItemWithError(base, node->argument) : NULL, result); }

STEP(step_dict_key)
{
    PyObject *key = NULL;
    Py_ssize_t position = 0, left = node->index;
    if (!PyDict_Check(base) || left < 0) {
        return give(NULL, result);
    }
    while (left-- >= 0) {
        if (!PyDict_Next(base, &position, &key, NULL)) {
            return give(NULL, result);
        }
    }
    return give(key, result);
}

STEP(step_referent) { return PyWeakref_CheckRefExact(base) ? hand_over(PyObject_CallNoArgs(base), result) : give(NULL, result); }

STEP(step_type_of) { return give((PyObject *)Py_TYPE(base), result); }

static Py_ssize_t builtin_length(PyObject *value)
{
    if (PyList_Check(value) || PyTuple_Check(value)) {
        return PySequence_Fast_GET_SIZE(value);
    }
    if (PyDict_Check(value)) {
        return PyDict_Size(value);
    }
    if (PyAnySet_Check(value)) {
        return PySet_GET_SIZE(value);
    }
    if (PyUnicode_Check(value)) {
        return PyUnicode_GET_LENGTH(value);
    }
    if (PyBytes_Check(value)) {
        return PyBytes_GET_SIZE(value);
    }
    return PyRange_Check(value) || is_deque(value) ? PyObject_Size(value) : -1;
}

STEP(step_length)
{
    Py_ssize_t length = builtin_length(base);
    return hand_over(length < 0 ? NULL : PyLong_FromSsize_t(length), result);
}

STEP(step_coming_item)
{
    int found = coming_item(base, node->index, result);
    return found < 0 ? swallow() : found;
}

STEP(step_coming_count)
{
    Py_ssize_t count = coming_count(base, node->index);
    return hand_over(count < 0 ? NULL : PyLong_FromSsize_t(count), result);
}

#define FUNCTION_PART(name, part)                                                          \
    STEP(name)                                                                             \
    {                                                                                      \
        if (!PyFunction_Check(base)) {                                                     \
            return give(NULL, result);                                                     \
        }                                                                                  \
        PyObject *found = part(base);                                                      \
        return give(found == NULL ? Py_None : found, result);                              \
    }

FUNCTION_PART(step_function_code, PyFunction_GET_CODE)
FUNCTION_PART(step_function_defaults, PyFunction_GET_DEFAULTS)
FUNCTION_PART(step_function_kwdefaults, PyFunction_GET_KW_DEFAULTS)
FUNCTION_PART(step_function_globals, PyFunction_GET_GLOBALS)
FUNCTION_PART(step_closure, PyFunction_GET_CLOSURE)

STEP(step_cell_contents) { return give(PyCell_Check(base) ? PyCell_GET(base) : NULL, result); }

static int dimension_value(const Node *node, PyObject *base, int stride, PyObject **result)
{
    Py_ssize_t number;
    int found = read_dimension(base, node->index, stride, &number);
    return found <= 0 ? found : hand_over(PyLong_FromSsize_t(number), result);
}

STEP(step_size) { return dimension_value(node, base, 0, result); }
STEP(step_stride) { return dimension_value(node, base, 1, result); }

/* ---- the table, binding, fetching ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    Step step;
    Recall recall; /* NULL: fetched on each walk */
} steps[] = {
    {"local", step_local, recall_local},
    {"free_cell", step_free_cell, recall_fetched},
    {"cell", step_cell, recall_fetched},
    {"global", step_global, recall_global},
    {"builtin", step_builtin, recall_builtin},
    {"function", step_function, recall_fetched},
    {"constant", step_constant, recall_constant},
    {"attribute", step_attribute, NULL},
    {"instance_dict", step_instance_dict, recall_instance_dict},
    {"type_entry", step_type_entry, recall_type_entry},
    {"item", step_item, recall_item},
    {"dict_value", step_dict_value, recall_dict_value},
    {"dict_key", step_dict_key, recall_dict_key},
    {"type_of", step_type_of, recall_type_of},
    {"referent", step_referent, NULL},
    {"length", step_length, NULL},
    {"coming_item", step_coming_item, NULL},
    {"coming_count", step_coming_count, NULL},
    {"function_code", step_function_code, recall_fetched},
    {"function_defaults", step_function_defaults, recall_fetched},
    {"function_kwdefaults", step_function_kwdefaults, recall_fetched},
    {"function_globals", step_function_globals, recall_fetched},
    {"closure", step_closure, recall_fetched},
    {"cell_contents", step_cell_contents, recall_fetched},
    {"size", step_size, NULL},
    {"stride", step_stride, NULL},
};

int step_named(Node *node, PyObject *kind)
{
    for (size_t i = 0; PyUnicode_Check(kind) && i < sizeof steps / sizeof *steps; i++) {
        if (PyUnicode_CompareWithASCIIString(kind, steps[i].name) == 0) {
            node->step = steps[i].step;
            node->recall = steps[i].recall;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "the guard engine knows no source of kind %R", kind);
    return -1;
}

static int needs_index(Step step)
{
    return step == step_item || step == step_dict_key || step == step_size || step == step_stride || step == step_coming_item || step == step_coming_count;
}

static int needs_name(Step step)
{
    return step == step_local || step == step_cell || step == step_free_cell || step == step_global || step == step_builtin ||
           step == step_attribute || step == step_type_entry;
}
static int starts(Step step)
{
    return step == step_local || step == step_cell || step == step_free_cell || step == step_global || step == step_builtin ||
           step == step_function || step == step_constant;
}

int step_prepare(Node *node, PyObject *kind)
{
    if (starts(node->step) != (node->parent < 0)) {
        PyErr_Format(PyExc_ValueError, "a source of kind %R %s", kind, node->parent < 0 ? "needs a base" : "takes no base");
        return -1;
    }
    if (needs_name(node->step) && !PyUnicode_CheckExact(node->argument)) {
        PyErr_Format(PyExc_TypeError, "a source of kind %R takes a name, not %R", kind, node->argument);
        return -1;
    }
    if (needs_name(node->step)) {
        PyUnicode_InternInPlace(&node->argument);
    }
    if (needs_index(node->step)) {
        node->index = PyNumber_AsSsize_t(node->argument, PyExc_OverflowError);
        return node->index == -1 && PyErr_Occurred() ? -1 : 0;
    }
    return 0;
}

static Py_ssize_t find_name(PyCodeObject *code, PyObject *name, Py_ssize_t begin, Py_ssize_t end)
{
    for (Py_ssize_t i = begin; i < end; i++) {
        if (PyUnicode_Compare(PyTuple_GET_ITEM(code->co_localsplusnames, i), name) == 0) {
            return i - begin;
        }
    }
    PyErr_Format(PyExc_ValueError, "%U has no %s '%U'", code->co_qualname, begin == 0 ? "parameter" : "free variable", name);
    return -1;
}

int step_bind(Node *node, PyCodeObject *code)
{
    if (node->step == step_local) {
        node->index = find_name(code, node->argument, 0, code_parameters(code));
        return node->index < 0 ? -1 : 0;
    }
    if (node->step == step_cell || node->step == step_free_cell) {
        node->index = find_name(code, node->argument, code->co_nlocalsplus - code->co_nfreevars, code->co_nlocalsplus);
        return node->index < 0 ? -1 : 0;
    }
    return 0;
}

int walk_fetch(Walk *walk, int position, PyObject **result)
{
    PyObject *base = NULL;
    if (walk->fetched[position] == NULL) {
        const Node *node = &walk->program->nodes[position];
        if (node->parent >= 0) {
            int found = walk_fetch(walk, node->parent, &base);
            if (found <= 0) {
                return found;
            }
        }
        int found = node->step(node, base, walk->values, &walk->fetched[position]);
        if (found <= 0) {
            return found;
        }
    }
    *result = walk->fetched[position];
    return 1;
}

int walk_integer(Walk *walk, int position, Py_ssize_t *result)
{
    const Node *node = &walk->program->nodes[position];
    PyObject *value;
    if (node->step == step_size || node->step == step_stride) {
        int found = walk_fetch(walk, node->parent, &value);
        return found <= 0 ? found : read_dimension(value, node->index, node->step == step_stride, result);
    }
    int found = walk_fetch(walk, position, &value), overflow = 0;
    if (found <= 0 || !PyLong_CheckExact(value)) {
        return found < 0 ? found : 0;
    }
    *result = (Py_ssize_t)PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow ? -2 : 1;
}
