/* Softmax and normalisation of rows for eager code, with their derivatives.
 *
 * In come dense arrays of rows (or of channels of images); out go arrays of the same shape, and the statistics of each row. The one idea: a row is walked two or three times while
 * it lies in the cache, by one thread, so nothing depends on their number; sums have many partial sums, and long ones are cut, so that rounding does not gather. */
#include "internal.h"
#include "segue_vector.h"

namespace segue_rt {
using Call = segue_kernel;
constexpr int64_t CUT = 2048;  /* elements that are summed in the arrays' own precision */

template <class T, class Body> SEGUE_ALWAYS T sum(int64_t count, Body body) {
    double total = 0;
    for (int64_t begin = 0; begin < count; begin += CUT) {
        const int64_t end = least(count, begin + CUT);
        T part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t i = begin; i < end; ++i) part += body(i);
        total += part;
    }
    return T(total);
}
template <class T> SEGUE_ALWAYS T greatest_of(int64_t count, const T* x) {  /* a NaN may be passed over: it makes the sum one */
    T best = x[0];
#pragma omp simd reduction(max : best)
    for (int64_t i = 1; i < count; ++i) best = x[i] > best ? x[i] : best;
    return best;
}
template <class T> const T* input(const Call& call, int place) { return static_cast<const T*>(call.inputs[place]); }
template <class T> T* output(const Call& call, int place) { return static_cast<T*>(call.outputs[place]); }

/* ---- softmax: sizes are rows and the elements of a row; backwards the inputs are the result and its gradient */

template <class T> SEGUE_ALWAYS void softmax(int64_t count, const T* x, const T*, T* __restrict out) {
    const T top = greatest_of(count, x);
    for (int64_t i = 0; i < count; ++i) out[i] = segue::exp(x[i] - top);
    const T total = sum<T>(count, [&](int64_t i) { return out[i]; });
    for (int64_t i = 0; i < count; ++i) out[i] /= total;
}
template <class T> SEGUE_ALWAYS void softmax_slope(int64_t count, const T* out, const T* g, T* __restrict found) {
    const T total = sum<T>(count, [&](int64_t i) { return g[i] * out[i]; });
    for (int64_t i = 0; i < count; ++i) found[i] = g[i] * out[i] - total * out[i];
}
template <class T> SEGUE_ALWAYS void log_softmax(int64_t count, const T* x, const T*, T* __restrict out) {
    const T top = greatest_of(count, x);
    const T total = segue::log(sum<T>(count, [&](int64_t i) { return segue::exp(x[i] - top); }));
    for (int64_t i = 0; i < count; ++i) out[i] = x[i] - top - total;
}
template <class T> SEGUE_ALWAYS void log_softmax_slope(int64_t count, const T* out, const T* g, T* __restrict found) {
    const T total = sum<T>(count, [&](int64_t i) { return g[i]; });
    for (int64_t i = 0; i < count; ++i) found[i] = g[i] - segue::exp(out[i]) * total;
}

/* ---- normalisation of rows: (x - mean) / sqrt(variance + eps) times weight plus bias, each of a row's size or null */

