/* One time of a recurrent layer for eager code: what follows the product with the hidden weights, and its derivative.
 *
 * In come the gates of all rows and the states, out go the next states and what the derivative reads. The one idea: NumPy needs a dozen calls for a time of a few thousand numbers;
 * here it is one. `sizes` are rows and hidden units; a bias may be null. */
#include "internal.h"
#include "segue_vector.h"

namespace segue_rt {
using Call = segue_kernel;
template <class T> SEGUE_ALWAYS T sigmoid(T x) { return T(1) / (segue::exp(-x) + 1); }
template <class T> SEGUE_ALWAYS T term(const T* bias, int64_t i) { return bias ? bias[i] : T(0); }
template <class T> SEGUE_ALWAYS const T* given(const Call& call, int place, int64_t at) { return static_cast<const T*>(call.inputs[place]) + at; }
template <class T> SEGUE_ALWAYS T* made(const Call& call, int place, int64_t at) { return static_cast<T*>(call.outputs[place]) + at; }

/* Of the products (which become the gates i, f, g, o), the input's share, the bias and the last cells: cells, and states o tanh(cell). */
template <class T> SEGUE_ALWAYS void lstm(const Call& call, int64_t row) {
    const int64_t n = call.sizes[1];
    const T *share = given<T>(call, 0, row * 4 * n), *bias = static_cast<const T*>(call.inputs[1]), *last = given<T>(call, 2, row * n);
    T *__restrict act = made<T>(call, 0, row * 4 * n), *__restrict cell = made<T>(call, 1, row * n), *__restrict out = made<T>(call, 2, row * n);
    for (int64_t i = 0; i < 4 * n; ++i) act[i] += share[i] + term(bias, i);
    for (int64_t i = 0; i < n; ++i) {
        const T in = sigmoid(act[i]), keep = sigmoid(act[n + i]), fresh = segue::tanh(act[2 * n + i]), show = sigmoid(act[3 * n + i]), now = keep * last[i] + in * fresh;
        act[i] = in;
        act[n + i] = keep;
        act[2 * n + i] = fresh;
        act[3 * n + i] = show;
        cell[i] = now;
        out[i] = show * segue::tanh(now);
    }
}
/* Of the gates, cells, the cells before, the gradients of the output and of the state: slopes of the gates; the gradient of the cells goes one time back in place. */
template <class T> SEGUE_ALWAYS void lstm_slope(const Call& call, int64_t row) {
    const int64_t n = call.sizes[1];
    const T *act = given<T>(call, 0, row * 4 * n), *cell = given<T>(call, 1, row * n), *before = given<T>(call, 2, row * n), *g = given<T>(call, 3, row * n),
            *of_h = given<T>(call, 4, row * n);
    T *__restrict slope = made<T>(call, 0, row * 4 * n), *__restrict of_c = made<T>(call, 1, row * n);
    for (int64_t i = 0; i < n; ++i) {
        const T in = act[i], keep = act[n + i], fresh = act[2 * n + i], show = act[3 * n + i], squashed = segue::tanh(cell[i]), h = of_h[i] + g[i];
        const T c = of_c[i] + h * show * (1 - squashed * squashed);
        slope[i] = c * fresh * (in * (1 - in));
        slope[n + i] = c * before[i] * (keep * (1 - keep));
        slope[2 * n + i] = c * in * (1 - fresh * fresh);
        slope[3 * n + i] = h * squashed * (show * (1 - show));
        of_c[i] = c * keep;
    }
}
/* Of the products (three gates), the input's share, the bias and the last states: r, z, the hidden share of n, and n; and states n + z (h - n). */
template <class T> SEGUE_ALWAYS void gru(const Call& call, int64_t row) {
    const int64_t n = call.sizes[1];
    const T *product = given<T>(call, 0, row * 3 * n), *share = given<T>(call, 1, row * 3 * n), *bias = static_cast<const T*>(call.inputs[2]), *last = given<T>(call, 3, row * n);
    T *__restrict act = made<T>(call, 0, row * 4 * n), *__restrict out = made<T>(call, 1, row * n);
    for (int64_t i = 0; i < n; ++i) {
        const T reset = sigmoid(product[i] + term(bias, i) + share[i]), stay = sigmoid(product[n + i] + term(bias, n + i) + share[n + i]);
        const T hidden = product[2 * n + i] + term(bias, 2 * n + i), fresh = segue::tanh(reset * hidden + share[2 * n + i]);
        act[i] = reset;
        act[n + i] = stay;
        act[2 * n + i] = hidden;
        act[3 * n + i] = fresh;
        out[i] = (last[i] - fresh) * stay + fresh;
    }
}
/* Of the gates, the states before and the gradient of the output: slopes of the input's gates and of the hidden ones; the gradient of the state passes to the time before in place. */
template <class T> SEGUE_ALWAYS void gru_slope(const Call& call, int64_t row) {
    const int64_t n = call.sizes[1];
    const T *act = given<T>(call, 0, row * 4 * n), *before = given<T>(call, 1, row * n), *g = given<T>(call, 2, row * n);
    T *__restrict of_gates = made<T>(call, 0, row * 3 * n), *__restrict slope = made<T>(call, 1, row * 3 * n), *__restrict of_h = made<T>(call, 2, row * n);
    for (int64_t i = 0; i < n; ++i) {
        const T reset = act[i], stay = act[n + i], hidden = act[2 * n + i], fresh = act[3 * n + i], h = of_h[i] + g[i];
        const T of_new = h * (1 - stay) * (1 - fresh * fresh);
        of_gates[i] = slope[i] = of_new * hidden * reset * (1 - reset);
        of_gates[n + i] = slope[n + i] = h * (before[i] - fresh) * stay * (1 - stay);
        of_gates[2 * n + i] = of_new;
        slope[2 * n + i] = of_new * reset;
        of_h[i] = h * stay;
    }
}

#define LOOP(NAME, T)                                                                                              \
    SEGUE_FOR_EVERY_HOST static void NAME##_##T(const Call& call, int64_t begin, int64_t end) {                      \
        for (int64_t row = begin; row < end; ++row) NAME<T>(call, row);                                              \
    }
#define X(NAME)                                                                                                    \
    LOOP(NAME, float)                                                                                                \
    LOOP(NAME, double)                                                                                               \
    template <class T> void NAME##_time_all(const Call& call) {                                                      \
        parallel(call.sizes[0], divide_up(GRAIN / 8, greatest<int64_t>(1, call.sizes[1])), [&](int64_t begin, int64_t end) {  \
            if (sizeof(T) == 4) NAME##_float(call, begin, end);                                                      \
            else NAME##_double(call, begin, end);                                                                    \
        });                                                                                                          \
    }                                                                                                                \
    SEGUE_BOTH(NAME##_time)
X(lstm) X(lstm_slope) X(gru) X(gru_slope)
#undef X

}  // namespace segue_rt
