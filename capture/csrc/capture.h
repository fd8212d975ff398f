/* What the files of segue.capture._capture share: their types, the thread's state, the counters. */
#ifndef SEGUE_CAPTURE_H
#define SEGUE_CAPTURE_H

#include "frame_layout.h"

/* ---- values of a frame, as the guard engine reads them ----------------------------------------------------------- */

typedef struct {
    PyObject *const *slots; /* the parameters, in slot order; borrowed */
    Py_ssize_t count;
    PyObject *function;
    PyObject *globals;
    PyObject *builtins;
    PyCodeObject *code;
} FrameValues;

typedef struct {
    PyObject_HEAD
    PyObject *code, *function, *globals, *builtins;
    PyObject *slots;  /* tuple of the parameters */
    PyObject *locals; /* dict, made when first asked for */
} FrameView;

extern PyTypeObject FrameView_Type;
PyObject *frame_view_new(const FrameValues *values);
int frame_view_values(PyObject *view, FrameValues *values); /* -1 with TypeError when it is no FrameView */

/* ---- guards ------------------------------------------------------------------------------------------------------ */

extern PyTypeObject Program_Type;
int program_check(PyObject *program, const FrameValues *values); /* 1 hold, 0 fail, -1 an exception that guards may not swallow */
int program_bind(PyObject *program, PyCodeObject *code);         /* -1 with an error when a name is not in the code */
int engine_ready(void);                                          /* prepares NumPy's interface and the tables; -1 with an error */
int same_constant(PyObject *a, PyObject *b);                     /* 1, 0, or -1 with an error */

/* ---- cache ------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    PyObject *guards;  /* the GuardSet, for people and for the oracle */
    PyObject *program; /* what the engine walks */
    PyObject *code;    /* what runs instead */
    PyObject *keep;    /* whatever must live as long */
    PyObject *failed;  /* called when `code` raises; None: nothing is to be done */
    Py_ssize_t hits;
} Entry;

typedef struct {
    PyCodeObject *code; /* strong; NULL in an empty place of the table */
    PyObject *entries;  /* list of Entry, the most recently hit first */
    int skip;
} Record;

typedef struct {
    PyObject_HEAD
    PyObject *callback;
    PyObject *settings;
    Record *table; /* open addressing over the address of the code object; its size is a power of two */
    Py_ssize_t size, used;
} Cache;

extern PyTypeObject Entry_Type, Cache_Type;
Record *cache_record(Cache *cache, PyCodeObject *code, int create); /* NULL: absent, or an error is set when `create` */
const char *code_mismatch(PyCodeObject *old, PyCodeObject *new_code); /* why `new_code` cannot run in a frame made for `old`; NULL when it can */

/* ---- marks ---------------------------------------------------------------------------------------------------------- */

enum { MARK_CHECKED = 1, MARK_SKIP = 2, MARK_LEAF = 4, MARK_FILE = 8, MARK_KEEP = 16, MARK_BITS = 5 /* above them: the generation of the list */ };

uintptr_t code_marks(PyCodeObject *code);
int code_mark_skip(PyCodeObject *code); /* never look at frames of this code */
int code_mark_keep(PyCodeObject *code); /* look at them although their file is skipped */
int marks_ready(PyObject *module);
int tracers_ready(PyObject *module);
int iterators_ready(PyObject *module);

/* ---- the hook ---------------------------------------------------------------------------------------------------- */

typedef struct {
    Cache *cache; /* of the Compiled that is active on this thread; NULL: none. Borrowed: its owner is on the C stack */
    int off;      /* guards, the callback or a disabled function are running */
    int depth;    /* regions open on this thread */
    int levels;   /* function transforms that run on this thread */
    PyObject *held; /* lives until the innermost frame with an entry ends, see run_eagerly; NULL: nothing does */
} ThreadState;

extern _Thread_local ThreadState segue_thread;

void hook_enter(void); /* a region begins on this thread */
void hook_leave(void);
int hook_ready(PyObject *module);
extern PyMethodDef hook_methods[];
extern int segue_eager;                 /* whether compiled functions run eagerly, on all threads */
extern PyObject *segue_lift;            /* called (compiled, args, kwargs) for a call inside of function transforms; NULL: there is none */
extern PyObject *segue_oracle;          /* called (guards, view, result) after each check in the debugging mode, else NULL */

extern PyTypeObject Compiled_Type, Disabled_Type;

/* ---- resume functions ------------------------------------------------------------------------------------------------ */

typedef struct {
    PyObject *function;  /* that is being called; NULL: none is */
    PyObject *arguments; /* the tuple that holds what it is called with */
} Handing;

extern _Thread_local Handing segue_handing;

void empty_arguments(void);
int resume_ready(PyObject *module);

/* The frame of a function begins. */
static inline void note_begun(PyObject *function)
{
    if (function == segue_handing.function) {
        empty_arguments();
    }
}

/* ---- counters ---------------------------------------------------------------------------------------------------- */

#define COUNTERS(X)                                                      \
    X(calls, "calls of compiled functions")                              \
    X(frames, "frames that the hook looked up in a cache")               \
    X(hits, "frames whose guards held")                                  \
    X(misses, "frames for which the callback was asked")                 \
    X(retargeted, "frames that were turned to new code in place")        \
    X(replaced, "frames run as a call of a replacement function")        \
    X(eager, "frames that ran as they were, after a look-up")            \
    X(skipped, "frames of skipped code")                                 \
    X(passed, "frames of a kind that is never compiled")                 \
    X(refused, "frames or entries that did not meet a precondition")     \
    X(unsatisfied, "new entries whose guards fail on their own frame")   \
    X(guard_checks, "guard sets that were checked")                      \
    X(guards_tested, "guards that were tested for it")                   \
    X(guards_remembered, "guards that nothing had touched since they were tested")

typedef struct {
#define X(name, doc) Py_ssize_t name;
    COUNTERS(X)
#undef X
} Counters;

extern Counters segue_counters;
#define COUNT(name) (segue_counters.name++)

#endif
