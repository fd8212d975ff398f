/* Matrix products.
 *
 * In comes a segue_matmul: strided, batched operands of any dtype; out goes the product. The one idea: a product is cut into pieces by its shape
 * and the machine's processors, the pieces run in our parallel loop, and each is one single-threaded call of BLAS, or of an own kernel where that is faster (few rows) or
 * the only way (other dtypes, no library). So there is one pool of threads, and the result does not depend on their number. */
#include <dlfcn.h>
#include <unistd.h>
#include <cstring>
#include "internal.h"
#include "segue_vector.h"

namespace segue_rt {

/* ---- The library: scipy-openblas32's CBLAS interface, found at run time */
enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
template <class T> using Gemm = void (*)(int, int, int, int, int, int, T, const T*, int, const T*, int, T, T*, int);
static Gemm<float> sgemm;
static Gemm<double> dgemm;
template <class T> Gemm<T> library();
template <> Gemm<float> library<float>() { return sgemm; }
template <> Gemm<double> library<double>() { return dgemm; }

bool load_blas(const char* path, const char** problem) {
    void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        *problem = dlerror();
        return false;
    }
    auto single = reinterpret_cast<Gemm<float>>(dlsym(handle, "scipy_cblas_sgemm"));
    auto twice = reinterpret_cast<Gemm<double>>(dlsym(handle, "scipy_cblas_dgemm"));
    auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(handle, "scipy_openblas_set_num_threads"));
    if (!single || !twice || !set_threads) {
        *problem = "the library lacks scipy_cblas_sgemm, scipy_cblas_dgemm or scipy_openblas_set_num_threads";
        dlclose(handle);
        return false;
    }
    set_threads(1);
    sgemm = single;
    dgemm = twice;
    return true;
}

/* ---- Plain loops for every dtype: accumulates a row in the wide type, k ascending */
template <class T> struct Wide { typedef T type; };
template <> struct Wide<segue::half> { typedef float type; };
template <> struct Wide<segue::bfloat16> { typedef float type; };
template <> struct Wide<int8_t> { typedef uint64_t type; };  /* unsigned, because overflow wraps */
template <> struct Wide<uint8_t> { typedef uint64_t type; };
template <> struct Wide<int16_t> { typedef uint64_t type; };
template <> struct Wide<int32_t> { typedef uint64_t type; };
template <> struct Wide<int64_t> { typedef uint64_t type; };
template <> struct Wide<bool> { typedef uint64_t type; };
template <class T> typename Wide<T>::type widened(const T* p) { return static_cast<typename Wide<T>::type>(segue::load_one(p)); }
template <class T> void narrowed(T* p, typename Wide<T>::type x) { *p = static_cast<T>(x); }
template <> void narrowed(bool* p, uint64_t x) { *p = x != 0; }
template <> void narrowed(segue::half* p, float x) { segue::store_one(p, x); }
template <> void narrowed(segue::bfloat16* p, float x) { segue::store_one(p, x); }

template <class W> SEGUE_ALWAYS void add_row(W* total, const W* row, W factor, int64_t n) {
    for (int64_t j = 0; j < n; ++j) total[j] += factor * row[j];
}
SEGUE_FOR_EVERY_HOST static void add_row_float(float* total, const float* row, float factor, int64_t n) { add_row(total, row, factor, n); }
SEGUE_FOR_EVERY_HOST static void add_row_double(double* total, const double* row, double factor, int64_t n) { add_row(total, row, factor, n); }
SEGUE_FOR_EVERY_HOST static void add_row_word(uint64_t* total, const uint64_t* row, uint64_t factor, int64_t n) { add_row(total, row, factor, n); }
static void add_scaled(float* total, const float* row, float factor, int64_t n) { add_row_float(total, row, factor, n); }
static void add_scaled(double* total, const double* row, double factor, int64_t n) { add_row_double(total, row, factor, n); }
static void add_scaled(uint64_t* total, const uint64_t* row, uint64_t factor, int64_t n) { add_row_word(total, row, factor, n); }

