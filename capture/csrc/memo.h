/* The inside of a memo: what it took down (witnesses.c) and compares (memo.c). */
#ifndef SEGUE_MEMO_H
#define SEGUE_MEMO_H

#include "program.h"

enum { UNKNOWN, EQUAL, SAME }; /* how a node is known: memo.c */
enum { STRIKES = 3, SOON = 16 /* uses of a memo */ };

typedef enum { WORD, VERSION, STAMP, FETCH, FETCH_KEY, FETCH_GLOBAL, FETCH_BUILTIN } Kind;

typedef struct {
    const void *place; /* what is compared; of a FETCH the base */
    uint64_t value;
    int node; /* of a FETCH */
    Kind kind;
} Witness;

typedef struct {
    PyObject *value; /* borrowed */
    uint64_t stamp;
    unsigned char state;
    signed char stamped; /* 1 by a witness, -1 there is none */
    unsigned char pinned, touched;
} Known;

struct Memo {
    Program *program; /* borrowed: it is its owner */
    int state;        /* 0 nothing is known, 1 once learnt, 2 trusted */
    int failed;       /* no memory, or what was learnt did not stand at once: as often as that */
    Py_ssize_t uses;
    Known *known;       /* one for each node */
    Witness *witnesses; /* in the order in which they are compared */
    Py_ssize_t count, room;
    PlainTensor *plain; /* tensors that are tested in their fields */
    Py_ssize_t plain_count;
    Py_ssize_t *open; /* checks that are tested */
    Py_ssize_t open_count;
    int *touched; /* nodes that those fetch or go on from */
    Py_ssize_t touched_count;
    PyObject **held; /* strong */
    Py_ssize_t held_count, held_room;
    Stamp **stamps;
    Py_ssize_t stamp_count;
};

static inline int state_of(const Memo *memo, int node) { return memo->known[node].state; }

/* witnesses.c */
int is_constant(PyObject *value);       /* through and through: holding it keeps nothing else alive, and nothing about it changes */
int hold(Memo *memo, PyObject *object); /* 0: no memory */
int type_stays(Memo *memo, int node);   /* whether the type of what is remembered stays what it is */

#endif
