/* Convolution of float32 over one or two dimensions of space, and its gradients, as products in tiles of 6 x 16 whose sums stay in registers.
 *
 * In comes a segue_convolution that `is_tiled` names; out goes the output or a gradient. The one idea: the input is copied once with its padding around it;
 * what a tap of the kernel meets is then the same plane at another place, so that unfolding needs no question, and the gradient of the input is the convolution
 * of the output's gradient with the kernel turned round. Work is cut by the shape alone and summed in one order: the number of threads changes no result. */
#include <cstring>
#include "internal.h"

namespace segue_rt {

constexpr int64_t ROWS = 6, LANES = 16;  /* of a tile: 12 vectors of AVX2 in registers */
constexpr int64_t DEPTH = 384;           /* rows of the unfolding that are summed in one go: six filters' weights stay in the first cache */
constexpr int64_t COLUMNS = 8 * LANES;   /* pixels, unfolded at a time: with DEPTH they stay in the second cache, and each weight that is fetched meets all of them */
constexpr int64_t UNITS = 16;            /* pieces of work that a pool may share */
constexpr int64_t FILTERS = 8 * ROWS;    /* of a piece at least, or unfolding again for each piece costs more than a thread brings */
constexpr int64_t MOST_PARTIAL = 4 << 20;  /* elements of the partial sums of a weight's gradient */
typedef float Half __attribute__((vector_size(32), aligned(4), may_alias));

bool is_tiled(const segue_convolution& c) {
    return c.in_size[0] == 1 && c.kernel[0] == 1 && c.padding[0] == 0 && c.in_channels > 0 && c.out_channels > 0 &&
           c.batch * c.out_size[1] * c.out_size[2] >= LANES;
}
bool is_tiled_backwards(const segue_convolution& c) {
    bool fits = is_tiled(c) && c.batch * c.in_size[1] * c.in_size[2] >= LANES;
    for (int d = 1; d < 3; ++d) fits = fits && c.stride[d] == 1 && c.padding[d] <= c.dilation[d] * (c.kernel[d] - 1);
    return fits;
}

/* ---- The tiles */

/* totals[6][16] += a[6][depth] * b[depth][16] */
SEGUE_ALWAYS void sum_tile(int64_t depth, const float* const a[ROWS], const float* b, Half totals[ROWS][2]) {
    for (int64_t p = 0; p < depth; ++p) {
        const Half low = *reinterpret_cast<const Half*>(b + p * LANES), high = *reinterpret_cast<const Half*>(b + p * LANES + 8);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; ++i) {
            totals[i][0] += a[i][p] * low;
            totals[i][1] += a[i][p] * high;
        }
    }
}

/* c[rows, columns] (+)= a @ b: a's rows lie a_row apart, c's c_row, and column j of c stands at to[j]; b is in panels of 16 columns, filled up to whole ones. */
SEGUE_FOR_EVERY_HOST static void multiply(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t a_row, const float* b, float* c, int64_t c_row,
                                          const int64_t* to, bool add) {
    for (int64_t i = 0; i < rows; i += ROWS) {
        const float* of[ROWS];
        for (int64_t r = 0; r < ROWS; ++r) of[r] = a + least(i + r, rows - 1) * a_row;  /* beyond the last row: that one again, and nobody looks at it */
        for (int64_t j = 0; j < columns; j += LANES) {
            Half totals[ROWS][2] = {};
            sum_tile(depth, of, b + j * depth, totals);
            const int64_t high = least(ROWS, rows - i), wide = least(LANES, columns - j);
            const bool straight = wide == LANES && to[j + LANES - 1] == to[j] + LANES - 1;
            for (int64_t r = 0; r < high; ++r) {
                float* row = c + (i + r) * c_row;
                if (straight) {
                    Half* halves = reinterpret_cast<Half*>(row + to[j]);
                    for (int h = 0; h < 2; ++h) halves[h] = add ? halves[h] + totals[r][h] : totals[r][h];
                } else {
                    const float* from = reinterpret_cast<const float*>(totals[r]);
                    for (int64_t l = 0; l < wide; ++l) row[to[j + l]] = add ? row[to[j + l]] + from[l] : from[l];
                }
            }
        }
    }
}

