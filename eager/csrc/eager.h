/* What the files of segue.eager._dispatch share: what was installed, and how tensors are read and made.
 *
 * Functions that return a PyObject * return a new reference, or NULL with an exception. */
#ifndef SEGUE_EAGER_H
#define SEGUE_EAGER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL segue_eager_array_api
#ifndef SEGUE_EAGER_MAIN
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

/* ---- what Python hands in, once, by name */
#define INSTALLED(X)                                                                              \
    X(tensor, "the class Tensor")                                                                 \
    X(storage, "the class Storage")                                                               \
    X(node, "the class OperatorNode")                                                             \
    X(plan, "the class Plan")                                                                     \
    X(sequence, "the iterator that numbers the nodes")                                            \
    X(modes, "the class Modes")                                                                   \
    X(state, "the PerThread of Modes")                                                            \
    X(defaults, "the list whose first item is the default dtype")                                 \
    X(general, "general(row, arguments) -> Tensor")                                               \
    X(learn, "learn(row, arguments, key) -> Tensor, after which `row.known` may hold the key")    \
    X(hush, "hush() -> token: NumPy's warnings off")                                              \
    X(restore, "restore(token): on again")                                                        \
    X(numpy, "the module numpy")

typedef struct {
#define X(name, doc) PyObject *name;
    INSTALLED(X)
#undef X
} Installed;
extern Installed segue_installed;

/* ---- attributes that lie in an object: where, by class (read from the class's own descriptors) */
#define TENSOR_SLOTS(X) X(_data) X(_storage) X(_requires_grad) X(_grad) X(_edge) X(_base) X(_chain) X(_epoch) X(_hooks) X(_retains)
#define STORAGE_SLOTS(X) X(version) X(epoch)
#define NODE_SLOTS(X) X(edges) X(sequence) X(hooks) X(after) X(place) X(_metadata) X(op) X(plan) X(args) X(metas) X(versions) X(out) X(is_complex)
#define PLAN_SLOTS(X) X(dropped) X(kept) X(keep_out)
#define MODES_SLOTS(X) X(enabled) X(tracers) X(levels) X(anomaly) X(saved_hooks) X(quiet)

typedef struct {
#define X(name) Py_ssize_t name;
    struct { TENSOR_SLOTS(X) } tensor;
    struct { STORAGE_SLOTS(X) } storage;
    struct { NODE_SLOTS(X) } node;
    struct { PLAN_SLOTS(X) } plan;
    struct { MODES_SLOTS(X) } modes;
#undef X
} Layout;
extern Layout segue_layout;

#define SLOT(object, class, name) (*(PyObject **)((char *)(object) + segue_layout.class.name)) /* borrowed */
#define IS_TENSOR(object) PyObject_TypeCheck(object, (PyTypeObject *)segue_installed.tensor)
#define IS_SEQUENCE(object) (PyTuple_CheckExact(object) || PyList_CheckExact(object))

/* ---- modes */
extern PyTypeObject PerThread_Type;
PyObject *thread_modes(PyObject *state); /* the calling thread's object of a PerThread, borrowed; NULL with an exception */

/* ---- rows */
#define RECENT 4
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *kernel;
    PyObject *operand;  /* tuple of bool: whether an argument is a tensor (or a number in its place) */
    PyObject *pullable; /* tuple of bool: whether an argument has a derivative */
    PyObject *known;    /* dict: what calls look like -> (dtype of the result's array, metas, whether the tape takes them, direct) */
    PyObject *plans;    /* dict: active arguments, a bit for each -> Plan */
    PyObject *keys[RECENT], *values[RECENT]; /* items of `known` that were asked for lately */
    unsigned char oldest;
    char is_view, learns, detaches;
} Row;
extern PyTypeObject Row_Type, Operator_Type;

/* ---- tensors */
int tensors_ready(void); /* reads the layout of what was installed; -1 with an exception */
PyObject *fresh_tensor(PyObject *array);
PyObject *view_tensor(Row *row, PyObject *const *args, Py_ssize_t count, PyObject *array);
int refreshed(PyObject *tensor);                                              /* a view's place on the tape is up to date; -1 with an exception */
int record_step(Row *row, PyObject *const *args, PyObject *out, PyObject *metas, PyObject *modes); /* -1 with an exception */

#endif
