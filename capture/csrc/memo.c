/* Memo: what a program remembers of its last walk, so that the next one tests only what no stamp answers for.

   A guard such as `model.layers[3].bias` is a float32 tensor reads through a chain of dicts that hardly ever change. When all guards have held, the memo
   takes down for each node what shows that a step would lead to the same object again, its *witness*: the stamp of the dict it was found in
   (stamps.c), a word of memory such as an object's type, the version of a class, or else the step itself, whose answer is compared. While the
   witnesses stand, the checks that depend on nothing else hold and are not tested. Tensors are tested each time, straight in their fields.

   No references are held to what is remembered, or models would outlive their users. Instead witnesses are compared in the order of the paths, and
   no Python runs in between: that a dict is unchanged also says that what it held is alive. A node is SAME when its object has never been away; it is
   EQUAL when only its address is known to be the same, so that another object of the same type may stand there: a fact about such an object needs
   witnesses of its own. Types, and constants that are compared by value, are held.

   A memo is trusted after a second whole walk between two comparisons, since guards may run Python that changes what was tested before them. What
   changes again and again soon after it was remembered is left to be fetched or tested on each walk. */
#include "memo.h"

/* ---- comparing --------------------------------------------------------------------------------------------------------- */

static int fetches(const Memo *memo, const Witness *witness, const FrameValues *values)
{
    const Node *node = &memo->program->nodes[witness->node];
    PyObject *found = NULL, *base = (PyObject *)witness->place;
    int same = node->step(node, base, values, &found) > 0 && found == (PyObject *)(uintptr_t)witness->value;
    Py_XDECREF(found);
    return same;
}

static int stands(const Memo *memo, const Witness *witness, const FrameValues *values)
{
    switch (witness->kind) {
    case WORD: return *(const uintptr_t *)witness->place == (uintptr_t)witness->value;
    case VERSION: return *(const unsigned int *)witness->place == (unsigned int)witness->value;
    case STAMP: return *(const uint64_t *)witness->place == witness->value;
    case FETCH_KEY: return dict_has_text_keys((PyObject *)witness->place) && fetches(memo, witness, values);
    case FETCH_GLOBAL: return dict_has_text_keys(values->globals) && fetches(memo, witness, values);
    case FETCH_BUILTIN: return dict_has_text_keys(values->builtins) && fetches(memo, witness, values);
    default: return fetches(memo, witness, values);
    }
}

int memo_stands(const Memo *memo, const FrameValues *values)
{
    if (memo->state == 0) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < memo->count; i++) {
        if (!stands(memo, &memo->witnesses[i], values)) {
            return 0;
        }
    }
    return plain_tensors_hold(memo->plain, memo->plain_count);
}

/* ---- learning ------------------------------------------------------------------------------------------------------------ */

static void learn_node(Memo *memo, int position, PyObject *value, int soon)
{
    Node *node = &memo->program->nodes[position];
    Known *known = &memo->known[position], before = *known;
    *known = (Known){.value = value};
    if (before.state != UNKNOWN && soon) {
        node->restless += before.value != value;
        if (before.stamped > 0 && node->rewritten < STRIKES) { /* its stamp is taken anew when somebody asks */
            Stamp *owner = NULL;
            const uint64_t *place = before.value == value && PyDict_Check(value) ? stamp_of(value, &owner) : NULL;
            node->rewritten += place != NULL && *place != before.stamp;
            stamp_release(owner);
        }
    }
    if (value == NULL || node->recall == NULL || node->restless >= STRIKES || (node->parent >= 0 && state_of(memo, node->parent) == UNKNOWN)) {
        return;
    }
    known->state = (unsigned char)node->recall(memo, position);
    if (known->state == EQUAL && is_constant(value)) { /* held, it has never been away */
        known->state = hold(memo, value) ? SAME : UNKNOWN;
    } else if (known->state == EQUAL && node->parental && !type_stays(memo, position)) {
        known->state = UNKNOWN;
    }
}

/* The checks that stay open, and the nodes that those read: fetched on each walk, or given to it. */
static void learn_checks(Memo *memo)
{
    Program *program = memo->program;
    for (Py_ssize_t i = 0; i < program->check_count; i++) {
        const Check *check = &program->checks[program->order[i]];
        if (check->settle != NULL && check->settle(memo, check)) {
            continue;
        }
        memo->open[memo->open_count++] = program->order[i];
        for (int k = 0; k < check->count; k++) {
            for (int node = check->nodes[k]; node >= 0 && !memo->known[node].touched; node = program->nodes[node].parent) {
                memo->known[node].touched = 1;
                memo->touched[memo->touched_count++] = node;
                if (state_of(memo, node) != UNKNOWN) {
                    break;
                }
            }
        }
    }
}

