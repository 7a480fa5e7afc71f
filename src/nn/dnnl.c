/* dnnl.c: the few things every step asks of oneDNN (2.6: the v2 C API, operation descriptors first). */
#include "nn/op.h"

lk_status lk__dnnl_check(dnnl_status_t status, const char *what, lk_error *err) {
    if (status == dnnl_success) return LK_OK;
    if (status == dnnl_out_of_memory) return lk__fail(err, LK_NO_MEMORY, "out of memory in oneDNN: %s", what);
    return lk__fail(err, LK_INTERNAL, "oneDNN refused %s (status %d)", what, (int)status);
}

int lk__dnnl_block(void) {
    /* The ISA enum is ordered by bits, AVX-512 sets contain AVX2's: a set with the AVX-512 core bit
     * prefers 16. */
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core ? 16 : 8;
}

void lk__act_desc(const lk__act *a, dnnl_memory_desc_t *desc) {
    dnnl_dims_t dims = {a->n, a->c, a->h, a->w};
    dnnl_format_tag_t tag = a->block == 16 ? dnnl_nChw16c : a->block == 8 ? dnnl_nChw8c : dnnl_nchw;
    LK__CHECK(dnnl_memory_desc_init_by_tag(desc, 4, dims, dnnl_f32, tag), ==, dnnl_success);
}

static dnnl_status_t own_scratch(dnnl_primitive_attr_t *attributes) {
    dnnl_status_t e = dnnl_primitive_attr_create(attributes);
    if (e) return e;
    e = dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user);
    if (e) dnnl_primitive_attr_destroy(*attributes);
    return e;
}

/* place: DNNL_MEMORY_NONE or DNNL_MEMORY_ALLOCATE. */
static dnnl_status_t finish(dnnl_primitive_desc_t desc, dnnl_engine_t engine, void *place, lk__kernel *out,
                            size_t *bytes) {
    lk__kernel k = {0};
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t size = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    dnnl_status_t e = size ? dnnl_memory_create(&k.scratch, scratch, engine, place) : dnnl_success;
    if (!e) e = dnnl_primitive_create(&k.primitive, desc);
    if (e) {
        lk__kernel_free(&k);
        return e;
    }
    if (size > *bytes) *bytes = size;
    *out = k;
    return e;
}

dnnl_status_t lk__kernel_new(const_dnnl_op_desc_t op, dnnl_engine_t engine, dnnl_primitive_desc_t hint,
                             dnnl_primitive_desc_t *desc, lk__kernel *out, size_t *bytes) {
    dnnl_primitive_attr_t attributes;
    dnnl_status_t e = own_scratch(&attributes);
    if (e) return e;
    e = dnnl_primitive_desc_create(desc, op, attributes, engine, hint);
    dnnl_primitive_attr_destroy(attributes);
    if (e) return e;
    e = finish(*desc, engine, DNNL_MEMORY_NONE, out, bytes);
    if (e) {
        dnnl_primitive_desc_destroy(*desc);
        *desc = NULL;
    }
    return e;
}

dnnl_status_t lk__kernel_new_reorder(const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                                     dnnl_engine_t engine, lk__kernel *out) {
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t desc;
    size_t bytes = 0;
    dnnl_status_t e = own_scratch(&attributes);
    if (e) return e;
    e = dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, attributes);
    dnnl_primitive_attr_destroy(attributes);
    if (e) return e;
    e = finish(desc, engine, DNNL_MEMORY_ALLOCATE, out, &bytes);
    dnnl_primitive_desc_destroy(desc);
    return e;
}

void lk__kernel_free(lk__kernel *kernel) {
    if (kernel->primitive) dnnl_primitive_destroy(kernel->primitive);
    if (kernel->scratch) dnnl_memory_destroy(kernel->scratch);
    *kernel = (lk__kernel){0};
}

void lk__kernel_place(lk__kernel *kernel, void *scratch) {
    if (kernel->scratch) dnnl_memory_set_data_handle(kernel->scratch, scratch);
}

void lk__kernel_run(const lk__kernel *kernel, dnnl_stream_t stream, int count, const dnnl_exec_arg_t *args) {
    enum { ARGS_MAX = 4 };
    dnnl_exec_arg_t all[ARGS_MAX + 1];
    if (!kernel->primitive) return;
    LK__CHECK(count, <=, ARGS_MAX);
    for (int i = 0; i < count; i++) all[i] = args[i];
    if (kernel->scratch) all[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, kernel->scratch};
    /* Everything was checked when the kernel was made; what is left to fail is a broken promise of our own.
     */
    LK__CHECK(dnnl_primitive_execute(kernel->primitive, stream, count, all), ==, dnnl_success);
}
