/* The C interface between generated code and the prebuilt run-time library.
 *
 * In comes one pointer, `const segue_runtime* rt`, as the last argument of a generated library's entry; through its function pointers generated code
 * reaches the one thread pool, products, convolutions, scans, sorts and reused memory. The one idea: generated code links against nothing, includes
 * no standard header, and everything that is the same for all graphs was compiled once, when the package was built.
 *
 * Plain C. Every function that can fail returns SEGUE_OK or an error code, which the entry hands on to the launcher. */
#ifndef SEGUE_RUNTIME_H
#define SEGUE_RUNTIME_H

#ifdef __cplusplus
#define SEGUE_API extern "C" __attribute__((visibility("default")))
#else
#define SEGUE_API __attribute__((visibility("default")))
#endif

typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;

/* Raised with every change of a struct or of a meaning below. It is part of the cache's key, and the launcher refuses another value. */
#define SEGUE_RUNTIME_ABI 6

/* What an entry and the functions below return. The launcher turns these into exceptions; codes from SEGUE_ERROR_OWN on are the
 * library's own, and their texts are given to the launcher when it is made. */
enum {
    SEGUE_OK = 0,
    SEGUE_ERROR_MEMORY = 1,      /* MemoryError */
    SEGUE_ERROR_ARGUMENT = 2,    /* ValueError: sizes or dtypes that the function does not take */
    SEGUE_ERROR_INDEX = 3,       /* IndexError: an index out of range */
    SEGUE_ERROR_VALUE = 4,       /* RuntimeError: a value that an operator does not take, such as a divisor of zero */
    SEGUE_ERROR_OWN = 100
};

/* Element types. */
enum {
    SEGUE_BOOL = 0,
    SEGUE_UINT8 = 1,
    SEGUE_INT8 = 2,
    SEGUE_INT16 = 3,
    SEGUE_INT32 = 4,
    SEGUE_INT64 = 5,
    SEGUE_FLOAT16 = 6,
    SEGUE_BFLOAT16 = 7,
    SEGUE_FLOAT32 = 8,
    SEGUE_FLOAT64 = 9
};

/* One range of a parallel loop: does [begin, end). */
typedef void (*segue_range)(int64_t begin, int64_t end, void* context);

#define SEGUE_MAX_BATCH 6

/* c = a @ b (+ c where accumulate), for each place of a batch of up to SEGUE_MAX_BATCH dimensions. All strides are in elements, may be zero or
 * negative for a and b; c's elements must not overlap. A transposed operand is one with its two strides exchanged.
 * float32 and float64: BLAS or own kernels. float16, bfloat16: summed in float32, rounded once. Integers wrap. bool: any(and). */
typedef struct segue_matmul {
    int64_t dtype;
    int64_t m, n, k;
    const void* a;               /* m x k */
    int64_t a_row, a_column;
    const void* b;               /* k x n */
    int64_t b_row, b_column;
    void* c;                     /* m x n */
    int64_t c_row, c_column;
    int64_t accumulate;          /* 0: c = a @ b, c is not read; 1: c += a @ b (float32 and float64 only) */
    int64_t batch_rank;          /* 0: one product */
    int64_t batch[SEGUE_MAX_BATCH];
    int64_t a_batch[SEGUE_MAX_BATCH];
    int64_t b_batch[SEGUE_MAX_BATCH];
    int64_t c_batch[SEGUE_MAX_BATCH];
} segue_matmul;

/* Convolution over three dimensions of space (fewer: the leading ones have size 1, kernel 1, stride 1); all arrays C-contiguous:
 * input (batch, in_channels, *in_size), weight (out_channels, in_channels / groups, *kernel), output (batch, out_channels, *out_size) with
 * out_size = (in_size + 2 padding - dilation (kernel - 1) - 1) / stride + 1.
 *   convolution:                  reads input, weight, bias (may be null); writes output
 *   convolution_input_gradient:   reads output (its gradient), weight;     writes input (the gradient)
 *   convolution_weight_gradient:  reads output (its gradient), input;      writes weight (the gradient)
 * float32 and float64. The result does not depend on the number of threads. */
typedef struct segue_convolution {
    int64_t dtype;
    int64_t batch, in_channels, out_channels, groups;
    int64_t in_size[3], kernel[3], out_size[3], stride[3], padding[3], dilation[3];
    void* input;
    void* weight;
    const void* bias;
    void* output;
} segue_convolution;

/* Max pooling over `planes` blocks of size[0] x size[1] x size[2] (C-contiguous; fewer dimensions as above): the flat index in its block of the
 * greatest element of each window: the first of equal ones; a NaN is greater than all else. Padding never wins. All dtypes above. */
typedef struct segue_pool {
    int64_t dtype;
    int64_t planes;
    int64_t size[3], out_size[3], kernel[3], stride[3], padding[3], dilation[3];
    const void* input;
    int64_t* indices;            /* planes x out_size */
} segue_pool;

/* A function along one dimension of a C-contiguous array seen as outer x size x inner. Input and output have the same extents. */
typedef struct segue_along {
    int64_t dtype;
    int64_t outer, size, inner;
    const void* input;
    void* output;                /* cumsum: the same dtype (float16, bfloat16 summed in float32); argsort: int64 */
    int64_t descending;          /* argsort: 0 ascending, 1 descending. Stable both ways; NaN counts as greatest */
    int64_t wanted;              /* argsort: so many places from the first on are looked at, what follows them is left as it was. 0: all */
} segue_along;

