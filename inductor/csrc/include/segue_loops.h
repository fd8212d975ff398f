/* What generated loops need beyond vectors: loads at computed places, checked indices, the position of an extreme, chunks of rows.
 *
 * In come the value types of segue_vector.h; out come the few loop shapes that the code generator writes again and again. The one idea: a thing that
 * every kernel would spell out in five lines is spelt out here once, so that generated text stays short and reads like the row's formula. */
#ifndef SEGUE_LOOPS_H
#define SEGUE_LOOPS_H
#include "segue_vector.h"

namespace segue {

SEGUE_INLINE int64_t lanes_of(whole) { return LANES; }
SEGUE_INLINE int64_t lanes_of(part where) { return where.count; }
SEGUE_INLINE int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
/* A size by which an index is divided: it may be 0 where lanes are computed that a mask leaves out. */
SEGUE_INLINE int64_t divisor(int64_t x) { return x + (x == 0); }
/* Quotient and remainder rounded down, for index expressions that may be negative. */
SEGUE_INLINE int64_t floor_quotient(int64_t x, int64_t y) { return x / y - ((x % y != 0) & ((x < 0) != (y < 0))); }
SEGUE_INLINE int64_t floor_rest(int64_t x, int64_t y) { int64_t r = x % y; return r != 0 && (r < 0) != (y < 0) ? r + y : r; }

/* ---- Loads at computed places: `place(j)` is the position for lane j. */
/* The lanes of a vector of places, for loops over them: one lane after the other out of a register would be stored whole each time. */
struct in_memory {
    alignas(64) int64_t at[LANES];
    SEGUE_MEMBER explicit in_memory(int64_v places) { value<int64_t>::store(at, places); }
    SEGUE_MEMBER int64_t operator[](int64_t j) const { return at[j]; }
};
template <class W, class T, class F> SEGUE_INLINE vector_of<T> lookup(W where, const T* p, F place) {
    alignas(64) T buffer[LANES] = {};
    for (int64_t j = 0; j < lanes_of(where); ++j) buffer[j] = p[place(j)];
    return load(buffer);
}
template <class W, class T, class F> SEGUE_INLINE vector_of<T> lookup(W where, const T* p, F place, mask_v mask) {
    alignas(64) T buffer[LANES] = {};
    alignas(64) int32_t wanted[LANES];
    poke(wanted, mask.r);
    for (int64_t j = 0; j < lanes_of(where); ++j) if (wanted[j]) buffer[j] = p[place(j)];
    return load(buffer);
}
template <class W, class T> SEGUE_INLINE vector_of<T> load_masked(W where, const T* p, mask_v mask) {
    if (all(mask)) return load(where, p);
    if (!any(mask)) return vector_of<T>(scalar_of<T>(0));
    return lookup(where, p, [](int64_t j) { return j; }, mask);
}
template <class W, class T> SEGUE_INLINE vector_of<T> load_if(W where, const T* p, bool wanted) {
    if (wanted) return load(where, p);
    return vector_of<T>(scalar_of<T>(0));
}
template <class W, class T> SEGUE_INLINE vector_of<T> load_strided_if(W where, const T* p, int64_t stride, bool wanted) {
    if (wanted) return load_strided(where, p, stride);
    return vector_of<T>(scalar_of<T>(0));
}
template <class T> SEGUE_INLINE scalar_of<T> load_one_masked(const T* p, bool mask) { return mask ? load_one(p) : scalar_of<T>(0); }
template <class W, class F> SEGUE_INLINE int64_v lookup_index(W where, F place) {
    int64_v found(0);
    for (int64_t j = 0; j < lanes_of(where); ++j) found.set(j, place(j));
    return found;
}
template <class V, class W, class F> SEGUE_INLINE V lookup_value(W where, F value) {
    V found(typename V::scalar(0));
    for (int64_t j = 0; j < lanes_of(where); ++j) found.set(j, value(j));
    return found;
}
template <class W, class T, class F> SEGUE_INLINE void store_lookup(W where, T* p, F place, vector_of<T> x) {
    alignas(64) T buffer[LANES];
    store(buffer, x);
    for (int64_t j = 0; j < lanes_of(where); ++j) p[place(j)] = buffer[j];
}

/* ---- Indices from data. One out of range sets *failed and reads place 0; those of checked_index count from the end where they are negative. */
SEGUE_INLINE int64_t checked_place(int64_t i, int64_t size, int64_t* failed, bool wanted = true) {
    if (i < 0 || i >= size) {
        if (wanted) __atomic_store_n(failed, (int64_t)SEGUE_ERROR_INDEX, __ATOMIC_RELAXED);
        return 0;
    }
    return i;
}
SEGUE_INLINE int64_t checked_index(int64_t i, int64_t size, int64_t* failed, bool wanted = true) {
    return checked_place(i < 0 ? i + size : i, size, failed, wanted);
}
template <class W> SEGUE_INLINE int64_v checked_place(W where, int64_v i, int64_t size, int64_t* failed, mask_v wanted = mask_v(true)) {
    mask_v bad = (i < int64_v(0)) | (i >= int64_v(size));
    if (any(keep(where, bad & wanted, false))) __atomic_store_n(failed, (int64_t)SEGUE_ERROR_INDEX, __ATOMIC_RELAXED);
    return select(bad, int64_v(0), i);
}
template <class W> SEGUE_INLINE int64_v checked_index(W where, int64_v i, int64_t size, int64_t* failed, mask_v wanted = mask_v(true)) {
    return checked_place(where, select(i < int64_v(0), i + int64_v(size), i), size, failed, wanted);
}

/* ---- Conditions that a row demands of its operands. */
SEGUE_INLINE bool required(bool holds, int64_t* failed, bool wanted = true) {
    if (wanted && !holds) __atomic_store_n(failed, (int64_t)SEGUE_ERROR_VALUE, __ATOMIC_RELAXED);
    return holds;
}
template <class W> SEGUE_INLINE mask_v required(W where, mask_v holds, int64_t* failed, mask_v wanted = mask_v(true)) {
    if (any(keep(where, !holds & wanted, false))) __atomic_store_n(failed, (int64_t)SEGUE_ERROR_VALUE, __ATOMIC_RELAXED);
    return holds;
}

/* ---- Folds */
template <class V> SEGUE_INLINE V fold_sum(V x, typename unmoved<V>::type y) { return x + y; }
template <class V> SEGUE_INLINE V fold_prod(V x, typename unmoved<V>::type y) { return x * y; }
template <class V> SEGUE_INLINE V fold_amax(V x, typename unmoved<V>::type y) { return maximum(x, y); }
template <class V> SEGUE_INLINE V fold_amin(V x, typename unmoved<V>::type y) { return minimum(x, y); }
template <class V> SEGUE_INLINE V fold_any(V x, typename unmoved<V>::type y) { return V(x | y); }
template <class V> SEGUE_INLINE V fold_all(V x, typename unmoved<V>::type y) { return V(x & y); }
template <class V> SEGUE_INLINE auto total_sum(V x) { return reduce_sum(x); }
template <class V> SEGUE_INLINE auto total_prod(V x) { return reduce_prod(x); }
template <class V> SEGUE_INLINE auto total_amax(V x) { return reduce_max(x); }
template <class V> SEGUE_INLINE auto total_amin(V x) { return reduce_min(x); }
SEGUE_INLINE bool total_any(mask_v x) { return any(x); }
SEGUE_INLINE bool total_all(mask_v x) { return all(x); }
SEGUE_INLINE bool total_amax(mask_v x) { return any(x); }
SEGUE_INLINE bool total_amin(mask_v x) { return all(x); }
SEGUE_INLINE mask_v fold_amax(mask_v x, mask_v y) { return x | y; }
SEGUE_INLINE mask_v fold_amin(mask_v x, mask_v y) { return x & y; }
SEGUE_INLINE bool fold_amax(bool x, bool y) { return x | y; }
SEGUE_INLINE bool fold_amin(bool x, bool y) { return x & y; }

/* The partial results of `count` chunks, `stride` elements apart, in order. A float sum goes on in double. */
#define SEGUE_FOLD_PARTIALS(KIND)                                                                                                  \
    template <class W, class T> SEGUE_INLINE vector_of<T> partials_##KIND(W where, const T* p, int64_t count, int64_t stride) {    \
        auto total = load(where, p);                                                                                               \
        for (int64_t k = 1; k < count; ++k) total = fold_##KIND(total, load(where, p + k * stride));                               \
        return total;                                                                                                              \
    }                                                                                                                              \
    template <class T> SEGUE_INLINE scalar_of<T> partials_##KIND(one, const T* p, int64_t count, int64_t stride) {                 \
        auto total = load_one(p);                                                                                                  \
        for (int64_t k = 1; k < count; ++k) total = fold_##KIND(total, load_one(p + k * stride));                                  \
        return total;                                                                                                              \
    }
