/* The layout of tensors and arrays: what the guards ask of one is read from its slots and NumPy's fields, without running Python where that can be. */
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include "program.h"
#include <numpy/arrayobject.h>
#include <structmember.h>

static PyObject *name_requires_grad, *name_is_leaf, *name_shape, *name_strides, *name_itemsize, *name_data, *name_ptr;

int is_ndarray(PyObject *value) { return PyArray_CheckExact(value); }

enum { SLOT_DATA, SLOT_REQUIRES_GRAD, SLOT_BASE, SLOT_EDGE, SLOT_HOOKS, SLOTS };

static PyObject *slot_names[SLOTS];

/* The places of the slots in instances of a type, found once through the member descriptors; 0 where the type has no such slot. */
static const Py_ssize_t *slots_of(PyTypeObject *type)
{
    static struct {
        PyTypeObject *type; /* strong */
        unsigned int version;
        Py_ssize_t offsets[SLOTS];
    } known[8];
    static unsigned next;
    static Py_ssize_t unkept[SLOTS]; /* of a type that has no version */
    for (int i = 0; i < 8; i++) {
        if (known[i].type == type && known[i].version == type->tp_version_tag) {
            return known[i].offsets;
        }
    }
    Py_ssize_t offsets[SLOTS] = {0};
    for (int i = 0; i < SLOTS; i++) {
        PyObject *descriptor = _PyType_Lookup(type, slot_names[i]);
        if (descriptor != NULL && Py_IS_TYPE(descriptor, &PyMemberDescr_Type) && ((PyMemberDescrObject *)descriptor)->d_member->type == T_OBJECT_EX) {
            offsets[i] = ((PyMemberDescrObject *)descriptor)->d_member->offset;
        }
    }
    if (type->tp_version_tag == 0) {
        return memcpy(unkept, offsets, sizeof offsets);
    }
    int place = (int)(next++ % 8);
    PyTypeObject *before = known[place].type;
    known[place].type = (PyTypeObject *)Py_NewRef(type);
    known[place].version = type->tp_version_tag;
    memcpy(known[place].offsets, offsets, sizeof offsets);
    Py_XDECREF(before);
    return known[place].offsets;
}

static inline PyObject *slot_at(PyObject *object, Py_ssize_t offset) { return offset > 0 ? *(PyObject **)((char *)object + offset) : NULL; }

/* What a slot holds (borrowed), or NULL when it is empty or the type has no such slot. */
static PyObject *slot_value(PyObject *object, int which) { return slot_at(object, slots_of(Py_TYPE(object))[which]); }

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

int read_dimension(PyObject *base, Py_ssize_t dim, int stride, Py_ssize_t *result)
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

/* The span of an array on a device, which begins at `array.data.ptr` and has no negative strides: 1, 0, -1. */
static int generic_span(PyObject *array, uintptr_t *low, uintptr_t *high)
{
    Py_ssize_t first = 0, dimensions = 0, reach = 0, size, stride;
    PyObject *memory = PyObject_GetAttr(array, name_data);
    int found = memory == NULL ? swallow() : generic_number(memory, name_ptr, -1, &first);
    Py_XDECREF(memory);
    PyObject *shape = found > 0 ? PyObject_GetAttr(array, name_shape) : NULL;
    if (found > 0) {
        dimensions = shape == NULL ? -1 : PyObject_Size(shape);
        found = dimensions < 0 ? swallow() : generic_number(array, name_itemsize, -1, &reach);
    }
    Py_XDECREF(shape);
    for (Py_ssize_t dim = 0; found > 0 && dim < dimensions; dim++) {
        found = generic_number(array, name_shape, dim, &size);
        found = found > 0 ? generic_number(array, name_strides, dim, &stride) : found;
        if (found > 0 && size == 0) {
            *low = *high = 0;
            return 1;
        }
        reach += found > 0 ? (size - 1) * stride : 0;
    }
    *low = (uintptr_t)first;
    *high = (uintptr_t)(first + reach);
    return found;
}

