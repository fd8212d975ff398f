/* Entries and their cache: code object -> the entries compiled for it, for one configuration. */
#include "capture.h"
#include <structmember.h>

/* ---- whether new code fits into a frame ------------------------------------------------------------------------------ */

static const char *names_differ(PyCodeObject *old, PyCodeObject *new_code, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *a = PyTuple_GET_ITEM(old->co_localsplusnames, i), *b = PyTuple_GET_ITEM(new_code->co_localsplusnames, i);
        if (a != b && PyUnicode_Compare(a, b) != 0) {
            return "a parameter has another name";
        }
    }
    return NULL;
}

const char *code_mismatch(PyCodeObject *old, PyCodeObject *new_code)
{
    const int shape = CO_VARARGS | CO_VARKEYWORDS | CO_OPTIMIZED | CO_NEWLOCALS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    if ((old->co_flags & shape) != (new_code->co_flags & shape)) {
        return "the flags differ";
    }
    if (old->co_argcount != new_code->co_argcount || old->co_kwonlyargcount != new_code->co_kwonlyargcount ||
        old->co_posonlyargcount != new_code->co_posonlyargcount) {
        return "the number of parameters differs";
    }
    if (old->co_nfreevars != new_code->co_nfreevars) {
        return "the number of free variables differs";
    }
    Py_ssize_t frees = old->co_nfreevars;
    for (Py_ssize_t i = 0; i < frees; i++) {
        PyObject *a = PyTuple_GET_ITEM(old->co_localsplusnames, old->co_nlocalsplus - frees + i);
        PyObject *b = PyTuple_GET_ITEM(new_code->co_localsplusnames, new_code->co_nlocalsplus - frees + i);
        if (a != b && PyUnicode_Compare(a, b) != 0) {
            return "a free variable has another name or place";
        }
    }
    return names_differ(old, new_code, code_parameters(old));
}

/* ---- Entry ------------------------------------------------------------------------------------------------------------ */

static PyObject *entry_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"guards", "code", "keep", "failed", NULL};
    PyObject *guards, *code, *keep = Py_None, *failed = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!|OO:CacheEntry", names, &guards, &PyCode_Type, &code, &keep, &failed)) {
        return NULL;
    }
    PyObject *description = PyObject_CallMethod(guards, "description", NULL);
    if (description == NULL) {
        return NULL;
    }
    PyObject *program = PyObject_CallOneArg((PyObject *)&Program_Type, description);
    Py_DECREF(description);
    if (program == NULL) {
        return NULL;
    }
    Entry *self = (Entry *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_DECREF(program);
        return NULL;
    }
    self->guards = Py_NewRef(guards);
    self->program = program;
    self->code = Py_NewRef(code);
    self->keep = Py_NewRef(keep);
    self->failed = Py_NewRef(failed);
    return (PyObject *)self;
}

static int entry_traverse(Entry *self, visitproc visit, void *arg)
{
    Py_VISIT(self->guards);
    Py_VISIT(self->program);
    Py_VISIT(self->code);
    Py_VISIT(self->keep);
    Py_VISIT(self->failed);
    return 0;
}

static int entry_clear(Entry *self)
{
    Py_CLEAR(self->guards);
    Py_CLEAR(self->keep);
    Py_CLEAR(self->failed);
    return 0; /* the program and the code stay until the end: a thread may be about to run them */
}

static void entry_dealloc(Entry *self)
{
    PyObject_GC_UnTrack(self);
    entry_clear(self);
    Py_CLEAR(self->program);
    Py_CLEAR(self->code);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef entry_members[] = {
    {"guards", T_OBJECT, offsetof(Entry, guards), READONLY, "the GuardSet"},
    {"program", T_OBJECT, offsetof(Entry, program), READONLY, "the compiled guards"},
    {"code", T_OBJECT, offsetof(Entry, code), READONLY, "the code that runs instead"},
    {"keep", T_OBJECT, offsetof(Entry, keep), READONLY, "what lives as long as the entry"},
    {"hits", T_PYSSIZET, offsetof(Entry, hits), READONLY, "how often the guards held"},
    {NULL},
};

PyTypeObject Entry_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.capture._capture.CacheEntry",
    .tp_doc = "CacheEntry(guards, code, keep=None, failed=None): run `code` in place of a frame in which `guards` (a GuardSet) hold. Its parameters and free\n"
              "variables are those of the code that it replaces, in number, names and order; other locals may be added behind the parameters. `failed(problem)` is\n"
              "called when the code raises.",
    .tp_basicsize = sizeof(Entry),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = entry_new,
    .tp_traverse = (traverseproc)entry_traverse,
    .tp_clear = (inquiry)entry_clear,
    .tp_dealloc = (destructor)entry_dealloc,
    .tp_members = entry_members,
};

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

static size_t place_of(const Record *table, Py_ssize_t size, PyCodeObject *code)
{
    size_t mask = (size_t)size - 1, place = ((uintptr_t)code >> 4) * 0x9E3779B97F4A7C15u >> 20 & mask;
    while (table[place].code != NULL && table[place].code != code) {
        place = (place + 1) & mask;
    }
    return place;
}

static int table_grow(Cache *cache)
{
    Py_ssize_t size = cache->size == 0 ? 16 : cache->size * 2;
    Record *table = PyMem_Calloc((size_t)size, sizeof(Record));
    if (table == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < cache->size; i++) {
        if (cache->table[i].code != NULL) {
            table[place_of(table, size, cache->table[i].code)] = cache->table[i];
        }
    }
    PyMem_Free(cache->table);
    cache->table = table;
    cache->size = size;
    return 0;
}

