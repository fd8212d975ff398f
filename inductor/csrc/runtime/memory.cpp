/* Blocks of memory that are used again: arenas, results and scratch.
 *
 * In comes a number of bytes, out goes a 64-byte aligned block; released, it waits in the free list of its size class for the next caller. The one
 * idea: fresh large memory costs a page fault every 4 KB, which is dearer than the work most kernels do on it, so it is asked for once, on huge
 * pages, and kept, up to a limit. */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cstdlib>
#include "internal.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace segue_rt {

struct Block {  /* stands in the 64 bytes before the memory that is handed out */
    Block* next;
    int64_t size;  /* of the whole block, header included */
    int64_t kind;  /* index of its free list */
    int64_t magic;
};
constexpr int64_t HEADER = 64, MAGIC = 0x5e90e5e90e5e90e, LARGE = 4 << 20, HUGE_PAGE = 2 << 20;
constexpr int64_t FINENESS = 64, NEAR = FINENESS / 16, KINDS = FINENESS * 48;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Block* free_blocks[KINDS];
static PoolState state;
static bool huge_pages = true;

/* Sixty-four sizes to each power of two: at most 1/64 of a fresh block is unused. */
static int64_t size_class(int64_t bytes, int64_t* kind) {
    int64_t wanted = greatest<int64_t>(bytes + HEADER, 256);
    int64_t power = 63 - __builtin_clzll(static_cast<unsigned long long>(wanted));
    int64_t steps = divide_up((wanted - (int64_t{1} << power)) * FINENESS, int64_t{1} << power);
    *kind = (power - 8) * FINENESS + steps;
    return (int64_t{1} << power) + divide_up(steps << power, FINENESS);
}

/* A block that waits: of this kind, or up to a sixteenth larger, so that sizes that vary a little share their blocks. The lock is held. */
static Block* waiting(int64_t kind) {
    for (int64_t k = kind; k <= least(kind + NEAR, KINDS - 1); ++k)
        if (Block* block = free_blocks[k]) {
            free_blocks[k] = block->next;
            return block;
        }
    return nullptr;
}

static Block* fresh(int64_t size, int64_t kind) {
    void* memory = nullptr;
    bool large = size >= LARGE;
    if (posix_memalign(&memory, large ? HUGE_PAGE : 64, static_cast<size_t>(size)) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
    if (large && huge_pages) madvise(memory, static_cast<size_t>(size), MADV_HUGEPAGE); /* advice only: the block is good without */
#endif
    Block* block = static_cast<Block*>(memory);
    block->size = size;
    block->kind = kind;
    block->magic = MAGIC;
    return block;
}

void* acquire(int64_t bytes) {
    if (bytes < 0 || bytes > (int64_t{1} << 46)) return nullptr;
    int64_t kind;
    int64_t size = size_class(bytes, &kind);
    pthread_mutex_lock(&lock);
    Block* block = waiting(kind);
    if (block) {
        size = block->size;
        state.cached_bytes -= size;
        state.reused++;
    }
    state.live_bytes += size;
    state.peak_bytes = greatest(state.peak_bytes, state.live_bytes);
    pthread_mutex_unlock(&lock);
    if (!block) {
        block = fresh(size, kind);
        if (!block) {  /* give back what waits, and try once more */
            trim_pool();
            block = fresh(size, kind);
        }
        pthread_mutex_lock(&lock);
        if (block) state.fresh++;
        else state.live_bytes -= size;
        pthread_mutex_unlock(&lock);
        if (!block) return nullptr;
    }
    char* memory = reinterpret_cast<char*>(block) + HEADER;
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(memory, static_cast<size_t>(size - HEADER)); /* so that the sanitizer sees overruns within the class's rounding */
    ASAN_UNPOISON_MEMORY_REGION(memory, static_cast<size_t>(bytes));
#endif
    return memory;
}

void release(void* memory) {
    if (!memory) return;
    Block* block = reinterpret_cast<Block*>(static_cast<char*>(memory) - HEADER);
    if (block->magic != MAGIC) std::abort(); /* not one of ours, or overwritten: memory is corrupt, going on would make it worse */
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(memory, static_cast<size_t>(block->size - HEADER));
#endif
    pthread_mutex_lock(&lock);
    state.live_bytes -= block->size;
    bool keep = state.cached_bytes + block->size <= state.limit_bytes;
    if (keep) {
        block->next = free_blocks[block->kind];
        free_blocks[block->kind] = block;
        state.cached_bytes += block->size;
    }
    pthread_mutex_unlock(&lock);
    if (!keep) {
#if defined(__SANITIZE_ADDRESS__)
        ASAN_UNPOISON_MEMORY_REGION(memory, static_cast<size_t>(block->size - HEADER));
#endif
        std::free(block);
    }
}

void trim_pool() {
    pthread_mutex_lock(&lock);
    Block* old = nullptr;
    for (Block*& list : free_blocks) {
        while (list) {
            Block* block = list;
            list = block->next;
            block->next = old;
            old = block;
        }
    }
    state.cached_bytes = 0;
    pthread_mutex_unlock(&lock);
    while (old) {
        Block* block = old;
        old = block->next;
#if defined(__SANITIZE_ADDRESS__)
        ASAN_UNPOISON_MEMORY_REGION(block, static_cast<size_t>(block->size));
#endif
        std::free(block);
    }
}

PoolState pool_state() {
    pthread_mutex_lock(&lock);
    PoolState now = state;
    pthread_mutex_unlock(&lock);
    return now;
}

void forget_peak() {
    pthread_mutex_lock(&lock);
    state.peak_bytes = state.live_bytes;
    pthread_mutex_unlock(&lock);
}

void set_pool_limit(int64_t bytes) {
    pthread_mutex_lock(&lock);
    state.limit_bytes = bytes;
    bool over = state.cached_bytes > bytes;
    pthread_mutex_unlock(&lock);
    if (over) trim_pool();
}

void set_huge_pages(bool wanted) { huge_pages = wanted; }

static void take() { pthread_mutex_lock(&lock); }
static void give() { pthread_mutex_unlock(&lock); }

__attribute__((constructor)) static void begin() {
    int64_t memory = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    state.limit_bytes = greatest<int64_t>(memory / 4, int64_t{64} << 20);
    pthread_atfork(take, give, give); /* a child must not find the lock held by a thread that it does not have */
}

}  // namespace segue_rt
