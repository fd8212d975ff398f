/* Paths to values: each kind of Source as one C function, by the name that sources.py gives it. Also the layout of tensors and arrays. */
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include "program.h"
#include <numpy/arrayobject.h>
#include <structmember.h>

static PyObject *name_requires_grad, *name_is_leaf, *name_shape, *name_strides, *name_itemsize;

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

STEP(step_item)
{
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
    return PyRange_Check(value) ? PyObject_Size(value) : -1;
}

STEP(step_length)
{
    Py_ssize_t length = builtin_length(base);
    return hand_over(length < 0 ? NULL : PyLong_FromSsize_t(length), result);
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

/* ---- tensors and arrays ---------------------------------------------------------------------------------------------- */

int is_ndarray(PyObject *value) { return PyArray_CheckExact(value); }

enum { SLOT_DATA, SLOT_REQUIRES_GRAD, SLOT_BASE, SLOT_EDGE, SLOT_HOOKS, SLOTS };

static PyObject *slot_names[SLOTS];

/* The place of a slot in instances of a type: found once through the member descriptor. 0 when the type has no such slot. */
static Py_ssize_t slot_offset(PyTypeObject *type, int which)
{
    static struct {
        PyTypeObject *type; /* strong */
        unsigned int version;
        Py_ssize_t offset;
    } known[SLOTS][4];
    static unsigned next;
    for (int i = 0; i < 4; i++) {
        if (known[which][i].type == type && known[which][i].version == type->tp_version_tag) {
            return known[which][i].offset;
        }
    }
    PyObject *descriptor = _PyType_Lookup(type, slot_names[which]);
    Py_ssize_t offset = 0;
    if (descriptor != NULL && Py_IS_TYPE(descriptor, &PyMemberDescr_Type) && ((PyMemberDescrObject *)descriptor)->d_member->type == T_OBJECT_EX) {
        offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
    }
    if (type->tp_version_tag != 0) {
        int place = (int)(next++ % 4);
        Py_XSETREF(known[which][place].type, (PyTypeObject *)Py_NewRef(type));
        known[which][place].version = type->tp_version_tag;
        known[which][place].offset = offset;
    }
    return offset;
}

/* What a slot holds (borrowed), or NULL when it is empty or the type has no such slot. */
static PyObject *slot_value(PyObject *object, int which)
{
    Py_ssize_t offset = slot_offset(Py_TYPE(object), which);
    return offset > 0 ? *(PyObject **)((char *)object + offset) : NULL;
}

static int ask_attribute(PyObject *tensor, PyObject *name) /* 1, 0, 2 for no answer, -1 */
{
    PyObject *value = PyObject_GetAttr(tensor, name);
    int answer = value == NULL ? -1 : PyObject_IsTrue(value);
    Py_XDECREF(value);
    return answer < 0 ? (swallow() < 0 ? -1 : 2) : answer;
}

int tensor_requires_grad(PyObject *tensor)
{
    PyObject *flag = slot_value(tensor, SLOT_REQUIRES_GRAD), *base = slot_value(tensor, SLOT_BASE);
    if (flag != NULL && base == Py_None) { /* a view asks its base first: that is Python's */
        return flag == Py_True ? 1 : flag == Py_False ? 0 : PyObject_IsTrue(flag);
    }
    return ask_attribute(tensor, name_requires_grad);
}

/* Whether a tensor came from no operation and nobody hooks its gradient. */
int tensor_is_leaf(PyObject *tensor)
{
    PyObject *edge = slot_value(tensor, SLOT_EDGE), *hooks = slot_value(tensor, SLOT_HOOKS);
    if (hooks != NULL && hooks != Py_None) {
        return 0;
    }
    return edge != NULL ? edge == Py_None : ask_attribute(tensor, name_is_leaf);
}

int array_of(PyObject *value, PyObject **result)
{
    if (PyArray_CheckExact(value)) {
        *result = Py_NewRef(value);
        return 1;
    }
    PyObject *data = slot_value(value, SLOT_DATA);
    if (data != NULL) {
        *result = Py_NewRef(data);
        return 1;
    }
    int found = lookup_attribute(value, slot_names[SLOT_DATA], result);
    if (found > 0) {
        return 1;
    }
    *result = Py_NewRef(value);
    if (found < 0 && swallow() < 0) {
        Py_CLEAR(*result);
        return -1;
    }
    return 1;
}

/* An int attribute of any array: `array.shape[dim]`, or the like. 1, 0, -1; -2 when it does not fit. */
static int generic_number(PyObject *array, PyObject *name, Py_ssize_t dim, Py_ssize_t *result)
{
    PyObject *tuple = PyObject_GetAttr(array, name);
    PyObject *item = tuple == NULL ? NULL : dim < 0 ? Py_NewRef(tuple) : PySequence_GetItem(tuple, dim);
    Py_XDECREF(tuple);
    if (item == NULL) {
        return swallow();
    }
    *result = PyNumber_AsSsize_t(item, PyExc_OverflowError);
    Py_DECREF(item);
    return *result == -1 && PyErr_Occurred() ? swallow() : 1;
}

static int read_dimension(PyObject *base, Py_ssize_t dim, int stride, Py_ssize_t *result)
{
    PyObject *array;
    Py_ssize_t itemsize = 1;
    int found = array_of(base, &array);
    if (found <= 0) {
        return found;
    }
    if (dim < 0) {
        found = 0;
    } else if (PyArray_CheckExact(array)) {
        PyArrayObject *exact = (PyArrayObject *)array;
        found = dim < PyArray_NDIM(exact);
        if (found) {
            *result = stride ? PyArray_STRIDE(exact, (int)dim) : PyArray_DIM(exact, (int)dim);
            itemsize = stride ? PyArray_ITEMSIZE(exact) : 1;
        }
    } else {
        found = generic_number(array, stride ? name_strides : name_shape, dim, result);
        if (found > 0 && stride) {
            found = generic_number(array, name_itemsize, -1, &itemsize);
        }
    }
    Py_DECREF(array);
    if (found > 0 && stride) {
        if (itemsize <= 0 || *result % itemsize != 0) {
            return 0;
        }
        *result /= itemsize;
    }
    return found;
}

static int dimension_value(const Node *node, PyObject *base, int stride, PyObject **result)
{
    Py_ssize_t number;
    int found = read_dimension(base, node->index, stride, &number);
    return found <= 0 ? found : hand_over(PyLong_FromSsize_t(number), result);
}

STEP(step_size) { return dimension_value(node, base, 0, result); }
STEP(step_stride) { return dimension_value(node, base, 1, result); }

int array_span(PyObject *array, uintptr_t *low, uintptr_t *high)
{
    if (!PyArray_CheckExact(array)) {
        return 0;
    }
    PyArrayObject *exact = (PyArrayObject *)array;
    uintptr_t first = (uintptr_t)PyArray_BYTES(exact), last = first;
    for (int i = 0; i < PyArray_NDIM(exact); i++) {
        Py_ssize_t size = PyArray_DIM(exact, i), reach = (size - 1) * PyArray_STRIDE(exact, i);
        if (size == 0) {
            *low = *high = 0;
            return 1;
        }
        first += reach < 0 ? (uintptr_t)reach : 0;
        last += reach > 0 ? (uintptr_t)reach : 0;
    }
    *low = first;
    *high = last + (uintptr_t)PyArray_ITEMSIZE(exact);
    return 1;
}

int array_facts_hold(PyObject *array, const TensorFacts *facts)
{
    PyArrayObject *exact = (PyArrayObject *)array;
    if (PyArray_NDIM(exact) != facts->dimensions) {
        return 0;
    }
    if ((PyObject *)PyArray_DESCR(exact) != facts->dtype) {
        int same = PyObject_RichCompareBool((PyObject *)PyArray_DESCR(exact), facts->dtype, Py_EQ);
        if (same <= 0) {
            return same < 0 ? swallow() : 0;
        }
    }
    for (int i = 0; i < facts->dimensions; i++) {
        if (facts->sizes[i] >= 0 && facts->sizes[i] != PyArray_DIM(exact, i)) {
            return 0;
        }
        if (facts->strides != NULL && facts->strides[i] != FREE_STRIDE && facts->strides[i] != PyArray_STRIDE(exact, i)) {
            return 0;
        }
    }
    Py_ssize_t step = facts->itemsize;
    for (Py_ssize_t i = 0; i < facts->ordered; i++) {
        int dim = (int)facts->order[i];
        if (PyArray_DIM(exact, dim) != 1 && PyArray_STRIDE(exact, dim) != step) {
            return 0;
        }
        step *= PyArray_DIM(exact, dim);
    }
    return facts->writeable < 0 || facts->writeable == !!PyArray_ISWRITEABLE(exact);
}

/* ---- the table, binding, fetching ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    Step step;
} steps[] = {
    {"local", step_local},
    {"free_cell", step_free_cell},
    {"cell", step_cell},
    {"global", step_global},
    {"builtin", step_builtin},
    {"function", step_function},
    {"constant", step_constant},
    {"attribute", step_attribute},
    {"instance_dict", step_instance_dict},
    {"type_entry", step_type_entry},
    {"item", step_item},
    {"dict_value", step_dict_value},
    {"dict_key", step_dict_key},
    {"type_of", step_type_of},
    {"length", step_length},
    {"function_code", step_function_code},
    {"function_defaults", step_function_defaults},
    {"function_kwdefaults", step_function_kwdefaults},
    {"function_globals", step_function_globals},
    {"closure", step_closure},
    {"cell_contents", step_cell_contents},
    {"size", step_size},
    {"stride", step_stride},
};

Step step_named(PyObject *kind)
{
    for (size_t i = 0; PyUnicode_Check(kind) && i < sizeof steps / sizeof *steps; i++) {
        if (PyUnicode_CompareWithASCIIString(kind, steps[i].name) == 0) {
            return steps[i].step;
        }
    }
    PyErr_Format(PyExc_ValueError, "the guard engine knows no source of kind %R", kind);
    return NULL;
}

static int needs_index(Step step) { return step == step_item || step == step_dict_key || step == step_size || step == step_stride; }
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

int sources_ready(void)
{
    import_array1(-1);
    static const char *const slots[SLOTS] = {"_data", "_requires_grad", "_base", "_edge", "_hooks"};
    for (int i = 0; i < SLOTS; i++) {
        slot_names[i] = PyUnicode_InternFromString(slots[i]);
        if (slot_names[i] == NULL) {
            return -1;
        }
    }
    name_requires_grad = PyUnicode_InternFromString("requires_grad");
    name_is_leaf = PyUnicode_InternFromString("is_leaf");
    name_shape = PyUnicode_InternFromString("shape");
    name_strides = PyUnicode_InternFromString("strides");
    name_itemsize = PyUnicode_InternFromString("itemsize");
    return name_requires_grad && name_is_leaf && name_shape && name_strides && name_itemsize ? 0 : -1;
}
