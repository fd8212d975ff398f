/* What an iterator is going to give, read without taking it: the items that a loop which goes on behind a graph break still has.

   The built-in iterators say themselves where they stand, by `__reduce__`. An iterator inside of an enumerate or a zip counts only while nobody else holds
   it, since whoever takes from the outer one takes from it, too. */
#include "program.h"

enum { COPIED_LIMIT = 1000 }; /* iterators of dicts and sets say what is left by a copy, so only short ones are asked */

static PyObject *kinds = NULL, *copying = NULL; /* frozensets of types, kept as long as the process */

static PyObject *types_of(const char *samples, PyObject *names)
{
    return PyRun_String(samples, Py_eval_input, names, names);
}

static int ready(void)
{
    if (kinds != NULL) {
        return 0;
    }
    PyObject *names = PyDict_New();
    if (names == NULL || PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) < 0) {
        Py_XDECREF(names);
        return -1;
    }
    copying = types_of("frozenset(type(iter(x)) for x in (set(), {}, {}.values(), {}.items(), __import__('collections').OrderedDict()))", names);
    PyObject *all = copying == NULL ? NULL : types_of("frozenset([type(iter(x)) for x in ([], (), range(0), range(2**70), 'a', '\\xe9', b'')] + [type(reversed([])), reversed, enumerate, zip])", names);
    Py_DECREF(names);
    kinds = all == NULL ? NULL : PyNumber_Or(all, copying);
    Py_XDECREF(all);
    return kinds == NULL ? -1 : 0;
}

static int is_listed(PyObject *types, PyObject *iterator) { return PySet_Contains(types, (PyObject *)Py_TYPE(iterator)); }

/* The parts of `__reduce__`: what the iterator is made of (a new reference), and its state: -1 when there is none. */
static PyObject *taken_apart(PyObject *iterator, Py_ssize_t *state)
{
    PyObject *parts = PyObject_CallMethod(iterator, "__reduce__", NULL), *args = NULL;
    if (parts != NULL && PyTuple_Check(parts) && PyTuple_GET_SIZE(parts) >= 2 && PyTuple_Check(PyTuple_GET_ITEM(parts, 1))) {
        PyObject *last = PyTuple_GET_SIZE(parts) > 2 ? PyTuple_GET_ITEM(parts, 2) : Py_None;
        *state = last == Py_None ? -1 : last == Py_True ? 1 : PyNumber_AsSsize_t(last, PyExc_OverflowError);
        if (!PyErr_Occurred()) {
            args = Py_NewRef(PyTuple_GET_ITEM(parts, 1));
        }
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_TypeError, "the iterator does not say where it stands");
    }
    Py_XDECREF(parts);
    return args;
}

static PyObject *alone(PyObject *inner, Py_ssize_t holders)
{
    if (Py_REFCNT(inner) > holders) {
        PyErr_SetString(PyExc_TypeError, "somebody else may take from an iterator inside");
        return NULL;
    }
    return inner;
}

static PyObject *item_of(PyObject *sequence, Py_ssize_t index, Py_ssize_t *count)
{
    if (!PyList_Check(sequence) && !PyTuple_Check(sequence) && !PyRange_Check(sequence) && !PyUnicode_CheckExact(sequence) && !PyBytes_CheckExact(sequence)) {
        PyErr_SetString(PyExc_TypeError, "an iterator over something else than a built-in sequence");
        return NULL;
    }
    int plain = PyList_Check(sequence) || PyTuple_Check(sequence);
    *count = plain ? PySequence_Fast_GET_SIZE(sequence) : PySequence_Size(sequence);
    if (*count < 0 || index < 0 || index >= *count) {
        return NULL;
    }
    return plain ? Py_NewRef(PySequence_Fast_GET_ITEM(sequence, index)) : PySequence_GetItem(sequence, index);
}

/* The item that comes after `index` others. 1: there it is (a new reference); 0: there are only *left items; -1 with an error. */
static int look(PyObject *iterator, Py_ssize_t index, PyObject **result, Py_ssize_t *left);

static int look_inside_zip(PyObject *inner, Py_ssize_t index, PyObject **result, Py_ssize_t *left)
{
    Py_ssize_t width = PyTuple_GET_SIZE(inner), fewest = index + 1;
    PyObject *made = PyTuple_New(width);
    int found = made == NULL ? -1 : width > 0;
    for (Py_ssize_t i = 0; i < width && found >= 0; i++) {
        PyObject *item, *one = alone(PyTuple_GET_ITEM(inner, i), 1);
        Py_ssize_t here;
        int step = one == NULL ? -1 : look(one, index, &item, &here);
        if (step > 0) {
            PyTuple_SET_ITEM(made, i, item);
            continue;
        }
        found = step;
        fewest = step == 0 && here < fewest ? here : fewest;
        if (step < 0) {
            break;
        }
    }
    if (found > 0 && fewest > index) {
        *result = made;
        return 1;
    }
    Py_XDECREF(made);
    *left = width > 0 ? fewest : 0;
    return found < 0 ? -1 : 0;
}

