/* Explicit vectors of the host's width for generated code: types, loads and stores, arithmetic, comparisons, conversions, reductions.
 *
 * In comes the instruction set that the compiler was told (AVX-512, AVX2, else 16-byte vectors, which are NEON's or SSE2's); out come the types
 * float_v, double_v, int32_v, int64_v, uint32_v and mask_v, all of LANES lanes, so that lane i of each belongs to the same element. The one idea:
 * every function exists with the same name for vectors and for scalars (float, double, int32_t, int64_t, uint32_t, bool) and gives bitwise the same
 * in both, so that a body is written once. No header is included but segue_runtime.h: the time to compile is part of the product.
 *
 *   storage type (in memory)      bool   uint8_t int8_t int16_t int32_t   int64_t   half bfloat16 float   double
 *   value type, one element       bool   int32_t ...                      int64_t   float ...             double
 *   value type, a vector          mask_v int32_v ...                      int64_v   float_v ...           double_v
 *
 * Loads widen, stores narrow (integers wrap, floats round to nearest even). A value may be given as a scalar where a vector is wanted: it is spread.
 *
 *   for_lanes(begin, end, body)          body(where, i) for i = begin, begin + LANES ...: `where` is whole{} or, once at the end, part{count}
 *   load(where, p)  store(where, p, x)   LANES elements (whole), the first count (part: other lanes 0, nothing beyond is touched), or one (one{})
 *   load(p) store(p, x) load_partial(p, count) store_partial(p, x, count) load_one(p) store_one(p, x)    the same, spelt out
 *   load_strided(p, stride)  gather(p, index)  gather(p, index, mask)  scatter(p, index, x[, mask])      strides and indices in elements
 *   keep(where, x, other)                lanes that are there; `other` (a reduction's identity) in the rest
 *   iota<V>(first)                       first, first + 1 ...     lane(x, i)   one lane
 *   to_float to_double to_int32 to_int64 to_mask(x)               value conversions, as C's; to_mask is x != 0
 *   wrap_int8 wrap_uint8 wrap_int16(x)   an int32 value wrapped to the narrow type
 *   round_half round_bfloat16(x)         a float rounded to that type's values
 *   + - * / (floats)  + - * & | ^ ~ << >> (integers, wrapping)  == != < <= > >= -> mask   & | ^ ! on masks
 *   select(mask, x, y)  any(mask)  all(mask)
 *   minimum maximum (NaN wins)  abs sign copysign floor ceil trunc round (half to even) sqrt square fma(a, b, c) isnan isinf isfinite
 *   divide_floor remainder (sign of the divisor) divide_trunc fmod (sign of the dividend): floats and integers; an integer divided by 0 gives 0
 *   reduce_sum reduce_prod reduce_max reduce_min (NaN wins)       by halves: a fixed tree, the same for every run
 * The functions of segue_math.h (exp, tanh ...) and the generator of segue_philox.h follow at the end. */
#ifndef SEGUE_VECTOR_H
#define SEGUE_VECTOR_H
#include "segue_entry.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && !defined(SEGUE_GENERIC)
#define SEGUE_AVX512 1
#define SEGUE_VECTOR_BYTES 64
#define SEGUE_LOW 0, 1, 2, 3, 4, 5, 6, 7
#define SEGUE_HIGH 8, 9, 10, 11, 12, 13, 14, 15
#define SEGUE_LOW_OF_TWO 0, 1, 2, 3
#define SEGUE_HIGH_OF_TWO 4, 5, 6, 7
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && !defined(SEGUE_GENERIC)
#define SEGUE_AVX2 1
#define SEGUE_VECTOR_BYTES 32
#define SEGUE_LOW 0, 1, 2, 3
#define SEGUE_HIGH 4, 5, 6, 7
#define SEGUE_LOW_OF_TWO 0, 1
#define SEGUE_HIGH_OF_TWO 2, 3
#else
#define SEGUE_VECTOR_BYTES 16
#define SEGUE_LOW 0, 1
#define SEGUE_HIGH 2, 3
#define SEGUE_LOW_OF_TWO 0
#define SEGUE_HIGH_OF_TWO 1
#endif

#define SEGUE_INLINE static inline __attribute__((always_inline))
#define SEGUE_LAZY template <int = 0> SEGUE_INLINE  /* what it calls is instantiated only where it is called itself */
#define SEGUE_MEMBER inline __attribute__((always_inline))
#define SEGUE_EACH for (int i = 0; i < LANES; ++i)
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SEGUE_SHUFFLE 1
#endif
#endif

