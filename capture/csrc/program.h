/* The inside of the guard engine: what a Program is made of. sources.c follows paths, checks.c tests values, program.c builds and walks. */
#ifndef SEGUE_PROGRAM_H
#define SEGUE_PROGRAM_H

#include "capture.h"

typedef struct Walk Walk;
typedef struct Node Node;
typedef struct Check Check;
typedef struct Memo Memo;

/* Results of steps and checks: 1 yes, 0 no (without an error), -1 an error that guards may not swallow, such as KeyboardInterrupt. */

/* One step of a path: a new reference to the value in *result. */
typedef int (*Step)(const Node *node, PyObject *base, const FrameValues *values, PyObject **result);

/* How the value of a node is known again without a step (witnesses.c). What it answers is a state of the node: 0 when it is not. */
typedef int (*Recall)(Memo *memo, int node);

struct Node {
    Step step;
    Recall recall;      /* NULL: never */
    int parent;         /* position in the program, -1 at the start of a path */
    Py_ssize_t index;   /* of a local or a cell once bound, of an item, of a dimension */
    PyObject *argument; /* strong */
    int parental;       /* other nodes go on from it */
    int restless;       /* how often its value changed soon after it was remembered, */
    int rewritten;      /* and how often its dict did */
};

/* One check over the values of its nodes. */
typedef int (*Test)(Check *check, Walk *walk);
#define TEST(name) static int name(Check *check, Walk *walk)

/* Whether a check that held goes on to hold while what the memo watches stays the same. */
typedef int (*Settle)(Memo *memo, const Check *check);

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

typedef struct {
    PyObject *tensor; /* borrowed */
    const TensorFacts *facts;
} PlainTensor;

struct Check {
    Test test;
    Settle settle;      /* NULL: never */
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
    int failing;            /* whether that was the last walk */
    PyObject **fetched;     /* of a walk that is alone; all NULL between walks */
    Memo *memo;
    int running;            /* walks under way; the order and the memo are changed only by a walk that is alone */
    int cleared;            /* by the garbage collector: nothing holds any more */
    PyObject *code;         /* to which names are bound, or NULL */
} Program;

struct Walk {
    Program *program;
    const FrameValues *values;
    PyObject **fetched; /* one for each node: strong, or NULL */
};

/* sources.c */
int step_named(Node *node, PyObject *kind);                  /* -1 with ValueError */
int step_prepare(Node *node, PyObject *kind);                /* reads `index` from the argument; -1 with an error */
int step_bind(Node *node, PyCodeObject *code);               /* finds the name of a local or cell; -1 with an error */
int swallow(void);                                           /* clears an Exception and gives 0; -1 for what is no Exception */
int walk_fetch(Walk *walk, int node, PyObject **result);     /* borrowed from the walk */
int walk_integer(Walk *walk, int node, Py_ssize_t *result);  /* -2: an int that does not fit 64 bits */

/* iterators.c */
int coming_item(PyObject *iterator, Py_ssize_t index, PyObject **result); /* new reference; 0: there are fewer; -1: also TypeError, when it cannot be known */
Py_ssize_t coming_count(PyObject *iterator, Py_ssize_t limit);             /* up to the limit; -1 the same */

/* arrays.c */
int arrays_ready(void);
int is_ndarray(PyObject *value);
int array_of(PyObject *value, PyObject **result);            /* new reference */
int array_span(PyObject *array, uintptr_t *low, uintptr_t *high);
int array_facts_hold(PyObject *array, const TensorFacts *facts);
int read_dimension(PyObject *tensor, Py_ssize_t dim, int stride, Py_ssize_t *result); /* -2: an int that does not fit */
int tensor_requires_grad(PyObject *tensor);                  /* 1, 0, 2 for no answer, -1 */
int tensor_is_leaf(PyObject *tensor);                        /* the same */
int tensor_plainly_holds(PyObject *value, const TensorFacts *facts);
int plain_tensors_hold(const PlainTensor *tensors, Py_ssize_t count); /* whether that holds of all */
int same_facts(const TensorFacts *a, const TensorFacts *b);

/* checks.c */
int check_build(Check *check, PyObject *kind); /* with argument, guard and nodes in place; -1 with an error */
void check_free(Check *check);
int call_with_values(Check *check, Walk *walk, PyObject *function); /* whether function(*values) is true */

/* partition.c */
int build_partition(Check *check);
int test_aliasing(Check *check, Walk *walk), test_same_objects(Check *check, Walk *walk);

/* relation.c */
int build_relation(Check *check);

/* stamps.c */
typedef struct Stamp Stamp;
const uint64_t *stamp_of(PyObject *dict, Stamp **owner); /* where the number stands; NULL: there is none. The owner, when not NULL, is released */
void stamp_release(Stamp *owner);

/* memo.c */
Memo *memo_new(Program *program); /* NULL: no memory, and no error */
void memo_free(Memo *memo);
void memo_forget(Memo *memo);
int memo_traverse(Memo *memo, visitproc visit, void *arg);
int memo_trusted(const Memo *memo);
int memo_stands(const Memo *memo, const FrameValues *values); /* whether all that it watches is as it was; runs no Python */
void memo_learn(Memo *memo, Walk *walk, int stood);           /* behind a whole walk in which every check held; whether the memo stood before it */
int memo_test(Memo *memo, Walk *walk, Py_ssize_t *failed);    /* the checks that a trusted memo, which stands, does not answer */
void memo_release(Memo *memo, Walk *walk);                    /* what that fetched */
PyObject *memo_figures(const Memo *memo);                     /* None while it is not trusted */

/* witnesses.c */
int recall_constant(Memo *memo, int node), recall_fetched(Memo *memo, int node), recall_local(Memo *memo, int node);
int recall_global(Memo *memo, int node), recall_builtin(Memo *memo, int node), recall_item(Memo *memo, int node);
int recall_dict_value(Memo *memo, int node), recall_dict_key(Memo *memo, int node), recall_instance_dict(Memo *memo, int node);
int recall_type_of(Memo *memo, int node), recall_type_entry(Memo *memo, int node);
int settle_known(Memo *memo, const Check *check), settle_type(Memo *memo, const Check *check), settle_is(Memo *memo, const Check *check), settle_equals(Memo *memo, const Check *check);
int settle_length(Memo *memo, const Check *check), settle_keys(Memo *memo, const Check *check), settle_has_key(Memo *memo, const Check *check);
int settle_has_entry(Memo *memo, const Check *check), settle_tensor(Memo *memo, const Check *check);

#endif
