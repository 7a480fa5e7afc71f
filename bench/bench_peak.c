/* bench_peak.c: the measured peak of this machine on OMP_NUM_THREADS threads: tab-separated lines `f32
 * GFLOP/s`, `bf16 GFLOP/s`, `read GB/s`. What the shares in `make bench-table` are shares of. */
#include "peak.h"

int main(void) {
    peak p = peak_best(peak_measure(), peak_measure());
    printf("f32 GFLOP/s\t%.1f\nbf16 GFLOP/s\t%.1f\nread GB/s\t%.1f\n", p.f32, p.bf16, p.read);
    return 0;
}