template <class T> struct Statistics { T average, variance, scale; };
template <class T> SEGUE_ALWAYS Statistics<T> statistics(T count, T squares, T average, double eps) {
    const T variance = squares / count;
    return {average, variance, T(1) / T(segue::sqrt(T(variance + T(eps))))};
}
template <class T> SEGUE_ALWAYS void normalise_rows(const Call& call, int64_t begin, int64_t end) {
    const int64_t count = call.sizes[1];
    const T *weight = input<T>(call, 1), *bias = input<T>(call, 2);
    for (int64_t row = begin; row < end; ++row) {
        const T* x = input<T>(call, 0) + row * count;
        T* __restrict out = output<T>(call, 0) + row * count;
        const T average = sum<T>(count, [&](int64_t i) { return x[i]; }) / T(count);
        const auto of = statistics<T>(T(count), sum<T>(count, [&](int64_t i) { return (x[i] - average) * (x[i] - average); }), average, call.numbers[0]);
        if (weight && bias)
            for (int64_t i = 0; i < count; ++i) out[i] = (x[i] - average) * of.scale * weight[i] + bias[i];
        else if (weight)
            for (int64_t i = 0; i < count; ++i) out[i] = (x[i] - average) * of.scale * weight[i];
        else if (bias)
            for (int64_t i = 0; i < count; ++i) out[i] = (x[i] - average) * of.scale + bias[i];
        else
            for (int64_t i = 0; i < count; ++i) out[i] = (x[i] - average) * of.scale;
        output<T>(call, 1)[row] = average;
        output<T>(call, 2)[row] = of.variance;
        output<T>(call, 3)[row] = of.scale;
    }
}
/* Of x, the gradient g, mean, scale and weight: the gradient of x (or null) and, for each of `sizes[2]` pieces of the rows, the sums of g n and of g (or null). */
template <class T> SEGUE_ALWAYS void normalise_rows_slope(const Call& call, int64_t piece) {
    const int64_t rows = call.sizes[0], count = call.sizes[1], share = divide_up(rows, call.sizes[2]);
    const T* weight = input<T>(call, 4);
    T *__restrict slopes = output<T>(call, 1), *__restrict shifts = nullptr;
    if (slopes) {
        slopes += piece * 2 * count;
        shifts = slopes + count;
    }
    for (int64_t row = piece * share; row < least(rows, (piece + 1) * share); ++row) {
        const T *x = input<T>(call, 0) + row * count, *g = input<T>(call, 1) + row * count, average = input<T>(call, 2)[row], scale = input<T>(call, 3)[row];
        if (T* found = output<T>(call, 0)) {
            T* __restrict h = found + row * count;
            if (weight)
                for (int64_t i = 0; i < count; ++i) h[i] = g[i] * weight[i];
            else
                for (int64_t i = 0; i < count; ++i) h[i] = g[i];
            const T along = sum<T>(count, [&](int64_t i) { return h[i] * ((x[i] - average) * scale); }) / T(count);
            const T middle = sum<T>(count, [&](int64_t i) { return h[i]; }) / T(count);
            for (int64_t i = 0; i < count; ++i) h[i] = (h[i] - middle - (x[i] - average) * scale * along) * scale;
        }
        if (slopes)
            for (int64_t i = 0; i < count; ++i) {
                slopes[i] += g[i] * ((x[i] - average) * scale);
                shifts[i] += g[i];
            }
    }
}

/* ---- the same of channels: sizes are images, channels and the elements of a channel; weight and bias have one number a channel, or are null */

template <class T, class Body> SEGUE_ALWAYS T sum_of_planes(const Call& call, int64_t channel, Body body) {
    const int64_t inner = call.sizes[2];
    double total = 0;
    for (int64_t image = 0; image < call.sizes[0]; ++image) {
        const int64_t at = (image * call.sizes[1] + channel) * inner;
        total += sum<T>(inner, [&](int64_t i) { return body(at + i); });
    }
    return T(total);
}
template <class T, class Body> SEGUE_ALWAYS void each_of_planes(const Call& call, int64_t channel, Body body) {
    const int64_t inner = call.sizes[2];
    for (int64_t image = 0; image < call.sizes[0]; ++image) {
        const int64_t at = (image * call.sizes[1] + channel) * inner;
        for (int64_t i = at; i < at + inner; ++i) body(i);
    }
}
template <class T> SEGUE_ALWAYS void normalise_channel(const Call& call, int64_t channel) {
    const T* x = input<T>(call, 0);
    T* __restrict out = output<T>(call, 0);
    const T count = T(call.sizes[0] * call.sizes[2]), average = sum_of_planes<T>(call, channel, [&](int64_t i) { return x[i]; }) / count;
    const T squares = sum_of_planes<T>(call, channel, [&](int64_t i) { return (x[i] - average) * (x[i] - average); });
    const auto of = statistics<T>(count, squares, average, call.numbers[0]);
    const T weight = call.inputs[1] ? input<T>(call, 1)[channel] : T(1), bias = call.inputs[2] ? input<T>(call, 2)[channel] : T(-0.0), scale = of.scale;
    each_of_planes<T>(call, channel, [&](int64_t i) { out[i] = (x[i] - average) * scale * weight + bias; });
    output<T>(call, 1)[channel] = average;
    output<T>(call, 2)[channel] = of.variance;
    output<T>(call, 3)[channel] = scale;
}
/* Of x, g, mean, scale and weight: the gradient of x (or null), and the sums of g n and of g, one behind the other. */
template <class T> SEGUE_ALWAYS void normalise_channel_slope(const Call& call, int64_t channel) {
    const T *x = input<T>(call, 0), *g = input<T>(call, 1), average = input<T>(call, 2)[channel], scale = input<T>(call, 3)[channel];
    const T along = sum_of_planes<T>(call, channel, [&](int64_t i) { return g[i] * ((x[i] - average) * scale); });
    const T total = sum_of_planes<T>(call, channel, [&](int64_t i) { return g[i]; }), count = T(call.sizes[0] * call.sizes[2]);
    output<T>(call, 1)[channel] = along;
    output<T>(call, 1)[call.sizes[1] + channel] = total;
    T* __restrict found = output<T>(call, 0);
    if (!found) return;
    const T by = (call.inputs[4] ? input<T>(call, 4)[channel] : T(1)) * scale, middle = total / count, slope = along / count;
    each_of_planes<T>(call, channel, [&](int64_t i) { found[i] = (g[i] - middle - (x[i] - average) * scale * slope) * by; });
}

