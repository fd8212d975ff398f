/* Kernels for eager code: what NumPy has no one loop for. Along a dimension, and rows added at computed places; and the table of all of them.
 *
 * In comes a segue_kernel that names one of them; out go the arrays that it fills. The one idea: each computes what the NumPy kernel of its operator computes, in the same
 * order, so that both give the same; here it takes one walk through memory. */
#include "internal.h"

namespace segue_rt {
using Call = segue_kernel;

/* ---- along a dimension: sizes are outer, size and inner */

/* step(from, to, first) walks from one element to the next, for each line of the lines that are there. */
template <class Line> static void each_line(const Call& call, Line line) {
    const int64_t size = call.sizes[1], inner = call.sizes[2];
    parallel(call.sizes[0], divide_up(GRAIN, greatest<int64_t>(1, size * inner)), [&](int64_t begin, int64_t end) {
        for (int64_t outer = begin; outer < end; ++outer)
            for (int64_t i = 0; i < inner; ++i) line(outer * size * inner + i, size, inner);
    });
}
/* out[i] = step(out[i - 1], x[i]): lines that lie side by side go together */
template <class T, class Step> static void running(const Call& call, Step step) {
    const int64_t size = call.sizes[1], inner = call.sizes[2];
    parallel(call.sizes[0], divide_up(GRAIN, greatest<int64_t>(1, size * inner)), [&](int64_t begin, int64_t end) {
        for (int64_t outer = begin; outer < end; ++outer) {
            const T* x = static_cast<const T*>(call.inputs[0]) + outer * size * inner;
            T *out = static_cast<T*>(call.outputs[0]) + outer * size * inner, last = 0;
            for (int64_t i = 0; inner == 1 && i < size; ++i) out[i] = last = i ? step(last, x[i]) : x[i];
            for (int64_t i = 0; inner != 1 && i < size * inner; ++i) out[i] = i < inner ? x[i] : step(out[i - inner], x[i]);
        }
    });
}
template <class T> void cumsum_all(const Call& call) {
    running<T>(call, [](T last, T x) { return last + x; });
}
template <class T> void cumprod_all(const Call& call) {
    running<T>(call, [](T last, T x) { return last * x; });
}
/* out[i] = x[i] + factor[i] out[i - 1] */
template <class T> void linear_recurrence_all(const Call& call) {
    const T *factor = static_cast<const T*>(call.inputs[0]), *x = static_cast<const T*>(call.inputs[1]);
    T* out = static_cast<T*>(call.outputs[0]);
    each_line(call, [&](int64_t start, int64_t size, int64_t step) {
        T last = 0;
        for (int64_t i = 0, at = start; i < size; ++i, at += step) out[at] = last = i ? x[at] + factor[at] * last : x[at];
    });
}
/* The last place that attains the running extreme; a NaN stays one. */
template <class T, class Reaches> static void extreme_places(const Call& call, Reaches reaches) {
    const T* x = static_cast<const T*>(call.inputs[0]);
    int64_t* out = static_cast<int64_t*>(call.outputs[0]);
    each_line(call, [&](int64_t start, int64_t size, int64_t step) {
        T best = size ? x[start] : T(0);
        int64_t place = 0;
        for (int64_t i = 0, at = start; i < size; ++i, at += step) {
            if (__builtin_expect(reaches(x[at], best) | (x[at] != x[at]), 0)) {  /* seldom, in a long line: foreseen, it costs nothing */
                best = x[at];
                place = i;
            }
            out[at] = place;
        }
    });
}
template <class T> void cummax_indices_all(const Call& call) {
    extreme_places<T>(call, [](T x, T best) { return x >= best; });
}
template <class T> void cummin_indices_all(const Call& call) {
    extreme_places<T>(call, [](T x, T best) { return x <= best; });
}

/* out[o, j, i] = x[o, index[o, j, i], i]: the fourth size is that of the index. */
template <class T> void gather_all(const Call& call) {
    const int64_t size = call.sizes[1], inner = call.sizes[2], count = call.sizes[3];
    const T* x = static_cast<const T*>(call.inputs[0]);
    const int64_t* index = static_cast<const int64_t*>(call.inputs[1]);
    T* out = static_cast<T*>(call.outputs[0]);
    parallel(call.sizes[0], divide_up(GRAIN, greatest<int64_t>(1, count * inner)), [&](int64_t begin, int64_t end) {
        for (int64_t outer = begin; outer < end; ++outer)
            for (int64_t j = 0; j < count; ++j)
                for (int64_t i = 0, at = (outer * count + j) * inner; i < inner; ++i) out[at + i] = x[(outer * size + index[at + i]) * inner + i];
    });
}

/* ---- where condition (a bool each) holds x, else y, each an array or, where that is null, a number */

template <class T> struct Bits { typedef uint32_t type; };
template <> struct Bits<double> { typedef uint64_t type; };
template <class T> SEGUE_ALWAYS void choose_range(const Call& call, int64_t begin, int64_t end) {  /* by bits: no jump that could be guessed wrong */
    typedef typename Bits<T>::type Word;
    const uint8_t* condition = static_cast<const uint8_t*>(call.inputs[0]);
    const Word *x = static_cast<const Word*>(call.inputs[1]), *y = static_cast<const Word*>(call.inputs[2]);
    Word* __restrict out = static_cast<Word*>(call.outputs[0]);
    Word a, b;
    const T numbers[2] = {T(call.numbers[0]), T(call.numbers[1])};
    __builtin_memcpy(&a, numbers, sizeof a);
    __builtin_memcpy(&b, numbers + 1, sizeof b);
    const auto choose = [](uint8_t holds, Word first, Word second) { return second ^ ((first ^ second) & (Word(0) - Word(holds))); };
    if (x && y)
        for (int64_t i = begin; i < end; ++i) out[i] = choose(condition[i], x[i], y[i]);
    else if (x)
        for (int64_t i = begin; i < end; ++i) out[i] = choose(condition[i], x[i], b);
    else if (y)
        for (int64_t i = begin; i < end; ++i) out[i] = choose(condition[i], a, y[i]);
    else
        for (int64_t i = begin; i < end; ++i) out[i] = choose(condition[i], a, b);
}
SEGUE_FOR_EVERY_HOST static void choose_float(const Call& call, int64_t begin, int64_t end) { choose_range<float>(call, begin, end); }
SEGUE_FOR_EVERY_HOST static void choose_double(const Call& call, int64_t begin, int64_t end) { choose_range<double>(call, begin, end); }
template <class T> void choose_all(const Call& call) {
    parallel(call.sizes[0], GRAIN, [&](int64_t begin, int64_t end) { sizeof(T) == 4 ? choose_float(call, begin, end) : choose_double(call, begin, end); });
}

/* ---- base[rows[i]] += values[i], in the order of i: sizes are the rows of the base, the columns of both and the rows of the values */

template <class T> SEGUE_ALWAYS void add_columns(T* __restrict base, const T* __restrict values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) base[i] += values[i];
}
SEGUE_FOR_EVERY_HOST static void add_row(float* base, const float* values, int64_t count) { add_columns(base, values, count); }
SEGUE_FOR_EVERY_HOST static void add_row(double* base, const double* values, int64_t count) { add_columns(base, values, count); }
template <class T> void add_rows_all(const Call& call) {
    const int64_t *rows = static_cast<const int64_t*>(call.inputs[0]), columns = call.sizes[1], count = call.sizes[2];
    const T* values = static_cast<const T*>(call.inputs[1]);
    T* base = static_cast<T*>(call.outputs[0]);
    if (columns == 1)
        for (int64_t i = 0; i < count; ++i) base[rows[i]] += values[i];
    else
        for (int64_t i = 0; i < count; ++i) add_row(base + rows[i] * columns, values + i * columns, columns);
}
static bool are_there(const void* input, int64_t count, int64_t end) {
    const int64_t* places = static_cast<const int64_t*>(input);
    bool inside = true;
    for (int64_t i = 0; i < count; ++i) inside &= (places[i] >= 0) & (places[i] < end);
    return inside;
}

