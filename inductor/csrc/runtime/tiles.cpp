/* Convolution of float32 over one or two dimensions of space, and its gradients, as products in tiles of 6 x 16 whose sums stay in registers.
 *
 * In comes a segue_convolution that `is_tiled` names; out goes the output or a gradient. The one idea: the input is copied once with its padding around it;
 * what a tap of the kernel meets is then the same plane at another place, so that unfolding needs no question, and the gradient of the input is the convolution
 * of the output's gradient with the kernel turned round. Work is cut by the shape alone and summed in one order: the number of threads changes no result. */
#include <cstring>
#include "internal.h"

namespace segue_rt {

constexpr int64_t ROWS = 6, LANES = 16;  /* of a tile: 12 vectors of AVX2 in registers */
constexpr int64_t DEPTH = 384;           /* rows of the unfolding that are summed in one go: a panel of weights stays in the first cache */
constexpr int64_t PANELS = 8;            /* of 16 pixels, unfolded at a time: with DEPTH they stay in the second cache */
constexpr int64_t UNITS = 16;            /* pieces of work that a pool may share */
constexpr int64_t MOST_PARTIAL = 4 << 20;  /* elements of the partial sums of a weight's gradient */
typedef float Half __attribute__((vector_size(32), aligned(4), may_alias));

bool is_tiled(const segue_convolution& c) {
    return c.in_size[0] == 1 && c.kernel[0] == 1 && c.padding[0] == 0 && c.in_channels > 0 && c.out_channels > 0 && c.out_size[1] * c.out_size[2] >= LANES;
}
bool is_tiled_backwards(const segue_convolution& c) {
    bool fits = is_tiled(c) && c.in_size[1] * c.in_size[2] >= LANES;
    for (int d = 1; d < 3; ++d) fits = fits && c.stride[d] == 1 && c.padding[d] <= c.dilation[d] * (c.kernel[d] - 1);
    return fits;
}

/* ---- The tiles */

/* totals[6][16] += a[depth][6] * b[depth][16] */
SEGUE_ALWAYS void sum_tile(int64_t depth, const float* a, const float* b, Half totals[ROWS][2]) {
    for (int64_t p = 0; p < depth; ++p) {
        const Half low = *reinterpret_cast<const Half*>(b + p * LANES), high = *reinterpret_cast<const Half*>(b + p * LANES + 8);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; ++i) {
            totals[i][0] += a[p * ROWS + i] * low;
            totals[i][1] += a[p * ROWS + i] * high;
        }
    }
}

/* c[rows, columns] (+)= a @ b, a in panels of 6 rows, b in panels of 16 columns, both filled up to whole panels. */
SEGUE_FOR_EVERY_HOST static void multiply(int64_t rows, int64_t columns, int64_t depth, const float* a, const float* b, float* c, int64_t c_row, bool add) {
    for (int64_t i = 0; i < rows; i += ROWS)
        for (int64_t j = 0; j < columns; j += LANES) {
            Half totals[ROWS][2] = {};
            sum_tile(depth, a + i * depth, b + j * depth, totals);
            const int64_t high = least(ROWS, rows - i), wide = least(LANES, columns - j);
            for (int64_t r = 0; r < high; ++r) {
                float* to = c + (i + r) * c_row + j;
                if (wide == LANES) {
                    Half* halves = reinterpret_cast<Half*>(to);
                    for (int h = 0; h < 2; ++h) halves[h] = add ? halves[h] + totals[r][h] : totals[r][h];
                } else {
                    const float* from = reinterpret_cast<const float*>(totals[r]);
                    for (int64_t l = 0; l < wide; ++l) to[l] = add ? to[l] + from[l] : from[l];
                }
            }
        }
}

/* totals[6][16] += image rows at six places, over height x width pixels, times gradient[pixel][16]. */
SEGUE_FOR_EVERY_HOST static void correlate(const float* const* places, int64_t height, int64_t width, int64_t down, int64_t across, const float* gradient,
                                           float* sums) {
    Half totals[ROWS][2] = {};
    for (int64_t y = 0; y < height; ++y) {
        const float* at[ROWS];
        for (int i = 0; i < ROWS; ++i) at[i] = places[i] + y * down;
        for (int64_t x = 0; x < width; ++x, gradient += LANES) {
            const Half low = *reinterpret_cast<const Half*>(gradient), high = *reinterpret_cast<const Half*>(gradient + 8);
#pragma GCC unroll 6
            for (int i = 0; i < ROWS; ++i) {
                const float pixel = at[i][x * across];
                totals[i][0] += pixel * low;
                totals[i][1] += pixel * high;
            }
        }
    }
    for (int i = 0; i < ROWS; ++i)
        for (int h = 0; h < 2; ++h) reinterpret_cast<Half*>(sums + i * LANES)[h] += totals[i][h];
}

