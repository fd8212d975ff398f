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
#include "program.h"

enum { UNKNOWN, EQUAL, SAME };
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

typedef struct {
    Py_ssize_t check;
    PyObject *tensor; /* borrowed */
} Plain;

struct Memo {
    Program *program; /* borrowed: it is its owner */
    int state;        /* 0 nothing is known, 1 once learnt, 2 trusted */
    int failed;       /* no memory, or what was learnt did not stand at once: as often as that */
    Py_ssize_t uses;
    Known *known;       /* one for each node */
    Witness *witnesses; /* in the order in which they are compared */
    Py_ssize_t count, room;
    Plain *plain; /* tensors that are tested in their fields */
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
    for (Py_ssize_t i = 0; i < memo->plain_count; i++) {
        if (!tensor_plainly_holds(memo->plain[i].tensor, memo->program->checks[memo->plain[i].check].tensor)) {
            return 0;
        }
    }
    return 1;
}

/* ---- taking down --------------------------------------------------------------------------------------------------------- */

static int more_room(void **array, Py_ssize_t count, Py_ssize_t *room, size_t width)
{
    if (count < *room) {
        return 1;
    }
    Py_ssize_t wanted = *room == 0 ? 32 : *room * 2;
    void *wider = PyMem_Realloc(*array, (size_t)wanted * width);
    if (wider == NULL) {
        return 0;
    }
    *array = wider;
    *room = wanted;
    return 1;
}

static int witness(Memo *memo, Kind kind, int node, const void *place, uint64_t value)
{
    if (!more_room((void **)&memo->witnesses, memo->count, &memo->room, sizeof(Witness))) {
        return 0;
    }
    memo->witnesses[memo->count++] = (Witness){place, value, node, kind};
    return 1;
}

static int word(Memo *memo, const void *place, const void *value) { return witness(memo, WORD, -1, place, (uintptr_t)value); }

static int hold(Memo *memo, PyObject *object)
{
    for (Py_ssize_t i = memo->held_count; i > 0 && i > memo->held_count - 8; i--) { /* mostly one of a few types again */
        if (memo->held[i - 1] == object) {
            return 1;
        }
    }
    if (!more_room((void **)&memo->held, memo->held_count, &memo->held_room, sizeof(PyObject *))) {
        return 0;
    }
    memo->held[memo->held_count++] = Py_NewRef(object);
    return 1;
}

/* A constant through and through: holding it keeps nothing else alive, and nothing about it changes. */
static int is_constant(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyTuple_Type) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); i++) {
            if (!is_constant(PyTuple_GET_ITEM(value, i))) {
                return 0;
            }
        }
        return 1;
    }
    return value == Py_None || type == &PyLong_Type || type == &PyUnicode_Type || type == &PyFloat_Type || type == &PyBool_Type ||
           type == &PyBytes_Type || type == &PyComplex_Type || type == &PyCode_Type;
}

/* Whether looking up a key compares constants only. */
static int has_constant_keys(PyObject *dict)
{
    PyObject *key;
    Py_ssize_t position = 0;
    if (dict_has_text_keys(dict)) {
        return 1;
    }
    while (PyDict_Next(dict, &position, &key, NULL)) {
        if (!is_constant(key)) {
            return 0;
        }
    }
    return 1;
}

static PyObject *value_of(const Memo *memo, int node) { return memo->known[node].value; }
static int state_of(const Memo *memo, int node) { return memo->known[node].state; }
static const Node *node_of(const Memo *memo, int node) { return &memo->program->nodes[node]; }
static PyObject *base_of(const Memo *memo, int node) { return value_of(memo, node_of(memo, node)->parent); }

/* Whether the type of what is remembered stays what it is: that of the same object does, unless it is a class that Python made. */
static int type_stays(Memo *memo, int node)
{
    Known *known = &memo->known[node];
    if (known->state == UNKNOWN || known->pinned) {
        return known->pinned;
    }
    PyTypeObject *type = Py_TYPE(known->value);
    int heap = PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE);
    known->pinned = (known->state == SAME && !heap && !PyModule_Check(known->value)) ||
                    (word(memo, &known->value->ob_type, type) && (!heap || hold(memo, (PyObject *)type)));
    return known->pinned;
}

/* Whether a witness stands for all that is in the dict at a node; the first one who asks puts it there. */
static int contents_stay(Memo *memo, int node)
{
    Known *known = &memo->known[node];
    if (known->state == UNKNOWN || known->stamped != 0) {
        return known->stamped > 0;
    }
    known->stamped = -1;
    if (known->state == EQUAL && !type_stays(memo, node)) {
        return 0;
    }
    Stamp *owner = NULL;
    const uint64_t *place = node_of(memo, node)->rewritten < STRIKES && PyDict_Check(known->value) && !dict_is_embedded(known->value)
                                ? stamp_of(known->value, &owner)
                                : NULL;
    if (place == NULL) {
        return 0;
    }
    if (owner != NULL) {
        memo->stamps[memo->stamp_count++] = owner;
    }
    known->stamp = *place;
    if (!witness(memo, STAMP, node, place, known->stamp)) {
        return 0;
    }
    known->stamped = 1;
    known->state = SAME; /* a stamp is of one dict only */
    return 1;
}

/* Whether a step gives now what it gave in the walk. May run Python; what it changed is seen when the witnesses are compared. */
static int steps_again(const Memo *memo, int node)
{
    PyObject *found = NULL;
    int same = node_of(memo, node)->step(node_of(memo, node), base_of(memo, node), NULL, &found) > 0 && found == value_of(memo, node);
    Py_XDECREF(found);
    return same;
}

