/* Images sampled at computed places for eager code: grid_sample and its derivative, in two and three dimensions of space.
 *
 * In come images (N, C, *space) and coordinates (N, places, rank); out go samples (N, C, places), or the gradients of both. The one idea: what a place meets (its corners' offsets
 * and weights, and how these change with each coordinate) does not depend on the channel, so it is computed once for a block of places and then walked for every channel. */
#include "internal.h"
#include "segue_vector.h"

namespace segue_rt {
using Call = segue_kernel;
enum { RANK = 3, TAPS = 4, CORNERS = 16, BLOCK = 32 };  /* bicubic: 4 x 4 corners, trilinear: 2 x 2 x 2 */
enum { BILINEAR, NEAREST, BICUBIC };
enum { ZEROS, BORDER, REFLECTION };

/* sizes: images, channels, depth (0: two dimensions), height, width, places, the mode + 4 * the padding + 16 * align_corners */
struct Shape {
    int64_t images, channels, size[RANK], places, rank, plane;
    int mode, padding;
    bool aligned;
    explicit Shape(const Call& call)
        : images(call.sizes[0]), channels(call.sizes[1]), places(call.sizes[5]), rank(call.sizes[2] ? 3 : 2), plane(1), mode(int(call.sizes[6] & 3)),
          padding(int(call.sizes[6] >> 2 & 3)), aligned(call.sizes[6] >> 4) {
        for (int64_t d = 0; d < rank; ++d) plane *= size[d] = call.sizes[2 + RANK - rank + d];
    }
    int64_t taps() const { return mode == NEAREST ? 1 : mode == BILINEAR ? 2 : 4; }
    int64_t corners() const { return rank == 3 ? taps() * taps() * taps() : taps() * taps(); }
};

/* A coordinate put inside by the padding, and how it changes with the coordinate that was given. */
template <class T> struct Moved { T place, slope; };
template <class T> SEGUE_ALWAYS Moved<T> inside(const Shape& s, T place, int64_t size) {
    if (s.padding == ZEROS) return {place, 1};
    T slope = 1;
    if (s.padding == REFLECTION) {
        const T low = s.aligned ? T(0) : T(-0.5), span = s.aligned ? T(size - 1) : T(size), gap = place - low;
        if (span == 0) return {place * 0, 0};
        const T distance = gap < 0 ? -gap : gap, flips = T(__builtin_floor(double(distance / span))), rest = T(__builtin_fmod(double(distance), double(span)));
        const bool even = __builtin_fmod(double(flips), 2.0) == 0;
        place = even ? rest + low : span - rest + low;
        slope = T(gap > 0 ? 1 : gap < 0 ? -1 : 0) * T(even ? 1 : -1);
    }
    const T top = T(size - 1);
    return {place < 0 ? T(0) : place > top ? top : place, (place >= 0) & (place <= top) ? slope : T(0)};
}

template <class T> struct Taps {
    int64_t position[TAPS];  /* -1: outside */
    T weight[TAPS], slope[TAPS];
    void put(int64_t k, T place, int64_t size, T of, T by) {
        position[k] = (place >= 0) & (place <= T(size - 1)) ? int64_t(place) : -1;
        weight[k] = of;
        slope[k] = by;
    }
};
template <class T> SEGUE_ALWAYS Taps<T> meet(const Shape& s, T coordinate, int64_t size) {
    const T by = T(s.aligned ? size - 1 : size) / 2, place = s.aligned ? (coordinate + 1) / 2 * T(size - 1) : ((coordinate + 1) * T(size) - 1) / 2;
    Taps<T> found;
    if (s.mode == BICUBIC) {  /* Keys' kernel with a = -0.75 */
        const T low = T(__builtin_floor(double(place))), t = place - low, a = T(-0.75);
        for (int k = 0; k < TAPS; ++k) {
            const T x = k < 2 ? t + T(1 - k) : T(k - 1) - t, turn = k < 2 ? by : -by;
            const bool far = k == 0 || k == 3;
            const T weight = far ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : ((a + 2) * x - (a + 3)) * x * x + 1;
            const T slope = far ? (3 * a * x - 10 * a) * x + 8 * a : (3 * (a + 2) * x - 2 * (a + 3)) * x;
            found.put(k, inside<T>(s, low + T(k - 1), size).place, size, weight, slope * turn);
        }
        return found;
    }
    const Moved<T> at = inside<T>(s, place, size);
    if (s.mode == NEAREST) {
        found.put(0, T(__builtin_rint(double(at.place))), size, 1, 0);
        return found;
    }
    const T low = T(__builtin_floor(double(at.place)));
    found.put(0, low, size, low + 1 - at.place, -at.slope * by);
    found.put(1, low + 1, size, at.place - low, at.slope * by);
    return found;
}

/* All corners of `count` places of an image, from place `begin` on. */
template <class T> struct Corners {
    int64_t offset[CORNERS][BLOCK];  /* -1: outside */
    T weight[CORNERS][BLOCK], slope[RANK][CORNERS][BLOCK];
    void fill(const Shape& s, const T* grid, int64_t count) {
        const int64_t taps = s.taps(), corners = s.corners();
        for (int64_t p = 0; p < count; ++p) {
            Taps<T> along[RANK];
            for (int64_t d = 0; d < s.rank; ++d) along[d] = meet<T>(s, grid[p * s.rank + s.rank - 1 - d], s.size[d]);
            for (int64_t corner = 0; corner < corners; ++corner) {
                int64_t at = 0, tap[RANK], left = corner;
                for (int64_t d = s.rank - 1; d >= 0; --d, left /= taps) tap[d] = left % taps;
                T of = 1;
                for (int64_t d = 0; d < s.rank; ++d) {
                    const int64_t position = along[d].position[tap[d]];
                    at = (at < 0) | (position < 0) ? -1 : at * s.size[d] + position;
                    of *= along[d].weight[tap[d]];
                }
                offset[corner][p] = at;
                weight[corner][p] = of;
                for (int64_t d = 0; d < s.rank; ++d) {
                    T by = along[d].slope[tap[d]];
                    for (int64_t other = 0; other < s.rank; ++other)
                        if (other != d) by *= along[other].weight[tap[other]];
                    slope[d][corner][p] = by;
                }
            }
        }
    }
};

template <class T> SEGUE_ALWAYS void sample_block(const Shape& s, const Corners<T>& met, const T* x, T* __restrict out, int64_t count) {
    for (int64_t channel = 0; channel < s.channels; ++channel, x += s.plane, out += s.places) {
        for (int64_t p = 0; p < count; ++p) out[p] = 0;
        for (int64_t corner = 0; corner < s.corners(); ++corner)
            for (int64_t p = 0; p < count; ++p) out[p] += (met.offset[corner][p] >= 0 ? x[met.offset[corner][p]] : T(0)) * met.weight[corner][p];
    }
}
SEGUE_FOR_EVERY_HOST static void sample(const Shape& s, const Corners<float>& met, const float* x, float* out, int64_t count) { sample_block(s, met, x, out, count); }
SEGUE_FOR_EVERY_HOST static void sample(const Shape& s, const Corners<double>& met, const double* x, double* out, int64_t count) { sample_block(s, met, x, out, count); }

template <class T> void grid_sample_all(const Call& call) {
    const Shape s(call);
    const int64_t blocks = divide_up(s.places, BLOCK);
    parallel(s.images * blocks, 1, [&](int64_t begin, int64_t end) {
        Corners<T> met;
        for (int64_t i = begin; i < end; ++i) {
            const int64_t image = i / blocks, first = i % blocks * BLOCK, count = least<int64_t>(BLOCK, s.places - first);
            met.fill(s, static_cast<const T*>(call.inputs[1]) + (image * s.places + first) * s.rank, count);
            sample(s, met, static_cast<const T*>(call.inputs[0]) + image * s.channels * s.plane, static_cast<T*>(call.outputs[0]) + image * s.channels * s.places + first, count);
        }
    });
}

/* Of the images, the coordinates and the gradient: the gradients of the images (zeros when it begins) and of the coordinates, each of which may be null. */
template <class T> void grid_sample_slope_all(const Call& call) {
    const Shape s(call);
    const int64_t corners = s.corners();
    parallel(s.images, 1, [&](int64_t begin, int64_t end) {
        Corners<T> met;
        for (int64_t image = begin; image < end; ++image)
            for (int64_t first = 0; first < s.places; first += BLOCK) {
                const int64_t count = least<int64_t>(BLOCK, s.places - first), at = (image * s.places + first) * s.rank;
                met.fill(s, static_cast<const T*>(call.inputs[1]) + at, count);
                T turned[RANK][BLOCK] = {};
                for (int64_t channel = 0; channel < s.channels; ++channel) {
                    const int64_t plane = (image * s.channels + channel) * s.plane;
                    const T *x = static_cast<const T*>(call.inputs[0]) + plane, *g = static_cast<const T*>(call.inputs[2]) + (image * s.channels + channel) * s.places + first;
                    T* found = call.outputs[0] ? static_cast<T*>(call.outputs[0]) + plane : nullptr;
                    for (int64_t corner = 0; corner < corners; ++corner)
                        for (int64_t p = 0; p < count; ++p) {
                            const int64_t offset = met.offset[corner][p];
                            if (offset < 0) continue;
                            if (found) found[offset] += g[p] * met.weight[corner][p];
                            for (int64_t d = 0; call.outputs[1] && d < s.rank; ++d) turned[d][p] += g[p] * x[offset] * met.slope[d][corner][p];
                        }
                }
                if (T* of_grid = static_cast<T*>(call.outputs[1]))
                    for (int64_t p = 0; p < count; ++p)
                        for (int64_t d = 0; d < s.rank; ++d) of_grid[at + p * s.rank + s.rank - 1 - d] = turned[d][p];
            }
    });
}

SEGUE_BOTH(grid_sample) SEGUE_BOTH(grid_sample_slope)

}  // namespace segue_rt
