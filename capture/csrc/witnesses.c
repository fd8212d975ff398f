/* Witnesses: for each kind of path and of guard, what a memo takes down to see later that it is as it was.

   In comes a node or a check that a walk has just found good; out goes what memo.c compares from then on. The one idea: each answers with the cheapest
   thing that cannot be the same when the answer is another one, and with nothing (UNKNOWN, 0) where there is no such thing. */
#include "memo.h"

enum { ALIKE = 32 /* tensors back */ };

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

int hold(Memo *memo, PyObject *object)
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

int is_constant(PyObject *value)
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
static const Node *node_of(const Memo *memo, int node) { return &memo->program->nodes[node]; }
static PyObject *base_of(const Memo *memo, int node) { return value_of(memo, node_of(memo, node)->parent); }

/* That of the same object does, unless it is a class that Python made. */
int type_stays(Memo *memo, int node)
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
    const TensorFacts *facts = check->tensor;
    for (Py_ssize_t i = memo->plain_count; i > 0 && i > memo->plain_count - ALIKE; i--) { /* layers repeat: what they share is read once */
        if (same_facts(memo->plain[i - 1].facts, facts)) {
            facts = memo->plain[i - 1].facts;
            break;
        }
    }
    memo->plain[memo->plain_count++] = (PlainTensor){tensor, facts};
    return 1;
}
