/* Partitions: which of several values belong together, because they are one object or because their memory overlaps. The addresses are sorted, and whoever
   begins before another one ends is of its group; groups are numbered in the order in which the paths name them, so that equal partitions have equal numbers. */
#include "program.h"

typedef struct {
    uintptr_t low, high;
    int group;
} Span;

/* Sort the positions by address, starting from the order of the last time, which is nearly right; then number the components and compare. */
static void number_groups(Check *check, Span *spans)
{
    int *order = check->order, count = check->count;
    for (int i = 1; i < count; i++) {
        int moving = order[i], k = i;
        for (; k > 0 && spans[order[k - 1]].low > spans[moving].low; k--) {
            order[k] = order[k - 1];
        }
        order[k] = moving;
    }
    uintptr_t end = 0;
    int component = -1;
    for (int i = 0; i < count; i++) {
        Span *span = &spans[order[i]];
        if (span->low == span->high) { /* empty: for itself */
            span->group = -1;
            continue;
        }
        if (component < 0 || span->low >= end) {
            component++;
            end = span->high;
        } else if (span->high > end) {
            end = span->high;
        }
        span->group = component;
    }
}

static int groups_agree(Check *check, const Span *spans, int *names)
{
    int next = 0;
    for (int i = 0; i < check->count; i++) {
        names[i] = -1;
    }
    for (int i = 0; i < check->count; i++) {
        int group = spans[i].group, name;
        if (group < 0) {
            name = next++;
        } else {
            name = names[group] < 0 ? (names[group] = next++) : names[group];
        }
        if (name != check->code[i]) {
            return 0;
        }
    }
    return 1;
}

static int test_partition(Check *check, Walk *walk, int by_memory)
{
    Span *spans = PyMem_Malloc((size_t)(check->count + 1) * (sizeof(Span) + sizeof(int)));
    int holds = 1;
    if (spans == NULL) {
        return 0;
    }
    for (int i = 0; holds > 0 && i < check->count; i++) {
        PyObject *value, *array;
        holds = walk_fetch(walk, check->nodes[i], &value);
        if (holds > 0 && by_memory) {
            holds = array_of(value, &array);
            if (holds > 0) {
                holds = array_span(array, &spans[i].low, &spans[i].high);
                Py_DECREF(array);
            }
        } else if (holds > 0) {
            spans[i].low = (uintptr_t)value;
            spans[i].high = spans[i].low + 1;
        }
    }
    if (holds > 0) {
        number_groups(check, spans);
        holds = groups_agree(check, spans, (int *)(spans + check->count));
    }
    PyMem_Free(spans);
    return holds;
}

int test_aliasing(Check *check, Walk *walk) { return test_partition(check, walk, 1); }
int test_same_objects(Check *check, Walk *walk) { return test_partition(check, walk, 0); }

int build_partition(Check *check)
{
    if (!PyTuple_Check(check->argument) || PyTuple_GET_SIZE(check->argument) != check->count) {
        PyErr_SetString(PyExc_ValueError, "a partition has one group number for each source");
        return -1;
    }
    check->order = PyMem_Calloc((size_t)check->count + 1, sizeof(int));
    check->code = PyMem_Calloc((size_t)check->count + 1, sizeof(Py_ssize_t));
    if (check->order == NULL || check->code == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < check->count; i++) {
        check->order[i] = i;
        check->code[i] = PyNumber_AsSsize_t(PyTuple_GET_ITEM(check->argument, i), PyExc_OverflowError);
        if (check->code[i] == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}
