/* Program: the guards of one entry as the engine walks them. Each path is fetched once a walk, when a check first needs it; while the memo of an
   earlier walk stands (memo.c), only what it leaves open is walked. */
#include "program.h"

static int alone(const Program *self) { return self->running == 1; }

static int test_one(Program *self, Walk *walk, Py_ssize_t position)
{
    COUNT(guards_tested);
    return self->checks[position].test(&self->checks[position], walk);
}

static int run_checks(Program *self, Walk *walk, Py_ssize_t *failed)
{
    for (Py_ssize_t i = 0; i < self->check_count; i++) {
        int holds = test_one(self, walk, self->order[i]);
        if (holds <= 0) {
            *failed = self->order[i];
            return holds;
        }
    }
    return 1;
}

/* A check failed: it is the first one, next time. */
static void put_first(Program *self, Py_ssize_t position)
{
    Py_ssize_t i = 0;
    while (self->order[i] != position) {
        i++;
    }
    memmove(self->order + 1, self->order, (size_t)i * sizeof *self->order);
    self->order[0] = position;
}

static void release_fetched(Program *self, Walk *walk)
{
    for (Py_ssize_t i = 0; i < self->node_count; i++) {
        Py_CLEAR(walk->fetched[i]);
    }
}

static int walk_all(Program *self, Walk *walk, int stood, Py_ssize_t *failed)
{
    int holds = run_checks(self, walk, failed);
    if (holds > 0 && alone(self) && !self->cleared) {
        self->memo = self->memo == NULL ? memo_new(self) : self->memo;
        if (self->memo != NULL) {
            memo_learn(self->memo, walk, stood);
        }
    }
    release_fetched(self, walk);
    return holds;
}

static int walk_open(Program *self, Walk *walk, Py_ssize_t *failed)
{
    int holds = memo_test(self->memo, walk, failed);
    memo_release(self->memo, walk);
    return holds;
}

static int walk(Program *self, Walk *walk, Py_ssize_t *failed)
{
    int trusted = self->memo != NULL && memo_trusted(self->memo);
    if (trusted && self->failing) { /* what failed last says it soonest */
        *failed = self->order[0];
        int holds = test_one(self, walk, *failed);
        release_fetched(self, walk);
        if (holds <= 0) {
            return holds;
        }
    }
    int stood = self->memo != NULL && memo_stands(self->memo, walk->values);
    return stood && trusted ? walk_open(self, walk, failed) : walk_all(self, walk, stood, failed);
}

int program_check(PyObject *object, const FrameValues *values)
{
    Program *self = (Program *)object;
    if (self->cleared) {
        return 0;
    }
    if (self->code != (PyObject *)values->code && program_bind(object, values->code) < 0) {
        return swallow();
    }
    Walk current = {self, values, self->running ? PyMem_Calloc((size_t)self->node_count + 1, sizeof(PyObject *)) : self->fetched};
    if (current.fetched == NULL) {
        return 0;
    }
    Py_INCREF(self);
    self->running++;
    Py_ssize_t failed = -1;
    int holds = walk(self, &current, &failed);
    if (holds <= 0) {
        self->last_failed = failed;
    }
    if (alone(self)) {
        self->failing = holds == 0;
        if (holds == 0) {
            put_first(self, failed);
        }
    }
    self->running--;
    if (current.fetched != self->fetched) {
        PyMem_Free(current.fetched);
    }
    Py_DECREF(self);
    return holds;
}

int program_bind(PyObject *object, PyCodeObject *code)
{
    Program *self = (Program *)object;
    if (self->code == (PyObject *)code) {
        return 0;
    }
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "guards of one code object cannot be checked for another while they run");
        return -1;
    }
    Py_CLEAR(self->code);
    if (self->memo != NULL) {
        memo_forget(self->memo);
    }
    for (Py_ssize_t i = 0; i < self->node_count; i++) {
        if (step_bind(&self->nodes[i], code) < 0) {
            return -1;
        }
    }
    self->code = Py_NewRef(code);
    return 0;
}

/* ---- building -------------------------------------------------------------------------------------------------------- */

static int build_node(Program *self, Py_ssize_t position, PyObject *row)
{
    Node *node = &self->nodes[position];
    PyObject *kind, *argument;
    if (!PyArg_ParseTuple(row, "OiO", &kind, &node->parent, &argument)) {
        return -1;
    }
    node->argument = Py_NewRef(argument);
    if (step_named(node, kind) < 0) {
        return -1;
    }
    if (node->parent >= position || node->parent < -1) {
        PyErr_SetString(PyExc_ValueError, "a source stands before its base");
        return -1;
    }
    if (node->parent >= 0) {
        self->nodes[node->parent].parental = 1;
    }
    return step_prepare(node, kind);
}

