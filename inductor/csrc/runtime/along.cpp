/* Functions along one dimension, or over windows: running sums, stable sorts, max pooling; and the error function of all elements.
 *
 * In come contiguous arrays; out go running sums, or int64 places. The one idea: each line (or plane) is one thread's, in order, so nothing depends
 * on the number of threads. Floats are compared through integers of the same order, with NaN above all, so that a sort's comparison is always
 * consistent. */
#include <algorithm>
#include <cstring>
#include "internal.h"
#include "segue_vector.h"

namespace segue_rt {

template <class T> struct Sum { typedef T type; };
template <> struct Sum<segue::half> { typedef float type; };
template <> struct Sum<segue::bfloat16> { typedef float type; };
template <> struct Sum<bool> { typedef uint8_t type; };
template <> struct Sum<int8_t> { typedef uint8_t type; };  /* unsigned, because overflow wraps */
template <> struct Sum<int16_t> { typedef uint16_t type; };
template <> struct Sum<int32_t> { typedef uint32_t type; };
template <> struct Sum<int64_t> { typedef uint64_t type; };

/* A key whose order as an integer is the order of the values: NaN greatest, -0 equal to 0. */
template <class U, class S> static U ordered(U bits, U sign, U nan_above) {
    if ((bits & ~sign) > nan_above) return ~U(0);
    if (bits == sign) bits = 0;
    return bits & sign ? ~bits : bits | sign;
}
static uint64_t key(const float* p) { return ordered<uint32_t, int32_t>(segue::bit_cast<uint32_t>(*p), 0x80000000u, 0x7f800000u); }
static uint64_t key(const double* p) { return ordered<uint64_t, int64_t>(segue::bit_cast<uint64_t>(*p), 0x8000000000000000u, 0x7ff0000000000000u); }
static uint64_t key(const segue::half* p) { return ordered<uint16_t, int16_t>(p->bits, 0x8000, 0x7c00); }
static uint64_t key(const segue::bfloat16* p) { return ordered<uint16_t, int16_t>(p->bits, 0x8000, 0x7f80); }
static uint64_t key(const bool* p) { return segue::load_one(p); }
static uint64_t key(const uint8_t* p) { return *p; }
template <class T> static uint64_t key(const T* p) { return static_cast<uint64_t>(static_cast<int64_t>(*p)) ^ 0x8000000000000000u; }

static int64_t lines(int64_t length) { return greatest<int64_t>(1, GRAIN / greatest<int64_t>(length, 1)); }

/* Running sums of some lines side by side: each addition waits for the one before it, but not for those of other lines. */
constexpr int64_t SIDE_BY_SIDE = 8;
template <class T> SEGUE_ALWAYS void running_sums(const T* input, T* output, int64_t count, int64_t size) {
    typedef typename Sum<T>::type S;
    S totals[SIDE_BY_SIDE] = {};
    for (int64_t i = 0; i < size; ++i)
        for (int64_t l = 0; l < count; ++l) {
            const S value = static_cast<S>(segue::load_one(input + l * size + i));
            totals[l] = i ? static_cast<S>(totals[l] + value) : value;
            segue::store_one(output + l * size + i, static_cast<segue::scalar_of<T>>(totals[l]));
        }
}

template <class T> static int64_t cumsum_of(const segue_along& call) {
    typedef typename Sum<T>::type S;
    const T* input = static_cast<const T*>(call.input);
    T* output = static_cast<T*>(call.output);
    if (call.inner == 1) {
        parallel(divide_up(call.outer, SIDE_BY_SIDE), lines(call.size * SIDE_BY_SIDE), [&](int64_t begin, int64_t end) {
            for (int64_t line = begin * SIDE_BY_SIDE; line < least(call.outer, end * SIDE_BY_SIDE); line += SIDE_BY_SIDE) {
                const int64_t count = least(SIDE_BY_SIDE, call.outer - line), at = line * call.size;
                if (count == SIDE_BY_SIDE) running_sums(input + at, output + at, SIDE_BY_SIDE, call.size);
                else running_sums(input + at, output + at, count, call.size);
            }
        });
        return SEGUE_OK;
    }
    Failure failure;
    parallel(call.outer, lines(call.size * call.inner), [&](int64_t begin, int64_t end) {
        Scratch<S> totals(call.inner);
        if (!totals.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t line = begin; line < end; ++line) {
            std::memset(static_cast<void*>(totals.get()), 0, static_cast<size_t>(call.inner) * sizeof(S));
            for (int64_t i = 0; i < call.size; ++i) {
                const int64_t at = (line * call.size + i) * call.inner;
                for (int64_t j = 0; j < call.inner; ++j) {
                    S& total = totals.get()[j];
                    const S value = static_cast<S>(segue::load_one(input + at + j));
                    total = i ? static_cast<S>(total + value) : value;  /* not 0 + value: that would lose the sign of -0 */
                    segue::store_one(output + at + j, static_cast<segue::scalar_of<T>>(total));
                }
            }
        }
    });
    return failure.get();
}

template <class T> static int64_t argsort_of(const segue_along& call) {
    struct Item { uint64_t key; int64_t place; };
    const T* input = static_cast<const T*>(call.input);
    int64_t* output = static_cast<int64_t*>(call.output);
    const int64_t wanted = call.wanted > 0 ? least(call.wanted, call.size) : call.size;
    Failure failure;
    parallel(call.outer * call.inner, lines(call.size * 8), [&](int64_t begin, int64_t end) {
        Scratch<Item> items(2 * call.size);
        if (!items.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t line = begin; line < end; ++line) {
            const int64_t at = line / call.inner * call.size * call.inner + line % call.inner;
            for (int64_t i = 0; i < call.size; ++i) {
                const uint64_t k = key(input + at + i * call.inner);
                items.get()[i] = {call.descending ? ~k : k, i};
            }
            /* the place breaks ties, so the order is total and any sort is stable */
            const auto before = [](const Item& x, const Item& y) { return x.key != y.key ? x.key < y.key : x.place < y.place; };
            if (wanted < call.size) std::partial_sort(items.get(), items.get() + wanted, items.get() + call.size, before);
            else std::sort(items.get(), items.get() + call.size, before);
            for (int64_t i = 0; i < wanted; ++i) output[at + i * call.inner] = items.get()[i].place;
        }
    });
    return failure.get();
}

/* ---- Max pooling: a row of windows at a time, each tap of the window compared with the best so far of all of them */

/* What values are compared by: themselves where the machine compares them, keys otherwise. `above` is false for equal ones, so the first stays. */
template <class T> struct Rank { typedef uint64_t type; static type of(const T* p) { return key(p); } };
template <> struct Rank<float> { typedef float type; static type of(const float* p) { return *p; } };
template <> struct Rank<double> { typedef double type; static type of(const double* p) { return *p; } };
SEGUE_ALWAYS bool above(uint64_t a, uint64_t b) { return a > b; }
SEGUE_ALWAYS bool above(float a, float b) { return (a > b) | ((a != a) & (b == b)); }
SEGUE_ALWAYS bool above(double a, double b) { return (a > b) | ((a != a) & (b == b)); }

template <class T, class Offset>
SEGUE_ALWAYS void take_tap(const T* from, int64_t stride, int64_t count, Offset offset, typename Rank<T>::type* best, Offset* offsets) {
    for (int64_t i = 0; i < count; ++i) {
        const typename Rank<T>::type value = Rank<T>::of(from + i * stride);
        const bool more = (offsets[i] < 0) | above(value, best[i]);
        best[i] = more ? value : best[i];
        offsets[i] = more ? offset : offsets[i];
    }
}
template <class T> void tap(const T* from, int64_t stride, int64_t count, int64_t offset, typename Rank<T>::type* best, int64_t* offsets) {
    take_tap(from, stride, count, offset, best, offsets);
}
SEGUE_FOR_EVERY_HOST static void tap_of_pairs(const float* from, int64_t count, int32_t offset, float* best, int32_t* offsets) {
    take_tap(from, 2, count, offset, best, offsets);
}
static void tap(const float* from, int64_t stride, int64_t count, int64_t offset, float* best, int32_t* offsets) {
    if (stride == 2) tap_of_pairs(from, count, static_cast<int32_t>(offset), best, offsets);
    else take_tap(from, stride, count, static_cast<int32_t>(offset), best, offsets);
}

/* Windows that meet the input with the tap at `shift` from their first element: those from `begin` to `end` of `count`. */
struct Span { int64_t begin, end; };
static Span meeting(int64_t shift, int64_t stride, int64_t width, int64_t count) {
    const int64_t begin = shift >= 0 ? 0 : least(count, divide_up(-shift, stride));
    return {begin, greatest(begin, least(count, width > shift ? divide_up(width - shift, stride) : 0))};
}

/* The places of the greatest elements in row (z, y) of the windows of one plane. */
template <class T, class Offset>
static void pool_row(const segue_pool& c, const T* input, int64_t z, int64_t y, typename Rank<T>::type* best, Offset* offsets, int64_t* indices) {
    const int64_t front = z * c.stride[0] - c.padding[0], top = y * c.stride[1] - c.padding[1], left = -c.padding[2], windows = c.out_size[2];
    for (int64_t i = 0; i < windows; ++i) offsets[i] = -1;
    for (int64_t k = 0; k < c.kernel[0] * c.kernel[1]; ++k) {
        const int64_t deep = k / c.kernel[1] * c.dilation[0], down = k % c.kernel[1] * c.dilation[1];
        if (front + deep < 0 || front + deep >= c.size[0] || top + down < 0 || top + down >= c.size[1]) continue;
        const T* row = input + ((front + deep) * c.size[1] + top + down) * c.size[2];
        for (int64_t across = 0; across < c.kernel[2] * c.dilation[2]; across += c.dilation[2]) {
            const Span span = meeting(left + across, c.stride[2], c.size[2], windows);
            tap(row + left + across + span.begin * c.stride[2], c.stride[2], span.end - span.begin, (deep * c.size[1] + down) * c.size[2] + across,
                best + span.begin, offsets + span.begin);
        }
    }
    const int64_t first = (front * c.size[1] + top) * c.size[2] + left;
    for (int64_t i = 0; i < windows; ++i) indices[i] = offsets[i] < 0 ? 0 : first + i * c.stride[2] + offsets[i];
}

template <class T, class Offset> static int64_t pool_by(const segue_pool& c) {
    const int64_t block = c.size[0] * c.size[1] * c.size[2], rows = c.out_size[0] * c.out_size[1], windows = rows * c.out_size[2];
    Failure failure;
    parallel(c.planes, lines(windows * c.kernel[0] * c.kernel[1] * c.kernel[2]), [&](int64_t begin, int64_t end) {
        Scratch<typename Rank<T>::type> best(c.out_size[2]);
        Scratch<Offset> offsets(c.out_size[2]);
        if (!best.get() || !offsets.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t plane = begin; plane < end; ++plane)
            for (int64_t row = 0; row < rows; ++row)
                pool_row(c, static_cast<const T*>(c.input) + plane * block, row / c.out_size[1], row % c.out_size[1], best.get(), offsets.get(),
                         c.indices + plane * windows + row * c.out_size[2]);
    });
    return failure.get();
}

/* Windows of two by two that cover whole rows: most pools there are. The rows of images are short, so a loop over one of them is mostly its start and end; the greater of each pair
 * is therefore found for many rows at once, and then the greater of two pairs. The first of equals stays, as above. */
static bool is_paired(const segue_pool& c) {
    bool fits = c.kernel[0] == 1 && c.stride[0] == 1 && c.padding[0] == 0 && c.out_size[0] == c.size[0] && 2 * c.out_size[2] == c.size[2] && 2 * c.out_size[1] <= c.size[1];
    for (int d = 1; d < 3; ++d) fits = fits && c.kernel[d] == 2 && c.stride[d] == 2 && c.padding[d] == 0 && c.dilation[d] == 1;
    return fits;
}
SEGUE_FOR_EVERY_HOST static void pool_pairs(const float* input, int64_t rows, int64_t windows, float* greater, int32_t* right, int64_t first, int64_t* indices) {
    for (int64_t i = 0; i < 2 * rows * windows; ++i) {
        const bool more = above(input[2 * i + 1], input[2 * i]);
        greater[i] = more ? input[2 * i + 1] : input[2 * i];
        right[i] = more;
    }
    for (int64_t row = 0; row < rows; ++row, greater += 2 * windows, right += 2 * windows, indices += windows, first += 4 * windows)
        for (int64_t i = 0; i < windows; ++i) {
            const int32_t under = static_cast<int32_t>(2 * windows) + right[windows + i];
            indices[i] = first + 2 * i + (above(greater[windows + i], greater[i]) ? under : right[i]);
        }
}
constexpr int64_t PAIRS = 4096;  /* found at once: 32 KB, which the first cache holds */
static int64_t pool_by_pairs(const segue_pool& c) {
    const int64_t windows = c.out_size[2], step = greatest<int64_t>(1, PAIRS / greatest<int64_t>(1, 2 * windows));
    Failure failure;
    parallel(c.planes * c.size[0], lines(4 * windows * c.out_size[1]), [&](int64_t begin, int64_t end) {
        Scratch<float> greater(2 * windows * step);
        Scratch<int32_t> right(2 * windows * step);
        if (!greater.get() || !right.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t plane = begin; plane < end; ++plane)
            for (int64_t row = 0; row < c.out_size[1]; row += step) {
                const int64_t first = (plane % c.size[0] * c.size[1] + 2 * row) * c.size[2];
                pool_pairs(static_cast<const float*>(c.input) + plane / c.size[0] * c.size[0] * c.size[1] * c.size[2] + first, least(step, c.out_size[1] - row), windows,
                           greater.get(), right.get(), first, c.indices + (plane * c.out_size[1] + row) * windows);
            }
    });
    return failure.get();
}

template <class T> static int64_t pool_of(const segue_pool& c) { return pool_by<T, int64_t>(c); }
template <> int64_t pool_of<float>(const segue_pool& c) {  /* places as wide as the values, where they fit */
    if (is_paired(c)) return pool_by_pairs(c);
    return c.size[0] * c.size[1] * c.size[2] < (int64_t{1} << 30) ? pool_by<float, int32_t>(c) : pool_by<float, int64_t>(c);
}

template <class Call> static bool typed(const Call* call) { return call->dtype >= SEGUE_BOOL && call->dtype <= SEGUE_FLOAT64; }
static bool sensible(const segue_along* call) { return typed(call) && call->outer >= 0 && call->size >= 0 && call->inner >= 0; }

#define X(NAME)                                                                                                               \
    SEGUE_FOR_EVERY_HOST static void NAME##_range(const float* input, float* output, int64_t count) {                           \
        int64_t i = 0;                                                                                                          \
        for (; i + segue::LANES <= count; i += segue::LANES) segue::store(output + i, segue::NAME(segue::load(input + i)));     \
        if (i < count) segue::store_partial(output + i, segue::NAME(segue::load_partial(input + i, count - i)), count - i);     \
    }
