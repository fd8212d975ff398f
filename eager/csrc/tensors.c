/* Tensors and steps of the tape, made from C: new memory, a view, a recorded step.
 *
 * In come arrays, rows and arguments, out go objects of the classes that Python defines (eager/tensor.py, eager/autograd/tape.py). The one idea: those classes
 * keep what they are made of in slots, whose places their own descriptors tell, so the objects are Python's in every way and are only filled here. */
#include "eager.h"
#include <structmember.h>

Layout segue_layout;

static PyObject *zero, *nothing; /* the number 0 and the empty tuple */

/* ---- the layout */

static int find_slot(PyObject *type, const char *name, Py_ssize_t *offset) {
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    if (!descriptor) return -1;
    int found = Py_IS_TYPE(descriptor, &PyMemberDescr_Type);
    if (found) *offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
    Py_DECREF(descriptor);
    if (!found) PyErr_Format(PyExc_TypeError, "%R has no slot %s", type, name);
    return found ? 0 : -1;
}

int tensors_ready(void) {
#define FIND(class, name) if (find_slot(segue_installed.class, #name, &segue_layout.class.name) < 0) return -1;
#define X(name) FIND(tensor, name)
    TENSOR_SLOTS(X)
#undef X
#define X(name) FIND(storage, name)
    STORAGE_SLOTS(X)
#undef X
#define X(name) FIND(node, name)
    NODE_SLOTS(X)
#undef X
#define X(name) FIND(plan, name)
    PLAN_SLOTS(X)
#undef X
#define X(name) FIND(modes, name)
    MODES_SLOTS(X)
#undef X
    if (!zero) zero = PyLong_FromLong(0);
    if (!nothing) nothing = PyTuple_New(0);
    return zero && nothing ? 0 : -1;
}

static PyObject *make(PyObject *type) { return ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0); }

static void set(PyObject **slot, PyObject *value) { Py_XSETREF(*slot, Py_NewRef(value)); }

/* ---- tensors */

static PyObject *tensor_over(PyObject *array, PyObject *storage) {
    PyObject *out = make(segue_installed.tensor);
    if (!out) return NULL;
    SLOT(out, tensor, _data) = Py_NewRef(array);
    SLOT(out, tensor, _storage) = Py_NewRef(storage);
    SLOT(out, tensor, _requires_grad) = Py_NewRef(Py_False);
    SLOT(out, tensor, _retains) = Py_NewRef(Py_None);
    SLOT(out, tensor, _grad) = Py_NewRef(Py_None);
    SLOT(out, tensor, _edge) = Py_NewRef(Py_None);
    SLOT(out, tensor, _base) = Py_NewRef(Py_None);
    SLOT(out, tensor, _hooks) = Py_NewRef(Py_None);
    SLOT(out, tensor, _chain) = Py_NewRef(nothing);
    SLOT(out, tensor, _epoch) = Py_NewRef(zero);
    return out;
}

PyObject *fresh_tensor(PyObject *array) {
    PyObject *storage = make(segue_installed.storage);
    if (!storage) return NULL;
    SLOT(storage, storage, version) = Py_NewRef(zero);
    SLOT(storage, storage, epoch) = Py_NewRef(zero);
    PyObject *out = tensor_over(array, storage);
    Py_DECREF(storage);
    return out;
}

/* The arguments from `first` on, as a tuple. */
static PyObject *packed(PyObject *const *args, Py_ssize_t first, Py_ssize_t count) {
    PyObject *made = PyTuple_New(count - first);
    for (Py_ssize_t i = first; made && i < count; ++i) PyTuple_SET_ITEM(made, i - first, Py_NewRef(args[i]));
    return made;
}

/* A tensor over the memory of the row's first argument, which shares its storage and remembers how it came from its base. */
PyObject *view_tensor(Row *row, PyObject *const *args, Py_ssize_t count, PyObject *array) {
    PyObject *source = args[0];
    PyObject *out = tensor_over(array, SLOT(source, tensor, _storage));
    if (!out || row->detaches) return out;
    PyObject *attributes = packed(args, 1, count);
    PyObject *step = attributes ? PyTuple_Pack(2, row, attributes) : NULL;
    PyObject *chain = step ? PyTuple_Pack(1, step) : NULL;
    Py_XDECREF(attributes);
    Py_XDECREF(step);
    PyObject *base = SLOT(source, tensor, _base);
    if (chain && base != Py_None) Py_SETREF(chain, PySequence_Concat(SLOT(source, tensor, _chain), chain));
    if (!chain) {
        Py_DECREF(out);
        return NULL;
    }
    set(&SLOT(out, tensor, _base), base == Py_None ? source : base);
    Py_SETREF(SLOT(out, tensor, _chain), chain);
    set(&SLOT(out, tensor, _epoch), SLOT(SLOT(source, tensor, _storage), storage, epoch));
    return out;
}

