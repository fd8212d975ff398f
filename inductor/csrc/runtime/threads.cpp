/* The one pool of threads.
 *
 * In comes a range and a function; out goes nothing but the work done. The one idea: OpenMP's pool is used by one caller at a time, never nested;
 * whoever finds it taken works serially, so that there are never more running threads than the process may use. */
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "internal.h"

namespace segue_rt {

static std::atomic<bool> taken{false};
static std::atomic<bool> forked{false};
static thread_local bool inside = false;

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
void set_thread_count(int64_t count) { table.threads = count > 0 ? count : allowed_threads(); }

void parallel_for(int64_t begin, int64_t end, int64_t grain, segue_range fn, void* context) {
    const int64_t length = end - begin;
    if (length <= 0) return;
    grain = greatest<int64_t>(grain, 1);
    const int64_t ranges = least(table.threads, divide_up(length, grain));
    if (ranges <= 1 || inside || forked.load(std::memory_order_relaxed) || taken.exchange(true, std::memory_order_acquire)) {
        fn(begin, end, context);
        return;
    }
    const int64_t step = divide_up(divide_up(length, ranges), grain) * grain;
#pragma omp parallel num_threads(static_cast<int>(ranges))
    {
        inside = true;
        for (int64_t first = begin + omp_get_thread_num() * step; first < end; first += omp_get_num_threads() * step)
            fn(first, least(first + step, end), context);
        inside = false;
    }
    taken.store(false, std::memory_order_release);
}

/* A forked child has only the thread that forked: the pool's are gone, and libgomp would wait for them for ever. It works serially. */
static void in_child() {
    forked.store(true);
    table.threads = 1;
}

__attribute__((constructor)) static void begin() {
    table.threads = allowed_threads();
    pthread_atfork(nullptr, nullptr, in_child);
}

}  // namespace segue_rt
