/* The tests at the nodes: each kind of Guard as one C function, by the name that guards.py gives it. */
#include "program.h"

/* ---- constants --------------------------------------------------------------------------------------------------------- */

static int same_float(double a, double b)
{
    return (a == b && signbit(a) == signbit(b)) || (a != a && b != b);
}

static int same_members(PyObject *a, PyObject *b, const char *const *names, int count)
{
    int same = 1;
    for (int i = 0; same > 0 && i < count; i++) {
        PyObject *left = PyObject_GetAttrString(a, names[i]), *right = PyObject_GetAttrString(b, names[i]);
        same = left == NULL || right == NULL ? -1 : same_constant(left, right);
        Py_XDECREF(left);
        Py_XDECREF(right);
    }
    return same;
}

int same_constant(PyObject *a, PyObject *b)
{
    static const char *const bounds[] = {"start", "stop", "step"};
    PyTypeObject *type = Py_TYPE(a);
    if (a == b) {
        return 1;
    }
    if (type != Py_TYPE(b)) {
        return 0;
    }
    if (type == &PyLong_Type || type == &PyUnicode_Type || type == &PyBytes_Type) {
        return PyObject_RichCompareBool(a, b, Py_EQ);
    }
    if (type == &PyFloat_Type) {
        return same_float(PyFloat_AS_DOUBLE(a), PyFloat_AS_DOUBLE(b));
    }
    if (type == &PyComplex_Type) {
        Py_complex x = PyComplex_AsCComplex(a), y = PyComplex_AsCComplex(b);
        return same_float(x.real, y.real) && same_float(x.imag, y.imag);
    }
    if (type == &PyTuple_Type) {
        int same = PyTuple_GET_SIZE(a) == PyTuple_GET_SIZE(b);
        for (Py_ssize_t i = 0; same > 0 && i < PyTuple_GET_SIZE(a); i++) {
            same = same_constant(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i));
        }
        return same;
    }
    if (type == &PyRange_Type || type == &PySlice_Type) {
        return same_members(a, b, bounds, 3);
    }
    return 0;
}

static int settle(int answer) { return answer < 0 ? swallow() : answer; }

/* ---- tests of one value ---------------------------------------------------------------------------------------------------- */

#define FETCH(value)                                              \
    PyObject *value;                                              \
    {                                                             \
        int found_ = walk_fetch(walk, check->nodes[0], &value);   \
        if (found_ <= 0) {                                        \
            return found_;                                        \
        }                                                         \
    }

TEST(test_type_is)
{
    FETCH(value)
    return (PyObject *)Py_TYPE(value) == check->object;
}

TEST(test_is)
{
    FETCH(value)
    if (value != check->object) {
        return 0;
    }
    if (check->weak == NULL) {
        return 1;
    }
    return weak_target_is(check->weak, value); /* another object may stand at the address of a dead one */
}

TEST(test_equals)
{
    FETCH(value)
    return settle(same_constant(value, check->argument));
}

TEST(test_is_none)
{
    FETCH(value)
    return (value == Py_None) == check->flag;
}

TEST(test_length_is)
{
    Py_ssize_t length, node = check->nodes[0];
    int found = walk_integer(walk, (int)node, &length);
    return found <= 0 ? (found == -1 ? -1 : 0) : length == check->length;
}

TEST(test_dict_keys)
{
    PyObject *key;
    Py_ssize_t position = 0, index = 0;
    FETCH(value)
    if (!PyDict_Check(value) || PyDict_Size(value) != PyTuple_GET_SIZE(check->argument)) {
        return 0;
    }
    while (PyDict_Next(value, &position, &key, NULL)) {
        if (index >= PyTuple_GET_SIZE(check->argument)) {
            return 0;
        }
        int same = same_constant(key, PyTuple_GET_ITEM(check->argument, index++));
        if (same <= 0) {
            return settle(same);
        }
    }
    return index == PyTuple_GET_SIZE(check->argument);
}

TEST(test_has_key)
{
    FETCH(value)
    if (!PyDict_Check(value)) {
        return 0;
    }
    int present = PyDict_Contains(value, check->object);
    return present < 0 ? swallow() : present == check->flag;
}

TEST(test_has_attribute)
{
    PyObject *found = NULL;
    FETCH(value)
    int present = lookup_attribute(value, check->object, &found);
    Py_XDECREF(found);
    if (present < 0) {
        if (swallow() < 0) {
            return -1;
        }
        present = 0;
    }
    return present == check->flag;
}

TEST(test_has_entry)
{
    FETCH(value)
    return PyType_Check(value) && (_PyType_Lookup((PyTypeObject *)value, check->object) != NULL) == check->flag;
}