/* ---- The input with its padding */
struct Plan {
    const segue_convolution& call;
    int64_t channels, filters, taps, unfolded, pixels, plane, width;  /* of one group; width: of a padded row */
    bool padded;
    explicit Plan(const segue_convolution& c)
        : call(c), channels(c.in_channels / c.groups), filters(c.out_channels / c.groups), taps(c.kernel[1] * c.kernel[2]), unfolded(channels * taps),
          pixels(c.out_size[1] * c.out_size[2]), plane(c.in_size[1] * c.in_size[2]), width(c.in_size[2] + 2 * c.padding[2]),
          padded(c.padding[1] > 0 || c.padding[2] > 0) {}
    int64_t height(int64_t rows) const { return (rows - 1) * call.stride[1] + (call.kernel[1] - 1) * call.dilation[1] + 1; }  /* that `rows` output rows read */
    int64_t block() const { return PANELS * LANES; }
};

/* A group's planes of one image, padded, from what output row `first` reads on; `row` and `plane` are steps, `from(channel, tap)` the place of a tap. */
struct Image {
    const Plan& plan;
    const float* data;
    int64_t row, plane;
    const float* from(int64_t unfolded) const {
        const int64_t tap = unfolded % plan.taps;
        const segue_convolution& c = plan.call;
        return data + unfolded / plan.taps * plane + tap / c.kernel[2] * c.dilation[1] * row + tap % c.kernel[2] * c.dilation[2];
    }
};

static Image image_of(const Plan& e, const float* planes, int64_t first, int64_t rows, float* room) {
    const segue_convolution& c = e.call;
    const int64_t top = first * c.stride[1] - c.padding[1], high = e.height(rows), left = c.padding[2];
    if (!e.padded) return {e, planes + top * c.in_size[2], c.in_size[2], e.plane};
    for (int64_t channel = 0; channel < e.channels; ++channel)
        for (int64_t y = 0; y < high; ++y) {
            float* to = room + (channel * high + y) * e.width;
            const int64_t from = top + y;
            if (from < 0 || from >= c.in_size[1]) {
                std::memset(to, 0, static_cast<size_t>(e.width) * sizeof(float));
                continue;
            }
            for (int64_t x = 0; x < left; ++x) to[x] = to[e.width - 1 - x] = 0;
            std::memcpy(to + left, planes + channel * e.plane + from * c.in_size[2], static_cast<size_t>(c.in_size[2]) * sizeof(float));
        }
    return {e, room, e.width, high * e.width};
}

/* ---- Unfolding: rows [begin, end) of the unfolding at `count` pixels from `first` on (counted from the image's first output row), in panels of 16 */
SEGUE_FOR_EVERY_HOST static void unfold_rows(const float* const* from, int64_t rows, const int64_t* at, float* panel) {
    bool whole = true, halves = true;
    for (int64_t l = 1; l < LANES; ++l) whole = whole && at[l] == at[0] + l;
    for (int64_t l = 1; l < 8; ++l) halves = halves && at[l] == at[0] + l && at[8 + l] == at[8] + l;
    if (whole)
        for (int64_t r = 0; r < rows; ++r) __builtin_memcpy(panel + r * LANES, from[r] + at[0], LANES * sizeof(float));
    else if (halves)
        for (int64_t r = 0; r < rows; ++r) {
            __builtin_memcpy(panel + r * LANES, from[r] + at[0], 8 * sizeof(float));
            __builtin_memcpy(panel + r * LANES + 8, from[r] + at[8], 8 * sizeof(float));
        }
    else
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t l = 0; l < LANES; ++l) panel[r * LANES + l] = from[r][at[l]];
}

static void unfold(const Image& image, int64_t begin, int64_t end, int64_t first, int64_t count, float* panels) {
    const segue_convolution& c = image.plan.call;
    const float* from[DEPTH];
    for (int64_t r = begin; r < end; ++r) from[r - begin] = image.from(r);
    for (int64_t j = 0; j < count; j += LANES) {
        int64_t at[LANES];
        for (int64_t l = 0; l < LANES; ++l) {
            const int64_t pixel = first + least(j + l, count - 1);  /* beyond the last pixel: that one again, and nobody looks at it */
            at[l] = pixel / c.out_size[2] * c.stride[1] * image.row + pixel % c.out_size[2] * c.stride[2];
        }
        unfold_rows(from, end - begin, at, panels + j * (end - begin));
    }
}

