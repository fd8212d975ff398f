/* Elementary functions of float_v, float, double_v and double.
 *
 * In come value types of segue_vector.h, which includes this file; out comes the function, with NaN, infinities, zeros' signs and denormals as C99
 * has them. The one idea: each float function is written once, as a template over float and float_v, from an exact argument reduction and one
 * polynomial; so scalar and vector agree bitwise. The polynomials are minimax fits made by tools/polynomials.py, which holds what each approximates;
 * the reductions are those of W. J. Cody and W. Waite, Software Manual for the Elementary Functions (1980), and J.-M. Muller, Elementary Functions
 * (2016). The functions of double go through libm, lane by lane, as do sin, cos and tan of |x| > 30000.
 *
 * Greatest error in ulps of float32, 0.3 more without a fused multiply-add (tests/inductor/test_vector_math.py holds these):
 *   exp 1.1  exp2 1.1  expm1 1.6  log 0.9  log2 1.5  log1p 1.7  sin cos 1.7  tan 2.5  tanh 1.4  sigmoid 2.4  erf 1.2  erfc 0.51  pow 0.51
 *   atan 1.4  atan2 2.0  asin 2.4  acos 1.2  sinh 1.7  cosh 1.5  rsqrt 1.5  reciprocal 0.5  sqrt 0.5 */
#ifndef SEGUE_MATH_H
#define SEGUE_MATH_H

