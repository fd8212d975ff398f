/* Depthwise convolution and its two gradients: each group has one input channel, so there is no product to gain from.
 *
 * In comes a segue_convolution, out goes the output or a gradient. The one idea: a plane is laid out anew with its padding and, where the stride is above one, its
 * rows and columns sorted by their remainder; then what a kernel element meets is one straight run, moved by an offset of its own, and the sum over the
 * elements is made in registers. A plane belongs to one thread, so the result does not depend on their number. */
#include <cstring>
#include "internal.h"

namespace segue_rt {

constexpr int64_t MOST_FILTERS = 4;  /* of a group; with more, the product of the unfolded input is quicker */
constexpr int64_t MOST_TAPS = 1024;
constexpr int64_t WORK = 1 << 16;    /* multiplications that are worth a thread */

template <class T> struct Lanes;
template <> struct Lanes<float> { typedef float type __attribute__((vector_size(32), aligned(4), may_alias)); };
template <> struct Lanes<double> { typedef double type __attribute__((vector_size(32), aligned(8), may_alias)); };
template <class T> constexpr int64_t STEP = 8 * 32 / sizeof(T);  /* output elements of one pass over the taps */

bool is_depthwise(const segue_convolution& c) {
    const int64_t taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
    return c.in_channels == c.groups && c.out_channels <= MOST_FILTERS * c.groups && taps > 1 && taps <= MOST_TAPS && c.groups > 1;
}

/* Where the elements of a plane stand: phases[d] = stride[d] blocks by remainder, each of length[0] x length[1] x length[2]. */
struct Layout {
    const segue_convolution& call;
    int64_t length[3], size, total, taps, filters, count, pixels, plane;
    int64_t offsets[MOST_TAPS];  /* of each tap, from the run of the first */
    explicit Layout(const segue_convolution& c) : call(c) {
        for (int d = 0; d < 3; ++d) length[d] = divide_up(c.in_size[d] + 2 * c.padding[d], c.stride[d]);
        size = length[0] * length[1] * length[2];
        total = size * c.stride[0] * c.stride[1] * c.stride[2];
        taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
        filters = c.out_channels / c.groups;
        count = start(c.out_size[0] - 1, c.out_size[1] - 1) + c.out_size[2];
        pixels = c.out_size[0] * c.out_size[1] * c.out_size[2];
        plane = c.in_size[0] * c.in_size[1] * c.in_size[2];
        for (int64_t tap = 0; tap < taps; ++tap)
            offsets[tap] = place(tap / (c.kernel[1] * c.kernel[2]) * c.dilation[0], tap / c.kernel[2] % c.kernel[1] * c.dilation[1], tap % c.kernel[2] * c.dilation[2]);
    }
    int64_t place(int64_t z, int64_t y, int64_t x) const {  /* of an element of the padded plane */
        const int64_t* s = call.stride;
        return ((z % s[0] * s[1] + y % s[1]) * s[2] + x % s[2]) * size + (z / s[0] * length[1] + y / s[1]) * length[2] + x / s[2];
    }
    int64_t start(int64_t z, int64_t y) const { return (z * length[1] + y) * length[2]; }  /* of a row of outputs, in the run of the first tap */
    int64_t grain() const { return greatest<int64_t>(1, WORK / greatest<int64_t>(1, count * taps * filters)); }
};

/* work(first element of a row of the image, its place in the layout, first element's column, how many, distance in the image) for each straight piece. */
template <class Work> SEGUE_ALWAYS void each_row(const Layout& e, Work work) {
    const segue_convolution& c = e.call;
    for (int64_t z = 0; z < c.in_size[0]; ++z)
        for (int64_t y = 0; y < c.in_size[1]; ++y)
            for (int64_t x = 0; x < least(c.stride[2], c.in_size[2]); ++x)
                work((z * c.in_size[1] + y) * c.in_size[2] + x, e.place(z + c.padding[0], y + c.padding[1], x + c.padding[2]), divide_up(c.in_size[2] - x, c.stride[2]));
}

template <class T> static void lay_out(const Layout& e, const T* image, T* laid) {
    const int64_t step = e.call.stride[2];
    std::memset(static_cast<void*>(laid), 0, static_cast<size_t>(e.total) * sizeof(T));
    each_row(e, [&](int64_t from, int64_t to, int64_t length) {
        if (step == 1) std::memcpy(laid + to, image + from, static_cast<size_t>(length) * sizeof(T));
        else for (int64_t i = 0; i < length; ++i) laid[to + i] = image[from + i * step];
    });
}

template <class T> static void take_back(const Layout& e, const T* laid, T* image) {
    const int64_t step = e.call.stride[2];
    each_row(e, [&](int64_t to, int64_t from, int64_t length) {
        for (int64_t i = 0; i < length; ++i) image[to + i * step] = laid[from + i];
    });
}

/* out[i] = sum over taps of weight[tap] * laid[i + offset of tap], eight vectors at a time: wider ones are taken apart badly where the host has none */
template <class T> SEGUE_ALWAYS void correlate_rows(const Layout& e, const T* laid, const T* weight, T* out) {
    typedef typename Lanes<T>::type V;
    constexpr int64_t width = 32 / sizeof(T);
    for (int64_t i = 0; i < e.count; i += STEP<T>) {
        V sum[8] = {};
        for (int64_t tap = 0; tap < e.taps; ++tap) {
            const T* from = laid + e.offsets[tap] + i;
            const T w = weight[tap];
            for (int v = 0; v < 8; ++v) sum[v] += *reinterpret_cast<const V*>(from + v * width) * w;
        }
        for (int v = 0; v < 8; ++v) *reinterpret_cast<V*>(out + i + v * width) = sum[v];
    }
}

/* laid[i + offset of tap] += weight[tap] * gradient[i], along each row of outputs */
template <class T> SEGUE_ALWAYS void spread_rows(const Layout& e, T* laid, const T* weight, const T* gradient) {
    const segue_convolution& c = e.call;
    for (int64_t tap = 0; tap < e.taps; ++tap) {
        const T w = weight[tap];
        for (int64_t z = 0; z < c.out_size[0]; ++z)
            for (int64_t y = 0; y < c.out_size[1]; ++y) {
                T* to = laid + e.offsets[tap] + e.start(z, y);
                const T* from = gradient + (z * c.out_size[1] + y) * c.out_size[2];
                for (int64_t x = 0; x < c.out_size[2]; ++x) to[x] += w * from[x];
            }
    }
}

/* weight[tap] += sum over outputs of gradient[i] * laid[i + offset of tap], in eight sums that are added at the end */
template <class T> SEGUE_ALWAYS void dot_rows(const Layout& e, const T* laid, T* weight, const T* gradient) {
    const segue_convolution& c = e.call;
    for (int64_t tap = 0; tap < e.taps; ++tap) {
        T sums[8] = {};
        for (int64_t z = 0; z < c.out_size[0]; ++z)
            for (int64_t y = 0; y < c.out_size[1]; ++y) {
                const T* of = laid + e.offsets[tap] + e.start(z, y);
                const T* by = gradient + (z * c.out_size[1] + y) * c.out_size[2];
                int64_t x = 0;
                for (; x + 8 <= c.out_size[2]; x += 8)
                    for (int lane = 0; lane < 8; ++lane) sums[lane] += of[x + lane] * by[x + lane];
                for (int lane = 0; x < c.out_size[2]; ++x, ++lane) sums[lane] += of[x] * by[x];
            }
        T sum = 0;
        for (int lane = 0; lane < 8; ++lane) sum += sums[lane];
        weight[tap] += sum;
    }
}

SEGUE_FOR_EVERY_HOST static void correlate(const Layout& e, const float* laid, const float* weight, float* out) { correlate_rows(e, laid, weight, out); }
SEGUE_FOR_EVERY_HOST static void correlate(const Layout& e, const double* laid, const double* weight, double* out) { correlate_rows(e, laid, weight, out); }
SEGUE_FOR_EVERY_HOST static void spread(const Layout& e, float* laid, const float* weight, const float* g) { spread_rows(e, laid, weight, g); }
SEGUE_FOR_EVERY_HOST static void spread(const Layout& e, double* laid, const double* weight, const double* g) { spread_rows(e, laid, weight, g); }
SEGUE_FOR_EVERY_HOST static void dot(const Layout& e, const float* laid, float* weight, const float* g) { dot_rows(e, laid, weight, g); }
SEGUE_FOR_EVERY_HOST static void dot(const Layout& e, const double* laid, double* weight, const double* g) { dot_rows(e, laid, weight, g); }

template <class T> int64_t depthwise(const segue_convolution& c) {
    const Layout e(c);
    Failure failure;
    parallel(c.batch * c.groups, e.grain(), [&](int64_t begin, int64_t end) {
        Scratch<T> laid(e.total + STEP<T>), wide(e.count + STEP<T>);
        if (!laid.get() || !wide.get()) return failure.set(SEGUE_ERROR_MEMORY);
        std::memset(static_cast<void*>(laid.get() + e.total), 0, STEP<T> * sizeof(T));
        for (int64_t unit = begin; unit < end; ++unit) {
            lay_out(e, static_cast<const T*>(c.input) + unit * e.plane, laid.get());
            for (int64_t f = 0; f < e.filters; ++f) {
                const int64_t filter = unit % c.groups * e.filters + f;
                correlate(e, laid.get(), static_cast<const T*>(c.weight) + filter * e.taps, wide.get());
                T* out = static_cast<T*>(c.output) + (unit * e.filters + f) * e.pixels;
                const T bias = c.bias ? static_cast<const T*>(c.bias)[filter] : T(0);
                for (int64_t row = 0; row < c.out_size[0] * c.out_size[1]; ++row) {
                    const T* from = wide.get() + e.start(row / c.out_size[1], row % c.out_size[1]);
                    T* to = out + row * c.out_size[2];
                    if (c.bias) for (int64_t x = 0; x < c.out_size[2]; ++x) to[x] = from[x] + bias;
                    else std::memcpy(to, from, static_cast<size_t>(c.out_size[2]) * sizeof(T));
                }
            }
        }
    });
    return failure.get();
}

template <class T> int64_t depthwise_input_gradient(const segue_convolution& c) {
    const Layout e(c);
    Failure failure;
    parallel(c.batch * c.groups, e.grain(), [&](int64_t begin, int64_t end) {
        Scratch<T> laid(e.total);
        if (!laid.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t unit = begin; unit < end; ++unit) {
            std::memset(static_cast<void*>(laid.get()), 0, static_cast<size_t>(e.total) * sizeof(T));
            for (int64_t f = 0; f < e.filters; ++f)
                spread(e, laid.get(), static_cast<const T*>(c.weight) + (unit % c.groups * e.filters + f) * e.taps,
                       static_cast<const T*>(c.output) + (unit * e.filters + f) * e.pixels);
            take_back(e, laid.get(), static_cast<T*>(c.input) + unit * e.plane);
        }
    });
    return failure.get();
}

template <class T> int64_t depthwise_weight_gradient(const segue_convolution& c) {
    const Layout e(c);
    Failure failure;
    parallel(c.groups, greatest<int64_t>(1, e.grain() / greatest<int64_t>(1, c.batch)), [&](int64_t begin, int64_t end) {
        Scratch<T> laid(e.total);
        if (!laid.get()) return failure.set(SEGUE_ERROR_MEMORY);
        for (int64_t group = begin; group < end; ++group) {
            T* weight = static_cast<T*>(c.weight) + group * e.filters * e.taps;
            std::memset(static_cast<void*>(weight), 0, static_cast<size_t>(e.filters * e.taps) * sizeof(T));
            for (int64_t image = 0; image < c.batch; ++image) {
                lay_out(e, static_cast<const T*>(c.input) + (image * c.groups + group) * e.plane, laid.get());
                for (int64_t f = 0; f < e.filters; ++f)
                    dot(e, laid.get(), weight + f * e.taps, static_cast<const T*>(c.output) + ((image * c.groups + group) * e.filters + f) * e.pixels);
            }
        }
    });
    return failure.get();
}

template int64_t depthwise<float>(const segue_convolution&);
template int64_t depthwise<double>(const segue_convolution&);
template int64_t depthwise_input_gradient<float>(const segue_convolution&);
template int64_t depthwise_input_gradient<double>(const segue_convolution&);
template int64_t depthwise_weight_gradient<float>(const segue_convolution&);
template int64_t depthwise_weight_gradient<double>(const segue_convolution&);

}  // namespace segue_rt
