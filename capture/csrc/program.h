/* The inside of the guard engine: what a Program is made of. sources.c follows paths, checks.c tests values, program.c builds and walks. */
#ifndef SEGUE_PROGRAM_H
#define SEGUE_PROGRAM_H

#include "capture.h"

typedef struct Walk Walk;
typedef struct Node Node;
typedef struct Check Check;

/* Results of steps and checks: 1 yes, 0 no (without an error), -1 an error that guards may not swallow, such as KeyboardInterrupt. */

/* One step of a path: a new reference to the value in *result. */
typedef int (*Step)(const Node *node, PyObject *base, const FrameValues *values, PyObject **result);

struct Node {
    Step step;
    int parent;         /* position in the program, -1 at the start of a path */
    Py_ssize_t index;   /* of a local or a cell once bound, of an item, of a dimension */
    PyObject *argument; /* strong */
};

/* One check over the values of its nodes. */
typedef int (*Test)(Check *check, Walk *walk);
#define TEST(name) static int name(Check *check, Walk *walk)

typedef struct { /* of a TensorMatch */
    PyTypeObject *type, *array_type; /* borrowed from the check's argument */
    PyObject *dtype;
    Py_ssize_t dimensions;
    Py_ssize_t *sizes, *strides; /* -1 and FREE_STRIDE where anything goes; strides in bytes; NULL: all free */
    Py_ssize_t *order, ordered, itemsize; /* dense: these dimensions, innermost first; NULL: not asked */
    int requires_grad, leaf, writeable;   /* -1: anything */
    int generic;                          /* not a NumPy array on the cpu: asked from the Python guard */
} TensorFacts;

#define FREE_STRIDE PY_SSIZE_T_MIN

struct Check {
    Test test;
    int count;          /* of nodes */
    int *nodes;
    PyObject *argument; /* strong */
    PyObject *guard;    /* the Python guard, strong */
    PyObject *object;   /* compared by address: a type, or the value of an Is (borrowed when `weak` is set, else strong) */
    PyObject *weak;     /* weak reference to it, strong, or NULL */
    int flag;           /* expected answer of yes-or-no checks */
    TensorFacts *tensor;
    int *order;         /* of a partition: positions sorted by address at the last check */
    Py_ssize_t *code;   /* of a relation: pairs (operation, number) */
    Py_ssize_t length;
};

typedef struct {
    PyObject_HEAD
    Node *nodes;
    Py_ssize_t node_count;
    Check *checks;
    Py_ssize_t check_count;
    Py_ssize_t *order;      /* in which checks are tried: the one that failed last is first */
    Py_ssize_t last_failed; /* position of the guard in the set, -1: none yet */
    int running;            /* walks under way; the order is changed only by a walk that is alone */
    int cleared;            /* by the garbage collector: nothing holds any more */
    PyObject *code;         /* to which names are bound, or NULL */
} Program;

struct Walk {
    Program *program;
    const FrameValues *values;
    PyObject **fetched; /* one for each node: strong, or NULL */
};

/* sources.c */
Step step_named(PyObject *kind);                             /* NULL with ValueError */
int step_prepare(Node *node, PyObject *kind);                /* reads `index` from the argument; -1 with an error */
int step_bind(Node *node, PyCodeObject *code);               /* finds the name of a local or cell; -1 with an error */
int swallow(void);                                           /* clears an Exception and gives 0; -1 for what is no Exception */
int walk_fetch(Walk *walk, int node, PyObject **result);     /* borrowed from the walk */
int walk_integer(Walk *walk, int node, Py_ssize_t *result);  /* -2: an int that does not fit 64 bits */
int array_of(PyObject *value, PyObject **result);            /* new reference */
int is_ndarray(PyObject *value);
int tensor_requires_grad(PyObject *tensor);                  /* 1, 0, 2 for no answer, -1 */
int tensor_is_leaf(PyObject *tensor);                        /* the same */
int sources_ready(void);
int array_span(PyObject *array, uintptr_t *low, uintptr_t *high);
int array_facts_hold(PyObject *array, const TensorFacts *facts);

/* checks.c */
int check_build(Check *check, PyObject *kind); /* with argument, guard and nodes in place; -1 with an error */
void check_free(Check *check);
int call_with_values(Check *check, Walk *walk, PyObject *function); /* whether function(*values) is true */

/* relation.c */
int build_relation(Check *check);

#endif
