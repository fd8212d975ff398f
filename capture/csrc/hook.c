/* The frame-evaluation hook (PEP 523).

   It is installed while a region (a call of a Compiled) runs on some thread. A frame it sees is passed on untouched, or, when the cache of the active
   Compiled has an entry whose guards hold, turned to that entry's code. Whatever does not meet a precondition runs as it is and is counted. */
#include "capture.h"

_Thread_local ThreadState segue_thread;
Counters segue_counters;
PyObject *segue_oracle;
int segue_eager;
PyObject *segue_lift;

static Py_ssize_t open_regions; /* on all threads; under the GIL */
static int closed;              /* the interpreter is ending */

/* ---- the hook -------------------------------------------------------------------------------------------------------- */

#if SEGUE_FRAMES_KNOWN

static _PyFrameEvalFunction previous_hook; /* another tool's, or the interpreter's own */

static inline PyObject *pass(PyThreadState *tstate, Frame *frame, int throwing)
{
    return previous_hook == NULL ? _PyEval_EvalFrameDefault(tstate, frame, throwing) : previous_hook(tstate, frame, throwing);
}

static inline void values_of(Frame *frame, PyCodeObject *code, FrameValues *values)
{
    values->slots = frame->localsplus;
    values->count = code_parameters(code);
    values->function = (PyObject *)frame_function(frame);
    values->globals = frame->f_globals;
    values->builtins = frame->f_builtins;
    values->code = code;
}

/* Whether guards hold; in the debugging mode the oracle is asked too. -1 with an error. */
static int entry_matches(Entry *entry, const FrameValues *values)
{
    COUNT(guard_checks);
    int result = program_check(entry->program, values);
    if (segue_oracle != NULL && result >= 0) {
        PyObject *view = frame_view_new(values);
        PyObject *said = view == NULL ? NULL : PyObject_CallFunction(segue_oracle, "OOi", entry->guards, view, result);
        Py_XDECREF(view);
        if (said == NULL) {
            return -1;
        }
        Py_DECREF(said);
    }
    return result;
}

/* The first entry whose guards hold, moved to the front (new reference); NULL without an error when there is none. */
static Entry *find_entry(PyObject *entries, const FrameValues *values)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(entries); i++) {
        Entry *entry = (Entry *)Py_NewRef(PyList_GET_ITEM(entries, i));
        int result = entry_matches(entry, values);
        if (result > 0) {
            if (i > 0 && i < PyList_GET_SIZE(entries) && PyList_GET_ITEM(entries, i) == (PyObject *)entry) {
                PyObject **items = ((PyListObject *)entries)->ob_item;
                memmove(items + 1, items, (size_t)i * sizeof(PyObject *));
                items[0] = (PyObject *)entry;
            }
            entry->hits++;
            COUNT(hits);
            return entry;
        }
        Py_DECREF(entry);
        if (result < 0) {
            return NULL;
        }
    }
    return NULL;
}

static PyObject *skip_answer; /* the object SKIP */

/* Take what the callback returned. A new reference to an entry; NULL without an error: run the frame eagerly. */
static Entry *accept(Cache *cache, PyCodeObject *code, PyObject *answer, const FrameValues *values)
{
    Record *record = cache_record(cache, code, 1); /* found anew: the callback may have changed the table */
    if (record == NULL) {
        return NULL;
    }
    if (answer == skip_answer) {
        record->skip = 1;
        return NULL;
    }
    if (answer == Py_None) {
        return NULL;
    }
    if (!Py_IS_TYPE(answer, &Entry_Type)) {
        PyErr_Format(PyExc_TypeError, "the capture callback returned %.100s; it returns a CacheEntry, None or SKIP", Py_TYPE(answer)->tp_name);
        return NULL;
    }
    Entry *entry = (Entry *)answer;
    const char *reason = code_mismatch(code, (PyCodeObject *)entry->code);
    if (reason != NULL) {
        COUNT(refused);
        record->skip = 1;
        PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "segue: the code compiled for %U cannot run in its frame (%s); it runs eagerly", code->co_qualname, reason);
        return NULL;
    }
    if (program_bind(entry->program, code) < 0) {
        return NULL;
    }
    if (entry->code != (PyObject *)code && code_mark_skip((PyCodeObject *)entry->code) < 0) { /* a replacement function must not be compiled again */
        return NULL;
    }
    int present = PySequence_Contains(record->entries, answer); /* another thread's, which was made while this one waited */
    if (present < 0 || (!present && PyList_Insert(record->entries, 0, answer) < 0)) {
        return NULL;
    }
    int holds = entry_matches(entry, values);
    if (holds < 0) {
        return NULL;
    }
    if (!holds) {
        COUNT(unsatisfied);
    }
    return (Entry *)Py_NewRef(answer);
}