SEGUE_FOLD_PARTIALS(sum)
SEGUE_FOLD_PARTIALS(prod)
SEGUE_FOLD_PARTIALS(amax)
SEGUE_FOLD_PARTIALS(amin)
SEGUE_FOLD_PARTIALS(any)
SEGUE_FOLD_PARTIALS(all)
SEGUE_INLINE float partials_sum(one, const float* p, int64_t count, int64_t stride) {
    double total = p[0];
    for (int64_t k = 1; k < count; ++k) total += p[k * stride];
    return (float)total;
}

/* ---- Position of the greatest (or least) element: the first of equals, the first NaN before all. */
SEGUE_INLINE bool beats(float x, float y) { return x > y; }
template <class V> SEGUE_INLINE auto is_nan(V x) { return x != x; }
template <class V, bool GREATEST> struct position {
    V best;
    int64_v where;
    SEGUE_MEMBER position() : best(typename V::scalar(0)), where(int64_v(-1)) {}
    SEGUE_MEMBER void take(V x, int64_v at, mask_v wanted) {
        mask_v better = GREATEST ? x > best : x < best;
        better = (where < int64_v(0)) | better | (is_nan(x) & !is_nan(best));
        better = better & wanted & !(is_nan(best) & (where >= int64_v(0)));
        best = select(better, x, best);
        where = select(better, at, where);
    }
    SEGUE_MEMBER int64_t total() const {
        int64_t found = -1;
        typename V::scalar top = 0;
        for (int i = 0; i < LANES; ++i) {
            int64_t at = lane(where, i);
            if (at < 0) continue;
            typename V::scalar x = lane(best, i);
            bool better = found < 0 || (x != x ? (top == top || at < found) : (top == top && ((GREATEST ? x > top : x < top) || (x == top && at < found))));
            if (better) { found = at; top = x; }
        }
        return found < 0 ? 0 : found;
    }
};
template <class W, class P, class V> SEGUE_INLINE void take(W where, P& found, V x, int64_v at) { found.take(x, at, keep(where, mask_v(true), false)); }

}  // namespace segue
#endif