static int build_check(Program *self, Py_ssize_t position, PyObject *row)
{
    Check *check = &self->checks[position];
    PyObject *kind, *nodes, *argument, *guard;
    if (!PyArg_ParseTuple(row, "OO!OO", &kind, &PyTuple_Type, &nodes, &argument, &guard)) {
        return -1;
    }
    check->argument = Py_NewRef(argument);
    check->guard = Py_NewRef(guard);
    check->count = (int)PyTuple_GET_SIZE(nodes);
    check->nodes = PyMem_Calloc((size_t)check->count + 1, sizeof(int));
    if (check->nodes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < check->count; i++) {
        long node = PyLong_AsLong(PyTuple_GET_ITEM(nodes, i));
        if (node < 0 || node >= self->node_count) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "a guard names a source that is not there");
            }
            return -1;
        }
        check->nodes[i] = (int)node;
    }
    return check_build(check, kind);
}

static int build(Program *self, PyObject *nodes, PyObject *checks)
{
    Py_ssize_t node_count = PyList_GET_SIZE(nodes), check_count = PyList_GET_SIZE(checks);
    self->nodes = PyMem_Calloc((size_t)node_count + 1, sizeof(Node));
    self->checks = PyMem_Calloc((size_t)check_count + 1, sizeof(Check));
    self->order = PyMem_Calloc((size_t)check_count + 1, sizeof(Py_ssize_t));
    self->fetched = PyMem_Calloc((size_t)node_count + 1, sizeof(PyObject *));
    if (self->nodes == NULL || self->checks == NULL || self->order == NULL || self->fetched == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < node_count && i < PyList_GET_SIZE(nodes); i++) {
        self->node_count = i + 1;
        if (build_node(self, i, PyList_GET_ITEM(nodes, i)) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < check_count && i < PyList_GET_SIZE(checks); i++) {
        self->check_count = i + 1;
        self->order[i] = i;
        if (build_check(self, i, PyList_GET_ITEM(checks, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"description", NULL};
    PyObject *description, *nodes, *checks;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!:Program", names, &PyTuple_Type, &description) ||
        !PyArg_ParseTuple(description, "O!O!:Program", &PyList_Type, &nodes, &PyList_Type, &checks)) {
        return NULL;
    }
    Program *self = (Program *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->last_failed = -1;
    if (build(self, nodes, checks) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- the type ------------------------------------------------------------------------------------------------------------ */

static int program_traverse(Program *self, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < self->node_count; i++) {
        Py_VISIT(self->nodes[i].argument);
    }
    for (Py_ssize_t i = 0; i < self->check_count; i++) {
        Py_VISIT(self->checks[i].argument);
        Py_VISIT(self->checks[i].guard);
        Py_VISIT(self->checks[i].weak);
    }
    Py_VISIT(self->code);
    return self->memo == NULL ? 0 : memo_traverse(self->memo, visit, arg);
}

static int program_clear(Program *self)
{
    if (self->running) {
        return 0;
    }
    if (self->memo != NULL) {
        memo_free(self->memo);
        self->memo = NULL;
    }
    Py_ssize_t nodes = self->node_count, checks = self->check_count;
    self->node_count = self->check_count = 0;
    self->last_failed = -1;
    self->cleared = 1; /* without its checks it would hold always */
    for (Py_ssize_t i = 0; i < nodes; i++) {
        Py_CLEAR(self->nodes[i].argument);
    }
    for (Py_ssize_t i = 0; i < checks; i++) {
        check_free(&self->checks[i]);
    }
    Py_CLEAR(self->code);
    return 0;
}

static void program_dealloc(Program *self)
{
    PyObject_GC_UnTrack(self);
    program_clear(self);
    PyMem_Free(self->nodes);
    PyMem_Free(self->checks);
    PyMem_Free(self->order);
    PyMem_Free(self->fetched);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *program_py_check(PyObject *self, PyObject *view)
{
    FrameValues values;
    if (frame_view_values(view, &values) < 0 || program_bind(self, values.code) < 0) {
        return NULL;
    }
    int off = segue_thread.off++;
    int holds = program_check(self, &values);
    segue_thread.off = off;
    return holds < 0 ? NULL : PyBool_FromLong(holds);
}

static PyObject *program_failed(Program *self, void *ignored)
{
    return self->last_failed < 0 ? Py_NewRef(Py_None) : Py_NewRef(self->checks[self->last_failed].guard);
}

static PyObject *program_memo(Program *self, void *ignored) { return self->memo == NULL ? Py_NewRef(Py_None) : memo_figures(self->memo); }

static PyMethodDef program_methods[] = {
    {"check", program_py_check, METH_O, "check(frame_view) -> bool: whether every guard holds."},
    {NULL},
};

static PyGetSetDef program_getset[] = {
    {"last_failed", (getter)program_failed, NULL, "the guard that failed last, or None", NULL},
    {"memo", (getter)program_memo, NULL, "how many things an unchanged check compares and tests, or None while nothing is remembered", NULL},
    {NULL},
};

PyTypeObject Program_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.capture._capture.Program",
    .tp_doc = "Program(description): the guards of GuardSet.description(), as the engine walks them.",
    .tp_basicsize = sizeof(Program),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = program_new,
    .tp_traverse = (traverseproc)program_traverse,
    .tp_clear = (inquiry)program_clear,
    .tp_dealloc = (destructor)program_dealloc,
    .tp_methods = program_methods,
    .tp_getset = program_getset,
};

int engine_ready(void) { return arrays_ready(); }