SEGUE_ELEMENTARY(X)
#undef X
#define X(NAME) NAME##_range,
static void (*const elementary_ranges[])(const float*, float*, int64_t) = {SEGUE_ELEMENTARY(X)};
#undef X
int64_t elementary(const segue_elementary* call) {
    if (call->function < 0 || call->function >= int64_t(sizeof elementary_ranges / sizeof *elementary_ranges) || call->count < 0) return SEGUE_ERROR_ARGUMENT;
    parallel(call->count, GRAIN / 4, [&](int64_t begin, int64_t end) {
        elementary_ranges[call->function](call->input + begin, call->output + begin, end - begin);
    });
    return SEGUE_OK;
}

/* Whole blocks of four, from block `begin` on: a vector holds one word of as many blocks, and the words are then put side by side. */
SEGUE_FOR_EVERY_HOST static void uniform_range(const segue_draw& c, int64_t begin, int64_t end) {
    float words[4][segue::LANES];
    for (int64_t block = begin; block < end; block += segue::LANES) {
        segue::int64_v counter = segue::iota<segue::int64_v>(block);
        segue::uint32_v c0 = segue::low_words(counter), c1 = segue::high_words(counter), c2((uint32_t)c.offset), c3((uint32_t)((uint64_t)c.offset >> 32));
        segue::philox_rounds(c0, c1, c2, c3, (uint64_t)c.seed);
        const segue::uint32_v found[4] = {c0, c1, c2, c3};
        for (int lane = 0; lane < 4; ++lane) segue::store(words[lane], segue::to_float(segue::to_int32(found[lane] >> 8u)) * 0x1p-24f);
        float* out = c.output + 4 * block;
        int64_t count = least<int64_t>(4 * least<int64_t>(segue::LANES, end - block), c.count - 4 * block);
        for (int64_t i = 0; i < count; ++i) out[i] = words[i & 3][i >> 2];
    }
}
int64_t uniform(const segue_draw* call) {
    if (call->count < 0) return SEGUE_ERROR_ARGUMENT;
    parallel(divide_up(call->count, 4), GRAIN / 16, [&](int64_t begin, int64_t end) { uniform_range(*call, begin, end); });
    return SEGUE_OK;
}

