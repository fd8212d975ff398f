/* What the entry of a generated library needs: the types that it computes addresses with, its kernels' linkage, and kernels side by side.
 *
 * The one idea: the entry only calls, so where it is a unit of its own it is spared the vector types, which take the compiler longer than it does. */
#ifndef SEGUE_ENTRY_H
#define SEGUE_ENTRY_H
#include "segue_runtime.h"

#define SEGUE_KERNEL __attribute__((visibility("hidden"))) void /* a kernel that another unit of the library calls */

namespace segue {

struct half { uint16_t bits; };
struct bfloat16 { uint16_t bits; };

/* ---- Kernels that do not need each other, in one parallel region: their ranges are cut into blocks of `grain` steps, counted through. */
struct task {
    segue_range run;
    void** pointers;
    int64_t extent, grain;
};
struct batch {
    const task* tasks;
    int count;
    int64_t first[65];
};
static void run_blocks(int64_t begin, int64_t end, void* context) {
    const batch* all = (const batch*)context;
    for (int n = 0; n < all->count; ++n) {
        const task* one = all->tasks + n;
        int64_t from = begin > all->first[n] ? begin : all->first[n], to = end < all->first[n + 1] ? end : all->first[n + 1];
        if (from >= to) continue;
        from = (from - all->first[n]) * one->grain;
        to = (to - all->first[n]) * one->grain;
        one->run(from, to < one->extent ? to : one->extent, one->pointers);
    }
}
static inline void run_together(const segue_runtime* rt, const task* tasks, int count) {
    batch all = {tasks, count, {}};
    for (int n = 0; n < count; ++n) all.first[n + 1] = all.first[n] + (tasks[n].extent + tasks[n].grain - 1) / tasks[n].grain;
    rt->parallel_for(0, all.first[count], 1, run_blocks, &all);
}

}  // namespace segue
#endif
