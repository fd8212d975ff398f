/* Everything that differs between the Python versions: how a frame lies in memory, and what its owner must do with it.

   One block for each version, behind the same names. A version that stands in none of them has SEGUE_FRAMES_KNOWN 0: then there is no hook, and
   compiled functions run eagerly after one warning. Include this file before Python.h. */
#ifndef SEGUE_FRAME_LAYOUT_H
#define SEGUE_FRAME_LAYOUT_H

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <internal/pycore_dict.h>

#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030e0000 && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION) && !defined(SEGUE_TEST_UNKNOWN_FRAMES)
#define SEGUE_FRAMES_KNOWN 1
#include <internal/pycore_frame.h>
typedef struct _PyInterpreterFrame Frame;
#else
#define SEGUE_FRAMES_KNOWN 0
typedef struct Frame Frame;
#endif

/* A value of our own on each code object; freed with it, and never shared with other tools. */
#if PY_VERSION_HEX >= 0x030c0000
#define code_extra_index() PyUnstable_Eval_RequestCodeExtraIndex(NULL)
#define code_get_extra(code, index, value) PyUnstable_Code_GetExtra((PyObject *)(code), index, value)
#define code_set_extra(code, index, value) PyUnstable_Code_SetExtra((PyObject *)(code), index, value)
#else
#define code_extra_index() _PyEval_RequestCodeExtraIndex(NULL)
#define code_get_extra(code, index, value) _PyCode_GetExtra((PyObject *)(code), index, value)
#define code_set_extra(code, index, value) _PyCode_SetExtra((PyObject *)(code), index, value)
#endif

/* Whether a debugger (tool 0) or a coverage tool (tool 1) is told of the lines of a code object by sys.monitoring. */
#if SEGUE_FRAMES_KNOWN && PY_VERSION_HEX >= 0x030c0000
#include <internal/pycore_instruments.h>
#include <internal/pycore_interp.h>
static inline int lines_are_monitored(PyThreadState *tstate, PyCodeObject *code)
{
    int tools = tstate->interp->monitors.tools[PY_MONITORING_EVENT_LINE];
    if (code->_co_monitoring != NULL) {
        tools |= code->_co_monitoring->local_monitors.tools[PY_MONITORING_EVENT_LINE];
    }
    return tools & 3;
}
#else
#define lines_are_monitored(tstate, code) 0
#endif

/* The attribute, or NULL without an error when there is none. Returns -1 on another error, 0 when absent, 1 when found. */
#if PY_VERSION_HEX >= 0x030d0000
#define lookup_attribute(object, name, result) PyObject_GetOptionalAttr(object, name, result)
#else
#define lookup_attribute(object, name, result) _PyObject_LookupAttr(object, name, result)
#endif

/* Whether all keys of a dict are of type str, so that a look-up runs no Python. */
static inline int dict_has_text_keys(PyObject *dict)
{
    return PyDict_Check(dict) && ((PyDictObject *)dict)->ma_keys->dk_kind != DICT_KEYS_GENERAL;
}

/* Whether a dict lies in its object: from 3.13 on the attributes of such an object are written without its watchers being told. Then 0 says that it
   could not be moved out, which changes neither the dict nor what is in it. */
#if PY_VERSION_HEX >= 0x030d0000
static inline int dict_is_embedded(PyObject *dict)
{
    PyDictValues *values = ((PyDictObject *)dict)->ma_values;
    return values != NULL && values->embedded;
}

static inline int dict_moves_out(PyObject *object, PyObject *dict)
{
    if (dict_is_embedded(dict)) {
        PyObject *name = PyUnicode_InternFromString("__dict__");
        PyObject *descriptor = name == NULL ? NULL : _PyType_Lookup(Py_TYPE(object), name);
        if (descriptor != NULL && Py_IS_TYPE(descriptor, &PyGetSetDescr_Type)) { /* the interpreter's own, which detaches what was there */
            Py_TYPE(descriptor)->tp_descr_set(descriptor, object, dict);
        }
        Py_XDECREF(name);
        PyErr_Clear();
    }
    return !dict_is_embedded(dict);
}
#else
static inline int dict_is_embedded(PyObject *dict) { return 0; }
static inline int dict_moves_out(PyObject *object, PyObject *dict) { return 1; }
#endif

/* Whether a weak reference is alive and leads to `object`. */
static inline int weak_target_is(PyObject *reference, PyObject *object)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *target = NULL;
    int alive = PyWeakref_GetRef(reference, &target);
    Py_XDECREF(target);
    return alive > 0 && target == object;
#else
    return PyWeakref_GET_OBJECT(reference) == object;
#endif
}

#if SEGUE_FRAMES_KNOWN