template <class T> static int64_t plain_product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, bool accumulate) {
    typedef typename Wide<T>::type W;
    constexpr int64_t ROWS = 64;  /* of b, widened at a time */
    Scratch<W> totals(m * n), panel(ROWS * n);
    if (!totals.get() || !panel.get()) return SEGUE_ERROR_MEMORY;
    std::memset(static_cast<void*>(totals.get()), 0, static_cast<size_t>(m * n) * sizeof(W));
    for (int64_t first = 0; first < k; first += ROWS) {
        const int64_t rows = least(ROWS, k - first);
        for (int64_t p = 0; p < rows; ++p)
            for (int64_t j = 0; j < n; ++j) panel.get()[p * n + j] = widened(b.data + (first + p) * b.row + j * b.column);
        for (int64_t i = 0; i < m; ++i)
            for (int64_t p = 0; p < rows; ++p)
                add_scaled(totals.get() + i * n, panel.get() + p * n, widened(a.data + i * a.row + (first + p) * a.column), n);
    }
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            T* place = c.data + i * c.row + j * c.column;
            W value = totals.get()[i * n + j];
            narrowed(place, accumulate ? static_cast<W>(widened(place) + value) : value);
        }
    return SEGUE_OK;
}

/* ---- Own kernels for few rows of float32, where BLAS would spend its time packing b. The totals of all rows stay in registers, 12 vectors at most:
 * vectors of AVX2's width, because wider ones would be taken apart through memory where the host has no wider registers. */
constexpr int64_t FEW_ROWS = 8, WIDTH = 8;
typedef float Lanes __attribute__((vector_size(WIDTH * 4)));
template <int ROWS> constexpr int AT_ONCE = ROWS == 1 ? 8 : ROWS <= 3 ? 4 : ROWS <= 6 ? 2 : 1;  /* columns of b whose dots are made at once */

constexpr int AT_A_TIME = 4;           /* rows of b that are added while a piece of c is in registers */
constexpr int64_t COLUMN_BLOCK = 1024; /* columns of c that stay in the first cache meanwhile */

/* c[i, j...] += a[i, p] * b[p, j...] for COUNT p and n columns */
template <int ROWS, int COUNT>
SEGUE_ALWAYS void add_rows(int64_t n, int64_t k, const float* a, const float* b, int64_t b_row, float* c, int64_t c_row) {
    int64_t j = 0;
    for (; j + WIDTH <= n; j += WIDTH) {
        Lanes row[COUNT];
#pragma GCC unroll 4
        for (int q = 0; q < COUNT; ++q) __builtin_memcpy(&row[q], b + q * b_row + j, sizeof(Lanes));
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; ++i) {
            Lanes total;
            __builtin_memcpy(&total, c + i * c_row + j, sizeof total);
#pragma GCC unroll 4
            for (int q = 0; q < COUNT; ++q) total += a[i * k + q] * row[q];
            __builtin_memcpy(c + i * c_row + j, &total, sizeof total);
        }
    }
    for (; j < n; ++j)
        for (int i = 0; i < ROWS; ++i)
            for (int q = 0; q < COUNT; ++q) c[i * c_row + j] += a[i * k + q] * b[q * b_row + j];
}

/* b's rows are contiguous: they are read one after the other, as they lie in memory */
template <int ROWS>
SEGUE_ALWAYS void rows_by_columns(int64_t n, int64_t k, const float* a, const float* b, int64_t b_row, float* c, int64_t c_row, bool accumulate) {
    for (int64_t j = 0; j < n; j += COLUMN_BLOCK) {
        const int64_t wide = least(COLUMN_BLOCK, n - j);
        for (int i = 0; i < ROWS && !accumulate; ++i) std::memset(c + i * c_row + j, 0, static_cast<size_t>(wide) * sizeof(float));
        int64_t p = 0;
        for (; p + AT_A_TIME <= k; p += AT_A_TIME) add_rows<ROWS, AT_A_TIME>(wide, k, a + p, b + p * b_row + j, b_row, c + j, c_row);
        for (; p < k; ++p) add_rows<ROWS, 1>(wide, k, a + p, b + p * b_row + j, b_row, c + j, c_row);
    }
}