static int by_fetching(Memo *memo, int node, Kind kind)
{
    PyObject *value = value_of(memo, node), *base = node_of(memo, node)->parent < 0 ? NULL : base_of(memo, node);
    return witness(memo, kind, node, base, (uintptr_t)value) ? EQUAL : UNKNOWN;
}

int recall_constant(Memo *memo, int node) { return SAME; }
int recall_fetched(Memo *memo, int node) { return by_fetching(memo, node, FETCH); }
int recall_global(Memo *memo, int node) { return by_fetching(memo, node, FETCH_GLOBAL); }
int recall_builtin(Memo *memo, int node) { return by_fetching(memo, node, FETCH_BUILTIN); }

/* An argument that nothing goes on from is another one in each call, as a rule. */
int recall_local(Memo *memo, int node) { return node_of(memo, node)->parental ? recall_fetched(memo, node) : UNKNOWN; }

int recall_item(Memo *memo, int node)
{
    return PyTuple_Check(base_of(memo, node)) && state_of(memo, node_of(memo, node)->parent) == SAME ? SAME : recall_fetched(memo, node);
}

int recall_dict_value(Memo *memo, int node)
{
    int parent = node_of(memo, node)->parent;
    PyObject *key = node_of(memo, node)->argument;
    if (is_constant(key) && contents_stay(memo, parent) && has_constant_keys(value_of(memo, parent))) {
        return steps_again(memo, node) ? SAME : UNKNOWN;
    }
    return PyUnicode_CheckExact(key) && dict_has_text_keys(value_of(memo, parent)) ? by_fetching(memo, node, FETCH_KEY) : UNKNOWN;
}

int recall_dict_key(Memo *memo, int node)
{
    return contents_stay(memo, node_of(memo, node)->parent) && steps_again(memo, node) ? SAME : UNKNOWN;
}

int recall_instance_dict(Memo *memo, int node)
{
    PyObject *base = base_of(memo, node), **place = PyType_Check(base) ? NULL : _PyObject_GetDictPtr(base);
    if (Py_TYPE(base)->tp_itemsize != 0 && state_of(memo, node_of(memo, node)->parent) != SAME) { /* where it lies depends on the size */
        return UNKNOWN;
    }
    if (place == NULL || *place != value_of(memo, node) || !type_stays(memo, node_of(memo, node)->parent) || !word(memo, place, *place)) {
        return UNKNOWN;
    }
    memo->known[node].state = EQUAL;
    memo->known[node].pinned = 1; /* whatever stands there is a dict */
    int stays = dict_moves_out(base, *place) && contents_stay(memo, node);
    memo->known[node].pinned = (unsigned char)stays;
    return memo->known[node].state;
}

int recall_type_of(Memo *memo, int node) { return type_stays(memo, node_of(memo, node)->parent) ? SAME : UNKNOWN; }

static int entries_stay(Memo *memo, PyTypeObject *type)
{
    return type->tp_version_tag != 0 && witness(memo, VERSION, -1, &type->tp_version_tag, type->tp_version_tag);
}

int recall_type_entry(Memo *memo, int node)
{
    PyTypeObject *type = (PyTypeObject *)base_of(memo, node);
    return steps_again(memo, node) && entries_stay(memo, type) ? SAME : UNKNOWN;
}

/* ---- which checks need no test ----------------------------------------------------------------------------------------- */

int settle_known(Memo *memo, const Check *check)
{
    for (int i = 0; i < check->count; i++) {
        if (state_of(memo, check->nodes[i]) == UNKNOWN) {
            return 0;
        }
    }
    return 1;
}

int settle_type(Memo *memo, const Check *check) { return type_stays(memo, check->nodes[0]); }

int settle_is(Memo *memo, const Check *check)
{
    int state = state_of(memo, check->nodes[0]);
    if (state == EQUAL && check->weak != NULL) { /* the dead one's address may be another's */
        return word(memo, &((PyWeakReference *)check->weak)->wr_object, check->object);
    }
    return state != UNKNOWN;
}

int settle_equals(Memo *memo, const Check *check) { return state_of(memo, check->nodes[0]) == SAME; }

int settle_length(Memo *memo, const Check *check)
{
    int node = node_of(memo, check->nodes[0])->parent;
    if (state_of(memo, node) == UNKNOWN) {
        return 0;
    }
    PyObject *value = value_of(memo, node);
    if (PyList_Check(value) || PyTuple_Check(value)) {
        return witness(memo, WORD, node, &((PyVarObject *)value)->ob_size, (uintptr_t)check->length);
    }
    return PyDict_Check(value) ? contents_stay(memo, node) : state_of(memo, node) == SAME && is_constant(value);
}

int settle_keys(Memo *memo, const Check *check) { return contents_stay(memo, check->nodes[0]); }

int settle_has_key(Memo *memo, const Check *check)
{
    return is_constant(check->object) && contents_stay(memo, check->nodes[0]) && has_constant_keys(value_of(memo, check->nodes[0]));
}

int settle_has_entry(Memo *memo, const Check *check)
{
    return state_of(memo, check->nodes[0]) != UNKNOWN && entries_stay(memo, (PyTypeObject *)value_of(memo, check->nodes[0]));
}

int settle_tensor(Memo *memo, const Check *check)
{
    PyObject *tensor = value_of(memo, check->nodes[0]);
    if (state_of(memo, check->nodes[0]) == UNKNOWN || !tensor_plainly_holds(tensor, check->tensor)) {
        return 0;
    }
    memo->plain[memo->plain_count++] = (Plain){check - memo->program->checks, tensor};
    return 1;
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
    memo->plain = PyMem_Calloc(checks, sizeof(Plain));
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