/* ---- the table, in the order of SEGUE_KERNELS */

SEGUE_BOTH(cumsum) SEGUE_BOTH(cumprod) SEGUE_BOTH(linear_recurrence) SEGUE_BOTH(cummax_indices) SEGUE_BOTH(cummin_indices) SEGUE_BOTH(gather) SEGUE_BOTH(add_rows) SEGUE_BOTH(choose)

struct Entry { void (*of_float)(const Call&); void (*of_double)(const Call&); };
#define X(NAME) {NAME##_all<float>, NAME##_all<double>},
static const Entry entries[] = {SEGUE_KERNELS(X)};
#undef X
#define X(NAME) KERNEL_##NAME,
enum { SEGUE_KERNELS(X) };
#undef X

int64_t kernel(const segue_kernel* call) {
    if (call->function < 0 || call->function >= int64_t(sizeof entries / sizeof *entries)) return SEGUE_ERROR_ARGUMENT;
    for (int64_t size : call->sizes)
        if (size < 0) return SEGUE_ERROR_ARGUMENT;
    if (call->function == KERNEL_add_rows && !are_there(call->inputs[0], call->sizes[2], call->sizes[0])) return SEGUE_ERROR_ARGUMENT;
    for (int d = 0; (call->function == KERNEL_pick || call->function == KERNEL_pick_slope) && d < 3; ++d)
        if (!are_there(call->inputs[1 + d], call->sizes[4 + d], call->sizes[1 + d])) return SEGUE_ERROR_ARGUMENT;
    if (call->function == KERNEL_gather && !are_there(call->inputs[1], call->sizes[0] * call->sizes[3] * call->sizes[2], call->sizes[1])) return SEGUE_ERROR_ARGUMENT;
    if (call->dtype == SEGUE_FLOAT32) entries[call->function].of_float(*call);
    else if (call->dtype == SEGUE_FLOAT64) entries[call->function].of_double(*call);
    else return SEGUE_ERROR_ARGUMENT;
    return SEGUE_OK;
}
}