static int look_inside_enumerate(PyObject *args, Py_ssize_t index, PyObject **result, Py_ssize_t *left)
{
    PyObject *item, *inner = PyTuple_GET_SIZE(args) == 2 ? alone(PyTuple_GET_ITEM(args, 0), 2) : NULL;
    if (inner == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "an enumerate that is made of something else");
        }
        return -1;
    }
    int found = look(inner, index, &item, left);
    if (found <= 0) {
        return found;
    }
    PyObject *ahead = PyLong_FromSsize_t(index), *number = ahead == NULL ? NULL : PyNumber_Add(PyTuple_GET_ITEM(args, 1), ahead);
    *result = number == NULL ? NULL : PyTuple_Pack(2, number, item);
    Py_XDECREF(ahead);
    Py_XDECREF(number);
    Py_DECREF(item);
    return *result == NULL ? -1 : 1;
}

static int look_along(PyObject *iterator, PyObject *args, Py_ssize_t state, Py_ssize_t index, PyObject **result, Py_ssize_t *left)
{
    if (PyTuple_GET_SIZE(args) != 1) {
        PyErr_SetString(PyExc_TypeError, "an iterator that is made of something else");
        return -1;
    }
    int backwards = Py_TYPE(iterator) == &PyListRevIter_Type || Py_TYPE(iterator) == &PyReversed_Type;
    PyObject *sequence = PyTuple_GET_ITEM(args, 0);
    Py_ssize_t count = 0, start = backwards || state > 0 ? state : 0;
    *result = item_of(sequence, backwards ? start - index : start + index, &count);
    if (*result != NULL) {
        return 1;
    }
    *left = backwards ? start + 1 : count - start;
    *left = *left < 0 || (backwards && start >= count) ? 0 : *left;
    return PyErr_Occurred() ? -1 : 0;
}

static int look(PyObject *iterator, Py_ssize_t index, PyObject **result, Py_ssize_t *left)
{
    int copied, found = -1;
    Py_ssize_t state;
    if (ready() < 0 || (copied = is_listed(copying, iterator)) < 0) {
        return -1;
    }
    int known = is_listed(kinds, iterator);
    if (known <= 0 || index < 0 || (copied && PyObject_LengthHint(iterator, 0) > COPIED_LIMIT)) {
        if (known >= 0 && !PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "what a %s object gives next cannot be known before it is taken", Py_TYPE(iterator)->tp_name);
        }
        return -1;
    }
    PyObject *args = taken_apart(iterator, &state);
    if (args == NULL) {
        return -1;
    }
    if (Py_TYPE(iterator) == &PyEnum_Type) {
        found = look_inside_enumerate(args, index, result, left);
    } else if (Py_TYPE(iterator) != &PyZip_Type) {
        found = look_along(iterator, args, state, index, result, left);
    } else if (state < 0) { /* strict otherwise: it raises where the lengths differ */
        found = look_inside_zip(args, index, result, left);
    } else {
        PyErr_SetString(PyExc_TypeError, "a strict zip");
    }
    Py_DECREF(args);
    return found;
}

int coming_item(PyObject *iterator, Py_ssize_t index, PyObject **result)
{
    Py_ssize_t left;
    return look(iterator, index, result, &left);
}

Py_ssize_t coming_count(PyObject *iterator, Py_ssize_t limit)
{
    PyObject *item;
    Py_ssize_t left = 0;
    if (limit <= 0) {
        return 0;
    }
    int found = look(iterator, limit - 1, &item, &left);
    if (found > 0) {
        Py_DECREF(item);
        return limit;
    }
    return found < 0 ? -1 : left;
}

static PyObject *py_coming_item(PyObject *module, PyObject *args)
{
    PyObject *iterator, *result;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "On:coming_item", &iterator, &index)) {
        return NULL;
    }
    int found = coming_item(iterator, index, &result);
    if (found == 0) {
        PyErr_SetString(PyExc_IndexError, "the iterator has no such item left");
    }
    return found > 0 ? result : NULL;
}

static PyObject *py_coming_count(PyObject *module, PyObject *args)
{
    PyObject *iterator;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "On:coming_count", &iterator, &limit)) {
        return NULL;
    }
    Py_ssize_t count = coming_count(iterator, limit);
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static PyMethodDef methods[] = {
    {"coming_item", py_coming_item, METH_VARARGS, "coming_item(iterator, index): the item that a built-in iterator gives after `index` others. Raises IndexError; TypeError for others."},
    {"coming_count", py_coming_count, METH_VARARGS, "coming_count(iterator, limit) -> int: how many items a built-in iterator still gives, counted up to `limit`. Raises TypeError for others."},
    {NULL},
};

int iterators_ready(PyObject *module) { return PyModule_AddFunctions(module, methods); }