static Entry *ask(Cache *cache, PyCodeObject *code, PyObject *entries, const FrameValues *values)
{
    COUNT(misses);
    PyObject *view = frame_view_new(values);
    PyObject *known = view == NULL ? NULL : PyList_AsTuple(entries);
    PyObject *answer = NULL;
    if (known != NULL) {
        PyThreadState *tstate = PyThreadState_Get();
        PyThreadState_EnterTracing(tstate); /* a debugger or profiler of the user's program does not see the compiler at work */
        answer = PyObject_CallFunctionObjArgs(cache->callback, cache->settings, (PyObject *)code, view, known, NULL);
        PyThreadState_LeaveTracing(tstate);
    }
    Py_XDECREF(known);
    Py_XDECREF(view);
    if (answer == NULL) {
        return NULL;
    }
    Entry *entry = accept(cache, code, answer, values);
    Py_DECREF(answer);
    return entry;
}

/* Arguments of a call that fills a new frame's parameters as this frame's are filled. */
static PyObject *call_with_parameters(PyObject *function, Frame *frame, PyCodeObject *code)
{
    Py_ssize_t positional = code->co_argcount, keyword_only = code->co_kwonlyargcount, next = positional + keyword_only;
    PyObject *rest = code->co_flags & CO_VARARGS ? frame->localsplus[next++] : NULL;
    PyObject *named = code->co_flags & CO_VARKEYWORDS ? frame->localsplus[next++] : NULL;
    Py_ssize_t more = rest == NULL ? 0 : PyTuple_GET_SIZE(rest);
    PyObject *arguments = PyTuple_New(positional + more);
    PyObject *keywords = named == NULL ? PyDict_New() : PyDict_Copy(named);
    PyObject *result = NULL;
    if (arguments == NULL || keywords == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < positional + more; i++) {
        PyTuple_SET_ITEM(arguments, i, Py_NewRef(i < positional ? frame->localsplus[i] : PyTuple_GET_ITEM(rest, i - positional)));
    }
    for (Py_ssize_t i = positional; i < positional + keyword_only; i++) {
        if (PyDict_SetItem(keywords, PyTuple_GET_ITEM(code->co_localsplusnames, i), frame->localsplus[i]) < 0) {
            goto done;
        }
    }
    result = PyObject_Call(function, arguments, keywords);
done:
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return result;
}

/* The chunk of the data stack has no room for the new code: call a function that has it instead. */
static PyObject *run_replacement(PyThreadState *tstate, Frame *frame, PyCodeObject *old, PyCodeObject *code)
{
    PyFunctionObject *original = frame_function(frame);
    PyObject *function = PyFunction_NewWithQualName((PyObject *)code, frame->f_globals, original->func_qualname);
    PyObject *result = NULL;
    if (function != NULL) {
        Py_XSETREF(((PyFunctionObject *)function)->func_closure, Py_XNewRef(original->func_closure));
        Py_SETREF(((PyFunctionObject *)function)->func_builtins, Py_NewRef(frame->f_builtins));
        COUNT(replaced);
        result = call_with_parameters(function, frame, old);
        Py_DECREF(function);
    }
    frame_drop(tstate, frame);
    return result;
}

