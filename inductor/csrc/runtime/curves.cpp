/* Functions that eager code computes element by element in one walk through memory, where NumPy takes many: activations, losses, and their slopes.
 *
 * In come arrays x, y (a gradient or a target) and z (the gradient of a loss), all dense and of one size, and the numbers a, b, c; out goes an array. The one idea: a function is
 * written for one element, in the order of the NumPy formula of its composition, and the compiler makes vectors of it for every host. */
#include "internal.h"
#include "segue_vector.h"

namespace segue_rt {
template <class T> SEGUE_ALWAYS T bounded(T x, T, T, T a, T b, T) {  /* a NaN stays one, that of a bound goes everywhere; a border is no negative zero */
    const T zero = (a != a) | (b != b) ? a + b : (a == 0) | (b == 0) ? T(0) : T(-0.0), low = x < a ? a : x;
    return (low > b ? b : low) + zero;
}
template <class T> SEGUE_ALWAYS T bounded_slope(T x, T g, T, T a, T b, T) { return (x <= a) | (x >= b) ? T(0) : g; }
template <class T> SEGUE_ALWAYS T clamped(T x, T, T, T a, T b, T) {  /* a border passes its gradient on */
    const T none = (a != a) | (b != b) ? a + b : T(-0.0), low = x < a ? a : x;
    return (low > b ? b : low) + none;
}
template <class T> SEGUE_ALWAYS T clamped_slope(T x, T g, T, T a, T b, T) { return (x >= a) & (x <= b) ? g : T(0); }
template <class T> SEGUE_ALWAYS T hard_swish(T x, T, T, T, T, T) {
    const T middle = (x + 3) * x / 6, low = x * 0;
    return x >= 3 ? x : x <= -3 ? low : middle;
}
template <class T> SEGUE_ALWAYS T hard_swish_slope(T x, T g, T, T, T, T) {
    const T middle = (x / 3 + T(0.5)) * g, low = g * 0;
    return x >= 3 ? g : x <= -3 ? low : middle;
}
template <class T> SEGUE_ALWAYS T hard_sigmoid(T x, T y, T, T, T, T) { return bounded<T>(x + 3, y, y, 0, 6, 0) / 6; }
template <class T> SEGUE_ALWAYS T hard_sigmoid_slope(T x, T g, T, T, T, T) { return bounded_slope<T>(x + 3, g / 6, g, 0, 6, 0); }
template <class T> SEGUE_ALWAYS T leaky_relu(T x, T, T, T a, T, T) {
    const T low = x * a;
    return x > 0 ? x : low;
}
template <class T> SEGUE_ALWAYS T leaky_relu_slope(T x, T g, T, T a, T, T) {
    const T low = g * a;
    return x > 0 ? g : low;
}
template <class T> SEGUE_ALWAYS T smooth(T x, T target, T, T a, T b, T c) {  /* a: where the straight part begins, b: the bend, c: its slope */
    const T gap = sizeof(T) == 4 ? T(__builtin_fabsf(float(x - target))) : T(__builtin_fabs(double(x - target)));
    const T near = gap * gap * b, far = (gap - T(0.5) * a) * c;
    return gap >= a ? far : near;
}
template <class T> SEGUE_ALWAYS T smooth_slope(T x, T target, T g, T, T b, T c) {  /* of the input: 2 b times the gap, kept within -c and c */
    const T gap = (x - target) * (2 * b), low = gap < -c ? -c : gap;
    return (low > c ? c : low) * g;
}

template <class T> SEGUE_ALWAYS T rectified(T x, T, T, T, T, T) { return x <= 0 ? T(0) : x; }  /* a NaN stays one */

constexpr double ROOT_HALF = 0.70710678118654752440, BELL = 0.39894228040143267794, BEND = 0.044715;  /* BELL: 1 / sqrt(2 pi) */
template <class T> SEGUE_ALWAYS T gelu(T x, T, T, T, T, T) { return T(0.5) * x * (segue::erf(x * T(ROOT_HALF)) + 1); }
template <class T> SEGUE_ALWAYS T gelu_slope(T x, T g, T, T, T, T) {
    return (segue::exp(x * x * T(-0.5)) * T(BELL) * x + (segue::erf(x * T(ROOT_HALF)) + 1) * T(0.5)) * g;
}
template <class T> SEGUE_ALWAYS T bent(T x) { return segue::tanh(T(2 * BELL) * (x + T(BEND) * (x * x * x))); }
template <class T> SEGUE_ALWAYS T gelu_by_tanh(T x, T, T, T, T, T) { return T(0.5) * x * (bent(x) + 1); }
template <class T> SEGUE_ALWAYS T gelu_by_tanh_slope(T x, T g, T, T, T, T) {
    const T root = T(2 * BELL), t = bent(x);
    return ((x * x * (T(1.5) * root * T(BEND)) + T(0.5) * root) * (1 - t * t) * x + (t + 1) * T(0.5)) * g;
}
template <class T> SEGUE_ALWAYS T elu(T x, T, T, T a, T b, T) {  /* a: the depth, b: the width */
    const T low = segue::expm1((x > 0 ? T(0) : x) / b) * a;
    return x <= 0 ? low : x;
}
template <class T> SEGUE_ALWAYS T elu_slope(T x, T g, T, T a, T b, T) {
    const T low = segue::exp((x > 0 ? T(0) : x) / b) * (a / b) * g;
    return x <= 0 ? low : g;
}
template <class T> SEGUE_ALWAYS T softplus(T x, T, T, T a, T b, T) {  /* straight where a x is greater than b */
    const T scaled = x * a, soft = segue::log1p(segue::exp(scaled > b ? b : scaled)) / a;
    return scaled > b ? x : soft;
}
template <class T> SEGUE_ALWAYS T softplus_slope(T x, T g, T, T a, T b, T) {
    const T scaled = x * a, grown = segue::exp(scaled > b ? b : scaled), share = g * grown / (grown + 1);
    return scaled > b ? g : share;
}
template <class T> SEGUE_ALWAYS T log_sigmoid(T x, T, T, T, T, T) { return (x < 0 ? x : T(0)) - segue::log1p(segue::exp(x < 0 ? x : -x)); }
template <class T> SEGUE_ALWAYS T log_sigmoid_slope(T x, T g, T, T, T, T) {
    const T faded = segue::exp(x < 0 ? x : -x);
    return g * ((x < 0 ? T(1) : faded) / (faded + 1));
}
template <class T> SEGUE_ALWAYS T of_logits(T x, T target, T, T, T, T) { return (1 - target) * x - log_sigmoid<T>(x, x, x, 0, 0, 0); }
template <class T> SEGUE_ALWAYS T of_logits_slope(T x, T target, T g, T, T, T) {
    const T faded = segue::exp(x < 0 ? x : -x);
    return g * ((x < 0 ? faded : T(1)) / (faded + 1) - target);
}

#define LOOP(NAME, T)                                                                                                \
    SEGUE_FOR_EVERY_HOST static void NAME##_##T(const segue_kernel& call, int64_t begin, int64_t end) {                \
        const T *x = static_cast<const T*>(call.inputs[0]), *y = static_cast<const T*>(call.inputs[1]), *z = static_cast<const T*>(call.inputs[2]);  \
        T* __restrict out = static_cast<T*>(call.outputs[0]);                                                          \
        const T a = T(call.numbers[0]), b = T(call.numbers[1]), c = T(call.numbers[2]);                                \
        for (int64_t i = begin; i < end; ++i) out[i] = NAME<T>(x[i], y[i], z[i], a, b, c);                             \
    }
#define X(NAME)         \
    LOOP(NAME, float)   \
    LOOP(NAME, double)  \
    template <class T> void NAME##_all(const segue_kernel& call) {                                                     \
        parallel(call.sizes[0], GRAIN, [&](int64_t begin, int64_t end) {                                               \
            if (sizeof(T) == 4) NAME##_float(call, begin, end);                                                        \
            else NAME##_double(call, begin, end);                                                                      \
        });                                                                                                            \
    }                                                                                                                  \
    SEGUE_BOTH(NAME)
SEGUE_CURVES(X)
#undef X

}  // namespace segue_rt
