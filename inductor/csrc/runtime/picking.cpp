/* Elements picked by tables of positions, means of uneven windows and the first of an order, for eager code.
 *
 * In come dense arrays and, for each dimension, where the elements of the result come from; out go the elements, means or places, or the gradient. The one idea: all dimensions are walked
 * at once, by a thread for some of the planes (or lines), in order. */
#include "internal.h"

namespace segue_rt {
using Call = segue_kernel;

/* ---- out[plane, z, y, x] = in[plane, pz[z], py[y], px[x]]: sizes are the planes, three sizes of the input and three of the result */

template <class T, class Row> static void each_row(const Call& call, Row row) {
    const int64_t *n = call.sizes + 1, *m = call.sizes + 4;
    const int64_t *pz = static_cast<const int64_t*>(call.inputs[1]), *py = static_cast<const int64_t*>(call.inputs[2]);
    parallel(call.sizes[0], divide_up(GRAIN, greatest<int64_t>(1, m[0] * m[1] * m[2])), [&](int64_t begin, int64_t end) {
        for (int64_t plane = begin; plane < end; ++plane)
            for (int64_t z = 0; z < m[0]; ++z)
                for (int64_t y = 0; y < m[1]; ++y) row(((plane * n[0] + pz[z]) * n[1] + py[y]) * n[2], ((plane * m[0] + z) * m[1] + y) * m[2]);
    });
}
template <class T> SEGUE_ALWAYS void pick_row(const T* from, const int64_t* places, int64_t count, T* __restrict to) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[places[i]];
}
SEGUE_FOR_EVERY_HOST static void pick_one(const float* from, const int64_t* places, int64_t count, float* to) { pick_row(from, places, count, to); }
SEGUE_FOR_EVERY_HOST static void pick_one(const double* from, const int64_t* places, int64_t count, double* to) { pick_row(from, places, count, to); }
template <class T> void pick_all(const Call& call) {
    const int64_t *px = static_cast<const int64_t*>(call.inputs[3]), count = call.sizes[6];
    each_row<T>(call, [&](int64_t from, int64_t to) {
        pick_one(static_cast<const T*>(call.inputs[0]) + from, px, count, static_cast<T*>(call.outputs[0]) + to);
    });
}
/* The gradient of the result goes back to where it came from: the array is zero when it begins. */
template <class T> void pick_slope_all(const Call& call) {
    const int64_t *px = static_cast<const int64_t*>(call.inputs[3]), count = call.sizes[6];
    each_row<T>(call, [&](int64_t from, int64_t to) {
        const T* g = static_cast<const T*>(call.inputs[0]) + to;
        T* found = static_cast<T*>(call.outputs[0]) + from;
        for (int64_t i = 0; i < count; ++i) found[px[i]] += g[i];
    });
}

/* ---- means of the windows that split a dimension as evenly as may be: sizes are outer, size, inner and the windows */

template <class T, class Window> static void each_window(const Call& call, Window window) {
    const int64_t size = call.sizes[1], inner = call.sizes[2], count = call.sizes[3];
    parallel(call.sizes[0], divide_up(GRAIN, greatest<int64_t>(1, size * inner)), [&](int64_t begin, int64_t end) {
        for (int64_t outer = begin; outer < end; ++outer)
            for (int64_t i = 0; i < count; ++i) {
                const int64_t first = i * size / count, last = divide_up((i + 1) * size, count);
                window((outer * size + first) * inner, last - first, (outer * count + i) * inner, inner);
            }
    });
}
template <class T> void window_means_all(const Call& call) {
    const T* x = static_cast<const T*>(call.inputs[0]);
    T* out = static_cast<T*>(call.outputs[0]);
    each_window<T>(call, [&](int64_t from, int64_t length, int64_t to, int64_t inner) {
        for (int64_t j = 0; j < inner; ++j) {
            T total = x[from + j];
            for (int64_t k = 1; k < length; ++k) total += x[from + k * inner + j];
            out[to + j] = total / T(length);
        }
    });
}
template <class T> void window_means_slope_all(const Call& call) {
    const T* g = static_cast<const T*>(call.inputs[0]);
    T* found = static_cast<T*>(call.outputs[0]);
    each_window<T>(call, [&](int64_t from, int64_t length, int64_t to, int64_t inner) {
        for (int64_t k = 0; k < length; ++k)
            for (int64_t j = 0; j < inner; ++j) found[from + k * inner + j] += g[to + j] / T(length);
    });
}

/* ---- the first places of a stable order of each line: sizes are outer, size, inner, how many, and whether the largest come first. NaN is the largest */

template <class T> void first_places_all(const Call& call) {
    const int64_t size = call.sizes[1], inner = call.sizes[2], count = call.sizes[3];
    const bool largest = call.sizes[4];
    const T* x = static_cast<const T*>(call.inputs[0]);
    int64_t* out = static_cast<int64_t*>(call.outputs[0]);
    const auto above = [](T a, T b) { return (a > b) | ((a != a) & (b == b)); };
    parallel(call.sizes[0] * inner, divide_up(GRAIN, greatest<int64_t>(1, size)), [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line) {
            const T* from = x + line / inner * size * inner + line % inner;
            int64_t *best = out + line / inner * count * inner + line % inner, there = 0;
            T edge = 0;
            for (int64_t i = 0; i < size; ++i) {
                const T value = from[i * inner];
                if (__builtin_expect((there == count) & !(largest ? above(value, edge) : above(edge, value)), 1)) continue;
                int64_t at = there < count ? there++ : count - 1;
                for (; at > 0; --at) {  /* behind all that are as good */
                    const T other = from[best[(at - 1) * inner] * inner];
                    if (!(largest ? above(value, other) : above(other, value))) break;
                    best[at * inner] = best[(at - 1) * inner];
                }
                best[at * inner] = i;
                edge = from[best[(there - 1) * inner] * inner];
            }
        }
    });
}

SEGUE_BOTH(pick) SEGUE_BOTH(pick_slope) SEGUE_BOTH(window_means) SEGUE_BOTH(window_means_slope) SEGUE_BOTH(first_places)

}  // namespace segue_rt
