/* What the two halves of the launcher share: the parsed form of a graph's inputs and outputs. */
#ifndef SEGUE_LAUNCHER_H
#define SEGUE_LAUNCHER_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL segue_launcher_numpy
#include <numpy/arrayobject.h>
#include "segue_runtime.h"

#define UNCHECKED INT64_MIN /* a dimension that may be anything */
#define UNBOUND INT64_MIN   /* a symbol whose value is not known yet */

enum { ARRAY, SIZE, INPUT, OUTPUT, COMPUTED, VALUE };
enum { CONTIGUOUS, EXACT, ANY };

typedef struct {
    int kind, layout, writable, ndim;
    PyArray_Descr *descr;           /* ARRAY */
    int64_t dims[NPY_MAXDIMS];      /* ARRAY: a size, -1 - symbol, or UNCHECKED */
    int64_t strides[NPY_MAXDIMS];   /* ARRAY with an exact layout: in bytes */
    int64_t number;                 /* SIZE: the symbol; INPUT, OUTPUT: which */
    PyObject *value;                /* VALUE */
} Spec;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    segue_entry_function entry;
    segue_shapes_function shapes;
    const segue_runtime *runtime;
    Spec *inputs, *outputs;
    Py_ssize_t input_count, output_count, array_inputs, array_outputs, symbols, dimension_count;
    int64_t arena_bytes;
    PyObject *constants;            /* tuple of arrays */
    PyObject *errors;               /* dict: code -> (exception class, text) */
    int64_t calls;
} Launcher;

/* specs.c */
int parse_specs(PyObject *sequence, Spec **specs, Py_ssize_t *count, Launcher *self, int is_output);
void free_specs(Spec *specs, Py_ssize_t count);
/* Fills data (of the array inputs, then the constants) and sizes, and adds up the bytes. Returns -1 with an exception where an input does not fit. */
int bind_inputs(Launcher *self, PyObject *const *items, void **data, int64_t *sizes, int64_t *bytes);

#endif