/* Every parameter is there and nothing else is: what a frame looks like before its first instruction. */
static int frame_is_fresh(Frame *frame, PyCodeObject *code)
{
    Py_ssize_t parameters = code_parameters(code);
    for (Py_ssize_t i = 0; i < code->co_nlocalsplus; i++) {
        if ((frame->localsplus[i] != NULL) != (i < parameters)) {
            return 0;
        }
    }
    return frame->stacktop == code->co_nlocalsplus && frame->frame_obj == NULL && frame->owner == FRAME_OWNED_BY_THREAD;
}

/* Run `code` in the place of the frame's own. */
static PyObject *run_instead(PyThreadState *tstate, Frame *frame, PyCodeObject *code)
{
    PyCodeObject *old = frame_code(frame);
    if (!frame_is_fresh(frame, old)) {
        COUNT(refused);
        return pass(tstate, frame, 0);
    }
    Py_ssize_t more = code_frame_size(code) - code_frame_size(old);
    if (!frame_is_on_top(tstate, frame) || (more > 0 && more >= tstate->datastack_limit - tstate->datastack_top)) {
        return run_replacement(tstate, frame, old, code);
    }
    tstate->datastack_top += more;
    for (Py_ssize_t i = code_parameters(old); i < code->co_nlocalsplus; i++) {
        frame->localsplus[i] = NULL;
    }
    frame_start_at(frame, code);
    COUNT(retargeted);
    return pass(tstate, frame, 0);
}

/* The code of an entry raised: let the entry put back what its handlers would have. The exception goes on, whatever comes of that. */
static void entry_failed(Entry *entry)
{
    if (entry->failed == NULL || entry->failed == Py_None) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    segue_thread.off++;
    PyObject *failed = Py_NewRef(entry->failed), *done = PyObject_CallOneArg(failed, value);
    segue_thread.off--;
    if (done == NULL) {
        PyErr_WriteUnraisable(failed);
    }
    Py_XDECREF(done), Py_DECREF(failed);
    PyErr_Restore(type, value, traceback);
}

static PyObject *run_cached(PyThreadState *tstate, Frame *frame, PyCodeObject *code)
{
    Cache *cache = segue_thread.cache;
    FrameValues values;
    Record *record = cache_record(cache, code, 1);
    if (record == NULL) {
        frame_drop(tstate, frame);
        return NULL;
    }
    if (record->skip) {
        COUNT(skipped);
        return pass(tstate, frame, 0);
    }
    COUNT(frames);
    PyObject *entries = Py_NewRef(record->entries);
    values_of(frame, code, &values);
    Py_INCREF(cache);
    segue_thread.off++;
    int watched = tstate->c_tracefunc != NULL || lines_are_monitored(tstate, code);
    Entry *entry = watched ? NULL : find_entry(entries, &values); /* the callback knows what a tracer is to see */
    if (entry == NULL && !PyErr_Occurred()) {
        entry = ask(cache, code, entries, &values);
    }
    segue_thread.off--;
    Py_DECREF(cache);
    Py_DECREF(entries);
    if (entry == NULL) {
        if (PyErr_Occurred()) {
            frame_drop(tstate, frame);
            return NULL;
        }
        COUNT(eager);
        return pass(tstate, frame, 0);
    }
    int off = segue_thread.off; /* a frame that goes on eagerly does so up to its end */
    PyObject *held = segue_thread.held;
    segue_thread.held = NULL;
    PyObject *result = run_instead(tstate, frame, (PyCodeObject *)entry->code);
    segue_thread.off = off;
    Py_XSETREF(segue_thread.held, held);
    if (result == NULL) {
        entry_failed(entry);
    }
    Py_DECREF(entry);
    return result;
}

