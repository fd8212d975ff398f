/* Loads and stores between storage types in memory and value types in registers.
 *
 * In come pointers to any storage type of segue_vector.h, which includes this file; out come its value types. The one idea: one table, `value`, says
 * how LANES packed elements of a storage type become a vector and back; whole, partial, strided and indexed access are built on it. Pointers need
 * only the alignment of their element, and nothing beyond the elements asked for is touched. */
#ifndef SEGUE_MEMORY_H
#define SEGUE_MEMORY_H

namespace segue {

/* ---- storage type -> value types, and the conversions of one element and of LANES packed elements */
template <class T> struct value;
#define SEGUE_VALUE_ONE(T, V)                                                        \
    template <> struct value<T> {                                                    \
        typedef T scalar;                                                            \
        typedef V vector;                                                            \
        static SEGUE_MEMBER T read(const T* p) { return *p; }                        \
        static SEGUE_MEMBER void write(T* p, T x) { *p = x; }                        \
        static SEGUE_MEMBER V load(const void* p) { return V(peek<reg<T>>(p)); }     \
        static SEGUE_MEMBER void store(void* p, V x) { poke(p, x.r); }               \
    };
#define SEGUE_VALUE_TWO(T, V)                                                                                                \
    template <> struct value<T> {                                                                                            \
        typedef T scalar;                                                                                                    \
        typedef V vector;                                                                                                    \
        static SEGUE_MEMBER T read(const T* p) { return *p; }                                                                \
        static SEGUE_MEMBER void write(T* p, T x) { *p = x; }                                                                \
        static SEGUE_MEMBER V load(const void* p) { return V(peek<reg<T>>(p), peek<reg<T>>((const T*)p + HALF_LANES)); }     \
        static SEGUE_MEMBER void store(void* p, V x) { poke(p, x.a); poke((T*)p + HALF_LANES, x.b); }                        \
    };
#define SEGUE_VALUE_NARROW(T)                                                            \
    template <> struct value<T> {                                                        \
        typedef int32_t scalar;                                                          \
        typedef int32_v vector;                                                          \
        static SEGUE_MEMBER int32_t read(const T* p) { return *p; }                      \
        static SEGUE_MEMBER void write(T* p, int32_t x) { *p = (T)x; }                   \
        static SEGUE_MEMBER int32_v load(const void* p) { return widen<T>(p); }          \
        static SEGUE_MEMBER void store(void* p, int32_v x) { narrow<T>(p, x); }          \
    };
/* Compilers widen and narrow by small steps well, by one large step badly. */
template <class T> SEGUE_INLINE int32_v widen(const void* p) {
    auto packed = peek<typename raw<T, LANES * sizeof(T)>::type>(p);
#if SEGUE_AVX512
    typedef raw<char, 16>::type bytes;
    typedef raw<short, 32>::type words;
    const raw<int, 64>::type zero = {};
    if constexpr (__is_same(T, uint8_t)) return int32_v((reg<int32_t>)__builtin_ia32_pmovzxbd512_mask((bytes)packed, zero, (short)-1));
    else if constexpr (__is_same(T, int8_t)) return int32_v((reg<int32_t>)__builtin_ia32_pmovsxbd512_mask((bytes)packed, zero, (short)-1));
    else if constexpr (__is_same(T, uint16_t)) return int32_v((reg<int32_t>)__builtin_ia32_pmovzxwd512_mask((words)packed, zero, (short)-1));
    else return int32_v((reg<int32_t>)__builtin_ia32_pmovsxwd512_mask((words)packed, zero, (short)-1));
#else
    return int32_v(__builtin_convertvector(packed, reg<int32_t>));
#endif
}
template <class T> SEGUE_INLINE void narrow(void* p, int32_v x) {
#if SEGUE_AVX512
    if constexpr (sizeof(T) == 1) poke(p, __builtin_ia32_pmovdb512_mask((raw<int, 64>::type)x.r, raw<char, 16>::type{}, (short)-1));
    else poke(p, __builtin_ia32_pmovdw512_mask((raw<int, 64>::type)x.r, raw<short, 32>::type{}, (short)-1));
#else
    poke(p, __builtin_convertvector(x.r, typename raw<T, LANES * sizeof(T)>::type));
#endif
}
#define SEGUE_VALUE_SHORT_FLOAT(T, WIDEN, NARROW, LOAD, STORE)                           \
    template <> struct value<T> {                                                        \
        typedef float scalar;                                                            \
        typedef float_v vector;                                                          \
        static SEGUE_MEMBER float read(const T* p) { return WIDEN((int32_t)p->bits); }   \
        static SEGUE_MEMBER void write(T* p, float x) { p->bits = (uint16_t)NARROW(x); } \
        static SEGUE_MEMBER float_v load(const void* p) { return LOAD; }                 \
        static SEGUE_MEMBER void store(void* p, float_v x) { STORE; }                    \
    };
SEGUE_VALUE_ONE(float, float_v)
SEGUE_VALUE_ONE(int32_t, int32_v)
SEGUE_VALUE_ONE(uint32_t, uint32_v)
SEGUE_VALUE_TWO(double, double_v)
SEGUE_VALUE_TWO(int64_t, int64_v)
SEGUE_VALUE_NARROW(int8_t)
SEGUE_VALUE_NARROW(uint8_t)
SEGUE_VALUE_NARROW(int16_t)
SEGUE_VALUE_NARROW(uint16_t)
SEGUE_VALUE_SHORT_FLOAT(half, half_to_float, float_to_half, unpack_half(peek<packed_half>(p)), poke(p, pack_half(x)))
SEGUE_VALUE_SHORT_FLOAT(bfloat16, bfloat16_to_float, float_to_bfloat16, bfloat16_to_float(widen<uint16_t>(p)),
                        narrow<uint16_t>(p, float_to_bfloat16(x)))
template <> struct value<bool> {
    typedef bool scalar;
    typedef mask_v vector;
    static SEGUE_MEMBER bool read(const bool* p) { return *(const uint8_t*)p != 0; }
    static SEGUE_MEMBER void write(bool* p, bool x) { *p = x; }
    static SEGUE_MEMBER mask_v load(const void* p) { return value<uint8_t>::load(p) != int32_v(0); }
    static SEGUE_MEMBER void store(void* p, mask_v x) { value<uint8_t>::store(p, int32_v(-x.r)); }
};
template <class T> using vector_of = typename value<T>::vector;
template <class T> using scalar_of = typename value<T>::scalar;

/* ---- Access */
template <class T> SEGUE_INLINE scalar_of<T> load_one(const T* p) { return value<T>::read(p); }
template <class T> SEGUE_INLINE void store_one(T* p, scalar_of<T> x) { value<T>::write(p, x); }
template <class T> SEGUE_INLINE vector_of<T> load(const T* p) { return value<T>::load(p); }
template <class T> SEGUE_INLINE void store(T* p, vector_of<T> x) { value<T>::store(p, x); }
#if SEGUE_AVX512
template <class T> SEGUE_INLINE vector_of<T> load_partial(const T* p, int64_t count) {
    if constexpr (sizeof(T) == 4 && __is_same(T, scalar_of<T>)) {
        auto loaded = __builtin_ia32_loaddqusi512_mask((const int*)p, raw<int, 64>::type{}, (unsigned short)((1u << count) - 1));
        return vector_of<T>((reg<T>)loaded);
    } else {
        alignas(64) T buffer[LANES] = {};
        __builtin_memcpy(buffer, p, count * sizeof(T));
        return load(buffer);
    }
}
template <class T> SEGUE_INLINE void store_partial(T* p, vector_of<T> x, int64_t count) {
    if constexpr (sizeof(T) == 4 && __is_same(T, scalar_of<T>)) {
        __builtin_ia32_storedqusi512_mask((int*)p, (raw<int, 64>::type)x.r, (unsigned short)((1u << count) - 1));
    } else {
        alignas(64) T buffer[LANES];
        store(buffer, x);
        __builtin_memcpy(p, buffer, count * sizeof(T));
    }
}
#else
template <class T> SEGUE_INLINE vector_of<T> load_partial(const T* p, int64_t count) {
    alignas(64) T buffer[LANES] = {};
    __builtin_memcpy(buffer, p, count * sizeof(T));
    return load(buffer);
}
template <class T> SEGUE_INLINE void store_partial(T* p, vector_of<T> x, int64_t count) {
    alignas(64) T buffer[LANES];
    store(buffer, x);
    __builtin_memcpy(p, buffer, count * sizeof(T));
}
#endif
template <class T> SEGUE_INLINE vector_of<T> load(whole, const T* p) { return load(p); }
template <class T> SEGUE_INLINE vector_of<T> load(part where, const T* p) { return load_partial(p, where.count); }
template <class T> SEGUE_INLINE scalar_of<T> load(one, const T* p) { return load_one(p); }
template <class T> SEGUE_INLINE void store(whole, T* p, vector_of<T> x) { store(p, x); }
template <class T> SEGUE_INLINE void store(part where, T* p, vector_of<T> x) { store_partial(p, x, where.count); }
template <class T> SEGUE_INLINE void store(one, T* p, scalar_of<T> x) { store_one(p, x); }

/* Strided and indexed: lanes are packed into a small buffer first, but for elements that are a few apart: these lie in a few registers, from which shuffles pick
 * them, as a buffer would be read before what was stored in it has come to rest. */
#if SEGUE_SHUFFLE && (SEGUE_AVX2 || SEGUE_AVX512)
template <int STRIDE, int NUMBER> constexpr int first_of() { return NUMBER < STRIDE - 1 ? NUMBER * LANES : (LANES - 1) * (STRIDE - 1); }  /* the last register ends with the last element */
template <int STRIDE, int NUMBER> constexpr int picked(int lane) {  /* where a lane's element is, of what was picked before and of register NUMBER; -1: in a later one */
    return lane * STRIDE < NUMBER * LANES ? lane * (NUMBER == 1 ? STRIDE : 1) : lane * STRIDE - first_of<STRIDE, NUMBER>() < LANES ? LANES + lane * STRIDE - first_of<STRIDE, NUMBER>() : -1;
}
template <class T> SEGUE_INLINE reg<T> peek_up_to(const T* p, int64_t count) { return count >= LANES ? peek<reg<T>>(p) : load_partial(p, count > 0 ? count : 0).r; }
template <int STRIDE, int NUMBER, class T> SEGUE_INLINE reg<T> pick_apart(const T* p, int64_t count, reg<T> before) {
    const reg<T> next = peek_up_to(p + first_of<STRIDE, NUMBER>(), count - first_of<STRIDE, NUMBER>());
#define SEGUE_PICKED(I) picked<STRIDE, NUMBER>(I)
#define SEGUE_PICKED_4(I) SEGUE_PICKED(I), SEGUE_PICKED(I + 1), SEGUE_PICKED(I + 2), SEGUE_PICKED(I + 3)
#if SEGUE_AVX512
    const reg<T> found = __builtin_shufflevector(before, next, SEGUE_PICKED_4(0), SEGUE_PICKED_4(4), SEGUE_PICKED_4(8), SEGUE_PICKED_4(12));
#else
    const reg<T> found = __builtin_shufflevector(before, next, SEGUE_PICKED_4(0), SEGUE_PICKED_4(4));
#endif
    if constexpr (NUMBER + 1 < STRIDE) return pick_apart<STRIDE, NUMBER + 1>(p, count, found);
    else return found;
}
template <int STRIDE, class T> SEGUE_INLINE vector_of<T> load_apart(const T* p, int64_t lanes) {
    const int64_t count = (lanes - 1) * STRIDE + 1;
    return vector_of<T>(pick_apart<STRIDE, 1>(p, count, peek_up_to(p, count)));
}
#define SEGUE_LOAD_APART(COUNT)                                                                                  \
    if constexpr (sizeof(T) == 4 && __is_same(T, scalar_of<T>)) {                                                \
        if (__builtin_constant_p(stride) && stride == 2) return load_apart<2>(p, COUNT);                         \
        if (__builtin_constant_p(stride) && stride == 3) return load_apart<3>(p, COUNT);                         \
        if (__builtin_constant_p(stride) && stride == 4) return load_apart<4>(p, COUNT);                         \
    }
#else
#define SEGUE_LOAD_APART(COUNT)
#endif
template <class T> SEGUE_INLINE vector_of<T> load_strided(whole, const T* p, int64_t stride) {
    SEGUE_LOAD_APART(LANES)
    alignas(64) T buffer[LANES];
    SEGUE_EACH buffer[i] = p[i * stride];
    return load(buffer);
}
template <class T> SEGUE_INLINE vector_of<T> load_strided(part where, const T* p, int64_t stride) {
#if SEGUE_AVX512  /* elsewhere a partial load costs as much as a buffer */
    SEGUE_LOAD_APART(where.count)
#endif
    alignas(64) T buffer[LANES] = {};
    for (int64_t i = 0; i < where.count; ++i) buffer[i] = p[i * stride];
    return load(buffer);
}
template <class T> SEGUE_INLINE scalar_of<T> load_strided(one, const T* p, int64_t) { return load_one(p); }
template <class T> SEGUE_INLINE void store_strided(whole, T* p, int64_t stride, vector_of<T> x) {
    alignas(64) T buffer[LANES];
    store(buffer, x);
    SEGUE_EACH p[i * stride] = buffer[i];
}
template <class T> SEGUE_INLINE void store_strided(part where, T* p, int64_t stride, vector_of<T> x) {
    alignas(64) T buffer[LANES];
    store(buffer, x);
    for (int64_t i = 0; i < where.count; ++i) p[i * stride] = buffer[i];
}
template <class T> SEGUE_INLINE void store_strided(one, T* p, int64_t, scalar_of<T> x) { store_one(p, x); }
template <class T> SEGUE_INLINE vector_of<T> load_strided(const T* p, int64_t stride) { return load_strided(whole{}, p, stride); }
/* gather: the lanes of `index` that the mask leaves out are not read and give 0. In a part, leave out the lanes beyond it (lanes_below(count)). */
template <class T> SEGUE_INLINE vector_of<T> gather(const T* p, int64_v index, mask_v mask = mask_v(true)) {
    alignas(64) T buffer[LANES] = {};
    alignas(64) int64_t at[LANES];
    alignas(64) int32_t wanted[LANES];
    value<int64_t>::store(at, index);
    poke(wanted, mask.r);
    SEGUE_EACH if (wanted[i]) buffer[i] = p[at[i]];
    return load(buffer);
}
template <class T> SEGUE_INLINE scalar_of<T> gather(const T* p, int64_t index, bool mask = true) {
    return mask ? load_one(p + index) : scalar_of<T>(0);
}
template <class T> SEGUE_INLINE void scatter(T* p, int64_v index, vector_of<T> x, mask_v mask = mask_v(true)) {
    alignas(64) T buffer[LANES];
    alignas(64) int64_t at[LANES];
    alignas(64) int32_t wanted[LANES];
    store(buffer, x);
    value<int64_t>::store(at, index);
    poke(wanted, mask.r);
    SEGUE_EACH if (wanted[i]) p[at[i]] = buffer[i];
}
template <class T> SEGUE_INLINE void scatter(T* p, int64_t index, scalar_of<T> x, bool mask = true) {
    if (mask) store_one(p + index, x);
}

}  // namespace segue
#endif