TEST(test_cell_is_empty)
{
    FETCH(value)
    return PyCell_Check(value) && PyCell_GET(value) == NULL;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------------------ */

static int ask_python(Check *check, PyObject *value) /* TensorMatch.holds(value) */
{
    PyObject *said = PyObject_CallMethod(check->guard, "holds", "O", value);
    int answer = said == NULL ? swallow() : PyObject_IsTrue(said);
    Py_XDECREF(said);
    return settle(answer);
}

TEST(test_tensor)
{
    const TensorFacts *facts = check->tensor;
    PyObject *array;
    FETCH(value)
    if (Py_TYPE(value) != facts->type) {
        return 0;
    }
    if (facts->generic) {
        return ask_python(check, value);
    }
    if (tensor_plainly_holds(value, facts)) {
        return 1;
    }
    int holds = array_of(value, &array);
    if (holds <= 0) {
        return holds;
    }
    holds = is_ndarray(array) ? array_facts_hold(array, facts) : 0;
    Py_DECREF(array);
    if (holds > 0 && facts->requires_grad >= 0) {
        int requires_grad = tensor_requires_grad(value);
        holds = requires_grad < 0 ? -1 : requires_grad == facts->requires_grad;
    }
    if (holds > 0 && facts->leaf >= 0) {
        int leaf = tensor_is_leaf(value);
        holds = leaf < 0 ? -1 : leaf == facts->leaf;
    }
    return holds;
}

/* ---- predicates ------------------------------------------------------------------------------------------------------------- */

int call_with_values(Check *check, Walk *walk, PyObject *function)
{
    PyObject *arguments = PyTuple_New(check->count), *value;
    int found = arguments == NULL ? swallow() : 1;
    for (int i = 0; found > 0 && i < check->count; i++) {
        found = walk_fetch(walk, check->nodes[i], &value);
        if (found > 0) {
            PyTuple_SET_ITEM(arguments, i, Py_NewRef(value));
        }
    }
    if (found > 0) {
        PyObject *said = PyObject_CallObject(function, arguments);
        found = said == NULL ? swallow() : settle(PyObject_IsTrue(said));
        Py_XDECREF(said);
    }
    Py_XDECREF(arguments);
    return found;
}

TEST(test_predicate) { return call_with_values(check, walk, check->argument); }

/* ---- building ------------------------------------------------------------------------------------------------------------------- */

static int number_in(PyObject *item, Py_ssize_t *result)
{
    *result = PyNumber_AsSsize_t(item, PyExc_OverflowError);
    return *result == -1 && PyErr_Occurred() ? -1 : 0;
}

static int tristate(PyObject *value) { return value == Py_None ? -1 : PyObject_IsTrue(value); }

/* Sizes or strides: a tuple with None where anything goes. */
static Py_ssize_t *numbers(PyObject *tuple, Py_ssize_t free_value, Py_ssize_t scale)
{
    Py_ssize_t count = PyTuple_GET_SIZE(tuple), *result = PyMem_Calloc((size_t)count + 1, sizeof(Py_ssize_t));
    for (Py_ssize_t i = 0; result != NULL && i < count; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (item == Py_None) {
            result[i] = free_value;
        } else if (number_in(item, &result[i]) < 0) {
            PyMem_Free(result);
            return NULL;
        } else {
            result[i] *= scale;
        }
    }
    if (result == NULL) {
        PyErr_NoMemory();
    }
    return result;
}

static int read_order(TensorFacts *facts, PyObject *order)
{
    if (!PyTuple_Check(order) || (facts->order = numbers(order, 0, 1)) == NULL) {
        PyErr_SetString(PyExc_TypeError, "the order of a tensor guard is a tuple of dimensions");
        return -1;
    }
    facts->ordered = PyTuple_GET_SIZE(order);
    for (Py_ssize_t i = 0; i < facts->ordered; i++) {
        if (facts->order[i] < 0 || facts->order[i] >= facts->dimensions) {
            PyErr_SetString(PyExc_ValueError, "the order of a tensor guard names a dimension that is not there");
            return -1;
        }
    }
    return 0;
}

static int build_tensor(Check *check)
{
    PyObject *type, *dtype, *shape, *strides, *order, *requires_grad, *leaf, *writeable, *array_type;
    const char *device;
    if (!PyArg_ParseTuple(check->argument, "O!OO!OOOOOO!s", &PyType_Type, &type, &dtype, &PyTuple_Type, &shape, &strides, &order, &requires_grad, &leaf,
                          &writeable, &PyType_Type, &array_type, &device)) {
        return -1;
    }
    TensorFacts *facts = check->tensor = PyMem_Calloc(1, sizeof(TensorFacts));
    PyObject *itemsize = facts == NULL ? PyErr_NoMemory() : PyObject_GetAttrString(dtype, "itemsize");
    Py_ssize_t width;
    if (itemsize == NULL) {
        return -1;
    }
    int failed = number_in(itemsize, &width);
    Py_DECREF(itemsize);
    if (failed || (strides != Py_None && (!PyTuple_Check(strides) || PyTuple_GET_SIZE(strides) != PyTuple_GET_SIZE(shape)))) {
        if (!failed) {
            PyErr_SetString(PyExc_ValueError, "a tensor guard has as many strides as sizes");
        }
        return -1;
    }
    facts->type = (PyTypeObject *)type;
    facts->array_type = (PyTypeObject *)array_type;
    facts->dtype = dtype;
    facts->dimensions = PyTuple_GET_SIZE(shape);
    facts->sizes = numbers(shape, -1, 1);
    facts->strides = strides == Py_None ? NULL : numbers(strides, FREE_STRIDE, width);
    facts->itemsize = width;
    facts->requires_grad = tristate(requires_grad);
    facts->leaf = tristate(leaf);
    facts->writeable = tristate(writeable);
    facts->generic = strcmp(device, "cpu") != 0 || strcmp(facts->array_type->tp_name, "numpy.ndarray") != 0;
    if (order != Py_None && !PyErr_Occurred() && read_order(facts, order) < 0) {
        return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int build_flag(Check *check) /* the argument is a bool */
{
    check->flag = PyObject_IsTrue(check->argument);
    return check->flag < 0 ? -1 : 0;
}

static int build_membership(Check *check) /* (key or name, present) */
{
    return PyArg_ParseTuple(check->argument, "Op", &check->object, &check->flag) ? 0 : -1;
}

static int build_entry(Check *check)
{
    if (build_membership(check) < 0 || !PyUnicode_CheckExact(check->object)) {
        PyErr_SetString(PyExc_TypeError, "the entry of a class has a name");
        return -1;
    }
    return 0;
}

static int build_type(Check *check)
{
    check->object = check->argument;
    return 0;
}

static int build_length(Check *check) { return number_in(check->argument, &check->length); }

static int build_keys(Check *check)
{
    if (!PyTuple_Check(check->argument)) {
        PyErr_SetString(PyExc_TypeError, "the keys of a dict guard are a tuple");
        return -1;
    }
    return 0;
}

/* The argument has a `target`: a weak reference, or a function that gives the object. */
static int build_is(Check *check)
{
    PyObject *target = PyObject_GetAttrString(check->argument, "target");
    PyObject *object = target == NULL ? NULL : PyObject_CallNoArgs(target);
    if (object == NULL) {
        Py_XDECREF(target);
        return -1;
    }
    if (PyWeakref_Check(target)) {
        check->weak = target;
        check->object = object; /* only its address */
        Py_DECREF(object);
    } else {
        Py_DECREF(target); /* the argument keeps it, and it keeps the object */
        check->object = object;
        Py_DECREF(object);
    }
    return 0;
}

static int build_nothing(Check *check) { return 0; }

static const struct {
    const char *name;
    Test test;
    int (*build)(Check *check);
    Settle settle; /* NULL: tested on each walk */
} kinds[] = {
    {"type_is", test_type_is, build_type, settle_type},
    {"is", test_is, build_is, settle_is},
    {"equals", test_equals, build_nothing, settle_equals},
    {"is_none", test_is_none, build_flag, settle_known},
    {"length_is", test_length_is, build_length, settle_length},
    {"dict_keys", test_dict_keys, build_keys, settle_keys},
    {"has_key", test_has_key, build_membership, settle_has_key},
    {"has_attribute", test_has_attribute, build_membership, NULL},
    {"has_entry", test_has_entry, build_entry, settle_has_entry},
    {"cell_is_empty", test_cell_is_empty, build_nothing, NULL},
    {"tensor", test_tensor, build_tensor, settle_tensor},
    {"aliasing", test_aliasing, build_partition, NULL},
    {"same_objects", test_same_objects, build_partition, settle_known},
    {"relation", NULL, build_relation, NULL}, /* which chooses the test */
    {"predicate", test_predicate, build_nothing, NULL},
};

int check_build(Check *check, PyObject *kind)
{
    for (size_t i = 0; PyUnicode_Check(kind) && i < sizeof kinds / sizeof *kinds; i++) {
        if (PyUnicode_CompareWithASCIIString(kind, kinds[i].name) == 0) {
            check->test = kinds[i].test;
            check->settle = kinds[i].settle;
            return kinds[i].build(check);
        }
    }
    PyErr_Format(PyExc_ValueError, "the guard engine knows no guard of kind %R", kind);
    return -1;
}

void check_free(Check *check)
{
    if (check->tensor != NULL) {
        PyMem_Free(check->tensor->sizes);
        PyMem_Free(check->tensor->strides);
        PyMem_Free(check->tensor->order);
        PyMem_Free(check->tensor);
    }
    PyMem_Free(check->order);
    PyMem_Free(check->code);
    PyMem_Free(check->nodes);
    Py_CLEAR(check->weak);
    Py_CLEAR(check->argument);
    Py_CLEAR(check->guard);
}
