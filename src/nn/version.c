/* version.c: which likeness, with which kernels. */
#include "likeness/likeness.h"

#include <oneapi/dnnl/dnnl.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *lk_version(void) {
    /* The processor's features are oneDNN's to find; it reports an enum, of which only the vector width
     * matters. */
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core
               ? LK_VERSION " (oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(
                     DNNL_VERSION_PATCH) ", AVX-512)"
               : LK_VERSION " (oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(
                     DNNL_VERSION_PATCH) ")";
}