static PyObject *run_leaf(PyThreadState *tstate, Frame *frame)
{
    segue_thread.off++;
    PyObject *result = pass(tstate, frame, 0);
    segue_thread.off--;
    return result;
}

#define NEVER_COMPILED (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE)
#define ALWAYS_COMPILED (CO_OPTIMIZED | CO_NEWLOCALS)

static PyObject *evaluate(PyThreadState *tstate, Frame *frame, int throwing)
{
    note_begun((PyObject *)frame_function(frame));
    if (segue_thread.cache == NULL || segue_thread.off || tstate->tracing) { /* tracing: the frame is a tracer's own */
        return pass(tstate, frame, throwing);
    }
    PyCodeObject *code = frame_code(frame);
    int flags = code->co_flags;
    if (throwing || flags & NEVER_COMPILED || (flags & ALWAYS_COMPILED) != ALWAYS_COMPILED || frame->f_locals != NULL) {
        COUNT(passed);
        return pass(tstate, frame, throwing);
    }
    uintptr_t marks = code_marks(code);
    if (marks & MARK_LEAF) {
        return run_leaf(tstate, frame);
    }
    if (marks & (MARK_SKIP | MARK_FILE)) {
        COUNT(skipped);
        return pass(tstate, frame, 0);
    }
    return run_cached(tstate, frame, code);
}

/* ---- regions ---------------------------------------------------------------------------------------------------------- */

static void install(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    _PyFrameEvalFunction now = _PyInterpreterState_GetEvalFrameFunc(interpreter);
    if (now != evaluate) {
        previous_hook = now == _PyEval_EvalFrameDefault ? NULL : now;
        _PyInterpreterState_SetEvalFrameFunc(interpreter, evaluate);
    }
}

static void uninstall(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    if (_PyInterpreterState_GetEvalFrameFunc(interpreter) == evaluate) {
        _PyInterpreterState_SetEvalFrameFunc(interpreter, previous_hook == NULL ? _PyEval_EvalFrameDefault : previous_hook);
    }
}

static int is_installed(void)
{
    return _PyInterpreterState_GetEvalFrameFunc(PyInterpreterState_Get()) == evaluate;
}

#else /* an unknown version: no hook, one warning */

static PyObject *skip_answer;

static void install(void)
{
    static int warned;
    if (!warned) {
        warned = 1;
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "segue does not know the frames of Python %s; compiled functions run eagerly", PY_VERSION) < 0) {
            PyErr_WriteUnraisable(NULL);
        }
    }
}

static void uninstall(void) { }
static int is_installed(void) { return 0; }

#endif

void hook_enter(void)
{
    segue_thread.depth++;
    if (open_regions++ == 0 && !closed) {
        install();
    }
}

void hook_leave(void)
{
    segue_thread.depth--;
    if (--open_regions == 0) {
        uninstall();
    }
}

/* ---- what Python sees ------------------------------------------------------------------------------------------------- */

static PyObject *py_stats(PyObject *module, PyObject *ignored)
{
    return Py_BuildValue("{"
#define X(name, doc) "sn"
        COUNTERS(X)
#undef X
        "}"
#define X(name, doc) , #name, segue_counters.name
        COUNTERS(X)
#undef X
    );
}

static PyObject *py_reset_stats(PyObject *module, PyObject *ignored)
{
    segue_counters = (Counters){0};
    Py_RETURN_NONE;
}

static PyObject *py_is_installed(PyObject *module, PyObject *ignored) { return PyBool_FromLong(is_installed()); }

static PyObject *py_is_active(PyObject *module, PyObject *ignored) { return PyBool_FromLong(segue_thread.cache != NULL && !segue_thread.off); }

static PyObject *py_set_oracle(PyObject *module, PyObject *oracle)
{
    Py_XSETREF(segue_oracle, oracle == Py_None ? NULL : Py_NewRef(oracle));
    Py_RETURN_NONE;
}