/* ---- Forward */

/* Where the weight of (filter, channel, tap) stands: as it is, or for the input's gradient, where filters and channels change places and taps turn round. */
struct Weights {
    const float* data;
    int64_t filter, channel;
    bool turned;
};

/* In blocks of DEPTH rows of the unfolding, each in panels of 6 filters, filled up with zeros. */
static void pack(const Plan& e, const Weights& w, float* packed) {
    for (int64_t begin = 0; begin < e.unfolded; begin += DEPTH) {
        const int64_t depth = least(DEPTH, e.unfolded - begin);
        for (int64_t f = 0; f < divide_up(e.filters, ROWS) * ROWS; ++f) {
            float* to = packed + begin * divide_up(e.filters, ROWS) * ROWS + f / ROWS * ROWS * depth + f % ROWS;
            for (int64_t r = 0; r < depth; ++r) {
                const int64_t channel = (begin + r) / e.taps, tap = (begin + r) % e.taps;
                to[r * ROWS] = f < e.filters ? w.data[f * w.filter + channel * w.channel + (w.turned ? e.taps - 1 - tap : tap)] : 0;
            }
        }
    }
}

static int64_t convolve(const segue_convolution& call, bool turned) {
    const Plan e(call);
    const int64_t filled = divide_up(e.filters, ROWS) * ROWS, planes = call.batch * call.groups, rows = call.out_size[1];
    const int64_t parts = planes >= UNITS ? 1 : least(rows, divide_up(UNITS, greatest<int64_t>(planes, 1))), span = divide_up(rows, parts);
    Scratch<float> packed(call.groups * filled * e.unfolded);
    if (!packed.get()) return SEGUE_ERROR_MEMORY;
    parallel(call.groups, 1, [&](int64_t begin, int64_t end) {
        for (int64_t group = begin; group < end; ++group) {
            Weights weights = {static_cast<const float*>(call.weight) + group * e.filters * e.unfolded, e.unfolded, e.taps, turned};
            if (turned) weights.filter = e.taps, weights.channel = e.filters * e.taps;
            pack(e, weights, packed.get() + group * filled * e.unfolded);
        }
    });
    Failure failure;
    parallel(planes * parts, 1, [&](int64_t begin, int64_t end) {
        Scratch<float> room(e.padded ? e.channels * e.height(span) * e.width : 0), panels(least(DEPTH, e.unfolded) * least(e.block(), divide_up(span * call.out_size[2], LANES) * LANES));
        if (!room.get() || !panels.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t plane = unit / parts, group = plane % call.groups, row = unit % parts * span, high = least(span, rows - row);
            if (high <= 0) continue;
            const Image image = image_of(e, static_cast<const float*>(call.input) + plane * e.channels * e.plane, row, high, room.get());
            float* output = static_cast<float*>(call.output) + plane * e.filters * e.pixels + row * call.out_size[2];
            for (int64_t first = 0; first < high * call.out_size[2]; first += e.block()) {
                const int64_t count = least(e.block(), high * call.out_size[2] - first);
                for (int64_t r = 0; r < e.unfolded; r += DEPTH) {
                    const int64_t depth = least(DEPTH, e.unfolded - r);
                    unfold(image, r, r + depth, first, count, panels.get());
                    multiply(e.filters, count, depth, packed.get() + (group * e.unfolded + r) * filled, panels.get(), output + first, e.pixels, r > 0);
                }
            }
            if (!call.bias) continue;
            for (int64_t f = 0; f < e.filters; ++f)
                for (int64_t i = 0; i < high * call.out_size[2]; ++i) output[f * e.pixels + i] += static_cast<const float*>(call.bias)[group * e.filters + f];
        }
    });
    return failure.get();
}

int64_t tiled(const segue_convolution& call) { return convolve(call, false); }

int64_t tiled_input_gradient(const segue_convolution& call) {
    segue_convolution back = call;
    back.in_channels = call.out_channels;
    back.out_channels = call.in_channels;
    back.input = call.output;
    back.output = call.input;
    back.bias = nullptr;
    for (int d = 1; d < 3; ++d) {
        back.in_size[d] = call.out_size[d];
        back.out_size[d] = call.in_size[d];
        back.padding[d] = call.dilation[d] * (call.kernel[d] - 1) - call.padding[d];
    }
    return convolve(back, true);
}

/* ---- The weight's gradient: sums[panel of filters][unfolded][16] over a chunk of the images, the chunks added in order */