/* b's columns are contiguous (a transposed weight): c[i, j] = dot(a[i], b[:, j]) */
template <int ROWS>
SEGUE_ALWAYS void rows_by_dots(int64_t n, int64_t k, const float* a, const float* b, int64_t b_column, float* c, int64_t c_row, bool accumulate) {
    constexpr int COLUMNS = AT_ONCE<ROWS>;
    for (int64_t j = 0; j < n; j += COLUMNS) {
        const float* column[COLUMNS];
        for (int v = 0; v < COLUMNS; ++v) column[v] = b + (j + v < n ? j + v : n - 1) * b_column;
        Lanes total[ROWS][COLUMNS] = {};
        int64_t p = 0;
        for (; p + WIDTH <= k; p += WIDTH) {
            Lanes x[COLUMNS];
#pragma GCC unroll 8
            for (int v = 0; v < COLUMNS; ++v) __builtin_memcpy(&x[v], column[v] + p, sizeof(Lanes));
#pragma GCC unroll 8
            for (int i = 0; i < ROWS; ++i) {
                Lanes row;
                __builtin_memcpy(&row, a + i * k + p, sizeof row);
#pragma GCC unroll 8
                for (int v = 0; v < COLUMNS; ++v) total[i][v] += row * x[v];
            }
        }
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 8
            for (int v = 0; v < COLUMNS; ++v) {
                if (j + v >= n) break;
                float sum = 0;
                for (int l = 0; l < WIDTH; ++l) sum += total[i][v][l];
                for (int64_t q = p; q < k; ++q) sum += a[i * k + q] * column[v][q];
                c[i * c_row + j + v] = accumulate ? c[i * c_row + j + v] + sum : sum;
            }
    }
}

#define SEGUE_FEW_ROWS(ROWS) \
    SEGUE_FOR_EVERY_HOST static void cols_##ROWS(int64_t n, int64_t k, const float* a, const float* b, int64_t s, float* c, int64_t t, bool add) { \
        rows_by_columns<ROWS>(n, k, a, b, s, c, t, add); \
    } \
    SEGUE_FOR_EVERY_HOST static void dots_##ROWS(int64_t n, int64_t k, const float* a, const float* b, int64_t s, float* c, int64_t t, bool add) { \
        rows_by_dots<ROWS>(n, k, a, b, s, c, t, add); \
    }
SEGUE_FEW_ROWS(1)
SEGUE_FEW_ROWS(2)
SEGUE_FEW_ROWS(3)
SEGUE_FEW_ROWS(4)
SEGUE_FEW_ROWS(5)
SEGUE_FEW_ROWS(6)
SEGUE_FEW_ROWS(7)
SEGUE_FEW_ROWS(8)
typedef void (*FewRows)(int64_t, int64_t, const float*, const float*, int64_t, float*, int64_t, bool);
static const FewRows by_columns[] = {cols_1, cols_2, cols_3, cols_4, cols_5, cols_6, cols_7, cols_8};
static const FewRows by_dots[] = {dots_1, dots_2, dots_3, dots_4, dots_5, dots_6, dots_7, dots_8};

template <class T> static bool few_rows(int64_t, int64_t, int64_t, Matrix<const T>, Matrix<const T>, Matrix<T>, bool) { return false; }
template <> bool few_rows(int64_t m, int64_t n, int64_t k, Matrix<const float> a, Matrix<const float> b, Matrix<float> c, bool accumulate) {
    if (m > FEW_ROWS || c.column != 1 || (b.column != 1 && b.row != 1)) return false;
    Scratch<float> packed(m * k);
    if (!packed.get()) return false;
    for (int64_t i = 0; i < m; ++i)
        for (int64_t p = 0; p < k; ++p) packed.get()[i * k + p] = a.data[i * a.row + p * a.column];
    if (b.column == 1) by_columns[m - 1](n, k, packed.get(), b.data, b.row, c.data, c.row, accumulate);
    else by_dots[m - 1](n, k, packed.get(), b.data, b.column, c.data, c.row, accumulate);
    return true;
}

/* ---- One product on this thread */
struct Form { int transposition; int64_t leading; };