static void release_all(Stamp **stamps, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        stamp_release(stamps[i]);
    }
}

static void let_go(Memo *memo)
{
    Py_ssize_t held = memo->held_count;
    memo->count = memo->plain_count = memo->open_count = memo->touched_count = memo->held_count = 0;
    for (Py_ssize_t i = 0; i < held; i++) {
        Py_DECREF(memo->held[i]); /* runs no Python: types that the walk's objects have, and constants */
    }
}

void memo_learn(Memo *memo, Walk *walk, int stood)
{
    if (memo->state == 1 && stood && memo_stands(memo, walk->values)) {
        memo->state = 2;
        memo->failed = 0;
        return;
    }
    if (memo->failed >= STRIKES) {
        return;
    }
    int soon = memo->uses < SOON;
    Stamp **before = memo->stamps;
    Py_ssize_t before_count = memo->stamp_count;
    memo->stamps = PyMem_Calloc((size_t)memo->program->node_count + 1, sizeof(Stamp *));
    memo->state = 0;
    memo->uses = memo->stamp_count = 0;
    let_go(memo);
    if (memo->stamps != NULL) {
        for (int i = 0; i < memo->program->node_count; i++) {
            learn_node(memo, i, walk->fetched[i], soon);
        }
        learn_checks(memo);
        memo->state = 1;
    }
    release_all(before, before_count); /* behind the learning, which compares with them */
    PyMem_Free(before);
    if (!memo_stands(memo, walk->values)) {
        memo_forget(memo);
        memo->failed++;
    }
}

/* ---- using it ------------------------------------------------------------------------------------------------------------ */

int memo_trusted(const Memo *memo) { return memo->state == 2; }

int memo_test(Memo *memo, Walk *walk, Py_ssize_t *failed)
{
    memo->uses++;
    for (Py_ssize_t i = 0; i < memo->touched_count; i++) {
        const Known *known = &memo->known[memo->touched[i]];
        if (known->state != UNKNOWN) {
            walk->fetched[memo->touched[i]] = Py_NewRef(known->value);
        }
    }
    segue_counters.guards_remembered += memo->program->check_count - memo->open_count - memo->plain_count;
    segue_counters.guards_tested += memo->plain_count;
    for (Py_ssize_t i = 0; i < memo->open_count; i++) {
        Check *check = &memo->program->checks[memo->open[i]];
        COUNT(guards_tested);
        int holds = check->test(check, walk);
        if (holds <= 0) {
            *failed = memo->open[i];
            return holds;
        }
    }
    return 1;
}

void memo_release(Memo *memo, Walk *walk)
{
    for (Py_ssize_t i = 0; i < memo->touched_count; i++) {
        Py_CLEAR(walk->fetched[memo->touched[i]]);
    }
}

/* ---- its life --------------------------------------------------------------------------------------------------------------- */

void memo_forget(Memo *memo)
{
    memo->state = 0;
    let_go(memo);
    release_all(memo->stamps, memo->stamp_count);
    memo->stamp_count = 0;
}

Memo *memo_new(Program *program)
{
    size_t nodes = (size_t)program->node_count + 1, checks = (size_t)program->check_count + 1;
    Memo *memo = PyMem_Calloc(1, sizeof(Memo));
    if (memo == NULL) {
        return NULL;
    }
    memo->program = program;
    memo->known = PyMem_Calloc(nodes, sizeof(Known));
    memo->touched = PyMem_Calloc(nodes, sizeof(int));
    memo->plain = PyMem_Calloc(checks, sizeof(PlainTensor));
    memo->open = PyMem_Calloc(checks, sizeof(Py_ssize_t));
    if (memo->known == NULL || memo->touched == NULL || memo->plain == NULL || memo->open == NULL) {
        memo_free(memo);
        return NULL;
    }
    return memo;
}

void memo_free(Memo *memo)
{
    memo_forget(memo);
    PyMem_Free(memo->known);
    PyMem_Free(memo->witnesses);
    PyMem_Free(memo->plain);
    PyMem_Free(memo->open);
    PyMem_Free(memo->touched);
    PyMem_Free(memo->held);
    PyMem_Free(memo->stamps);
    PyMem_Free(memo);
}

int memo_traverse(Memo *memo, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < memo->held_count; i++) {
        Py_VISIT(memo->held[i]);
    }
    return 0;
}

PyObject *memo_figures(const Memo *memo)
{
    if (memo->state != 2) {
        return Py_NewRef(Py_None);
    }
    return Py_BuildValue("{snsnsn}", "witnesses", memo->count, "tensors", memo->plain_count, "tested", memo->open_count);
}