/* ---- each for every host, over all rows */

#define ROWS(NAME, T)                                                                                                          \
    SEGUE_FOR_EVERY_HOST static void NAME##_##T(const Call& call, int64_t begin, int64_t end) {                                  \
        const int64_t count = call.sizes[1];                                                                                     \
        for (int64_t i = begin * count; i < end * count; i += count)                                                             \
            NAME<T>(count, input<T>(call, 0) + i, input<T>(call, 1) + i, output<T>(call, 0) + i);                                \
    }
#define PARTS(NAME, BODY, T)                                                                                                   \
    SEGUE_FOR_EVERY_HOST static void NAME##_##T(const Call& call, int64_t begin, int64_t end) {                                  \
        for (int64_t i = begin; i < end; ++i) BODY<T>(call, i);                                                                  \
    }
#define ALL(NAME, COUNT, WORK)                                                                                                 \
    template <class T> void NAME##_all(const Call& call) {                                                                       \
        parallel(COUNT, divide_up(GRAIN, greatest<int64_t>(1, WORK)), [&](int64_t begin, int64_t end) {                          \
            if (sizeof(T) == 4) NAME##_float(call, begin, end);                                                                  \
            else NAME##_double(call, begin, end);                                                                                \
        });                                                                                                                      \
    }                                                                                                                            \
    SEGUE_BOTH(NAME)
#define X(NAME) ROWS(NAME, float) ROWS(NAME, double) ALL(NAME, call.sizes[0], 4 * call.sizes[1])
X(softmax) X(softmax_slope) X(log_softmax) X(log_softmax_slope)
#undef X
SEGUE_FOR_EVERY_HOST static void normalise_float(const Call& call, int64_t begin, int64_t end) { normalise_rows<float>(call, begin, end); }
SEGUE_FOR_EVERY_HOST static void normalise_double(const Call& call, int64_t begin, int64_t end) { normalise_rows<double>(call, begin, end); }
ALL(normalise, call.sizes[0], 4 * call.sizes[1])
#define X(NAME, BODY) PARTS(NAME, BODY, float) PARTS(NAME, BODY, double)
X(normalise_slope, normalise_rows_slope)
X(normalise_channels, normalise_channel)
X(normalise_channels_slope, normalise_channel_slope)
#undef X
ALL(normalise_slope, call.sizes[2], 4 * call.sizes[1] * (call.sizes[0] / greatest<int64_t>(1, call.sizes[2])))
ALL(normalise_channels, call.sizes[1], 4 * call.sizes[0] * call.sizes[2])
ALL(normalise_channels_slope, call.sizes[1], 4 * call.sizes[0] * call.sizes[2])

}  // namespace segue_rt