/* How BLAS would be told of a rows x columns matrix, or leading == 0 where it cannot be. A stride that is never taken does not count. */
template <class T> static Form form(Matrix<const T> x, int64_t rows, int64_t columns) {
    const int64_t most = INT32_MAX;
    if ((x.column == 1 || columns == 1) && (x.row >= columns || rows == 1) && x.row <= most)
        return {PLAIN, rows == 1 ? greatest<int64_t>(columns, 1) : x.row};
    if ((x.row == 1 || rows == 1) && (x.column >= rows || columns == 1) && x.column <= most)
        return {TRANSPOSED, columns == 1 ? greatest<int64_t>(rows, 1) : x.column};
    return {PLAIN, 0};
}

template <class T> static Matrix<const T> pack(Matrix<const T> x, int64_t rows, int64_t columns, T* into) {
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) into[i * columns + j] = x.data[i * x.row + j * x.column];
    return {into, columns, 1};
}

template <class T> int64_t product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, bool accumulate) {
    if (k == 0) {
        for (int64_t i = 0; i < m && !accumulate; ++i)
            for (int64_t j = 0; j < n; ++j) c.data[i * c.row + j * c.column] = 0;
        return SEGUE_OK;
    }
    if (few_rows(m, n, k, a, b, c, accumulate)) return SEGUE_OK;
    if (is_narrow(m, n, k, b, c)) {
        narrow_product(m, n, k, a, b, c, accumulate);
        return SEGUE_OK;
    }
    if (!library<T>() || greatest(m, greatest(n, k)) > INT32_MAX || (c.column != 1 && n > 1) || (c.row < n && m > 1) || c.row > INT32_MAX)
        return plain_product(m, n, k, a, b, c, accumulate);
    Form of_a = form(a, m, k), of_b = form(b, k, n);
    Scratch<T> packed(of_a.leading && of_b.leading ? 0 : (of_a.leading ? 0 : m * k) + (of_b.leading ? 0 : k * n));
    if (!packed.get()) return SEGUE_ERROR_MEMORY;
    if (!of_b.leading) {
        b = pack(b, k, n, packed.get() + (of_a.leading ? 0 : m * k));
        of_b = {PLAIN, n};
    }
    if (!of_a.leading) {
        a = pack(a, m, k, packed.get());
        of_a = {PLAIN, k};
    }
    library<T>()(ROW_MAJOR, of_a.transposition, of_b.transposition, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), T(1), a.data,
                 static_cast<int>(of_a.leading), b.data, static_cast<int>(of_b.leading), accumulate ? T(1) : T(0), c.data,
                 static_cast<int>(m == 1 ? greatest(n, c.row) : c.row));
    return SEGUE_OK;
}
template int64_t product(int64_t, int64_t, int64_t, Matrix<const float>, Matrix<const float>, Matrix<float>, bool);
template int64_t product(int64_t, int64_t, int64_t, Matrix<const double>, Matrix<const double>, Matrix<double>, bool);
template <class T> static int64_t any_product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, bool accumulate) {
    return plain_product(m, n, k, a, b, c, accumulate);
}
template <> int64_t any_product(int64_t m, int64_t n, int64_t k, Matrix<const float> a, Matrix<const float> b, Matrix<float> c, bool accumulate) {
    return product(m, n, k, a, b, c, accumulate);
}
template <> int64_t any_product(int64_t m, int64_t n, int64_t k, Matrix<const double> a, Matrix<const double> b, Matrix<double> c, bool accumulate) {
    return product(m, n, k, a, b, c, accumulate);
}

/* ---- The batch, cut into pieces */
struct Pieces { int64_t rows, columns, across, down; };  /* size of a piece; pieces to a row of pieces, and to a column of them */

/* Two to each processor that the machine has (not to a thread of the pool: the result must not depend on their number), and 16 at most: BLAS packs the
 * operands of each piece anew, which costs a sixth of the time with pieces four times as many. */
static const int64_t MOST_PIECES = least<int64_t>(16, 2 * greatest<int64_t>(1, sysconf(_SC_NPROCESSORS_CONF)));

/* A piece is worth about a million operations, and 32 rows or columns at least. The longer side is halved each time, because what is packed for a piece is
 * used as often as its other side is long. */