namespace segue {

namespace libm {
extern "C" {
double exp(double);
double exp2(double);
double expm1(double);
double log(double);
double log2(double);
double log1p(double);
double sin(double);
double cos(double);
double tan(double);
double tanh(double);
double sinh(double);
double cosh(double);
double asin(double);
double acos(double);
double atan(double);
double atan2(double, double);
double erf(double);
double erfc(double);
double pow(double, double);
}
}  // namespace libm

/* ---- Tools */
template <class V, class F> SEGUE_INLINE V each(V x, F f) {
    SEGUE_EACH x.set(i, f(x.get(i)));
    return x;
}
/* Where the mask holds, replace y by the scalar function f of x: the slow path for rare arguments. */
template <class F> SEGUE_INLINE float_v rarely(mask_v where, float_v x, float_v y, F f) {
    if (__builtin_expect(any(where), 0)) {
        alignas(64) int32_t wanted[LANES];
        poke(wanted, where.r);
        SEGUE_EACH if (wanted[i]) y.set(i, f(x.get(i)));
    }
    return y;
}
template <class F> SEGUE_INLINE float rarely(bool where, float x, float y, F f) { return where ? f(x) : y; }
template <class V> SEGUE_INLINE V horner(V, float c) { return V(c); }
template <class V, class... C> SEGUE_INLINE V horner(V x, float c, C... rest) { return mul_add(x, horner(x, rest...), V(c)); }
template <class V> SEGUE_INLINE V odd(V x, V square_of_x, V p) { return mul_add(x * square_of_x, p, x); }  /* x + x^3 p */
template <class I> SEGUE_INLINE auto power_of_two(I n) { return from_bits((n + 127) << 23); }
template <class V, class I> SEGUE_INLINE V scale(V x, I n) {  /* x 2^n, in two steps so that it may leave the range of normal numbers */
    I first = n >> 1;
    return x * power_of_two(first) * power_of_two(n - first);
}
constexpr float INFINITE = __builtin_inff(), NOT_A_NUMBER = __builtin_nanf("");
constexpr float LN2_SHORT = 0x1.63p-1f, LN2_REST = -0x1.bd0106p-13f, LOG2E = 0x1.715476p+0f, LN2 = 0x1.62e430p-1f;
constexpr float HALF_PI = 0x1.921fb6p+0f, HALF_PI_REST = -0x1.777a5cp-25f, HALF_PI_LAST = -0x1.ee59dap-50f;

/* ---- Exponentials */
template <class V> SEGUE_INLINE V exp_polynomial(V r) {
    return mul_add(r * r, horner(r, 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239d6p-7f, 0x1.6a2436p-10f), r) + V(1.0f);
}
template <class V> SEGUE_INLINE V within(V x, float low, float high) {  /* a NaN stays */
    x = select(x > V(high), V(high), x);
    return select(x < V(low), V(low), x);
}
template <class V> SEGUE_INLINE V float_exp(V x, int32_t shift) {  /* e^x 2^shift */
    x = within(x, -110.0f, 100.0f);
    V n = round(x * V(LOG2E));
    V r = mul_add(n, V(-LN2_REST), mul_add(n, V(-LN2_SHORT), x));
    return scale(exp_polynomial(r), to_int32(n) + shift);
}
template <class V> SEGUE_INLINE V float_exp2(V x) {
    x = within(x, -160.0f, 140.0f);
    V n = round(x);
    return scale(exp_polynomial((x - n) * V(LN2)), to_int32(n));
}
template <class V> SEGUE_INLINE V float_expm1(V x) {
    V c = within(x, -20.0f, 89.0f);
    V n = round(c * V(LOG2E));
    V r = mul_add(n, V(-LN2_REST), mul_add(n, V(-LN2_SHORT), c));
    V p = mul_add(r * r, horner(r, 0x1p-1f, 0x1.555554p-3f, 0x1.5554b2p-5f, 0x1.11118ap-7f, 0x1.6d71e8p-10f, 0x1.a032a8p-13f), r);
    V half_power = power_of_two(to_int32(n) - 1);  /* 2^n itself may overflow where e^x does not */
    V found = mul_add(half_power, p, half_power - V(0.5f)) * V(2.0f);
    return select(x == V(0.0f), x, select(n == V(0.0f), p, found));
}

/* ---- Logarithms: x = 2^e (1 + f), 2/3 <= 1 + f < 4/3; log(1 + f) = f + log_rest(f) */
template <class V> SEGUE_INLINE V log_rest(V f) {
    V p = horner(f, 0x1.555506p-2f, -0x1.fffefp-3f, 0x1.99d02ap-3f, -0x1.559ddp-3f, 0x1.1ed6f8p-3f, -0x1.f3109ap-4f, 0x1.1e6768p-3f, -0x1.0807p-3f);
    return f * f * mul_add(f, p, V(-0.5f));
}
template <class V, class I> SEGUE_INLINE V split(V x, I& e) {  /* of a positive normal number: f */
    I b = bits(x);
    e = (b - 0x3f2aaaab) >> 23;
    return from_bits(b - (e << 23)) - V(1.0f);
}
template <class V> SEGUE_INLINE V log_ends(V x, V found, V zero) {  /* the values at and beyond the ends of the range; `zero` is where the pole is */
    found = select(x < V(INFINITE), found, x);
    return select(x > zero, found, select(x == zero, V(-INFINITE), select(x != x, x, V(NOT_A_NUMBER))));
}
template <class V, class I> SEGUE_INLINE V split_any(V x, I& e) {
    auto tiny = x < V(0x1p-126f);
    V f = split(select(tiny, x * V(0x1p23f), x), e);
    e = e - select(tiny, I(23), I(0));
    return f;
}
template <class V, class I> SEGUE_INLINE V float_log(V x) {
    I e;
    V f = split_any(x, e), n = to_float(e);
    V found = mul_add(n, V(LN2_SHORT), f + mul_add(n, V(LN2_REST), log_rest(f)));
    return log_ends(x, found, V(0.0f));
}
template <class V, class I> SEGUE_INLINE V float_log2(V x) {
    I e;
    V f = split_any(x, e), rest = log_rest(f);
    V low_part = mul_add(f, V(0x1.4ae0c0p-26f), rest * V(LOG2E));  /* log2(e) in two parts */
    return log_ends(x, to_float(e) + mul_add(f, V(LOG2E), low_part), V(0.0f));
}
template <class V, class I> SEGUE_INLINE V float_log1p(V x) {
    V u = x + V(1.0f);
    V lost = select(x >= V(1.0f), V(1.0f) - (u - x), x - (u - V(1.0f)));
    lost = select(x > V(0x1p25f), V(0.0f), lost);
    I e;
    V f = split(u, e), n = to_float(e);
    f = f + lost * from_bits(maximum(I(127) - e, I(0)) << 23);
    V found = mul_add(n, V(LN2_SHORT), f + mul_add(n, V(LN2_REST), log_rest(f)));
    return select(x == V(0.0f), x, log_ends(x, found, V(-1.0f)));
}

/* ---- Trigonometry: |x| = n pi/2 + r */
template <class V> SEGUE_INLINE V quadrant(V a, V& r) {
    V n = round(a * V(0x1.45f306p-1f));
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    r = fma(n, V(-HALF_PI_LAST), fma(n, V(-HALF_PI_REST), fma(n, V(-HALF_PI), a)));
#else
    auto m = to_double(n);  /* pi/2 in 33 bits, so that the first product is exact, and the rest */
    r = to_float((to_double(a) - m * 0x1.921fb544p+0) - m * 0x1.0b4611a626331p-34);
#endif
    return n;
}
template <class V> SEGUE_INLINE V sin_polynomial(V r) {
    return odd(r, r * r, horner(r * r, -0x1.555556p-3f, 0x1.111108p-7f, -0x1.a00f8p-13f, 0x1.6cd1eep-19f));
}
template <class V> SEGUE_INLINE V cos_polynomial(V r) {
    V s = r * r;
    return mul_add(s * s, horner(s, 0x1.555556p-5f, -0x1.6c16b8p-10f, 0x1.a010dep-16f, -0x1.241e9ap-22f), mul_add(s, V(-0.5f), V(1.0f)));
}
constexpr float QUADRANT_LIMIT = 30000.0f;
template <class V> SEGUE_INLINE V float_sin(V x) {
    V a = abs(x), r, n = quadrant(a, r);
    auto q = to_int32(n);
    V found = select((q & 1) != 0, cos_polynomial(r), sin_polynomial(r));
    found = from_bits(bits(found) ^ ((q & 2) << 30) ^ (bits(x) & int32_t(0x80000000)));
    return rarely(!(a <= V(QUADRANT_LIMIT)), x, found, [](float y) { return (float)libm::sin(y); });
}
template <class V> SEGUE_INLINE V float_cos(V x) {
    V a = abs(x), r, n = quadrant(a, r);
    auto q = to_int32(n);
    V found = select((q & 1) != 0, sin_polynomial(r), cos_polynomial(r));
    found = from_bits(bits(found) ^ (((q + 1) & 2) << 30));
    return rarely(!(a <= V(QUADRANT_LIMIT)), x, found, [](float y) { return (float)libm::cos(y); });
}
template <class V> SEGUE_INLINE V float_tan(V x) {
    V a = abs(x), r, n = quadrant(a, r);
    V p = horner(r * r, 0x1.55556p-2f, 0x1.110d8ep-3f, 0x1.badbe4p-5f, 0x1.5cafb8p-6f, 0x1.631298p-7f, 0x1.76d286p-14f, 0x1.1ecf0cp-8f);
    V t = odd(r, r * r, p);
    V found = select((to_int32(n) & 1) != 0, V(-1.0f) / t, t);
    found = from_bits(bits(found) ^ (bits(x) & int32_t(0x80000000)));
    return rarely(!(a <= V(QUADRANT_LIMIT)), x, found, [](float y) { return (float)libm::tan(y); });
}
template <class V> SEGUE_INLINE V atan_polynomial(V z) {
    V s = z * z;
    return odd(z, s, horner(s, -0x1.55553ep-2f, 0x1.9991fep-3f, -0x1.2421b8p-3f, 0x1.c09a1p-4f, -0x1.5834bep-4f, 0x1.daca6ep-5f, -0x1.fed25ap-6f,
                            0x1.65a75p-7f, -0x1.d63182p-10f));
}
template <class V> SEGUE_INLINE V from_half_pi(V t) { return V(HALF_PI) - (t - V(HALF_PI_REST)); }
template <class V> SEGUE_INLINE V float_atan(V x) {
    V a = abs(x);
    auto steep = a > V(1.0f);
    V t = atan_polynomial(select(steep, V(1.0f) / a, a));
    return copysign(select(steep, from_half_pi(t), t), x);
}
template <class V> SEGUE_INLINE V float_atan2(V y, V x) {
    V a = abs(y), b = abs(x);
    auto steep = a > b;
    V longer = select(steep, a, b), shorter = select(steep, b, a);
    V ratio = select(longer == V(0.0f), V(0.0f), select(shorter == V(INFINITE), V(1.0f), shorter / longer));
    V t = atan_polynomial(ratio);
    t = select(steep, from_half_pi(t), t);
    t = select(bits(x) < 0, V(2 * HALF_PI) - (t - V(2 * HALF_PI_REST)), t);
    return select((x != x) | (y != y), x + y, copysign(t, y));
}
template <class V> SEGUE_INLINE V asin_polynomial(V z, V s) {
    return odd(z, s, horner(s, 0x1.55554cp-3f, 0x1.33387cp-4f, 0x1.6caedap-5f, 0x1.049162p-5f, 0x1.d92372p-7f, 0x1.33546ep-5f));
}
template <class V> SEGUE_INLINE V float_asin(V x) {
    V a = abs(x);
    auto small = a <= V(0.5f);
    V s = select(small, a * a, (V(1.0f) - a) * V(0.5f));
    V t = asin_polynomial(select(small, a, sqrt(s)), s);
    return copysign(select(small, t, from_half_pi(t * V(2.0f))), x);
}
template <class V> SEGUE_INLINE V float_acos(V x) {
    V a = abs(x);
    auto small = a <= V(0.5f);
    V s = select(small, a * a, (V(1.0f) - a) * V(0.5f));
    V t = asin_polynomial(select(small, a, sqrt(s)), s);
    V wide = select(x < V(0.0f), V(2 * HALF_PI) - (t * V(2.0f) - V(2 * HALF_PI_REST)), t * V(2.0f));
    return select(small, from_half_pi(copysign(t, x)), wide);
}

/* ---- Hyperbolic functions, sigmoid, error function */
template <class V> SEGUE_INLINE V float_tanh(V x) {
    V a = abs(x), s = a * a;
    V near = odd(a, s, horner(s, -0x1.555532p-2f, 0x1.110726p-3f, -0x1.b83c5cp-5f, 0x1.5226a2p-6f, -0x1.75e1e4p-8f));
    V far = V(1.0f) - V(2.0f) / (float_exp(a * V(2.0f), 0) + V(1.0f));
    return copysign(select(a < V(0.625f), near, far), x);
}
template <class V> SEGUE_INLINE V float_sinh(V x) {
    V a = abs(x), s = a * a;
    V near = odd(a, s, horner(s, 0x1.555556p-3f, 0x1.111134p-7f, 0x1.9ffe92p-13f, 0x1.7a15bcp-19f));
    V e = float_exp(a, -1);
    return copysign(select(a < V(1.0f), near, e - V(0.25f) / e), x);
}
template <class V> SEGUE_INLINE V float_cosh(V x) {
    V e = float_exp(abs(x), -1);
    return e + V(0.25f) / e;
}
template <class V> SEGUE_INLINE V float_sigmoid(V x) {
    V e = float_exp(-abs(x), 0);
    return select(x < V(0.0f), e, V(1.0f)) / (e + V(1.0f));
}
template <class V> SEGUE_INLINE V float_erf(V x) {
    V a = abs(x), s = a * a;
    V near = mul_add(a, horner(s, 0x1.06eba8p-3f, -0x1.812746p-2f, 0x1.ce2f08p-4f, -0x1.b829bp-6f, 0x1.56293ap-8f, -0x1.bcc1aep-11f, 0x1.d836d6p-14f,
                               -0x1.43a678p-17f), a);
    V b = select(a > V(4.0f), V(4.0f), a);
    V tail = horner(b, -0x1.ac96aap-13f, 0x1.21317ap+0f, 0x1.441dc2p-1f, 0x1.bcfc5ep-4f, -0x1.9fb8ccp-6f, 0x1.18a74p-8f, -0x1.e6550cp-12f,
                    0x1.a8c102p-16f, -0x1.0e0eaap-22f);
    return copysign(select(a < V(1.0f), near, V(1.0f) - float_exp(-tail, 0)), x);
}

/* ---- Powers: 2^(y log2 |x|) in double, which keeps 0.6 ulp of float for every exponent */
template <class D, class V, class I> SEGUE_INLINE D wide_log2(V x) {  /* of |x|; log(1 + f) = 2 atanh(f / (2 + f)) */
    I e;
    D f = to_double(split_any(x, e)), s = f / (f + D(2.0)), q = s * s;
    D series = mul_add(q, mul_add(q, mul_add(q, mul_add(q, mul_add(q, mul_add(q, mul_add(q, D(1.0 / 15), D(1.0 / 13)), D(1.0 / 11)), D(1.0 / 9)),
               D(1.0 / 7)), D(1.0 / 5)), D(1.0 / 3)), D(1.0));
    D found = to_double(e) + s * series * D(2 * 0x1.71547652b82fep+0);
    return select(x == V(0.0f), D(-__builtin_inf()), select(x < V(INFINITE), found, to_double(x)));
}
template <class D> SEGUE_INLINE auto wide_exp2(D x) {
    x = select(x > D(200.0), D(200.0), select(x < D(-200.0), D(-200.0), x));
    D n = round(x), r = (x - n) * D(0x1.62e42fefa39efp-1);
    D p = D(1.0 / 3628800);
    constexpr double factorial[] = {1, 1, 2, 6, 24, 120, 720, 5040, 40320, 362880};
    for (int k = 9; k >= 0; --k) p = mul_add(p, r, D(1 / factorial[k]));
    return to_float(p * from_bits((to_int64(to_int32(n)) + 1023) << 52));
}
template <class D, class I, class V> SEGUE_INLINE V float_pow(V x, V y) {
    V a = abs(x);
    V found = wide_exp2(to_double(y) * wide_log2<D, V, I>(a));
    found = select(a == V(1.0f), V(1.0f), found);
    auto integer = trunc(y) == y, is_odd = integer & (trunc(y * V(0.5f)) != y * V(0.5f));
    found = select((bits(x) < 0) & is_odd, -found, found);
    found = select((x < V(0.0f)) & (a < V(INFINITE)) & !integer, V(NOT_A_NUMBER), found);
    found = select((x != x) | (y != y), x + y, found);
    return select((y == V(0.0f)) | (x == V(1.0f)), V(1.0f), found);
}
template <class T> SEGUE_INLINE T integer_pow(T x, T y) {  /* wraps; a negative exponent gives the truncated quotient 1 / x^-y, and 0 for x = 0 */
    if (y < 0) return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
    T found = 1;
    for (; y; y >>= 1, x *= x) found *= y & 1 ? x : 1;
    return found;
}

/* ---- The names: float and float_v by the templates, double and double_v by libm */
#define SEGUE_DOUBLE(NAME)                                                                          \
    SEGUE_LAZY double NAME(double x) { return libm::NAME(x); }                                    \
    SEGUE_LAZY double_v NAME(double_v x) { return each(x, [](double y) { return libm::NAME(y); }); }
#define SEGUE_FUNCTION(NAME, VECTOR, SCALAR)                     \
    SEGUE_LAZY float_v NAME(float_v x) { return VECTOR(x); }   \
    SEGUE_LAZY float NAME(float x) { return SCALAR(x); }       \
    SEGUE_DOUBLE(NAME)
#define SEGUE_SAME(NAME) SEGUE_FUNCTION(NAME, float_##NAME<float_v>, float_##NAME<float>)
#define SEGUE_WITH_INTEGER(NAME) SEGUE_FUNCTION(NAME, (float_##NAME<float_v, int32_v>), (float_##NAME<float, int32_t>))
SEGUE_LAZY float_v exp(float_v x) { return float_exp(x, 0); }
SEGUE_LAZY float exp(float x) { return float_exp(x, 0); }
SEGUE_DOUBLE(exp)
SEGUE_SAME(exp2)
SEGUE_SAME(expm1)
SEGUE_WITH_INTEGER(log)
SEGUE_WITH_INTEGER(log2)
SEGUE_WITH_INTEGER(log1p)
SEGUE_SAME(sin)
SEGUE_SAME(cos)
SEGUE_SAME(tan)
SEGUE_SAME(asin)
SEGUE_SAME(acos)
SEGUE_SAME(atan)
SEGUE_SAME(tanh)
SEGUE_SAME(sinh)
SEGUE_SAME(cosh)
SEGUE_SAME(erf)
SEGUE_DOUBLE(erfc)
SEGUE_LAZY float erfc(float x) { return (float)libm::erfc(x); }
SEGUE_LAZY float_v erfc(float_v x) { return each(x, [](float y) { return (float)libm::erfc(y); }); }
SEGUE_LAZY float_v sigmoid(float_v x) { return float_sigmoid(x); }
SEGUE_LAZY float sigmoid(float x) { return float_sigmoid(x); }
SEGUE_LAZY double sigmoid(double x) {
    double e = libm::exp(-abs(x));
    return select(x < 0.0, e, 1.0) / (e + 1.0);
}
SEGUE_LAZY double_v sigmoid(double_v x) { return each(x, [](double y) { return sigmoid(y); }); }
SEGUE_LAZY float_v atan2(float_v y, float_v x) { return float_atan2(y, x); }
SEGUE_LAZY float atan2(float y, float x) { return float_atan2(y, x); }
SEGUE_LAZY double atan2(double y, double x) { return libm::atan2(y, x); }
SEGUE_LAZY double_v atan2(double_v y, double_v x) { return each(y, x, [](double p, double q) { return libm::atan2(p, q); }); }
SEGUE_LAZY float_v pow(float_v x, float_v y) { return float_pow<double_v, int32_v>(x, y); }
SEGUE_LAZY float pow(float x, float y) { return float_pow<double, int32_t>(x, y); }
SEGUE_LAZY double pow(double x, double y) { return libm::pow(x, y); }
SEGUE_LAZY double_v pow(double_v x, double_v y) { return each(x, y, [](double p, double q) { return libm::pow(p, q); }); }
SEGUE_LAZY int32_t pow(int32_t x, int32_t y) { return integer_pow(x, y); }
SEGUE_LAZY int64_t pow(int64_t x, int64_t y) { return integer_pow(x, y); }
SEGUE_LANEWISE(pow, int32_v, int32_t, integer_pow<int32_t>)
SEGUE_LANEWISE(pow, int64_v, int64_t, integer_pow<int64_t>)
#define SEGUE_RATIOS(V, T)                                               \
    SEGUE_INLINE V reciprocal(V x) { return V(T(1)) / x; }               \
    SEGUE_INLINE V rsqrt(V x) { return V(T(1)) / sqrt(x); }
SEGUE_RATIOS(float_v, float)
SEGUE_RATIOS(double_v, double)
SEGUE_RATIOS(float, float)
SEGUE_RATIOS(double, double)

}  // namespace segue
#endif