int array_span(PyObject *array, uintptr_t *low, uintptr_t *high)
{
    if (!PyArray_CheckExact(array)) {
        return generic_span(array, low, high);
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

/* All but the dtype. */
static inline int layout_holds(PyArrayObject *exact, const TensorFacts *facts)
{
    if (PyArray_NDIM(exact) != facts->dimensions) {
        return 0;
    }
    int other = 0; /* whether a stride that matters differs */
    for (int i = 0; i < facts->dimensions; i++) {
        if (facts->sizes[i] >= 0 && facts->sizes[i] != PyArray_DIM(exact, i)) {
            return 0;
        }
        other |= facts->strides != NULL && facts->strides[i] != FREE_STRIDE && facts->strides[i] != PyArray_STRIDE(exact, i) && PyArray_DIM(exact, i) != 1;
    }
    int empty = (other || facts->ordered > 0) && PyArray_SIZE(exact) == 0; /* no element: any strides */
    if (other && !empty) {
        return 0;
    }
    Py_ssize_t step = facts->itemsize, ordered = empty ? 0 : facts->ordered;
    for (Py_ssize_t i = 0; i < ordered; i++) {
        int dim = (int)facts->order[i];
        if (PyArray_DIM(exact, dim) != 1 && PyArray_STRIDE(exact, dim) != step) {
            return 0;
        }
        step *= PyArray_DIM(exact, dim);
    }
    return facts->writeable < 0 || facts->writeable == !!PyArray_ISWRITEABLE(exact);
}

int array_facts_hold(PyObject *array, const TensorFacts *facts)
{
    PyArrayObject *exact = (PyArrayObject *)array;
    if ((PyObject *)PyArray_DESCR(exact) != facts->dtype) {
        int same = PyObject_RichCompareBool((PyObject *)PyArray_DESCR(exact), facts->dtype, Py_EQ);
        if (same <= 0) {
            return same < 0 ? swallow() : 0;
        }
    }
    return layout_holds(exact, facts);
}

/* `slots` are those of the facts' type. */
static inline int plainly_holds(PyObject *value, const TensorFacts *facts, const Py_ssize_t *slots)
{
    if (Py_TYPE(value) != facts->type) {
        return 0;
    }
    PyObject *array = PyArray_CheckExact(value) ? value : slot_at(value, slots[SLOT_DATA]);
    if (array == NULL || !PyArray_CheckExact(array) || (PyObject *)PyArray_DESCR((PyArrayObject *)array) != facts->dtype ||
        !layout_holds((PyArrayObject *)array, facts)) {
        return 0;
    }
    if (facts->requires_grad >= 0 &&
        (slot_at(value, slots[SLOT_BASE]) != Py_None || slot_at(value, slots[SLOT_REQUIRES_GRAD]) != (facts->requires_grad ? Py_True : Py_False))) {
        return 0;
    }
    if (facts->leaf < 0) {
        return 1;
    }
    PyObject *edge = slot_at(value, slots[SLOT_EDGE]), *hooks = slot_at(value, slots[SLOT_HOOKS]);
    return edge != NULL && (hooks == NULL || hooks == Py_None) && (edge == Py_None) == facts->leaf;
}

/* Whether the facts hold of a tensor or an array that answers from its slots. 0: they do not, or Python has to be asked. */
int tensor_plainly_holds(PyObject *value, const TensorFacts *facts) { return !facts->generic && plainly_holds(value, facts, slots_of(facts->type)); }

int plain_tensors_hold(const PlainTensor *tensors, Py_ssize_t count)
{
    PyTypeObject *type = NULL;
    const Py_ssize_t *slots = NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        const TensorFacts *facts = tensors[i].facts;
        if (facts->type != type) { /* a model's parameters are mostly of one */
            type = facts->type;
            slots = slots_of(type);
        }
        if (!plainly_holds(tensors[i].tensor, facts, slots)) {
            return 0;
        }
    }
    return 1;
}

static int same_numbers(const Py_ssize_t *a, const Py_ssize_t *b, Py_ssize_t count)
{
    return a == NULL || b == NULL ? a == b : memcmp(a, b, (size_t)count * sizeof *a) == 0;
}

int same_facts(const TensorFacts *a, const TensorFacts *b)
{
    return a->type == b->type && a->array_type == b->array_type && a->dtype == b->dtype && a->dimensions == b->dimensions && a->ordered == b->ordered &&
           a->itemsize == b->itemsize && a->requires_grad == b->requires_grad && a->leaf == b->leaf && a->writeable == b->writeable &&
           a->generic == b->generic && same_numbers(a->sizes, b->sizes, a->dimensions) && same_numbers(a->strides, b->strides, a->dimensions) &&
           same_numbers(a->order, b->order, a->ordered);
}

int arrays_ready(void)
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
    name_data = PyUnicode_InternFromString("data");
    name_ptr = PyUnicode_InternFromString("ptr");
    return name_requires_grad && name_is_leaf && name_shape && name_strides && name_itemsize && name_data && name_ptr ? 0 : -1;
}