/* totals[6][16] += rows of the images at six places, over images x height x width pixels, times gradient[pixel][16]. */
SEGUE_FOR_EVERY_HOST static void correlate(const float* const* places, int64_t images, int64_t step, int64_t height, int64_t width, int64_t down, int64_t across,
                                           const float* gradient, float* sums) {
    Half totals[ROWS][2] = {};
    for (int64_t line = 0; line < images * height; ++line) {
        const float* at[ROWS];
        for (int i = 0; i < ROWS; ++i) at[i] = places[i] + line / height * step + line % height * down;
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
    int64_t together;  /* images that are taken at once: small ones alone would not fill the columns of a product */
    bool padded;
    explicit Plan(const segue_convolution& c)
        : call(c), channels(c.in_channels / c.groups), filters(c.out_channels / c.groups), taps(c.kernel[1] * c.kernel[2]), unfolded(channels * taps),
          pixels(c.out_size[1] * c.out_size[2]), plane(c.in_size[1] * c.in_size[2]), width(c.in_size[2] + 2 * c.padding[2]),
          together(least(c.batch, greatest<int64_t>(1, COLUMNS / pixels))), padded(c.padding[1] > 0 || c.padding[2] > 0) {}
    int64_t height(int64_t rows) const { return (rows - 1) * call.stride[1] + (call.kernel[1] - 1) * call.dilation[1] + 1; }  /* that `rows` output rows read */
    int64_t room(int64_t rows) const { return padded ? together * channels * height(rows) * width : 0; }
    const float* input(int64_t image, int64_t group) const {
        return static_cast<const float*>(call.input) + (image * call.groups + group) * channels * plane;
    }
    float* output(int64_t image, int64_t group) const { return static_cast<float*>(call.output) + (image * call.groups + group) * filters * pixels; }
};

/* A group's planes of some images, padded, from what output row `first` reads on; `step`, `plane` and `row` are distances, `from(unfolded)` the place of a tap. */
struct Images {
    const Plan& plan;
    const float* data;
    int64_t step, plane, row;
    const float* from(int64_t unfolded) const {
        const int64_t tap = unfolded % plan.taps;
        const segue_convolution& c = plan.call;
        return data + unfolded / plan.taps * plane + tap / c.kernel[2] * c.dilation[1] * row + tap % c.kernel[2] * c.dilation[2];
    }
};

static Images images_of(const Plan& e, int64_t begin, int64_t count, int64_t group, int64_t first, int64_t rows, float* room) {
    const segue_convolution& c = e.call;
    const int64_t top = first * c.stride[1] - c.padding[1], high = e.height(rows), left = c.padding[2];
    if (!e.padded) return {e, e.input(begin, group) + top * c.in_size[2], c.in_channels * e.plane, e.plane, c.in_size[2]};
    for (int64_t plane = 0; plane < count * e.channels; ++plane)
        for (int64_t y = 0; y < high; ++y) {
            float* to = room + (plane * high + y) * e.width;
            const int64_t from = top + y;
            if (from < 0 || from >= c.in_size[1]) {
                std::memset(to, 0, static_cast<size_t>(e.width) * sizeof(float));
                continue;
            }
            for (int64_t x = 0; x < left; ++x) to[x] = to[e.width - 1 - x] = 0;
            std::memcpy(to + left, e.input(begin + plane / e.channels, group) + plane % e.channels * e.plane + from * c.in_size[2],
                        static_cast<size_t>(c.in_size[2]) * sizeof(float));
        }
    return {e, room, e.channels * high * e.width, high * e.width, e.width};
}

/* ---- Unfolding: rows [begin, end) of the unfolding at pixels that lie at at[0 ... count) from the first of their tap, in panels of 16 */
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

static void unfold(const Images& images, int64_t begin, int64_t end, const int64_t* at, int64_t count, float* panels) {
    const float* from[DEPTH];
    for (int64_t r = begin; r < end; ++r) from[r - begin] = images.from(r);
    for (int64_t j = 0; j < count; j += LANES) unfold_rows(from, end - begin, at + j, panels + j * (end - begin));
}

/* ---- Forward */

/* The weights of a call for the input's gradient, as a forward call has them: filters and channels change places and taps turn round. */
static void turn_weights(const Plan& e, float* turned) {
    parallel(e.call.groups * e.filters, greatest<int64_t>(1, GRAIN / e.unfolded), [&](int64_t begin, int64_t end) {
        for (int64_t filter = begin; filter < end; ++filter)
            for (int64_t channel = 0; channel < e.channels; ++channel) {
                const int64_t group = filter / e.filters, f = filter % e.filters;
                const float* from = static_cast<const float*>(e.call.weight) + ((group * e.channels + channel) * e.filters + f) * e.taps;
                float* to = turned + filter * e.unfolded + channel * e.taps;
                for (int64_t tap = 0; tap < e.taps; ++tap) to[tap] = from[e.taps - 1 - tap];
            }
    });
}

/* Some filters at some rows of pixels of some images. */
struct Piece { int64_t image, images, group, row, rows, filter, filters; };

static void convolve_piece(const Plan& e, const float* weight, const Piece& p, float* room, float* panels) {
    const segue_convolution& c = e.call;
    const Images images = images_of(e, p.image, p.images, p.group, p.row, p.rows, room);
    const int64_t pixels = p.rows * c.out_size[2], columns = p.images * pixels;
    const float* own = weight + (p.group * e.filters + p.filter) * e.unfolded;
    float* output = e.output(p.image, p.group) + p.filter * e.pixels + p.row * c.out_size[2];
    for (int64_t first = 0; first < columns; first += COLUMNS) {
        int64_t at[COLUMNS], to[COLUMNS];
        const int64_t count = least(COLUMNS, columns - first);
        for (int64_t j = 0; j < divide_up(count, LANES) * LANES; ++j) {
            const int64_t column = first + least(j, count - 1), image = column / pixels, pixel = column % pixels;
            at[j] = image * images.step + pixel / c.out_size[2] * c.stride[1] * images.row + pixel % c.out_size[2] * c.stride[2];
            to[j] = image * c.out_channels * e.pixels + pixel;
        }
        for (int64_t r = 0; r < e.unfolded; r += DEPTH) {
            const int64_t depth = least(DEPTH, e.unfolded - r);
            unfold(images, r, r + depth, at, count, panels);
            multiply(p.filters, count, depth, own + r, e.unfolded, panels, output, e.pixels, to, r > 0);
        }
    }
    for (int64_t f = 0; c.bias && f < p.images * p.filters; ++f) {
        const float bias = static_cast<const float*>(c.bias)[p.group * e.filters + p.filter + f % p.filters];
        float* plane = output + f / p.filters * c.out_channels * e.pixels + f % p.filters * e.pixels;
        for (int64_t i = 0; i < pixels; ++i) plane[i] += bias;
    }
}

static int64_t convolve(const segue_convolution& call, bool turned) {
    const Plan e(call);
    const int64_t sets = divide_up(call.batch, e.together), planes = sets * call.groups, rows = call.out_size[1];
    const int64_t parts = planes >= UNITS ? 1 : least(rows, least(divide_up(UNITS, planes), greatest<int64_t>(1, e.pixels / COLUMNS))), span = divide_up(rows, parts);
    const int64_t cuts = planes * parts >= UNITS ? 1 : least(divide_up(UNITS, planes * parts), divide_up(e.filters, FILTERS));
    const int64_t filters = divide_up(divide_up(e.filters, cuts), ROWS) * ROWS;
    Scratch<float> around(turned ? call.out_channels * e.unfolded : 0);
    if (!around.get()) return SEGUE_ERROR_MEMORY;
    if (turned) turn_weights(e, around.get());
    const float* weight = turned ? around.get() : static_cast<const float*>(call.weight);
    Failure failure;
    parallel(planes * parts * cuts, 1, [&](int64_t begin, int64_t end) {
        const int64_t columns = least(COLUMNS, divide_up(e.together * span * call.out_size[2], LANES) * LANES);
        Scratch<float> room(e.room(span)), panels(least(DEPTH, e.unfolded) * columns);
        if (!room.get() || !panels.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t plane = unit / cuts / parts, image = plane / call.groups * e.together, row = unit / cuts % parts * span, filter = unit % cuts * filters;
            const Piece piece = {image, least(e.together, call.batch - image), plane % call.groups, row, least(span, rows - row), filter, least(filters, e.filters - filter)};
            if (piece.rows > 0 && piece.filters > 0) convolve_piece(e, weight, piece, room.get(), panels.get());
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

/* gradient[panel of 16 filters][image][pixel][16], filled up with zeros */
static void turn(const Plan& e, int64_t image, int64_t images, int64_t group, float* turned) {
    for (int64_t f = 0; f < e.filters; f += LANES)
        for (int64_t i = 0; i < images; ++i) {
            const int64_t wide = least(LANES, e.filters - f);
            const float* from = e.output(image + i, group) + f * e.pixels;
            float* to = turned + (f * images + i * LANES) * e.pixels;
            for (int64_t p = 0; p < e.pixels; ++p)
                for (int64_t l = 0; l < LANES; ++l) to[p * LANES + l] = l < wide ? from[l * e.pixels + p] : 0;
        }
}

static void correlate_images(const Plan& e, const Images& images, int64_t count, const float* turned, int64_t begin, int64_t end, float* sums) {
    const segue_convolution& c = e.call;
    for (int64_t r = begin; r < end; r += ROWS) {
        const float* places[ROWS];
        for (int64_t i = 0; i < ROWS; ++i) places[i] = images.from(least(r + i, end - 1));
        for (int64_t f = 0; f < e.filters; f += LANES) {
            float tile[ROWS * LANES] = {};
            float* to = sums + f * e.unfolded + r * LANES;
            const bool whole = r + ROWS <= end;
            correlate(places, count, images.step, c.out_size[1], c.out_size[2], c.stride[1] * images.row, c.stride[2], turned + f * count * e.pixels, whole ? to : tile);
            for (int64_t i = 0; !whole && i < (end - r) * LANES; ++i) to[i] += tile[i];
        }
    }
}

int64_t tiled_weight_gradient(const segue_convolution& call) {
    const Plan e(call);
    const int64_t filled = divide_up(e.filters, LANES) * LANES, size = call.groups * filled * e.unfolded, sets = divide_up(call.batch, e.together);
    const int64_t chunks = greatest<int64_t>(1, least(least(sets, divide_up(UNITS, call.groups)), MOST_PARTIAL / greatest<int64_t>(1, size)));
    const int64_t images = divide_up(sets, chunks) * e.together, parts = least(divide_up(e.unfolded, ROWS), divide_up(UNITS, chunks * call.groups));
    const int64_t span = divide_up(divide_up(e.unfolded, ROWS), parts) * ROWS;
    Scratch<float> sums(chunks * size);
    if (!sums.get()) return SEGUE_ERROR_MEMORY;
    Failure failure;
    parallel(call.groups * chunks * parts, 1, [&](int64_t begin, int64_t end) {
        Scratch<float> room(e.room(call.out_size[1])), turned(e.together * filled * e.pixels);
        if (!room.get() || !turned.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t group = unit / parts % call.groups, chunk = unit / parts / call.groups, row = unit % parts * span;
            float* own = sums.get() + chunk * size + group * filled * e.unfolded;
            for (int64_t f = 0; f < filled && row < e.unfolded; f += LANES)
                std::memset(own + f * e.unfolded + row * LANES, 0, static_cast<size_t>(least(span, e.unfolded - row) * LANES) * sizeof(float));
            for (int64_t i = chunk * images; i < least(call.batch, (chunk + 1) * images) && row < e.unfolded; i += e.together) {
                const int64_t count = least(e.together, call.batch - i);
                const Images held = images_of(e, i, count, group, 0, call.out_size[1], room.get());
                turn(e, i, count, group, turned.get());
                correlate_images(e, held, count, turned.get(), row, least(row + span, e.unfolded), own);
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
