/* Numeric functions of vectors and scalars that are exact or correctly rounded: conversions, rounding, minimum and maximum, division, folds.
 *
 * In come and out go the value types of segue_vector.h, which includes this file. The one idea: what C or the processor defines exactly is taken from
 * there, a register at a time where a builtin exists and lane by lane where none does. */
#ifndef SEGUE_NUMERIC_H
#define SEGUE_NUMERIC_H

namespace segue {

namespace libm {
extern "C" {
float fmodf(float, float);
double fmod(double, double);
}
}  // namespace libm

/* ---- Conversions */
template <class To, class T> SEGUE_INLINE To convert_register(reg<T> x) { return __builtin_convertvector(x, To); }
SEGUE_INLINE float_v to_float(float_v x) { return x; }
SEGUE_INLINE float_v to_float(int32_v x) { return float_v(__builtin_convertvector(x.r, reg<float>)); }
SEGUE_INLINE float_v to_float(uint32_v x) { return float_v(__builtin_convertvector(x.r, reg<float>)); }
SEGUE_INLINE float_v to_float(mask_v x) { return select(x, float_v(1.0f), float_v(0.0f)); }
SEGUE_INLINE float_v to_float(double_v x) {
    return float_v(join<float>(__builtin_convertvector(x.a, half_reg<float>), __builtin_convertvector(x.b, half_reg<float>)));
}
SEGUE_INLINE float_v to_float(int64_v x) {
    return float_v(join<float>(__builtin_convertvector(x.a, half_reg<float>), __builtin_convertvector(x.b, half_reg<float>)));
}
SEGUE_INLINE double_v to_double(double_v x) { return x; }
SEGUE_INLINE double_v to_double(float_v x) {
    return double_v(__builtin_convertvector(low<float>(x.r), reg<double>), __builtin_convertvector(high<float>(x.r), reg<double>));
}
SEGUE_INLINE double_v to_double(int32_v x) {
    return double_v(__builtin_convertvector(low<int32_t>(x.r), reg<double>), __builtin_convertvector(high<int32_t>(x.r), reg<double>));
}
SEGUE_INLINE double_v to_double(int64_v x) { return double_v(__builtin_convertvector(x.a, reg<double>), __builtin_convertvector(x.b, reg<double>)); }
SEGUE_INLINE double_v to_double(mask_v x) { return select(x, double_v(1.0), double_v(0.0)); }
SEGUE_INLINE int32_v to_int32(int32_v x) { return x; }
SEGUE_INLINE int32_v to_int32(uint32_v x) { return int32_v(reg<int32_t>(x.r)); }
SEGUE_INLINE int32_v to_int32(mask_v x) { return int32_v(-x.r); }
SEGUE_INLINE int32_v to_int32(float_v x) { return int32_v(__builtin_convertvector(x.r, reg<int32_t>)); }
SEGUE_INLINE int32_v to_int32(double_v x) {
    return int32_v(join<int32_t>(__builtin_convertvector(x.a, half_reg<int32_t>), __builtin_convertvector(x.b, half_reg<int32_t>)));
}
SEGUE_INLINE int32_v to_int32(int64_v x) {
    return int32_v(join<int32_t>(__builtin_convertvector(x.a, half_reg<int32_t>), __builtin_convertvector(x.b, half_reg<int32_t>)));
}
SEGUE_INLINE int64_v to_int64(int64_v x) { return x; }
SEGUE_INLINE int64_v to_int64(int32_v x) {
    return int64_v(__builtin_convertvector(low<int32_t>(x.r), reg<int64_t>), __builtin_convertvector(high<int32_t>(x.r), reg<int64_t>));
}
SEGUE_INLINE int64_v to_int64(uint32_v x) {
    return int64_v(__builtin_convertvector(low<uint32_t>(x.r), reg<int64_t>), __builtin_convertvector(high<uint32_t>(x.r), reg<int64_t>));
}
SEGUE_INLINE int64_v to_int64(float_v x) {
    return int64_v(__builtin_convertvector(low<float>(x.r), reg<int64_t>), __builtin_convertvector(high<float>(x.r), reg<int64_t>));
}
SEGUE_INLINE int64_v to_int64(double_v x) { return int64_v(__builtin_convertvector(x.a, reg<int64_t>), __builtin_convertvector(x.b, reg<int64_t>)); }
SEGUE_INLINE int64_v to_int64(mask_v x) { return int64_v(-x.low64(), -x.high64()); }
SEGUE_INLINE mask_v to_mask(mask_v x) { return x; }
template <class V> SEGUE_INLINE mask_v to_mask(V x) { return x != V(typename V::scalar(0)); }
#define SEGUE_SCALAR_CONVERSIONS(T)                            \
    SEGUE_INLINE float to_float(T x) { return (float)x; }      \
    SEGUE_INLINE double to_double(T x) { return (double)x; }   \
    SEGUE_INLINE int32_t to_int32(T x) { return (int32_t)x; }  \
    SEGUE_INLINE int64_t to_int64(T x) { return (int64_t)x; }  \
    SEGUE_INLINE bool to_mask(T x) { return x != T(0); }
SEGUE_SCALAR_CONVERSIONS(float)
SEGUE_SCALAR_CONVERSIONS(double)
SEGUE_SCALAR_CONVERSIONS(int32_t)
SEGUE_SCALAR_CONVERSIONS(uint32_t)
SEGUE_SCALAR_CONVERSIONS(int64_t)
SEGUE_SCALAR_CONVERSIONS(bool)

SEGUE_INLINE int32_v wrap_int8(int32_v x) { return (x << 24) >> 24; }
SEGUE_INLINE int32_v wrap_int16(int32_v x) { return (x << 16) >> 16; }
SEGUE_INLINE int32_v wrap_uint8(int32_v x) { return x & 255; }
SEGUE_INLINE int32_t wrap_int8(int32_t x) { return (int8_t)x; }
SEGUE_INLINE int32_t wrap_int16(int32_t x) { return (int16_t)x; }
SEGUE_INLINE int32_t wrap_uint8(int32_t x) { return (uint8_t)x; }

/* The bits of a float as an integer and back; the exponent arithmetic of the functions below and of segue_math.h stands on these. */
SEGUE_INLINE int32_v bits(float_v x) { return int32_v(reg<int32_t>(x.r)); }
SEGUE_INLINE int64_v bits(double_v x) { return int64_v(reg<int64_t>(x.a), reg<int64_t>(x.b)); }
SEGUE_INLINE float_v from_bits(int32_v x) { return float_v(reg<float>(x.r)); }
SEGUE_INLINE double_v from_bits(int64_v x) { return double_v(reg<double>(x.a), reg<double>(x.b)); }
SEGUE_INLINE int32_t bits(float x) { return bit_cast<int32_t>(x); }
SEGUE_INLINE int64_t bits(double x) { return bit_cast<int64_t>(x); }
SEGUE_INLINE float from_bits(int32_t x) { return bit_cast<float>(x); }
SEGUE_INLINE double from_bits(int64_t x) { return bit_cast<double>(x); }
SEGUE_INLINE uint32_v to_uint32(int32_v x) { return uint32_v(reg<uint32_t>(x.r)); }
SEGUE_INLINE uint32_t to_uint32(int32_t x) { return (uint32_t)x; }

/* half and bfloat16 as the low 16 bits of an int32. A NaN stays one; half keeps its payload, bfloat16 has only one. */
template <class F, class I> SEGUE_INLINE F widen_half(I h) {
    F magnitude = from_bits((h & 0x7fff) << 13) * from_bits(I((254 - 15) << 23));
    I found = bits(magnitude) | select((h & 0x7fff) >= I(0x7c00), I(0x7f800000), I(0));
    return from_bits(found | ((h & 0x8000) << 16));
}
template <class F, class I> SEGUE_INLINE I narrow_half(F x) {
    I magnitude = bits(x) & 0x7fffffff, sign = (bits(x) >> 16) & 0x8000;
    I tiny = bits(from_bits(magnitude) + F(0.5f)) - I(0x3f000000);  /* adding 1/2 rounds at half's smallest step */
    I normal = (magnitude - I(112 << 23) + I(0xfff) + ((magnitude >> 13) & 1)) >> 13;
    I huge = select(magnitude > I(0x7f800000), I(0x7e00) | ((magnitude >> 13) & 0x3ff), I(0x7c00));
    I found = select(magnitude < I(0x38800000), tiny, select(magnitude < I(0x47800000), normal, huge));
    return found | sign;
}
#if SEGUE_AVX512
typedef short packed_half __attribute__((vector_size(32)));
SEGUE_INLINE float_v unpack_half(packed_half x) { return float_v(__builtin_ia32_vcvtph2ps512_mask(x, reg<float>{}, (short)-1, 4)); }
SEGUE_INLINE packed_half pack_half(float_v x) { return __builtin_ia32_vcvtps2ph512_mask(x.r, 0, packed_half{}, (short)-1); }
#elif SEGUE_AVX2
typedef short packed_half __attribute__((vector_size(16)));
SEGUE_INLINE float_v unpack_half(packed_half x) { return float_v(__builtin_ia32_vcvtph2ps256(x)); }
SEGUE_INLINE packed_half pack_half(float_v x) { return __builtin_ia32_vcvtps2ph256(x.r, 0); }
#else
typedef short packed_half __attribute__((vector_size(8)));
SEGUE_INLINE float_v unpack_half(packed_half x) { return widen_half<float_v, int32_v>(int32_v(__builtin_convertvector(x, reg<int32_t>))); }
SEGUE_INLINE packed_half pack_half(float_v x) { return __builtin_convertvector((narrow_half<float_v, int32_v>(x)).r, packed_half); }
#endif
SEGUE_INLINE float half_to_float(int32_t h) { return widen_half<float, int32_t>(h); }
SEGUE_INLINE int32_t float_to_half(float x) { return narrow_half<float, int32_t>(x); }
template <class F, class I> SEGUE_INLINE I narrow_bfloat16(F x) {
    I raw_bits = bits(x), magnitude = raw_bits & 0x7fffffff;
    I rounded = (raw_bits + I(0x7fff) + ((raw_bits >> 16) & 1)) >> 16;
    return select(magnitude > I(0x7f800000), ((raw_bits >> 16) & 0x8000) | I(0x7fc0), rounded) & 0xffff;
}
SEGUE_INLINE float_v bfloat16_to_float(int32_v h) { return from_bits(h << 16); }
SEGUE_INLINE float bfloat16_to_float(int32_t h) { return from_bits(h << 16); }
SEGUE_INLINE int32_v float_to_bfloat16(float_v x) { return narrow_bfloat16<float_v, int32_v>(x); }
SEGUE_INLINE int32_t float_to_bfloat16(float x) { return narrow_bfloat16<float, int32_t>(x); }
SEGUE_INLINE float_v round_half(float_v x) { return unpack_half(pack_half(x)); }
SEGUE_INLINE float round_half(float x) { return half_to_float(float_to_half(x)); }
SEGUE_INLINE float_v round_bfloat16(float_v x) { return bfloat16_to_float(float_to_bfloat16(x)); }
SEGUE_INLINE float round_bfloat16(float x) { return bfloat16_to_float(float_to_bfloat16(x)); }

/* ---- Rounding, square root, fused multiply-add */
#if SEGUE_AVX512
#define SEGUE_ROUND(NAME, MODE, WORD)                                                                                                          \
    SEGUE_INLINE float_v NAME(float_v x) { return float_v(__builtin_ia32_rndscaleps_mask(x.r, MODE, x.r, (short)-1, 4)); }                     \
    SEGUE_INLINE reg<double> NAME(reg<double> x) { return __builtin_ia32_rndscalepd_mask(x, MODE, x, (char)-1, 4); }
SEGUE_INLINE float_v sqrt(float_v x) { return float_v(__builtin_ia32_sqrtps512_mask(x.r, x.r, (short)-1, 4)); }
SEGUE_INLINE reg<double> sqrt(reg<double> x) { return __builtin_ia32_sqrtpd512_mask(x, x, (char)-1, 4); }
SEGUE_INLINE float_v fma(float_v a, float_v b, float_v c) { return float_v(__builtin_ia32_vfmaddps512_mask(a.r, b.r, c.r, (short)-1, 4)); }
SEGUE_INLINE reg<double> fma(reg<double> a, reg<double> b, reg<double> c) { return __builtin_ia32_vfmaddpd512_mask(a, b, c, (char)-1, 4); }
#elif SEGUE_AVX2
#define SEGUE_ROUND(NAME, MODE, WORD)                                                                                   \
    SEGUE_INLINE float_v NAME(float_v x) { return float_v(__builtin_ia32_roundps256(x.r, MODE)); }                      \
    SEGUE_INLINE reg<double> NAME(reg<double> x) { return __builtin_ia32_roundpd256(x, MODE); }
SEGUE_INLINE float_v sqrt(float_v x) { return float_v(__builtin_ia32_sqrtps256(x.r)); }
SEGUE_INLINE reg<double> sqrt(reg<double> x) { return __builtin_ia32_sqrtpd256(x); }
SEGUE_INLINE float_v fma(float_v a, float_v b, float_v c) { return float_v(__builtin_ia32_vfmaddps256(a.r, b.r, c.r)); }
SEGUE_INLINE reg<double> fma(reg<double> a, reg<double> b, reg<double> c) { return __builtin_ia32_vfmaddpd256(a, b, c); }
#else
#define SEGUE_ROUND(NAME, MODE, WORD)                                                                                                          \
    SEGUE_INLINE float_v NAME(float_v x) { SEGUE_EACH x.r[i] = __builtin_##WORD##f(x.r[i]); return x; }                                        \
    SEGUE_INLINE reg<double> NAME(reg<double> x) { for (int i = 0; i < HALF_LANES; ++i) x[i] = __builtin_##WORD(x[i]); return x; }
SEGUE_INLINE float_v sqrt(float_v x) { SEGUE_EACH x.r[i] = __builtin_sqrtf(x.r[i]); return x; }
SEGUE_INLINE reg<double> sqrt(reg<double> x) { for (int i = 0; i < HALF_LANES; ++i) x[i] = __builtin_sqrt(x[i]); return x; }
SEGUE_INLINE float_v fma(float_v a, float_v b, float_v c) { SEGUE_EACH a.r[i] = __builtin_fmaf(a.r[i], b.r[i], c.r[i]); return a; }
SEGUE_INLINE reg<double> fma(reg<double> a, reg<double> b, reg<double> c) {
    for (int i = 0; i < HALF_LANES; ++i) a[i] = __builtin_fma(a[i], b[i], c[i]);
    return a;
}
#endif
#define SEGUE_ROUNDED(NAME, MODE, WORD)                                                      \
    SEGUE_ROUND(NAME, MODE, WORD)                                                            \
    SEGUE_INLINE double_v NAME(double_v x) { return double_v(NAME(x.a), NAME(x.b)); }        \
    SEGUE_INLINE float NAME(float x) { return __builtin_##WORD##f(x); }                      \
    SEGUE_INLINE double NAME(double x) { return __builtin_##WORD(x); }
SEGUE_ROUNDED(round, 8, rint)
SEGUE_ROUNDED(floor, 9, floor)
SEGUE_ROUNDED(ceil, 10, ceil)
SEGUE_ROUNDED(trunc, 11, trunc)
SEGUE_INLINE double_v sqrt(double_v x) { return double_v(sqrt(x.a), sqrt(x.b)); }
SEGUE_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }
SEGUE_INLINE double sqrt(double x) { return __builtin_sqrt(x); }
SEGUE_INLINE double_v fma(double_v a, double_v b, double_v c) { return double_v(fma(a.a, b.a, c.a), fma(a.b, b.b, c.b)); }
SEGUE_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
SEGUE_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
/* The step of the polynomials in segue_math.h: fused where the processor has it, the same for vectors and scalars. */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
template <class V> SEGUE_INLINE V mul_add(V a, V b, typename unmoved<V>::type c) { return fma(a, b, c); }
#else
template <class V> SEGUE_INLINE V mul_add(V a, V b, typename unmoved<V>::type c) { return a * b + c; }
#endif

/* ---- Signs, minimum, maximum */
SEGUE_INLINE float_v abs(float_v x) { return from_bits(bits(x) & 0x7fffffff); }
SEGUE_INLINE double_v abs(double_v x) { return from_bits(bits(x) & 0x7fffffffffffffff); }
SEGUE_INLINE int32_v abs(int32_v x) { return select(x < 0, -x, x); }
SEGUE_INLINE int64_v abs(int64_v x) { return select(x < 0, -x, x); }
SEGUE_INLINE float abs(float x) { return __builtin_fabsf(x); }
SEGUE_INLINE double abs(double x) { return __builtin_fabs(x); }
SEGUE_INLINE int32_t abs(int32_t x) { return x < 0 ? -x : x; }
SEGUE_INLINE int64_t abs(int64_t x) { return x < 0 ? -x : x; }
SEGUE_INLINE float_v copysign(float_v x, float_v y) { return from_bits((bits(x) & 0x7fffffff) | (bits(y) & int32_t(0x80000000))); }
SEGUE_INLINE double_v copysign(double_v x, double_v y) {
    return from_bits((bits(x) & 0x7fffffffffffffff) | (bits(y) & int64_t(0x8000000000000000)));
}
SEGUE_INLINE float copysign(float x, float y) { return __builtin_copysignf(x, y); }
SEGUE_INLINE double copysign(double x, double y) { return __builtin_copysign(x, y); }
#define SEGUE_ORDERED(V, T)                                                                                          \
    SEGUE_INLINE V sign(V x) { return select(x > V(T(0)), V(T(1)), select(x < V(T(0)), V(T(-1)), x * V(T(0)) + V(T(0)))); }  \
    SEGUE_INLINE V minimum(V x, V y) { return select(x != x, x, select(x < y, x, y)); }                              \
    SEGUE_INLINE V maximum(V x, V y) { return select(x != x, x, select(x > y, x, y)); }                              \
    SEGUE_INLINE V square(V x) { return x * x; }
#define SEGUE_ORDERED_INTEGER(V, T)                                                                                  \
    SEGUE_INLINE V sign(V x) { return select(x > V(T(0)), V(T(1)), select(x < V(T(0)), V(T(-1)), V(T(0)))); }        \
    SEGUE_INLINE V minimum(V x, V y) { return select(x < y, x, y); }                                                 \
    SEGUE_INLINE V maximum(V x, V y) { return select(x > y, x, y); }                                                 \
    SEGUE_INLINE V square(V x) { return x * x; }
SEGUE_ORDERED(float_v, float)
SEGUE_ORDERED(double_v, double)
SEGUE_ORDERED(float, float)
SEGUE_ORDERED(double, double)
SEGUE_ORDERED_INTEGER(int32_v, int32_t)
SEGUE_ORDERED_INTEGER(int64_v, int64_t)
SEGUE_ORDERED_INTEGER(int32_t, int32_t)
SEGUE_ORDERED_INTEGER(int64_t, int64_t)
SEGUE_INLINE mask_v minimum(mask_v x, mask_v y) { return x & y; }
SEGUE_INLINE mask_v maximum(mask_v x, mask_v y) { return x | y; }
SEGUE_INLINE bool minimum(bool x, bool y) { return x && y; }
SEGUE_INLINE bool maximum(bool x, bool y) { return x || y; }
SEGUE_INLINE mask_v isnan(float_v x) { return x != x; }
SEGUE_INLINE mask_v isnan(double_v x) { return x != x; }
SEGUE_INLINE bool isnan(float x) { return x != x; }
SEGUE_INLINE bool isnan(double x) { return x != x; }
SEGUE_INLINE mask_v isinf(float_v x) { return abs(x) == float_v(__builtin_inff()); }
SEGUE_INLINE mask_v isinf(double_v x) { return abs(x) == double_v(__builtin_inf()); }
SEGUE_INLINE bool isinf(float x) { return abs(x) == __builtin_inff(); }
SEGUE_INLINE bool isinf(double x) { return abs(x) == __builtin_inf(); }
SEGUE_INLINE mask_v isfinite(float_v x) { return abs(x) < float_v(__builtin_inff()); }
SEGUE_INLINE mask_v isfinite(double_v x) { return abs(x) < double_v(__builtin_inf()); }
SEGUE_INLINE bool isfinite(float x) { return abs(x) < __builtin_inff(); }
SEGUE_INLINE bool isfinite(double x) { return abs(x) < __builtin_inf(); }

/* ---- Division. Floats as NumPy's floor_divide and remainder; integers wrap (the least one over -1), and over 0 give 0. */
template <class V, class F> SEGUE_INLINE V each(V x, V y, F f) {
    SEGUE_EACH x.set(i, f(x.get(i), y.get(i)));
    return x;
}
SEGUE_INLINE float fmod(float x, float y) { return libm::fmodf(x, y); }
SEGUE_INLINE double fmod(double x, double y) { return libm::fmod(x, y); }
template <class T> SEGUE_INLINE T float_remainder(T x, T y) {
    T left = fmod(x, y);
    if (y == 0) return left;
    if (left == 0) return copysign(T(0), y);
    return (y < 0) != (left < 0) ? left + y : left;
}
template <class T> SEGUE_INLINE T float_divide_floor(T x, T y) {
    if (y == 0) return x / y;
    T left = fmod(x, y), quotient = (x - left) / y;
    if (left != 0 && (y < 0) != (left < 0)) quotient -= 1;
    if (quotient == 0) return copysign(T(0), x / y);
    T whole_part = floor(quotient);
    return quotient - whole_part > T(0.5) ? whole_part + 1 : whole_part;
}
template <class T> SEGUE_INLINE T integer_divide_trunc(T x, T y) { return y == 0 ? 0 : y == -1 ? -x : x / y; }
template <class T> SEGUE_INLINE T integer_fmod(T x, T y) { return y == 0 || y == -1 ? 0 : x % y; }
template <class T> SEGUE_INLINE T integer_divide_floor(T x, T y) {
    T left = integer_fmod(x, y);
    return integer_divide_trunc(x, y) - (left != 0 && (left < 0) != (y < 0));
}
template <class T> SEGUE_INLINE T integer_remainder(T x, T y) {
    T left = integer_fmod(x, y);
    return left != 0 && (left < 0) != (y < 0) ? left + y : left;
}
#define SEGUE_LANEWISE(NAME, V, T, F) SEGUE_LAZY V NAME(V x, V y) { return each(x, y, [](T p, T q) { return F(p, q); }); }
#define SEGUE_FLOAT_DIVISION(V, T)                                                        \
    SEGUE_LAZY T remainder(T x, T y) { return float_remainder<T>(x, y); }               \
    SEGUE_LAZY T divide_floor(T x, T y) { return float_divide_floor<T>(x, y); }         \
    SEGUE_LAZY T divide_trunc(T x, T y) { return trunc(x / y); }                        \
    SEGUE_LAZY V divide_trunc(V x, V y) { return trunc(x / y); }                        \
    SEGUE_LANEWISE(fmod, V, T, fmod)                                                      \
    SEGUE_LANEWISE(remainder, V, T, float_remainder<T>)                                   \
    SEGUE_LANEWISE(divide_floor, V, T, float_divide_floor<T>)
#define SEGUE_INTEGER_DIVISION(V, T)                                                      \
    SEGUE_LAZY T fmod(T x, T y) { return integer_fmod<T>(x, y); }                       \
    SEGUE_LAZY T remainder(T x, T y) { return integer_remainder<T>(x, y); }             \
    SEGUE_LAZY T divide_floor(T x, T y) { return integer_divide_floor<T>(x, y); }       \
    SEGUE_LAZY T divide_trunc(T x, T y) { return integer_divide_trunc<T>(x, y); }       \
    SEGUE_LANEWISE(fmod, V, T, integer_fmod<T>)                                           \
    SEGUE_LANEWISE(remainder, V, T, integer_remainder<T>)                                 \
    SEGUE_LANEWISE(divide_floor, V, T, integer_divide_floor<T>)                           \
    SEGUE_LANEWISE(divide_trunc, V, T, integer_divide_trunc<T>)
SEGUE_FLOAT_DIVISION(float_v, float)
SEGUE_FLOAT_DIVISION(double_v, double)
SEGUE_INTEGER_DIVISION(int32_v, int32_t)
SEGUE_INTEGER_DIVISION(int64_v, int64_t)

/* ---- Folds over the lanes, by halves */
template <class T, int N, class R, class F> SEGUE_INLINE T fold(R x, F f) {
    if constexpr (N == 1) {
        return x[0];
    } else if constexpr (N == 2) {
        return f(T(x[0]), T(x[1]));
    } else if constexpr (N * sizeof(T) == SEGUE_VECTOR_BYTES) {
        return fold<T, N / 2>(f(low<T>(x), high<T>(x)), f);
    } else {
        typedef typename raw<T, N / 2 * sizeof(T)>::type H;
        struct pair { H x, y; };
        pair p = bit_cast<pair>(x);
        return fold<T, N / 2>(f(p.x, p.y), f);
    }
}
#define SEGUE_FOLD(NAME, EXPRESSION)                                                                                              \
    SEGUE_LAZY float NAME(float_v x) { return fold<float, LANES>(x.r, [](auto p, auto q) SEGUE_LAMBDA { return EXPRESSION; }); }             \
    SEGUE_LAZY int32_t NAME(int32_v x) { return fold<int32_t, LANES>(x.r, [](auto p, auto q) SEGUE_LAMBDA { return EXPRESSION; }); }         \
    SEGUE_LAZY double NAME(double_v x) {                                                                                        \
        auto f = [](auto p, auto q) SEGUE_LAMBDA { return EXPRESSION; };                                                                       \
        return fold<double, HALF_LANES>(f(x.a, x.b), f);                                                                          \
    }                                                                                                                             \
    SEGUE_LAZY int64_t NAME(int64_v x) {                                                                                        \
        auto f = [](auto p, auto q) SEGUE_LAMBDA { return EXPRESSION; };                                                                       \
        return fold<int64_t, HALF_LANES>(f(x.a, x.b), f);                                                                         \
    }                                                                                                                             \
    SEGUE_INLINE float NAME(float x) { return x; }                                                                                \
    SEGUE_INLINE double NAME(double x) { return x; }                                                                              \
    SEGUE_INLINE int32_t NAME(int32_t x) { return x; }                                                                            \
    SEGUE_INLINE int64_t NAME(int64_t x) { return x; }
#define SEGUE_LAMBDA __attribute__((always_inline))
SEGUE_FOLD(reduce_sum, p + q)
SEGUE_FOLD(reduce_prod, p * q)
SEGUE_FOLD(reduce_max, (p != p) ? p : ((p > q) ? p : q))
SEGUE_FOLD(reduce_min, (p != p) ? p : ((p < q) ? p : q))

}  // namespace segue
#endif
