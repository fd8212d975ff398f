/* The one pool of threads.
 *
 * In comes a range and a function; out goes nothing but the work done. The one idea: the caller cuts the range into pieces and takes pieces itself like any
 * worker, so that it waits only for pieces that somebody has begun, never for a thread that the machine has not let run yet. One caller at a time has the
 * pool; whoever finds it taken, or is inside a loop already, works serially: there are never more running threads than the process may use. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include "internal.h"

namespace segue_rt {

constexpr int64_t PIECES = 4;       /* to a thread: what a slow one leaves, another takes */
constexpr int SPINS = 2000;         /* looks for work before a worker sleeps: some 20 us, the distance of two kernels */
constexpr int64_t MOST = 1 << 14;   /* threads, so that the number of pieces fits its field below */

/* The loop that runs now. `state` holds its number, how many pieces it has and how many are taken (32, 16 and 16 bits). A piece is taken by raising the
 * last by a compare-and-swap, which fails if the loop is another by then; the fields beside it stay as they are until every piece taken is done. */
static std::atomic<uint64_t> state{0};
static std::atomic<int64_t> undone{0};
static struct { segue_range fn; void* context; int64_t begin, end, step; } loop;

static std::atomic<bool> taken{false};
static thread_local bool inside = false;
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t bell = PTHREAD_COND_INITIALIZER;
static std::atomic<int64_t> sleepers{0};
static int64_t workers = 0; /* started so far; only who has the pool changes it */

static void rest() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

static bool has_work(uint64_t s) { return (s & 0xffff) < (s >> 16 & 0xffff); }
/* Worker number `index` has something to do: not where the pool was made smaller than its number. */
static bool wanted(int64_t index) {
    return has_work(state.load(std::memory_order_seq_cst)) && index < __atomic_load_n(&table.threads, __ATOMIC_RELAXED) - 1;
}

/* Does one piece. False where none is left. */
static bool take_piece() {
    uint64_t s = state.load(std::memory_order_acquire);
    do {
        if (!has_work(s)) return false;
    } while (!state.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel, std::memory_order_acquire));
    const int64_t first = loop.begin + static_cast<int64_t>(s & 0xffff) * loop.step;
    loop.fn(first, least(first + loop.step, loop.end), loop.context);
    undone.fetch_sub(1, std::memory_order_release);
    return true;
}

static void sleep_until_wanted(int64_t index) {
    pthread_mutex_lock(&door);
    sleepers.fetch_add(1);
    while (!wanted(index)) pthread_cond_wait(&bell, &door);
    sleepers.fetch_sub(1);
    pthread_mutex_unlock(&door);
}

static void* work(void* argument) {
    const int64_t index = reinterpret_cast<intptr_t>(argument);
    inside = true;
    for (;;) {
        int spins = 0;
        while (!wanted(index) && ++spins < SPINS) rest();
        if (spins == SPINS) sleep_until_wanted(index);
        while (wanted(index) && take_piece()) {}
    }
    return nullptr;
}

/* As many workers as the pool may have. Where the system gives no more threads, those that there are do. */
static void hire() {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* workers take no signals: they are for Python's main thread */
    for (pthread_t thread; workers < table.threads - 1; ++workers) {
        if (pthread_create(&thread, nullptr, work, reinterpret_cast<void*>(workers)) != 0) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void parallel_for(int64_t begin, int64_t end, int64_t grain, segue_range fn, void* context) {
    const int64_t length = end - begin;
    if (length <= 0) return;
    grain = greatest<int64_t>(grain, 1);
    const int64_t threads = table.threads, grains = divide_up(length, grain);
    if (threads <= 1 || grains <= 1 || inside || taken.exchange(true, std::memory_order_acquire)) {
        fn(begin, end, context);
        return;
    }
    if (workers < threads - 1) hire();
    const int64_t step = divide_up(grains, least(threads * PIECES, grains)) * grain, pieces = divide_up(length, step);
    loop = {fn, context, begin, end, step};
    undone.store(pieces, std::memory_order_relaxed);
    const uint64_t number = (state.load(std::memory_order_relaxed) >> 32) + 1;
    state.store(number << 32 | static_cast<uint64_t>(pieces) << 16);
    if (sleepers.load() > 0) {
        pthread_mutex_lock(&door);
        pthread_cond_broadcast(&bell);
        pthread_mutex_unlock(&door);
    }
    inside = true;
    while (take_piece()) {}
    inside = false;
    for (int spins = 0; undone.load(std::memory_order_acquire) > 0; ++spins) {
        if (spins < SPINS) rest();
        else sched_yield(); /* a worker that was stopped in the middle of its piece needs our processor */
    }
    taken.store(false, std::memory_order_release);
}

/* Processors that the cgroup's quota allows, or 0 for no quota: version 2, then version 1. */
static int64_t quota() {
    char text[64];
    if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
        long long period = 0, allowed = 0;
        bool found = std::fgets(text, sizeof text, file) && std::sscanf(text, "%lld %lld", &allowed, &period) == 2;
        std::fclose(file);
        if (found && allowed > 0 && period > 0) return divide_up(allowed, period);
    }
    long long numbers[2] = {0, 0};
    const char* names[2] = {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"};
    for (int i = 0; i < 2; ++i) {
        FILE* file = std::fopen(names[i], "r");
        if (!file) return 0;
        if (!std::fgets(text, sizeof text, file) || std::sscanf(text, "%lld", &numbers[i]) != 1) numbers[i] = 0;
        std::fclose(file);
    }
    return numbers[0] > 0 && numbers[1] > 0 ? divide_up(numbers[0], numbers[1]) : 0;
}

static int64_t allowed_threads() {
    int64_t count = 1;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = greatest<int64_t>(1, CPU_COUNT(&set));
    if (int64_t most = quota()) count = least(count, most);
    if (const char* text = std::getenv("OMP_NUM_THREADS")) {
        long long wanted = std::atoll(text);
        if (wanted > 0) count = least<int64_t>(count, wanted);
    }
    return count;
}

int64_t thread_count() { return table.threads; }
void set_thread_count(int64_t count) { table.threads = least(count > 0 ? count : allowed_threads(), MOST); }

/* A forked child has only the thread that forked; it works serially (many children with a pool each would be too many threads) unless it is told a number
 * of threads, and then hires its own. */
static void in_child() {
    static const pthread_mutex_t new_door = PTHREAD_MUTEX_INITIALIZER;
    static const pthread_cond_t new_bell = PTHREAD_COND_INITIALIZER;
    door = new_door;
    bell = new_bell;
    state.store(0);
    undone.store(0);
    sleepers.store(0);
    taken.store(false);
    workers = 0;
    table.threads = 1;
}

__attribute__((constructor)) static void begin() {
    table.threads = allowed_threads();
    pthread_atfork(nullptr, nullptr, in_child);
}

}  // namespace segue_rt
