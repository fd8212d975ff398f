/* Products with few columns: a layer of a small network over many points, and the gradient of its weight.
 *
 * In come a of any strides and b of few columns; out goes c, whose rows are contiguous. The one idea: b is so narrow that copying it into panels of whole
 * vectors costs little, and a is read where it lies, an element at a time, into tiles of c that stay in registers. BLAS packs a as well and clears c first:
 * perf saw it spend half of its time so where 2,000 rows meet a weight of 20 x 20. */
#include "internal.h"

namespace segue_rt {

constexpr int64_t DEPTH = 256; /* rows of b that are copied at a time: they stay in the first cache, and rounding errors add up over as many terms */
constexpr int BYTES = 32;      /* of a vector: AVX2's, because wider ones would be taken apart through memory where the host has no wider registers */
template <class T> struct Lanes;
template <> struct Lanes<float> { typedef float type __attribute__((vector_size(BYTES), aligned(4), may_alias)); };
template <> struct Lanes<double> { typedef double type __attribute__((vector_size(BYTES), aligned(8), may_alias)); };
template <class T> constexpr int64_t WIDTH = BYTES / static_cast<int64_t>(sizeof(T));

/* c[rows, columns] (+)= a[rows, depth] @ panel[depth, VECTORS], TALL rows at a time. The last vector holds the last columns, so as to be whole: some of
 * them may be made twice. */
template <class T, int TALL, int VECTORS>
SEGUE_ALWAYS void tall_tiles(int64_t rows, int64_t columns, int64_t depth, Matrix<const T> a, const T* panel, Matrix<T> c, bool add) {
    typedef typename Lanes<T>::type Vector;
    constexpr int64_t ACROSS = VECTORS * WIDTH<T>;
    const int64_t last = columns - WIDTH<T>;
    for (int64_t i = 0; i < rows; i += TALL) {
        const T* row[TALL];
        for (int r = 0; r < TALL; ++r) row[r] = a.data + least(i + r, rows - 1) * a.row;  /* rows behind the last are made again, and not stored */
        Vector totals[TALL][VECTORS] = {};
        for (int64_t p = 0, at = 0; p < depth; ++p, at += a.column) {
            Vector b[VECTORS];
#pragma GCC unroll 3
            for (int v = 0; v < VECTORS; ++v) b[v] = *reinterpret_cast<const Vector*>(panel + p * ACROSS + v * WIDTH<T>);
#pragma GCC unroll 8
            for (int r = 0; r < TALL; ++r)
#pragma GCC unroll 3
                for (int v = 0; v < VECTORS; ++v) totals[r][v] += row[r][at] * b[v];
        }
        const int64_t high = least<int64_t>(TALL, rows - i);
#pragma GCC unroll 8
        for (int r = 0; r < TALL; ++r) {
            if (r >= high) break;
            T* to = c.data + (i + r) * c.row;
            if (add) {  /* all are read before one is stored, because the last two may overlap */
#pragma GCC unroll 3
                for (int v = 0; v < VECTORS; ++v) totals[r][v] += *reinterpret_cast<const Vector*>(to + (v == VECTORS - 1 ? last : v * WIDTH<T>));
            }
#pragma GCC unroll 3
            for (int v = 0; v < VECTORS; ++v) *reinterpret_cast<Vector*>(to + (v == VECTORS - 1 ? last : v * WIDTH<T>)) = totals[r][v];
        }
    }
}

#define SEGUE_TILES(T, NAME, TALL, VECTORS) \
    SEGUE_FOR_EVERY_HOST static void NAME(int64_t m, int64_t n, int64_t k, Matrix<const T> a, const T* panel, Matrix<T> c, bool add) { \
        tall_tiles<T, TALL, VECTORS>(m, n, k, a, panel, c, add); \
    }
SEGUE_TILES(float, float_1, 8, 1)  /* at least 8 sums at a time, for the latency of their additions, and 12 at most, with what they need, fit in 16 registers */
SEGUE_TILES(float, float_2, 6, 2)
SEGUE_TILES(float, float_3, 4, 3)
SEGUE_TILES(double, double_1, 8, 1)
SEGUE_TILES(double, double_2, 6, 2)
SEGUE_TILES(double, double_3, 4, 3)
template <class T> using Tiles = void (*)(int64_t, int64_t, int64_t, Matrix<const T>, const T*, Matrix<T>, bool);
template <class T> Tiles<T> tiles_of(int64_t vectors);
template <> Tiles<float> tiles_of(int64_t vectors) {
    static const Tiles<float> tiles[] = {float_1, float_2, float_3};
    return tiles[vectors - 1];
}
template <> Tiles<double> tiles_of(int64_t vectors) {
    static const Tiles<double> tiles[] = {double_1, double_2, double_3};
    return tiles[vectors - 1];
}

/* b[depth, columns] in rows of whole vectors */
template <class T> static void fill_panel(int64_t depth, int64_t columns, int64_t vectors, Matrix<const T> b, T* panel) {
    for (int64_t v = 0; v < vectors; ++v) {
        const T* from = b.data + least(v * WIDTH<T>, columns - WIDTH<T>) * b.column;
        T* to = panel + v * WIDTH<T>;
        for (int64_t p = 0; p < depth; ++p, from += b.row, to += vectors * WIDTH<T>) {
            if (b.column == 1) __builtin_memcpy(to, from, BYTES);
            else for (int64_t l = 0; l < WIDTH<T>; ++l) to[l] = from[l * b.column];
        }
    }
}

/* Where it was measured to be quicker than BLAS, by a tenth to a half: the sums are short, or b is one panel that is copied in whole vectors. */
template <class T> bool is_narrow(int64_t m, int64_t n, int64_t k, Matrix<const T> b, Matrix<T> c) {
    if (n < WIDTH<T> || c.column != 1 || c.row < n) return false;
    return (m >= 64 && n <= 8 * WIDTH<T> && k <= 64) || (m >= 16 && m <= 128 && n <= 3 * WIDTH<T> && b.column == 1);
}
template bool is_narrow(int64_t, int64_t, int64_t, Matrix<const float>, Matrix<float>);
template bool is_narrow(int64_t, int64_t, int64_t, Matrix<const double>, Matrix<double>);

template <class T> void narrow_product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, bool accumulate) {
    alignas(64) T panel[DEPTH * 3 * WIDTH<T>];
    for (int64_t p = 0; p < k; p += DEPTH) {
        const int64_t depth = least(DEPTH, k - p);
        for (int64_t j = 0, vectors; j < n; j += vectors * WIDTH<T>) {  /* a panel of one vector alone only where there is no more */
            vectors = divide_up(n - j, WIDTH<T>);
            if (vectors > 3) vectors = vectors == 4 ? 2 : 3;
            const int64_t columns = least(n - j, vectors * WIDTH<T>);
            fill_panel<T>(depth, columns, vectors, {b.data + p * b.row + j * b.column, b.row, b.column}, panel);
            tiles_of<T>(vectors)(m, columns, depth, {a.data + p * a.column, a.row, a.column}, panel, {c.data + j, c.row, 1}, accumulate || p > 0);
        }
    }
}
template void narrow_product(int64_t, int64_t, int64_t, Matrix<const float>, Matrix<const float>, Matrix<float>, bool);
template void narrow_product(int64_t, int64_t, int64_t, Matrix<const double>, Matrix<const double>, Matrix<double>, bool);

}  // namespace segue_rt
