/* Kernels for eager code: what NumPy has no one loop for. Element by element, along a dimension, and rows added at computed places.
 *
 * In comes a segue_kernel that names one of them; out go the arrays that it fills. The one idea: each computes what the NumPy kernel of its operator computes, in the same
 * order, so that both give the same; here it takes one walk through memory. */
#include "internal.h"

namespace segue_rt {
using Call = segue_kernel;

/* ---- element by element: of x, y (a gradient or a target) and the numbers a, b, c */

template <class T> SEGUE_ALWAYS T bounded(T x, T, T a, T b, T) {  /* a NaN stays one, that of a bound goes everywhere; a border is no negative zero */
    const T zero = (a != a) | (b != b) ? a + b : (a == 0) | (b == 0) ? T(0) : T(-0.0), low = x < a ? a : x;
    return (low > b ? b : low) + zero;
}
template <class T> SEGUE_ALWAYS T bounded_slope(T x, T g, T a, T b, T) { return (x <= a) | (x >= b) ? T(0) : g; }
template <class T> SEGUE_ALWAYS T hard_swish(T x, T, T, T, T) {
    const T middle = (x + 3) * x / 6, low = x * 0;
    return x >= 3 ? x : x <= -3 ? low : middle;
}
template <class T> SEGUE_ALWAYS T hard_swish_slope(T x, T g, T, T, T) {
    const T middle = (x / 3 + T(0.5)) * g, low = g * 0;
    return x >= 3 ? g : x <= -3 ? low : middle;
}
template <class T> SEGUE_ALWAYS T hard_sigmoid(T x, T y, T, T, T) { return bounded<T>(x + 3, y, 0, 6, 0) / 6; }
template <class T> SEGUE_ALWAYS T hard_sigmoid_slope(T x, T g, T, T, T) { return bounded_slope<T>(x + 3, g / 6, 0, 6, 0); }
template <class T> SEGUE_ALWAYS T leaky_relu(T x, T, T a, T, T) {
    const T low = x * a;
    return x > 0 ? x : low;
}
template <class T> SEGUE_ALWAYS T leaky_relu_slope(T x, T g, T a, T, T) {
    const T low = g * a;
    return x > 0 ? g : low;
}
template <class T> SEGUE_ALWAYS T smooth(T x, T target, T a, T b, T c) {  /* a: where the straight part begins, b: the bend, c: its slope */
    const T gap = sizeof(T) == 4 ? T(__builtin_fabsf(float(x - target))) : T(__builtin_fabs(double(x - target)));
    const T near = gap * gap * b, far = (gap - T(0.5) * a) * c;
    return gap >= a ? far : near;
}
template <class T> SEGUE_ALWAYS T smooth_slope(T x, T target, T a, T b, T) {  /* of the input: a times the gap, kept within -b and b */
    const T gap = (x - target) * a, low = gap < -b ? -b : gap;
    return low > b ? b : low;
}

#define CURVES(X) X(bounded) X(bounded_slope) X(hard_swish) X(hard_swish_slope) X(hard_sigmoid) X(hard_sigmoid_slope) X(leaky_relu) X(leaky_relu_slope) \
    X(smooth) X(smooth_slope)
#define LOOP(NAME, T)                                                                                             \
    SEGUE_FOR_EVERY_HOST static void NAME##_##T(const Call& call, int64_t begin, int64_t end) {                     \
        const T *x = static_cast<const T*>(call.inputs[0]), *y = static_cast<const T*>(call.inputs[1]);             \
        T* __restrict out = static_cast<T*>(call.outputs[0]);                                                       \
        const T a = T(call.numbers[0]), b = T(call.numbers[1]), c = T(call.numbers[2]);                             \
        for (int64_t i = begin; i < end; ++i) out[i] = NAME<T>(x[i], y[i], a, b, c);                                \
    }
#define X(NAME)         \
    LOOP(NAME, float)   \
    LOOP(NAME, double)  \
    template <class T> static void NAME##_all(const Call& call) {                                                   \
        parallel(call.sizes[0], GRAIN, [&](int64_t begin, int64_t end) {                                            \
            if (sizeof(T) == 4) NAME##_float(call, begin, end);                                                     \
            else NAME##_double(call, begin, end);                                                                   \
        });                                                                                                         \
    }
CURVES(X)
#undef X

/* ---- along a dimension: sizes are outer, size and inner */

/* step(from, to, first) walks from one element to the next, for each line of the lines that are there. */
template <class Line> static void each_line(const Call& call, Line line) {
    const int64_t size = call.sizes[1], inner = call.sizes[2];
    parallel(call.sizes[0], divide_up(GRAIN, greatest<int64_t>(1, size * inner)), [&](int64_t begin, int64_t end) {
        for (int64_t outer = begin; outer < end; ++outer)
            for (int64_t i = 0; i < inner; ++i) line(outer * size * inner + i, size, inner);
    });
}
template <class T> static void cumprod_all(const Call& call) {
    const T* x = static_cast<const T*>(call.inputs[0]);
    T* out = static_cast<T*>(call.outputs[0]);
    each_line(call, [&](int64_t start, int64_t size, int64_t step) {
        T product = 1;
        for (int64_t i = 0; i < size; ++i) out[start + i * step] = product = i ? product * x[start + i * step] : x[start];
    });
}
/* out[i] = x[i] + factor[i] out[i - 1] */
template <class T> static void linear_recurrence_all(const Call& call) {
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
template <class T> static void cummax_indices_all(const Call& call) {
    extreme_places<T>(call, [](T x, T best) { return x >= best; });
}
template <class T> static void cummin_indices_all(const Call& call) {
    extreme_places<T>(call, [](T x, T best) { return x <= best; });
}

/* out[o, j, i] = x[o, index[o, j, i], i]: the fourth size is that of the index. */
template <class T> static void gather_all(const Call& call) {
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

/* ---- base[rows[i]] += values[i], in the order of i: sizes are the rows of the base, the columns of both and the rows of the values */

template <class T> SEGUE_ALWAYS void add_columns(T* __restrict base, const T* __restrict values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) base[i] += values[i];
}
SEGUE_FOR_EVERY_HOST static void add_row(float* base, const float* values, int64_t count) { add_columns(base, values, count); }
SEGUE_FOR_EVERY_HOST static void add_row(double* base, const double* values, int64_t count) { add_columns(base, values, count); }
template <class T> static void add_rows_all(const Call& call) {
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
    if (call->function == KERNEL_gather && !are_there(call->inputs[1], call->sizes[0] * call->sizes[3] * call->sizes[2], call->sizes[1])) return SEGUE_ERROR_ARGUMENT;
    if (call->dtype == SEGUE_FLOAT32) entries[call->function].of_float(*call);
    else if (call->dtype == SEGUE_FLOAT64) entries[call->function].of_double(*call);
    else return SEGUE_ERROR_ARGUMENT;
    return SEGUE_OK;
}
}
