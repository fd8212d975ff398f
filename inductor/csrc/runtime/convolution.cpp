/* Convolution and its two gradients, as matrix products of unfolded inputs.
 *
 * In comes a segue_convolution (N, C, then up to three dimensions of space; contiguous); out goes the output or a gradient. The one idea: the columns of the unfolded input are made a
 * block at a time, small enough to stay in the cache, and multiplied at once; blocks are cut by the shape alone, and sums over them run in one order,
 * so the result does not depend on the number of threads. */
#include <cstring>
#include "internal.h"

namespace segue_rt {

constexpr int64_t BLOCK_ELEMENTS = 96 * 1024;  /* of the unfolded input: 384 KB of float32, within a core's L2 */
constexpr int64_t UNITS = 16;                  /* as many pieces of work as a pool may share */

struct Extents {
    const segue_convolution& call;
    int64_t channels, filters, taps, unfolded, pixels, plane;  /* of one group; unfolded = channels * taps */
    explicit Extents(const segue_convolution& c)
        : call(c), channels(c.in_channels / c.groups), filters(c.out_channels / c.groups), taps(volume(c.kernel)), unfolded(channels * taps),
          pixels(volume(c.out_size)), plane(volume(c.in_size)) {}
    static int64_t volume(const int64_t* sizes) { return sizes[0] * sizes[1] * sizes[2]; }
    int64_t pixel_block() const {
        return greatest<int64_t>(least<int64_t>(pixels, 64), least(pixels, BLOCK_ELEMENTS / greatest<int64_t>(unfolded, 1)));
    }
    bool is_product() const {  /* a 1 x 1 kernel that reads each pixel once: the input is its own unfolding */
        bool plain = taps == 1;
        for (int d = 0; d < 3; ++d) plain = plain && call.stride[d] == 1 && call.padding[d] == 0;
        return plain;
    }
};

/* The output columns x of a row for which x * stride + shift lies in [0, width). */
struct Span { int64_t begin, end; };
static Span inside(int64_t shift, int64_t stride, int64_t width, int64_t out_width) {
    int64_t begin = shift >= 0 ? 0 : divide_up(-shift, stride);
    int64_t end = width - shift <= 0 ? 0 : divide_up(width - shift, stride);
    begin = least(begin, out_width);
    return {begin, greatest(begin, least(end, out_width))};
}

/* Calls work(row of the unfolding, place in that row, first output column, count, channel, input row or -1 for one in the padding, first input
 * column) for each piece of an output row. */
template <class Work>
SEGUE_ALWAYS void each_piece(const Extents& e, int64_t first_channel, int64_t channels, int64_t first, int64_t count, Work work) {
    const segue_convolution& c = e.call;
    const int64_t kernel_plane = c.kernel[1] * c.kernel[2], out_plane = c.out_size[1] * c.out_size[2];
    for (int64_t row = 0; row < channels * e.taps; ++row) {
        const int64_t channel = first_channel + row / e.taps, tap = row % e.taps;
        const int64_t deep = tap / kernel_plane * c.dilation[0] - c.padding[0];
        const int64_t down = tap % kernel_plane / c.kernel[2] * c.dilation[1] - c.padding[1];
        const int64_t across = tap % c.kernel[2] * c.dilation[2] - c.padding[2];
        for (int64_t pixel = first; pixel < first + count;) {
            const int64_t x = pixel % c.out_size[2], length = least(c.out_size[2] - x, first + count - pixel);
            const int64_t z = pixel / out_plane * c.stride[0] + deep, y = pixel % out_plane / c.out_size[2] * c.stride[1] + down;
            const bool outside = z < 0 || z >= c.in_size[0] || y < 0 || y >= c.in_size[1];
            work(row, pixel - first, x, length, channel, outside ? -1 : z * c.in_size[1] + y, across);
            pixel += length;
        }
    }
}

template <class T>
static void unfold(const Extents& e, const T* image, int64_t first_channel, int64_t channels, int64_t first, int64_t count, T* columns) {
    const segue_convolution& c = e.call;
    auto piece = [&](int64_t row, int64_t at, int64_t x, int64_t length, int64_t channel, int64_t y, int64_t across) {
        T* to = columns + row * count + at;
        if (y < 0) {
            std::memset(to, 0, static_cast<size_t>(length) * sizeof(T));
            return;
        }
        const T* from = image + channel * e.plane + y * c.in_size[2];
        const Span span = inside(across, c.stride[2], c.in_size[2], c.out_size[2]);
        const int64_t begin = least(greatest(span.begin - x, int64_t{0}), length), end = greatest(begin, least(span.end - x, length));
        for (int64_t i = 0; i < begin; ++i) to[i] = 0;
        if (c.stride[2] == 1) std::memcpy(to + begin, from + x + begin + across, static_cast<size_t>(end - begin) * sizeof(T));
        else for (int64_t i = begin; i < end; ++i) to[i] = from[(x + i) * c.stride[2] + across];
        for (int64_t i = end; i < length; ++i) to[i] = 0;
    };
    each_piece(e, first_channel, channels, first, count, piece);
}

template <class T>
static void fold_back(const Extents& e, const T* columns, int64_t first_channel, int64_t channels, int64_t first, int64_t count, T* image) {
    const segue_convolution& c = e.call;
    auto piece = [&](int64_t row, int64_t at, int64_t x, int64_t length, int64_t channel, int64_t y, int64_t across) {
        if (y < 0) return;
        const T* from = columns + row * count + at;
        T* to = image + channel * e.plane + y * c.in_size[2];
        const Span span = inside(across, c.stride[2], c.in_size[2], c.out_size[2]);
        const int64_t begin = least(greatest(span.begin - x, int64_t{0}), length), end = greatest(begin, least(span.end - x, length));
        if (c.stride[2] == 1) for (int64_t i = begin; i < end; ++i) to[x + i + across] += from[i];
        else for (int64_t i = begin; i < end; ++i) to[(x + i) * c.stride[2] + across] += from[i];
    };
    each_piece(e, first_channel, channels, first, count, piece);
}

/* output[image, group] = weight[group] @ unfolded input, a block of pixels at a time */
template <class T> static int64_t forward(const segue_convolution& call) {
    const Extents e(call);
    const int64_t block = e.pixel_block(), blocks = divide_up(e.pixels, block), units = call.batch * call.groups * blocks;
    Failure failure;
    parallel(units, 1, [&](int64_t begin, int64_t end) {
        Scratch<T> columns(e.is_product() ? 0 : e.unfolded * block);
        if (!columns.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t first = unit % blocks * block, plane = unit / blocks, count = least(block, e.pixels - first), group = plane % call.groups;
            const T* image = static_cast<const T*>(call.input) + plane * e.channels * e.plane;
            T* output = static_cast<T*>(call.output) + plane * e.filters * e.pixels + first;
            Matrix<const T> weight = {static_cast<const T*>(call.weight) + group * e.filters * e.unfolded, e.unfolded, 1};
            Matrix<const T> unfolded = {image + first, e.plane, 1};
            if (!e.is_product()) {
                unfold(e, image, 0, e.channels, first, count, columns.get());
                unfolded = {columns.get(), count, 1};
            }
            if (int64_t code = product<T>(e.filters, count, e.unfolded, weight, unfolded, {output, e.pixels, 1}, false)) failure.set(code);
            if (!call.bias) continue;
            for (int64_t f = 0; f < e.filters; ++f) {
                const T bias = static_cast<const T*>(call.bias)[group * e.filters + f];
                for (int64_t i = 0; i < count; ++i) output[f * e.pixels + i] += bias;
            }
        }
    });
    return failure.get();
}

/* input gradient[image, channels] += folded (weight's transpose @ output gradient). A unit has its channels of one image to itself. */
template <class T> static int64_t input_gradient(const segue_convolution& call) {
    const Extents e(call);
    const int64_t planes = call.batch * call.groups;
    const int64_t parts = planes >= UNITS ? 1 : least(e.channels, divide_up(UNITS, planes)), span = divide_up(e.channels, parts);
    const int64_t block = e.pixel_block(), blocks = divide_up(e.pixels, block);
    Failure failure;
    parallel(planes * parts, 1, [&](int64_t begin, int64_t end) {
        Scratch<T> columns(e.is_product() ? 0 : span * e.taps * block);
        if (!columns.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t plane = unit / parts, group = plane % call.groups;
            const int64_t channel = unit % parts * span, channels = least(span, e.channels - channel);
            if (channels <= 0) continue;
            T* image = static_cast<T*>(call.input) + plane * e.channels * e.plane;
            std::memset(static_cast<void*>(image + channel * e.plane), 0, static_cast<size_t>(channels * e.plane) * sizeof(T));
            Matrix<const T> weight = {static_cast<const T*>(call.weight) + group * e.filters * e.unfolded + channel * e.taps, 1, e.unfolded};
            for (int64_t b = 0; b < blocks; ++b) {
                const int64_t first = b * block, count = least(block, e.pixels - first);
                Matrix<const T> gradient = {static_cast<const T*>(call.output) + plane * e.filters * e.pixels + first, e.pixels, 1};
                Matrix<T> into = e.is_product() ? Matrix<T>{image + channel * e.plane + first, e.plane, 1} : Matrix<T>{columns.get(), count, 1};
                if (int64_t code = product<T>(channels * e.taps, count, e.filters, weight, gradient, into, false)) failure.set(code);
                if (!e.is_product()) fold_back(e, columns.get(), channel, channels, first, count, image);
            }
        }
    });
    return failure.get();
}

/* weight gradient[group][:, channels] = sum over images of output gradient @ unfolded input's transpose. Images are cut into chunks, each chunk
 * summed on its own, and the chunks added in order. */
template <class T> static int64_t weight_gradient(const segue_convolution& call) {
    const Extents e(call);
    const int64_t parts = least(e.channels, divide_up(UNITS, call.groups)), span = divide_up(e.channels, parts);
    const int64_t chunks = greatest<int64_t>(1, least(call.batch, UNITS / (parts * call.groups))), images = divide_up(call.batch, chunks);
    const int64_t block = e.pixel_block(), blocks = divide_up(e.pixels, block), size = call.out_channels * e.unfolded;
    Scratch<T> partial(chunks > 1 ? (chunks - 1) * size : 0);
    if (!partial.get()) return SEGUE_ERROR_MEMORY;
    Failure failure;
    parallel(call.groups * parts * chunks, 1, [&](int64_t begin, int64_t end) {
        Scratch<T> columns(span * e.taps * block);
        if (!columns.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t chunk = unit % chunks, part = unit / chunks % parts, group = unit / chunks / parts;
            const int64_t channel = part * span, channels = least(span, e.channels - channel);
            if (channels <= 0) continue;
            T* weight = chunk ? partial.get() + (chunk - 1) * size : static_cast<T*>(call.weight);
            weight += group * e.filters * e.unfolded + channel * e.taps;
            for (int64_t f = 0; f < e.filters; ++f)
                std::memset(static_cast<void*>(weight + f * e.unfolded), 0, static_cast<size_t>(channels * e.taps) * sizeof(T));
            for (int64_t i = chunk * images; i < least(call.batch, (chunk + 1) * images); ++i) {
                const int64_t plane = i * call.groups + group;
                const T* image = static_cast<const T*>(call.input) + plane * e.channels * e.plane;
                for (int64_t b = 0; b < blocks; ++b) {
                    const int64_t first = b * block, count = least(block, e.pixels - first);
                    Matrix<const T> gradient = {static_cast<const T*>(call.output) + plane * e.filters * e.pixels + first, e.pixels, 1};
                    Matrix<const T> unfolded = {image + channel * e.plane + first, 1, e.plane};
                    if (!e.is_product()) {
                        unfold(e, image, channel, channels, first, count, columns.get());
                        unfolded = {columns.get(), 1, count};
                    }
                    const Matrix<T> into = {weight, e.unfolded, 1};
                    if (int64_t code = product<T>(e.filters, channels * e.taps, count, gradient, unfolded, into, true)) failure.set(code);
                }
            }
        }
    });
    if (chunks > 1)
        parallel(size, 16384, [&](int64_t begin, int64_t end) {
            T* weight = static_cast<T*>(call.weight);
            for (int64_t chunk = 1; chunk < chunks; ++chunk)
                for (int64_t i = begin; i < end; ++i) weight[i] += partial.get()[(chunk - 1) * size + i];
        });
    return failure.get();
}

static bool sensible(const segue_convolution& c) {
    if (c.batch < 0 || c.in_channels < 0 || c.out_channels < 0 || c.groups < 1 || c.in_channels % c.groups || c.out_channels % c.groups) return false;
    for (int d = 0; d < 3; ++d) {
        if (c.in_size[d] < 0 || c.padding[d] < 0 || c.kernel[d] < 1 || c.stride[d] < 1 || c.dilation[d] < 1) return false;
        const int64_t room = c.in_size[d] + 2 * c.padding[d] - c.dilation[d] * (c.kernel[d] - 1) - 1;
        if (room < 0 || c.out_size[d] != room / c.stride[d] + 1) return false;
    }
    return true;
}

/* The functions of one call: the first whose calls it is one of. */
typedef int64_t (*Typed)(const segue_convolution&);
struct Choice {
    bool (*fits)(const segue_convolution&);
    Typed single, twice; /* for float32 and float64; null: not by this way */
};
static bool fits_always(const segue_convolution&) { return true; }
template <int COUNT> static int64_t dispatch(const segue_convolution* call, const Choice (&choices)[COUNT]) {
    if (!sensible(*call) || (call->dtype != SEGUE_FLOAT32 && call->dtype != SEGUE_FLOAT64)) return SEGUE_ERROR_ARGUMENT;
    for (const Choice& choice : choices) {
        const Typed way = call->dtype == SEGUE_FLOAT32 ? choice.single : choice.twice;
        if (way && choice.fits(*call)) return way(*call);
    }
    return SEGUE_ERROR_ARGUMENT;
}
int64_t convolution(const segue_convolution* call) {
    static const Choice choices[] = {
        {is_depthwise, depthwise<float>, depthwise<double>}, {is_tiled, tiled, nullptr}, {fits_always, forward<float>, forward<double>}};
    return dispatch(call, choices);
}
int64_t convolution_input_gradient(const segue_convolution* call) {
    static const Choice choices[] = {{is_depthwise, depthwise_input_gradient<float>, depthwise_input_gradient<double>},
                                     {is_tiled_backwards, tiled_input_gradient, nullptr},
                                     {fits_always, input_gradient<float>, input_gradient<double>}};
    if (call->batch == 0 || call->in_channels == 0) return SEGUE_OK;
    return dispatch(call, choices);
}
int64_t convolution_weight_gradient(const segue_convolution* call) {
    static const Choice choices[] = {{is_depthwise, depthwise_weight_gradient<float>, depthwise_weight_gradient<double>},
                                     {is_tiled, tiled_weight_gradient, nullptr},
                                     {fits_always, weight_gradient<float>, weight_gradient<double>}};
    if (call->in_channels == 0 || call->out_channels == 0) return SEGUE_OK;
    return dispatch(call, choices);
}

}  // namespace segue_rt