static Pieces pieces(int64_t m, int64_t n, int64_t k, int64_t batch) {
    const double work = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    const int64_t wanted = batch >= 16 || work < 2e6 ? 1 : static_cast<int64_t>(least(static_cast<double>(MOST_PIECES), work / 1e6));
    Pieces cut = {m, n, 1, 1};
    while (2 * cut.down * cut.across <= wanted) {
        int64_t& side = cut.rows >= cut.columns ? cut.rows : cut.columns;
        const int64_t half = divide_up(divide_up(side, 2), 16) * 16;
        if (half < 32 || half >= side) break;
        side = half;
        cut.down = divide_up(m, cut.rows);
        cut.across = divide_up(n, cut.columns);
    }
    return cut;
}

template <class T> static int64_t batched(const segue_matmul& call) {
    int64_t batch = 1;
    for (int64_t d = 0; d < call.batch_rank; ++d) batch *= call.batch[d];
    if (batch == 0 || call.m == 0 || call.n == 0) return SEGUE_OK;
    const bool turned = call.c_column != 1 && call.c_row == 1 && call.n > 1;  /* then c's transpose is computed, from those of a and b */
    const int64_t m = turned ? call.n : call.m, n = turned ? call.m : call.n;
    const Pieces cut = pieces(m, n, call.k, batch);
    const int64_t each = cut.across * cut.down;
    const double work = 2.0 * static_cast<double>(cut.rows) * static_cast<double>(cut.columns) * static_cast<double>(call.k);
    const int64_t grain = greatest<int64_t>(1, static_cast<int64_t>(3e5 / (work + 1000)));
    Failure failure;
    parallel(batch * each, grain, [&](int64_t begin, int64_t end) {
        for (int64_t piece = begin; piece < end; ++piece) {
            int64_t place = piece / each, rest = piece % each, at_a = 0, at_b = 0, at_c = 0;
            for (int64_t d = call.batch_rank - 1; d >= 0; --d) {
                const int64_t i = place % call.batch[d];
                place /= call.batch[d];
                at_a += i * call.a_batch[d];
                at_b += i * call.b_batch[d];
                at_c += i * call.c_batch[d];
            }
            Matrix<const T> a = {static_cast<const T*>(call.a) + at_a, call.a_row, call.a_column};
            Matrix<const T> b = {static_cast<const T*>(call.b) + at_b, call.b_row, call.b_column};
            Matrix<T> c = {static_cast<T*>(call.c) + at_c, call.c_row, call.c_column};
            if (turned) {
                Matrix<const T> first = {b.data, b.column, b.row};
                b = {a.data, a.column, a.row};
                a = first;
                c = {c.data, c.column, c.row};
            }
            const int64_t i = rest / cut.across * cut.rows, j = rest % cut.across * cut.columns;
            a.data += i * a.row;
            b.data += j * b.column;
            c.data += i * c.row + j * c.column;
            const int64_t rows = least(cut.rows, m - i), columns = least(cut.columns, n - j);
            if (int64_t code = any_product<T>(rows, columns, call.k, a, b, c, call.accumulate != 0)) failure.set(code);
        }
    });
    return failure.get();
}

int64_t matmul(const segue_matmul* call) {
    if (call->m < 0 || call->n < 0 || call->k < 0 || call->batch_rank < 0 || call->batch_rank > SEGUE_MAX_BATCH) return SEGUE_ERROR_ARGUMENT;
    for (int64_t d = 0; d < call->batch_rank; ++d)
        if (call->batch[d] < 0) return SEGUE_ERROR_ARGUMENT;
    typedef int64_t (*Typed)(const segue_matmul&);
    static const Typed typed[] = {batched<bool>, batched<uint8_t>, batched<int8_t>, batched<int16_t>, batched<int32_t>, batched<int64_t>,
                                  batched<segue::half>, batched<segue::bfloat16>, batched<float>, batched<double>};
    if (call->dtype < SEGUE_BOOL || call->dtype > SEGUE_FLOAT64) return SEGUE_ERROR_ARGUMENT;
    if (call->accumulate && call->dtype < SEGUE_FLOAT32) return SEGUE_ERROR_ARGUMENT;
    return typed[call->dtype](*call);
}

}  // namespace segue_rt