namespace segue {

enum { LANES = SEGUE_VECTOR_BYTES / 4, HALF_LANES = LANES / 2 };
template <class T> struct unmoved { typedef T type; };  /* stops deduction, so that a number converts to the other operand's type */

/* ---- Registers: the compiler's own vector types. Eight-byte elements need two. */
template <class T, int BYTES> struct raw { typedef T type __attribute__((vector_size(BYTES))); };
template <class T> using reg = typename raw<T, SEGUE_VECTOR_BYTES>::type;
template <class T> using half_reg = typename raw<T, SEGUE_VECTOR_BYTES / 2>::type;

template <class V, class P> SEGUE_INLINE V peek(const P* p) { V v; __builtin_memcpy(&v, p, sizeof(V)); return v; }
template <class P, class V> SEGUE_INLINE void poke(P* p, V v) { __builtin_memcpy(p, &v, sizeof(V)); }
template <class To, class From> SEGUE_INLINE To bit_cast(From x) {
    static_assert(sizeof(To) == sizeof(From), "bit_cast keeps the size");
    To y;
    __builtin_memcpy(&y, &x, sizeof(To));
    return y;
}
#if SEGUE_SHUFFLE
template <class T> SEGUE_INLINE half_reg<T> low(reg<T> x) {
    if constexpr (sizeof(T) == 4) return __builtin_shufflevector(x, x, SEGUE_LOW);
    else return __builtin_shufflevector(x, x, SEGUE_LOW_OF_TWO);
}
template <class T> SEGUE_INLINE half_reg<T> high(reg<T> x) {
    if constexpr (sizeof(T) == 4) return __builtin_shufflevector(x, x, SEGUE_HIGH);
    else return __builtin_shufflevector(x, x, SEGUE_HIGH_OF_TWO);
}
template <class T> SEGUE_INLINE reg<T> join(half_reg<T> x, half_reg<T> y) { return __builtin_shufflevector(x, y, SEGUE_LOW, SEGUE_HIGH); }
#else
template <class T> struct halves { half_reg<T> x, y; };
template <class T> SEGUE_INLINE half_reg<T> low(reg<T> x) { return bit_cast<halves<T>>(x).x; }
template <class T> SEGUE_INLINE half_reg<T> high(reg<T> x) { return bit_cast<halves<T>>(x).y; }
template <class T> SEGUE_INLINE reg<T> join(half_reg<T> x, half_reg<T> y) { return bit_cast<reg<T>>(halves<T>{x, y}); }
#endif

/* ---- Vector types. `x - zeros` spreads a scalar and keeps -0. */
struct mask_v {  /* each lane 0 or -1 */
    typedef bool scalar;
    reg<int32_t> r;
    mask_v() = default;
    SEGUE_MEMBER explicit mask_v(reg<int32_t> x) : r(x) {}
    SEGUE_MEMBER mask_v(bool x) : r((x ? -1 : 0) - reg<int32_t>{}) {}
    SEGUE_MEMBER reg<int64_t> low64() const { return __builtin_convertvector(low<int32_t>(r), reg<int64_t>); }
    SEGUE_MEMBER reg<int64_t> high64() const { return __builtin_convertvector(high<int32_t>(r), reg<int64_t>); }
};
SEGUE_INLINE mask_v mask_of(reg<int64_t> a, reg<int64_t> b) {
    return mask_v(join<int32_t>(__builtin_convertvector(a, half_reg<int32_t>), __builtin_convertvector(b, half_reg<int32_t>)));
}

#define SEGUE_ONE(NAME, T)                                           \
    struct NAME {                                                    \
        typedef T scalar;                                            \
        reg<T> r;                                                    \
        NAME() = default;                                            \
        SEGUE_MEMBER explicit NAME(reg<T> x) : r(x) {}               \
        SEGUE_MEMBER NAME(T x) : r(x - reg<T>{}) {}                  \
        SEGUE_MEMBER T get(int i) const { return r[i]; }             \
        SEGUE_MEMBER void set(int i, T x) { r[i] = x; }              \
    };
#define SEGUE_TWO(NAME, T)                                                                                          \
    struct NAME {                                                                                                   \
        typedef T scalar;                                                                                           \
        reg<T> a, b;                                                                                                \
        NAME() = default;                                                                                           \
        SEGUE_MEMBER explicit NAME(reg<T> x, reg<T> y) : a(x), b(y) {}                                              \
        SEGUE_MEMBER NAME(T x) : a(x - reg<T>{}), b(x - reg<T>{}) {}                                                \
        SEGUE_MEMBER T get(int i) const { return i < HALF_LANES ? a[i] : b[i - HALF_LANES]; }                       \
        SEGUE_MEMBER void set(int i, T x) { if (i < HALF_LANES) a[i] = x; else b[i - HALF_LANES] = x; }             \
    };
SEGUE_ONE(float_v, float)
SEGUE_ONE(int32_v, int32_t)
SEGUE_ONE(uint32_v, uint32_t)
SEGUE_TWO(double_v, double)
SEGUE_TWO(int64_v, int64_t)

/* ---- Arithmetic and comparison */
#define SEGUE_BINARY_ONE(NAME, OP) SEGUE_INLINE NAME operator OP(NAME x, NAME y) { return NAME(x.r OP y.r); }
#define SEGUE_BINARY_TWO(NAME, OP) SEGUE_INLINE NAME operator OP(NAME x, NAME y) { return NAME(x.a OP y.a, x.b OP y.b); }
#define SEGUE_COMPARE_ONE(NAME, OP) SEGUE_INLINE mask_v operator OP(NAME x, NAME y) { return mask_v(reg<int32_t>(x.r OP y.r)); }
#define SEGUE_COMPARE_TWO(NAME, OP) \
    SEGUE_INLINE mask_v operator OP(NAME x, NAME y) { return mask_of(reg<int64_t>(x.a OP y.a), reg<int64_t>(x.b OP y.b)); }
#define SEGUE_NUMERIC(COUNT, NAME)                                                                    \
    SEGUE_BINARY_##COUNT(NAME, +) SEGUE_BINARY_##COUNT(NAME, -) SEGUE_BINARY_##COUNT(NAME, *)         \
    SEGUE_COMPARE_##COUNT(NAME, ==) SEGUE_COMPARE_##COUNT(NAME, !=) SEGUE_COMPARE_##COUNT(NAME, <)    \
    SEGUE_COMPARE_##COUNT(NAME, <=) SEGUE_COMPARE_##COUNT(NAME, >) SEGUE_COMPARE_##COUNT(NAME, >=)    \
    SEGUE_INLINE NAME& operator+=(NAME& x, NAME y) { return x = x + y; }                              \
    SEGUE_INLINE NAME& operator*=(NAME& x, NAME y) { return x = x * y; }
#define SEGUE_BITWISE(COUNT, NAME)                                                                                          \
    SEGUE_BINARY_##COUNT(NAME, &) SEGUE_BINARY_##COUNT(NAME, |) SEGUE_BINARY_##COUNT(NAME, ^)                               \
    SEGUE_BINARY_##COUNT(NAME, <<) SEGUE_BINARY_##COUNT(NAME, >>)
SEGUE_NUMERIC(ONE, float_v)
SEGUE_NUMERIC(ONE, int32_v)
SEGUE_NUMERIC(ONE, uint32_v)
SEGUE_NUMERIC(TWO, double_v)
SEGUE_NUMERIC(TWO, int64_v)
SEGUE_BITWISE(ONE, int32_v)
SEGUE_BITWISE(ONE, uint32_v)
SEGUE_BITWISE(TWO, int64_v)
SEGUE_BINARY_ONE(float_v, /)
SEGUE_BINARY_TWO(double_v, /)
SEGUE_BINARY_ONE(mask_v, &)
SEGUE_BINARY_ONE(mask_v, |)
SEGUE_BINARY_ONE(mask_v, ^)
SEGUE_COMPARE_ONE(mask_v, ==)
SEGUE_COMPARE_ONE(mask_v, !=)
SEGUE_INLINE mask_v operator!(mask_v x) { return mask_v(~x.r); }
SEGUE_INLINE float_v operator-(float_v x) { return float_v(-x.r); }
SEGUE_INLINE double_v operator-(double_v x) { return double_v(-x.a, -x.b); }
SEGUE_INLINE int32_v operator-(int32_v x) { return int32_v(-x.r); }
SEGUE_INLINE int64_v operator-(int64_v x) { return int64_v(-x.a, -x.b); }
SEGUE_INLINE int32_v operator~(int32_v x) { return int32_v(~x.r); }
SEGUE_INLINE int64_v operator~(int64_v x) { return int64_v(~x.a, ~x.b); }
SEGUE_INLINE uint32_v operator~(uint32_v x) { return uint32_v(~x.r); }

/* ---- Choice. With a vector mask at least one of x and y must be a vector. */
SEGUE_INLINE float_v select(mask_v m, float_v x, float_v y) { return float_v(m.r ? x.r : y.r); }
SEGUE_INLINE int32_v select(mask_v m, int32_v x, int32_v y) { return int32_v(m.r ? x.r : y.r); }
SEGUE_INLINE uint32_v select(mask_v m, uint32_v x, uint32_v y) { return uint32_v(m.r ? x.r : y.r); }
SEGUE_INLINE mask_v select(mask_v m, mask_v x, mask_v y) { return mask_v((m.r & x.r) | (~m.r & y.r)); }
SEGUE_INLINE double_v select(mask_v m, double_v x, double_v y) { return double_v(m.low64() ? x.a : y.a, m.high64() ? x.b : y.b); }
SEGUE_INLINE int64_v select(mask_v m, int64_v x, int64_v y) { return int64_v(m.low64() ? x.a : y.a, m.high64() ? x.b : y.b); }
SEGUE_INLINE float select(bool m, float x, float y) { return m ? x : y; }
SEGUE_INLINE double select(bool m, double x, double y) { return m ? x : y; }
SEGUE_INLINE int32_t select(bool m, int32_t x, int32_t y) { return m ? x : y; }
SEGUE_INLINE uint32_t select(bool m, uint32_t x, uint32_t y) { return m ? x : y; }
SEGUE_INLINE int64_t select(bool m, int64_t x, int64_t y) { return m ? x : y; }
SEGUE_INLINE bool select(bool m, bool x, bool y) { return m ? x : y; }
#if SEGUE_AVX512
SEGUE_INLINE uint16_t mask_bits(mask_v m) { return (uint16_t)__builtin_ia32_cvtd2mask512(m.r); }
SEGUE_INLINE bool any(mask_v m) { return mask_bits(m) != 0; }
SEGUE_INLINE bool all(mask_v m) { return mask_bits(m) == 0xffff; }
#else
SEGUE_INLINE bool any(mask_v m) {
    int64_t found = 0;
    auto words = bit_cast<reg<int64_t>>(m.r);
    for (int i = 0; i < HALF_LANES; ++i) found |= words[i];
    return found != 0;
}
SEGUE_INLINE bool all(mask_v m) { return !any(!m); }
#endif
SEGUE_INLINE bool any(bool m) { return m; }
SEGUE_INLINE bool all(bool m) { return m; }

/* ---- Lanes */
template <class V> SEGUE_INLINE typename V::scalar lane(V x, int i) { return x.get(i); }
SEGUE_INLINE bool lane(mask_v x, int i) { return x.r[i] != 0; }
SEGUE_INLINE float lane(float x, int) { return x; }
SEGUE_INLINE double lane(double x, int) { return x; }
SEGUE_INLINE int32_t lane(int32_t x, int) { return x; }
SEGUE_INLINE int64_t lane(int64_t x, int) { return x; }
SEGUE_INLINE bool lane(bool x, int) { return x; }
template <class V> SEGUE_INLINE V iota(typename V::scalar first = 0) {  /* first, first + 1 ... */
    V steps;
    SEGUE_EACH steps.set(i, (typename V::scalar)i);
    return steps + V(first);
}

/* ---- Where a body works: at LANES elements, at the first `count` of them, or at one. */
struct whole {};
struct part { int64_t count; };
struct one {};
template <class V> SEGUE_INLINE V iota(whole, int64_t first) { return iota<V>((typename V::scalar)first); }
template <class V> SEGUE_INLINE V iota(part, int64_t first) { return iota<V>((typename V::scalar)first); }
SEGUE_INLINE int64_v index(whole, int64_t first) { return iota<int64_v>(first); }
SEGUE_INLINE int64_v index(part, int64_t first) { return iota<int64_v>(first); }
SEGUE_INLINE int64_t index(one, int64_t first) { return first; }
SEGUE_INLINE mask_v lanes_below(int64_t count) { return iota<int32_v>() < int32_v((int32_t)count); }
template <class V> SEGUE_INLINE V keep(whole, V x, typename unmoved<V>::type) { return x; }
template <class V> SEGUE_INLINE V keep(part where, V x, typename unmoved<V>::type other) { return select(lanes_below(where.count), x, other); }
template <class V> SEGUE_INLINE V keep(one, V x, typename unmoved<V>::type) { return x; }
template <class Body> SEGUE_INLINE void for_lanes(int64_t begin, int64_t end, Body body) {
    int64_t i = begin;
    for (; i + LANES <= end; i += LANES) body(whole{}, i);
    if (i < end) body(part{end - i}, i);
}

}  // namespace segue

#include "segue_numeric.h"
#include "segue_memory.h"
#include "segue_math.h"
#include "segue_philox.h"
#endif