static PyObject *py_set_eager(PyObject *module, PyObject *eager)
{
    int wanted = PyObject_IsTrue(eager);
    if (wanted < 0) {
        return NULL;
    }
    segue_eager = wanted;
    Py_RETURN_NONE;
}

static PyObject *py_set_lift(PyObject *module, PyObject *lift)
{
    Py_XSETREF(segue_lift, Py_NewRef(lift));
    Py_RETURN_NONE;
}

static PyObject *py_add_levels(PyObject *module, PyObject *change)
{
    long more = PyLong_AsLong(change);
    if (more == -1 && PyErr_Occurred()) {
        return NULL;
    }
    segue_thread.levels += (int)more;
    Py_RETURN_NONE;
}

static PyObject *py_run_eagerly(PyObject *module, PyObject *held)
{
    segue_thread.off++;
    Py_XSETREF(segue_thread.held, Py_NewRef(held));
    Py_RETURN_NONE;
}

static PyObject *py_shutdown(PyObject *module, PyObject *ignored)
{
    closed = 1;
    uninstall();
    Py_RETURN_NONE;
}

static PyObject *py_after_fork(PyObject *module, PyObject *ignored)
{
    open_regions = segue_thread.depth; /* the other threads and their regions are gone */
    if (open_regions == 0) {
        uninstall();
    }
    Py_RETURN_NONE;
}

static PyObject *py_mismatch(PyObject *module, PyObject *args)
{
    PyObject *old, *new_code;
    if (!PyArg_ParseTuple(args, "O!O!:mismatch", &PyCode_Type, &old, &PyCode_Type, &new_code)) {
        return NULL;
    }
    const char *reason = code_mismatch((PyCodeObject *)old, (PyCodeObject *)new_code);
    return reason == NULL ? Py_NewRef(Py_None) : PyUnicode_FromString(reason);
}

PyMethodDef hook_methods[] = {
    {"stats", py_stats, METH_NOARGS, "stats() -> dict: the counters since the start or reset_stats()."},
    {"reset_stats", py_reset_stats, METH_NOARGS, "reset_stats(): all counters to 0."},
    {"is_installed", py_is_installed, METH_NOARGS, "is_installed() -> bool: whether the interpreter's frame evaluation is ours now."},
    {"is_active", py_is_active, METH_NOARGS, "is_active() -> bool: whether frames that begin now on this thread are looked up."},
    {"set_oracle", py_set_oracle, METH_O, "set_oracle(function or None): call function(guards, view, result) after each check of the guard engine."},
    {"set_eager", py_set_eager, METH_O, "set_eager(bool): whether calls of compiled functions run them eagerly, on all threads."},
    {"set_lift", py_set_lift, METH_O, "set_lift(function): call function(compiled, args, kwargs) for calls inside of function transforms."},
    {"add_levels", py_add_levels, METH_O, "add_levels(n): how many function transforms more run on this thread."},
    {"run_eagerly", py_run_eagerly, METH_O, "run_eagerly(held): the hook is off, and `held` lives, until the innermost frame with an entry ends; for the entry's code."},
    {"mismatch", py_mismatch, METH_VARARGS, "mismatch(code, new_code) -> str | None: why new_code cannot run in a frame made for code."},
    {"shutdown", py_shutdown, METH_NOARGS, "shutdown(): take the hook away for good; at the interpreter's exit."},
    {"after_fork", py_after_fork, METH_NOARGS, "after_fork(): forget the regions of threads that the child does not have."},
    {NULL},
};

int hook_ready(PyObject *module)
{
    skip_answer = PyObject_CallFunction((PyObject *)&PyBaseObject_Type, NULL);
    if (skip_answer == NULL || PyModule_AddObjectRef(module, "SKIP", skip_answer) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "FRAMES_KNOWN", SEGUE_FRAMES_KNOWN);
}