#define SEGUE_TYPED(FUNCTION) \
    {FUNCTION<bool>, FUNCTION<uint8_t>, FUNCTION<int8_t>, FUNCTION<int16_t>, FUNCTION<int32_t>, FUNCTION<int64_t>, FUNCTION<segue::half>, \
     FUNCTION<segue::bfloat16>, FUNCTION<float>, FUNCTION<double>}


int64_t cumsum(const segue_along* call) {
    static int64_t (*const table_of[])(const segue_along&) = SEGUE_TYPED(cumsum_of);
    return sensible(call) ? table_of[call->dtype](*call) : static_cast<int64_t>(SEGUE_ERROR_ARGUMENT);
}
int64_t argsort(const segue_along* call) {
    static int64_t (*const table_of[])(const segue_along&) = SEGUE_TYPED(argsort_of);
    return sensible(call) ? table_of[call->dtype](*call) : static_cast<int64_t>(SEGUE_ERROR_ARGUMENT);
}
int64_t max_pool_indices(const segue_pool* call) {
    static int64_t (*const table_of[])(const segue_pool&) = SEGUE_TYPED(pool_of);
    int64_t elements = 1, windows = call->planes;
    for (int d = 0; d < 3; ++d) {
        if (call->kernel[d] < 1 || call->stride[d] < 1 || call->dilation[d] < 1 || call->size[d] < 0 || call->out_size[d] < 0) return SEGUE_ERROR_ARGUMENT;
        elements *= call->size[d];
        windows *= call->out_size[d];
    }
    if (!typed(call) || call->planes < 0 || (elements == 0 && windows > 0)) return SEGUE_ERROR_ARGUMENT;
    return table_of[call->dtype](*call);
}

}  // namespace segue_rt