/* gradient[panel of 16 filters][pixel][16], filled up with zeros */
static void turn(const Plan& e, const float* gradient, float* turned) {
    for (int64_t f = 0; f < e.filters; f += LANES) {
        const int64_t wide = least(LANES, e.filters - f);
        const float* from = gradient + f * e.pixels;
        float* to = turned + f * e.pixels;
        for (int64_t p = 0; p < e.pixels; ++p)
            for (int64_t l = 0; l < LANES; ++l) to[p * LANES + l] = l < wide ? from[l * e.pixels + p] : 0;
    }
}

static void correlate_image(const Plan& e, const Image& image, const float* turned, int64_t begin, int64_t end, float* sums) {
    const segue_convolution& c = e.call;
    for (int64_t r = begin; r < end; r += ROWS) {
        const float* places[ROWS];
        for (int64_t i = 0; i < ROWS; ++i) places[i] = image.from(least(r + i, end - 1));
        for (int64_t f = 0; f < e.filters; f += LANES) {
            float tile[ROWS * LANES] = {};
            float* to = sums + f * e.unfolded + r * LANES;
            const bool whole = r + ROWS <= end;
            correlate(places, c.out_size[1], c.out_size[2], c.stride[1] * image.row, c.stride[2], turned + f * e.pixels, whole ? to : tile);
            for (int64_t i = 0; !whole && i < (end - r) * LANES; ++i) to[i] += tile[i];
        }
    }
}

int64_t tiled_weight_gradient(const segue_convolution& call) {
    const Plan e(call);
    const int64_t filled = divide_up(e.filters, LANES) * LANES, size = call.groups * filled * e.unfolded;
    const int64_t chunks = greatest<int64_t>(1, least(least(call.batch, divide_up(UNITS, call.groups)), MOST_PARTIAL / greatest<int64_t>(1, size)));
    const int64_t images = divide_up(call.batch, chunks), parts = least(divide_up(e.unfolded, ROWS), divide_up(UNITS, chunks * call.groups));
    const int64_t span = divide_up(divide_up(e.unfolded, ROWS), parts) * ROWS;
    Scratch<float> sums(chunks * size);
    if (!sums.get()) return SEGUE_ERROR_MEMORY;
    Failure failure;
    parallel(call.groups * chunks * parts, 1, [&](int64_t begin, int64_t end) {
        Scratch<float> room(e.padded ? e.channels * e.height(call.out_size[1]) * e.width : 0), turned(filled * e.pixels);
        if (!room.get() || !turned.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t group = unit / parts % call.groups, chunk = unit / parts / call.groups, row = unit % parts * span;
            float* own = sums.get() + chunk * size + group * filled * e.unfolded;
            for (int64_t f = 0; f < filled && row < e.unfolded; f += LANES)
                std::memset(own + f * e.unfolded + row * LANES, 0, static_cast<size_t>(least(span, e.unfolded - row) * LANES) * sizeof(float));
            for (int64_t i = chunk * images; i < least(call.batch, (chunk + 1) * images) && row < e.unfolded; ++i) {
                const int64_t plane = i * call.groups + group;
                const Image image = image_of(e, static_cast<const float*>(call.input) + plane * e.channels * e.plane, 0, call.out_size[1], room.get());
                turn(e, static_cast<const float*>(call.output) + plane * e.filters * e.pixels, turned.get());
                correlate_image(e, image, turned.get(), row, least(row + span, e.unfolded), own);
            }
        }
    });
    const int64_t panels = filled / LANES;  /* a panel's sums of all chunks are read once, in lines of 16 filters */
    parallel(call.groups * panels, greatest<int64_t>(1, 1024 / e.unfolded), [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel) {
            const int64_t group = panel / panels, f = panel % panels * LANES, wide = least(LANES, e.filters - f);
            const float* from = sums.get() + (group * filled + f) * e.unfolded;
            float* to = static_cast<float*>(call.weight) + (group * e.filters + f) * e.unfolded;
            for (int64_t r = 0; r < e.unfolded; ++r, from += LANES) {
                float totals[LANES];
                for (int64_t l = 0; l < LANES; ++l) totals[l] = from[l];
                for (int64_t chunk = 1; chunk < chunks; ++chunk)
                    for (int64_t l = 0; l < LANES; ++l) totals[l] += from[chunk * size + l];
                for (int64_t l = 0; l < wide; ++l) to[l * e.unfolded + r] = totals[l];
            }
        }
    });
    return failure.get();
}

}  // namespace segue_rt