/* ---- 3.11 ------------------------------------------------------------------------------------------------------ */
#if PY_VERSION_HEX < 0x030c0000

static inline PyCodeObject *frame_code(Frame *frame) { return frame->f_code; }
static inline PyFunctionObject *frame_function(Frame *frame) { return frame->f_func; }

static inline Py_ssize_t code_frame_size(PyCodeObject *code)
{
    return (Py_ssize_t)code->co_nlocalsplus + code->co_stacksize + (Py_ssize_t)FRAME_SPECIALS_SIZE;
}

static inline void frame_start_at(Frame *frame, PyCodeObject *code)
{
    PyCodeObject *old = frame->f_code;
    frame->f_code = (PyCodeObject *)Py_NewRef(code);
    frame->prev_instr = _PyCode_CODE(code) - 1;
    frame->stacktop = code->co_nlocalsplus;
    Py_DECREF(old);
}

/* The caller clears and pops a frame, whether the hook ran it or not. */
static inline void frame_drop(PyThreadState *tstate, Frame *frame) { }

/* ---- 3.12 ------------------------------------------------------------------------------------------------------ */
#elif PY_VERSION_HEX < 0x030d0000

static inline PyCodeObject *frame_code(Frame *frame) { return frame->f_code; }
static inline PyFunctionObject *frame_function(Frame *frame) { return (PyFunctionObject *)frame->f_funcobj; }
static inline Py_ssize_t code_frame_size(PyCodeObject *code) { return code->co_framesize; }

static inline void frame_start_at(Frame *frame, PyCodeObject *code)
{
    PyCodeObject *old = frame->f_code;
    frame->f_code = (PyCodeObject *)Py_NewRef(code);
    frame->prev_instr = _PyCode_CODE(code) - 1;
    frame->stacktop = code->co_nlocalsplus;
    Py_DECREF(old);
}

/* Who evaluates a frame clears it, also when it never ran. _PyEval_FrameClearAndPop is not exported here, so this is what it does. */
static inline void frame_drop(PyThreadState *tstate, Frame *frame)
{
    for (int i = 0; i < frame->stacktop; i++) {
        Py_CLEAR(frame->localsplus[i]);
    }
    Py_CLEAR(frame->f_locals);
    Py_DECREF(frame->f_funcobj);
    Py_DECREF(frame->f_code);
    _PyStackChunk *chunk = tstate->datastack_chunk;
    if ((PyObject **)frame == &chunk->data[0] && chunk->previous != NULL) {
        PyObjectArenaAllocator arena;
        PyObject_GetArenaAllocator(&arena);
        _PyStackChunk *previous = chunk->previous;
        tstate->datastack_top = &previous->data[previous->top];
        tstate->datastack_chunk = previous;
        tstate->datastack_limit = (PyObject **)((char *)previous + previous->size);
        arena.free(arena.ctx, chunk, chunk->size);
    } else {
        tstate->datastack_top = (PyObject **)frame;
    }
}

/* ---- 3.13 ------------------------------------------------------------------------------------------------------ */
#else

static inline PyCodeObject *frame_code(Frame *frame) { return (PyCodeObject *)frame->f_executable; }
static inline PyFunctionObject *frame_function(Frame *frame) { return (PyFunctionObject *)frame->f_funcobj; }
static inline Py_ssize_t code_frame_size(PyCodeObject *code) { return code->co_framesize; }

static inline void frame_start_at(Frame *frame, PyCodeObject *code)
{
    PyObject *old = frame->f_executable;
    frame->f_executable = Py_NewRef(code);
    frame->instr_ptr = _PyCode_CODE(code);
    frame->stacktop = code->co_nlocalsplus;
    Py_DECREF(old);
}

PyAPI_FUNC(void) _PyEval_FrameClearAndPop(PyThreadState *tstate, _PyInterpreterFrame *frame);
static inline void frame_drop(PyThreadState *tstate, Frame *frame) { _PyEval_FrameClearAndPop(tstate, frame); }

#endif

/* ---- the same on all -------------------------------------------------------------------------------------------- */

/* Whether the frame is the topmost thing on the thread's data stack, so that it may grow or shrink in place. */
static inline int frame_is_on_top(PyThreadState *tstate, Frame *frame)
{
    return (PyObject **)frame + code_frame_size(frame_code(frame)) == tstate->datastack_top;
}

#endif /* SEGUE_FRAMES_KNOWN */

/* Number of parameters, *args and **kwargs included: the slots that are filled when the hook sees a frame. */
static inline Py_ssize_t code_parameters(PyCodeObject *code)
{
    return (Py_ssize_t)code->co_argcount + code->co_kwonlyargcount + !!(code->co_flags & CO_VARARGS) + !!(code->co_flags & CO_VARKEYWORDS);
}

#endif
