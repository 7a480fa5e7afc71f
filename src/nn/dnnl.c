/* dnnl.c: the few things every step asks of oneDNN (2.6: the v2 C API, operation descriptors first). */
#include "nn/op.h"

#include <stdlib.h>

lk_status lk__dnnl_check(dnnl_status_t status, const char *what, lk_error *err) {
    if (status == dnnl_success) return LK_OK;
    if (status == dnnl_out_of_memory) return lk__fail(err, LK_NO_MEMORY, "out of memory in oneDNN: %s", what);
    return lk__fail(err, LK_INTERNAL, "oneDNN refused %s (status %d)", what, (int)status);
}

static bool has(dnnl_cpu_isa_t isa) {
    return (dnnl_get_effective_cpu_isa() & isa) == isa; /* the sets are ordered by bits */
}

int lk__dnnl_block(void) {
    return has(dnnl_cpu_isa_avx512_core) ? 16 : 8;
}

bool lk__dnnl_bf16(void) {
    return has(dnnl_cpu_isa_avx512_core_bf16);
}

static dnnl_data_type_t data_type(lk_precision type) {
    return type == LK_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
}

void lk__act_desc(const lk__act *a, int images, lk_precision type, dnnl_memory_desc_t *desc) {
    dnnl_dims_t dims = {images, a->c, a->h, a->w};
    dnnl_format_tag_t tag = a->block == 16 ? dnnl_nChw16c : a->block == 8 ? dnnl_nChw8c : dnnl_nchw;
    LK__CHECK(dnnl_memory_desc_init_by_tag(desc, 4, dims, data_type(type), tag), ==, dnnl_success);
}

dnnl_status_t lk__desc_new(const_dnnl_op_desc_t op, dnnl_engine_t engine, dnnl_primitive_desc_t hint,
                           bool adds, dnnl_primitive_desc_t *desc) {
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after = NULL;
    dnnl_status_t e = dnnl_primitive_attr_create(&attributes);
    if (e) return e;
    e = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (!e && adds) e = dnnl_post_ops_create(&after);
    if (!e && adds) e = dnnl_post_ops_append_sum(after, 1);
    if (!e && adds) e = dnnl_primitive_attr_set_post_ops(attributes, after);
    if (after) dnnl_post_ops_destroy(after);
    if (!e) e = dnnl_primitive_desc_create(desc, op, attributes, engine, hint);
    dnnl_primitive_attr_destroy(attributes);
    return e;
}

static dnnl_status_t make(dnnl_primitive_desc_t desc, dnnl_engine_t engine, int workers, void *scratch_place,
                          int args, const lk__arg *arg, lk__kernel *out) {
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    lk__kernel k = {.workers = workers, .args = args};
    k.scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    k.memory = calloc((size_t)(workers * (args + 1)), sizeof(dnnl_memory_t));
    dnnl_status_t e = k.memory ? dnnl_primitive_create(&k.primitive, desc) : dnnl_out_of_memory;
    for (int i = 0; i < args; i++) k.id[i] = arg[i].id;
    for (int w = 0; !e && w < workers; w++) {
        dnnl_memory_t *memory = k.memory + w * (args + 1);
        for (int i = 0; !e && i < args; i++)
            e = dnnl_memory_create(&memory[i], arg[i].desc, engine, DNNL_MEMORY_NONE);
        if (!e && k.scratch_bytes) e = dnnl_memory_create(&memory[args], scratch, engine, scratch_place);
    }
    if (e)
        lk__kernel_free(&k);
    else
        *out = k;
    return e;
}

dnnl_status_t lk__kernel_new(dnnl_primitive_desc_t desc, const lk__context *context, int args,
                             const lk__arg *arg, lk__kernel *out) {
    return make(desc, context->engine, context->workers, DNNL_MEMORY_NONE, args, arg, out);
}

dnnl_status_t lk__kernel_new_reorder(const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                                     const lk__context *context, lk__kernel *out) {
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t e = dnnl_primitive_attr_create(&attributes);
    if (e) return e;
    e = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    lk__threads_set(context->workers); /* not part of a worker's job as the others are */
    if (!e)
        e = dnnl_reorder_primitive_desc_create(&desc, from, context->engine, to, context->engine, attributes);
    dnnl_primitive_attr_destroy(attributes);
    lk__arg args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    if (!e) e = make(desc, context->engine, 1, DNNL_MEMORY_ALLOCATE, 2, args, out);
    lk__threads_set(1);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return e;
}

void lk__kernel_free(lk__kernel *kernel) {
    if (kernel->primitive) dnnl_primitive_destroy(kernel->primitive);
    for (int i = 0; kernel->memory && i < kernel->workers * (kernel->args + 1); i++)
        if (kernel->memory[i]) dnnl_memory_destroy(kernel->memory[i]);
    free(kernel->memory);
    *kernel = (lk__kernel){0};
}

void lk__kernel_run(const lk__kernel *kernel, dnnl_stream_t stream, int worker, void *scratch,
                    void *const *data) {
    if (!kernel->primitive) return;
    dnnl_exec_arg_t args[LK__ARGS_MAX + 1];
    dnnl_memory_t *memory = kernel->memory + worker * (kernel->args + 1);
    int n = kernel->args;
    for (int i = 0; i < n; i++) {
        dnnl_memory_set_data_handle(memory[i], data[i]);
        args[i] = (dnnl_exec_arg_t){kernel->id[i], memory[i]};
    }
    if (kernel->scratch_bytes) {
        if (scratch) dnnl_memory_set_data_handle(memory[n], scratch);
        args[n] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, memory[n]};
    }
    LK__CHECK(dnnl_primitive_execute(kernel->primitive, stream, n + (kernel->scratch_bytes != 0), args), ==,
              dnnl_success);
    dnnl_stream_wait(stream);
}
