/* What the parts of the run-time library share: the thread pool, blocks of memory, the serial product, and small tools. */
#ifndef SEGUE_INTERNAL_H
#define SEGUE_INTERNAL_H
#include <cstddef>
#include <cstdint>
#include "segue_runtime.h"

/* Functions with hot loops are compiled for several instruction sets, and the loader picks one: the package is built once for all hosts. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define SEGUE_FOR_EVERY_HOST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SEGUE_FOR_EVERY_HOST
#endif
#define SEGUE_ALWAYS __attribute__((always_inline)) inline

namespace segue_rt {

/* threads.cpp */
void parallel_for(int64_t begin, int64_t end, int64_t grain, segue_range fn, void* context);
int64_t thread_count();
void set_thread_count(int64_t count);

/* body(begin, end) over ranges of [0, count). */
template <class Body> void parallel(int64_t count, int64_t grain, Body body) {
    parallel_for(0, count, grain, [](int64_t begin, int64_t end, void* context) { (*static_cast<Body*>(context))(begin, end); }, &body);
}

/* memory.cpp */
void* acquire(int64_t bytes);
void release(void* block);
struct PoolState { int64_t cached_bytes, live_bytes, peak_bytes, limit_bytes, fresh, reused; };  /* peak: of the live ones */
PoolState pool_state();
void forget_peak();
void set_pool_limit(int64_t bytes);
void set_huge_pages(bool wanted);
void trim_pool();

/* A block for the length of a scope; `get()` is null without memory. */
template <class T> class Scratch {
  public:
    explicit Scratch(int64_t count) : block(static_cast<T*>(acquire(count * static_cast<int64_t>(sizeof(T))))) {}
    ~Scratch() { release(block); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    T* get() const { return block; }

  private:
    T* block;
};

/* An error code that several threads may set. */
class Failure {
  public:
    void set(int64_t code) { __atomic_store_n(&value, code, __ATOMIC_RELAXED); }
    int64_t get() const { return __atomic_load_n(&value, __ATOMIC_RELAXED); }

  private:
    int64_t value = SEGUE_OK;
};

constexpr int64_t GRAIN = 32768;  /* elements worth a thread */
inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
template <class T> T least(T a, T b) { return a < b ? a : b; }
template <class T> T greatest(T a, T b) { return a < b ? b : a; }

/* matmul.cpp */
template <class T> struct Matrix { T* data; int64_t row, column; };
/* c = a @ b (+ c) on this thread; c.column must be 1. Returns an error code. */
template <class T> int64_t product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, bool accumulate);
/* narrow.cpp: the same, for the products that is_narrow() names */
template <class T> bool is_narrow(int64_t m, int64_t n, int64_t k, Matrix<const T> b, Matrix<T> c);
template <class T> void narrow_product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, bool accumulate);
bool load_blas(const char* path, const char** problem);
int64_t matmul(const segue_matmul* call);

/* depthwise.cpp: for the calls that is_depthwise() names */
bool is_depthwise(const segue_convolution& call);
template <class T> int64_t depthwise(const segue_convolution& call);
template <class T> int64_t depthwise_input_gradient(const segue_convolution& call);
template <class T> int64_t depthwise_weight_gradient(const segue_convolution& call);

/* tiles.cpp: float32, for the calls that is_tiled() names (is_tiled_backwards(): the input's gradient) */
bool is_tiled(const segue_convolution& call);
bool is_tiled_backwards(const segue_convolution& call);
int64_t tiled(const segue_convolution& call);
int64_t tiled_input_gradient(const segue_convolution& call);
int64_t tiled_weight_gradient(const segue_convolution& call);

/* convolution.cpp, along.cpp */
int64_t convolution(const segue_convolution* call);
int64_t convolution_input_gradient(const segue_convolution* call);
int64_t convolution_weight_gradient(const segue_convolution* call);
int64_t max_pool_indices(const segue_pool* call);
int64_t cumsum(const segue_along* call);
int64_t argsort(const segue_along* call);
int64_t elementary(const segue_elementary* call);
int64_t uniform(const segue_draw* call);
int64_t kernel(const segue_kernel* call);

/* eager.cpp, curves.cpp, rows.cpp, sampling.cpp, recurrent.cpp, picking.cpp: each of SEGUE_KERNELS, of float and double */
#define X(NAME) template <class T> void NAME##_all(const segue_kernel& call);
SEGUE_KERNELS(X)
#undef X
#define SEGUE_BOTH(NAME) template void NAME##_all<float>(const segue_kernel&); template void NAME##_all<double>(const segue_kernel&);

extern segue_runtime table;

}  // namespace segue_rt
#endif