int refreshed(PyObject *tensor) {
    if (SLOT(tensor, tensor, _base) == Py_None) return 0;
    int same = PyObject_RichCompareBool(SLOT(tensor, tensor, _epoch), SLOT(SLOT(tensor, tensor, _storage), storage, epoch), Py_EQ);
    if (same) return same < 0 ? -1 : 0;
    PyObject *done = PyObject_CallMethod(tensor, "_refresh", NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* ---- steps of the tape */

/* Where a tensor's gradient goes to, borrowed: the step it came from, or the leaf itself; None where none is wanted. */
static PyObject *edge_of(PyObject *value) {
    if (!IS_TENSOR(value) || SLOT(value, tensor, _requires_grad) != Py_True) return Py_None;
    PyObject *edge = SLOT(value, tensor, _edge);
    return edge == Py_None ? value : edge;
}

/* The edges of a sequence argument as a tuple, or None where no part wants a gradient. */
static PyObject *edges_of(PyObject *parts) {
    Py_ssize_t count = PySequence_Fast_GET_SIZE(parts);
    int any = 0;
    PyObject *edges = PyTuple_New(count);
    for (Py_ssize_t i = 0; edges && i < count; ++i) {
        PyObject *edge = edge_of(PySequence_Fast_GET_ITEM(parts, i));
        any |= edge != Py_None;
        PyTuple_SET_ITEM(edges, i, Py_NewRef(edge));
    }
    if (edges && !any) Py_SETREF(edges, Py_NewRef(Py_None));
    return edges;
}

/* The version of an argument's memory when it was saved: of a sequence, those of its parts. */
static PyObject *version_of(PyObject *value) {
    if (IS_TENSOR(value)) return Py_NewRef(SLOT(SLOT(value, tensor, _storage), storage, version));
    if (!IS_SEQUENCE(value)) return Py_NewRef(zero);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(value);
    PyObject *found = PyTuple_New(count);
    for (Py_ssize_t i = 0; found && i < count; ++i) {
        PyObject *version = version_of(PySequence_Fast_GET_ITEM(value, i));
        if (version)
            PyTuple_SET_ITEM(found, i, version);
        else
            Py_CLEAR(found);
    }
    return found;
}

/* The Plan of a row for the arguments that need gradients, a bit for each. Borrowed. */
static PyObject *plan_of(Row *row, PyObject *edges, unsigned long long active) {
    PyObject *key = PyLong_FromUnsignedLongLong(active);
    PyObject *plan = key ? PyDict_GetItemWithError(row->plans, key) : NULL;
    if (!plan && !PyErr_Occurred()) {
        PyObject *flags = PyTuple_New(PyTuple_GET_SIZE(edges));
        for (Py_ssize_t i = 0; flags && i < PyTuple_GET_SIZE(flags); ++i) PyTuple_SET_ITEM(flags, i, PyBool_FromLong((long)(active >> i & 1)));
        plan = flags ? PyObject_CallFunctionObjArgs(segue_installed.plan, row, flags, NULL) : NULL;
        if (plan && PyDict_SetItem(row->plans, key, plan) < 0) Py_CLEAR(plan);
        Py_XDECREF(plan); /* the dict holds it */
        Py_XDECREF(flags);
    }
    Py_XDECREF(key);
    return plan;
}

/* The arguments as the tape keeps them: a list with None for those whose values no formula reads. */
static PyObject *saved_arguments(PyObject *plan, PyObject *const *args, Py_ssize_t count) {
    PyObject *saved = PyList_New(count), *dropped = SLOT(plan, plan, dropped);
    for (Py_ssize_t i = 0; saved && i < count; ++i) PyList_SET_ITEM(saved, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; saved && i < PyTuple_GET_SIZE(dropped); ++i)
        if (PyList_SetItem(saved, PyLong_AsSsize_t(PyTuple_GET_ITEM(dropped, i)), Py_NewRef(Py_None)) < 0) Py_CLEAR(saved);
    return saved;
}

/* The versions of the arguments that are kept, in the plan's order. */
static PyObject *saved_versions(PyObject *plan, PyObject *const *args) {
    PyObject *kept = SLOT(plan, plan, kept);
    PyObject *versions = PyTuple_New(PyTuple_GET_SIZE(kept));
    for (Py_ssize_t i = 0; versions && i < PyTuple_GET_SIZE(kept); ++i) {
        PyObject *version = version_of(args[PyLong_AsSsize_t(PyTuple_GET_ITEM(kept, i))]);
        if (version)
            PyTuple_SET_ITEM(versions, i, version);
        else
            Py_CLEAR(versions);
    }
    return versions;
}

/* The result as its parts, since the tensor itself refers to its node; None where no formula reads it. */
static PyObject *saved_result(PyObject *plan, PyObject *out) {
    if (SLOT(plan, plan, keep_out) != Py_True) return Py_NewRef(Py_None);
    PyObject *storage = SLOT(out, tensor, _storage);
    return PyTuple_Pack(4, SLOT(out, tensor, _data), storage, SLOT(storage, storage, version), Py_TYPE(out));
}

/* Whether an array, of whatever kind, is complex: 1, 0, or -1 with an exception. */
static int is_complex(PyObject *array) {
    if (PyArray_Check(array)) return PyArray_ISCOMPLEX((PyArrayObject *)array);
    PyObject *dtype = PyObject_GetAttrString(array, "dtype");
    if (!dtype) return -1;
    int found = PyArray_DescrCheck(dtype) ? PyTypeNum_ISCOMPLEX(((PyArray_Descr *)dtype)->type_num) : 0;
    Py_DECREF(dtype);
    return found;
}

/* What modes of the thread add to a step: in anomaly mode the user's line, under hooks of saved values what these make of them. */
static int follow_modes(PyObject *node, PyObject *out, PyObject *modes) {
    int watched = PyObject_IsTrue(SLOT(modes, modes, anomaly));
    if (!watched) watched = PyObject_IsTrue(SLOT(modes, modes, saved_hooks));
    if (watched <= 0) return watched;
    PyObject *done = PyObject_CallMethod(node, "follow_modes", "O", out);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *step_of(Row *row, PyObject *const *args, PyObject *edges, PyObject *plan, PyObject *out, PyObject *metas) {
    int complex_result = plan ? is_complex(SLOT(out, tensor, _data)) : -1;
    PyObject *node = complex_result < 0 ? NULL : make(segue_installed.node);
    if (!node) return NULL;
    SLOT(node, node, op) = Py_NewRef((PyObject *)row);
    SLOT(node, node, plan) = Py_NewRef(plan);
    SLOT(node, node, edges) = Py_NewRef(edges);
    SLOT(node, node, metas) = Py_NewRef(metas);
    SLOT(node, node, hooks) = Py_NewRef(Py_None);
    SLOT(node, node, after) = Py_NewRef(Py_None);
    SLOT(node, node, place) = Py_NewRef(Py_None);
    SLOT(node, node, _metadata) = Py_NewRef(Py_None);
    SLOT(node, node, is_complex) = Py_NewRef(complex_result ? Py_True : Py_False);
    int whole = (SLOT(node, node, sequence) = PyIter_Next(segue_installed.sequence)) &&
                (SLOT(node, node, args) = saved_arguments(plan, args, PyTuple_GET_SIZE(edges))) &&
                (SLOT(node, node, versions) = saved_versions(plan, args)) && (SLOT(node, node, out) = saved_result(plan, out));
    if (!whole) Py_CLEAR(node);
    return node;
}

/* The edges of a row's arguments as a tuple, and for which of them a gradient is wanted. */
static PyObject *all_edges(Row *row, PyObject *const *args, unsigned long long *active) {
    Py_ssize_t count = PyTuple_GET_SIZE(row->pullable);
    PyObject *edges = PyTuple_New(count);
    *active = 0;
    for (Py_ssize_t i = 0; edges && i < count; ++i) {
        PyObject *edge = Py_None;
        if (PyTuple_GET_ITEM(row->pullable, i) != Py_True)
            Py_INCREF(edge);
        else
            edge = IS_SEQUENCE(args[i]) ? edges_of(args[i]) : Py_NewRef(edge_of(args[i]));
        if (!edge) {
            Py_CLEAR(edges);
            break;
        }
        if (edge != Py_None) *active |= 1ull << i;
        PyTuple_SET_ITEM(edges, i, edge);
    }
    return edges;
}

int record_step(Row *row, PyObject *const *args, PyObject *out, PyObject *metas, PyObject *modes) {
    unsigned long long active;
    PyObject *edges = all_edges(row, args, &active);
    if (!edges) return -1;
    int status = 0;
    if (active) {
        PyObject *node = step_of(row, args, edges, plan_of(row, edges, active), out, metas);
        status = node ? follow_modes(node, out, modes) : -1;
        if (status == 0) {
            Py_SETREF(SLOT(out, tensor, _edge), node);
            set(&SLOT(out, tensor, _requires_grad), Py_True);
        } else
            Py_XDECREF(node);
    }
    Py_DECREF(edges);
    return status;
}