Record *cache_record(Cache *cache, PyCodeObject *code, int create)
{
    if (cache->size > 0) {
        Record *record = &cache->table[place_of(cache->table, cache->size, code)];
        if (record->code != NULL || !create) {
            return record->code == NULL ? NULL : record;
        }
    }
    if (!create) {
        return NULL;
    }
    PyObject *entries = PyList_New(0);
    if (entries == NULL) {
        return NULL;
    }
    if (2 * (cache->used + 1) > cache->size && table_grow(cache) < 0) { /* after the allocation, which may have run the collector */
        Py_DECREF(entries);
        return NULL;
    }
    Record *record = &cache->table[place_of(cache->table, cache->size, code)];
    if (record->code != NULL) {
        Py_DECREF(entries);
        return record;
    }
    record->code = (PyCodeObject *)Py_NewRef(code);
    record->entries = entries;
    record->skip = 0;
    cache->used++;
    return record;
}

static int cache_clear(Cache *self)
{
    Record *table = self->table;
    Py_ssize_t size = self->size;
    self->table = NULL;
    self->size = self->used = 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        Py_XDECREF(table[i].code);
        Py_XDECREF(table[i].entries);
    }
    PyMem_Free(table);
    return 0;
}

/* ---- Cache ---------------------------------------------------------------------------------------------------------------- */

static PyObject *cache_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"callback", "settings", NULL};
    PyObject *callback, *settings = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Cache", names, &callback, &settings)) {
        return NULL;
    }
    if (!PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "Cache() takes a callable: callback(settings, code, frame_view, entries)");
        return NULL;
    }
    Cache *self = (Cache *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->callback = Py_NewRef(callback);
        self->settings = Py_NewRef(settings);
    }
    return (PyObject *)self;
}

static int cache_traverse(Cache *self, visitproc visit, void *arg)
{
    Py_VISIT(self->callback);
    Py_VISIT(self->settings);
    for (Py_ssize_t i = 0; i < self->size; i++) {
        Py_VISIT(self->table[i].code);
        Py_VISIT(self->table[i].entries);
    }
    return 0;
}

static int cache_collect(Cache *self)
{
    return cache_clear(self); /* the callback and the settings stay callable until the end */
}

static void cache_dealloc(Cache *self)
{
    PyObject_GC_UnTrack(self);
    cache_clear(self);
    Py_CLEAR(self->callback);
    Py_CLEAR(self->settings);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *cache_py_clear(Cache *self, PyObject *ignored)
{
    cache_clear(self);
    Py_RETURN_NONE;
}

static PyObject *cache_entries(Cache *self, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "entries() takes a code object");
        return NULL;
    }
    Record *record = cache_record(self, (PyCodeObject *)code, 0);
    return record == NULL ? PyTuple_New(0) : PyList_AsTuple(record->entries);
}

static PyObject *cache_codes(Cache *self, PyObject *ignored)
{
    PyObject *codes = PyList_New(0);
    for (Py_ssize_t i = 0; codes != NULL && i < self->size; i++) {
        if (self->table[i].code != NULL && PyList_Append(codes, (PyObject *)self->table[i].code) < 0) {
            Py_CLEAR(codes);
        }
    }
    return codes;
}

static PyObject *set_skip(Cache *self, PyObject *code, int skip)
{
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "expected a code object");
        return NULL;
    }
    Record *record = cache_record(self, (PyCodeObject *)code, 1);
    if (record == NULL) {
        return NULL;
    }
    record->skip = skip;
    Py_RETURN_NONE;
}

static PyObject *cache_skip(Cache *self, PyObject *code) { return set_skip(self, code, 1); }
static PyObject *cache_unskip(Cache *self, PyObject *code) { return set_skip(self, code, 0); }

static PyObject *cache_discard(Cache *self, PyObject *entry)
{
    for (Py_ssize_t i = 0; i < self->size; i++) {
        PyObject *entries = self->table[i].entries;
        for (Py_ssize_t k = 0; entries != NULL && k < PyList_GET_SIZE(entries); k++) {
            if (PyList_GET_ITEM(entries, k) == entry) {
                return PyList_SetSlice(entries, k, k + 1, NULL) < 0 ? NULL : Py_NewRef(Py_True);
            }
        }
    }
    Py_RETURN_FALSE;
}

static PyMethodDef cache_methods[] = {
    {"entries", (PyCFunction)cache_entries, METH_O, "entries(code) -> tuple of CacheEntry, the most recently hit first."},
    {"codes", (PyCFunction)cache_codes, METH_NOARGS, "codes() -> list of the code objects that were looked up."},
    {"skip", (PyCFunction)cache_skip, METH_O, "skip(code): run frames of this code eagerly under this cache."},
    {"unskip", (PyCFunction)cache_unskip, METH_O, "unskip(code): look frames of this code up again."},
    {"discard", (PyCFunction)cache_discard, METH_O, "discard(entry) -> bool: forget one entry."},
    {"clear", (PyCFunction)cache_py_clear, METH_NOARGS, "clear(): forget all entries and skips."},
    {NULL},
};

static PyMemberDef cache_members[] = {
    {"callback", T_OBJECT, offsetof(Cache, callback), READONLY, "callback(settings, code, frame_view, entries) -> CacheEntry, None or SKIP"},
    {"settings", T_OBJECT, offsetof(Cache, settings), READONLY, "handed to the callback"},
    {NULL},
};

PyTypeObject Cache_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "segue.capture._capture.Cache",
    .tp_doc = "Cache(callback, settings=None): what was compiled under one configuration, by code object.",
    .tp_basicsize = sizeof(Cache),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = cache_new,
    .tp_traverse = (traverseproc)cache_traverse,
    .tp_clear = (inquiry)cache_collect,
    .tp_dealloc = (destructor)cache_dealloc,
    .tp_methods = cache_methods,
    .tp_members = cache_members,
};