/* One function of `count` float32 elements: a place among SEGUE_ELEMENTARY (those that are within two ulps). */
#define SEGUE_ELEMENTARY(X) X(erf) X(expm1) X(log1p) X(acos) X(atan) X(sinh) X(cosh)
typedef struct segue_elementary {
    int64_t function, count;
    const float* input;
    float* output;
} segue_elementary;

/* The first `count` uniform numbers of a draw (see segue_philox.h). `offset` includes the call's index. */
typedef struct segue_draw {
    int64_t seed, offset, count;
    float* output;
} segue_draw;

/* One of the kernels that eager code calls (see eager.cpp): a place among SEGUE_KERNELS, the dtype of the arrays (SEGUE_FLOAT32 or SEGUE_FLOAT64), and what that kernel takes.
 * All arrays are dense. Element by element, a kernel takes `sizes[0]` elements of two inputs, which may be one and the same. */
#define SEGUE_CURVES(X) X(bounded) X(bounded_slope) X(hard_swish) X(hard_swish_slope) X(hard_sigmoid) X(hard_sigmoid_slope) X(leaky_relu) \
    X(leaky_relu_slope) X(smooth) X(smooth_slope) X(rectified) X(gelu) X(gelu_slope) X(gelu_by_tanh) X(gelu_by_tanh_slope) X(elu) \
    X(elu_slope) X(softplus) X(softplus_slope) X(log_sigmoid) X(log_sigmoid_slope) X(of_logits) X(of_logits_slope) X(clamped) X(clamped_slope)
#define SEGUE_KERNELS(X) SEGUE_CURVES(X) X(cumsum) X(cumprod) X(linear_recurrence) X(cummax_indices) X(cummin_indices) X(gather) X(add_rows) X(choose) \
    X(softmax) X(softmax_slope) X(log_softmax) X(log_softmax_slope) X(normalise) X(normalise_slope) X(normalise_channels) X(normalise_channels_slope) \
    X(grid_sample) X(grid_sample_slope) X(lstm_time) X(lstm_slope_time) X(gru_time) X(gru_slope_time) \
    X(pick) X(pick_slope) X(window_means) X(window_means_slope) X(first_places)
typedef struct segue_kernel {
    int64_t function, dtype, sizes[8];
    double numbers[4];
    const void* inputs[6];
    void* outputs[4];
} segue_kernel;

typedef struct segue_runtime {
    int64_t abi;                 /* SEGUE_RUNTIME_ABI */
    int64_t threads;             /* of the pool; 1: everything runs serially */

    /* Cut [begin, end) into a few ranges for each thread, each a multiple of `grain` elements long (except the last), and run them on the pool, the
     * caller's thread included. Returns when all are done. With one range (end - begin <= grain), inside another parallel_for, while another thread has
     * the pool, or in a forked child everything runs here, as fn(begin, end). Which ranges fn sees thus varies: a result must not depend on it (cut a
     * reduction into fixed pieces yourself and loop over the pieces). Go parallel above about 3 us of work: 32k cheap or 8k transcendental elements. */
    void (*parallel_for)(int64_t begin, int64_t end, int64_t grain, segue_range fn, void* context);

    int64_t (*matmul)(const segue_matmul* call);
    int64_t (*convolution)(const segue_convolution* call);
    int64_t (*convolution_input_gradient)(const segue_convolution* call);
    int64_t (*convolution_weight_gradient)(const segue_convolution* call);
    int64_t (*max_pool_indices)(const segue_pool* call);
    int64_t (*cumsum)(const segue_along* call);
    int64_t (*argsort)(const segue_along* call);

    /* A block of at least `bytes` bytes, 64-byte aligned (2 MB aligned and on huge pages when large), not cleared; null without memory. It comes from
     * the pool of free blocks and goes back there: a few tens of ns. Any thread may release it. release(null) does nothing. */
    void* (*acquire)(int64_t bytes);
    void (*release)(void* block);

    /* A function of segue_math.h of all elements: for eager code, which has it nowhere else this fast. */
    int64_t (*elementary)(const segue_elementary* call);

    /* Uniform float32 numbers in [0, 1): for eager code. */
    int64_t (*uniform)(const segue_draw* call);

    /* A kernel for eager code. */
    int64_t (*kernel)(const segue_kernel* call);
} segue_runtime;

/* What a generated library exports.
 * segue_entry: does the graph's work. inputs: the arrays' data in the order of the launcher's array inputs, then the constants; outputs: the arrays'
 * data; sizes: the values of the symbols; arena: a block of the bytes asked for, 64-byte aligned. Returns SEGUE_OK or an error code.
 * segue_shapes: only where a size is symbolic. Fills dimensions with all dimensions of the array outputs, and one number for each computed int
 * output, one after the other in the order of the outputs, and arena_bytes. */
typedef int64_t (*segue_entry_function)(void** inputs, void** outputs, const int64_t* sizes, char* arena, const segue_runtime* rt);
typedef void (*segue_shapes_function)(const int64_t* sizes, int64_t* dimensions, int64_t* arena_bytes);

#endif
