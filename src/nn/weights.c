/* weights.c: the named arrays of a net, in one block for values and one for gradients. */
#include "nn/half.h"
#include "nn/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Lists the params of a layer into `p` (room for 4), returns how many. */
static int params_of(const lk__spec *spec, int i, lk__param *p) {
    const lk__layer *l = &spec->layers[i];
    int64_t c = l->out_c, k = l->kernel;
    int n = 0;
    const char *kind = lk__kind_name(l->kind);
#define PARAM(what, is_trained, is_decay, ndims, ...)                                                        \
    do {                                                                                                     \
        p[n] = (lk__param){                                                                                  \
            .layer = i, .dims = ndims, .shape = {__VA_ARGS__}, .trained = is_trained, .decay = is_decay};    \
        snprintf(p[n].name, sizeof p[n].name, "%02d.%s.%s", i, kind, what);                                  \
        n++;                                                                                                 \
    } while (0)
    switch (l->kind) {
    case LK__CONV: PARAM("weight", true, true, 4, c, l->in_c, k, k); break;
    case LK__DWCONV: PARAM("weight", true, true, 4, c, 1, k, k); break;
    case LK__GDCONV: PARAM("weight", true, true, 4, c, 1, l->in_h, l->in_w); break;
    case LK__LINEAR: PARAM("weight", true, true, 2, c, (int64_t)l->in_c * l->in_h * l->in_w); break;
    case LK__PRELU: PARAM("slope", true, false, 1, c); break;
    case LK__BATCHNORM:
        PARAM("weight", true, false, 1, c);
        PARAM("bias", true, false, 1, c);
        PARAM("mean", false, false, 1, c);
        PARAM("variance", false, false, 1, c);
        break;
    default: break;
    }
    if (l->bias) PARAM("bias", true, false, 1, c);
#undef PARAM
    for (int j = 0; j < n; j++) {
        p[j].count = 1;
        for (int d = 0; d < p[j].dims; d++) p[j].count *= (size_t)p[j].shape[d];
    }
    return n;
}

lk_status lk__weights_new(const lk__spec *spec, bool with_grad, lk__weights *out, lk_error *err) {
    lk__weights w = {0};
    w.items = calloc((size_t)spec->count * 4, sizeof *w.items);
    if (!w.items) return lk__fail_memory(err, (size_t)spec->count * 4 * sizeof *w.items, "weights");
    for (int i = 0; i < spec->count; i++) w.count += params_of(spec, i, w.items + w.count);
    for (int i = 0; i < w.count; i++) w.total += w.items[i].count;
    if (w.total > (size_t)1 << 28) {
        free(w.items);
        return lk__fail(err, LK_TOO_LARGE, "net: %zu parameters, over the limit of %zu", w.total,
                        (size_t)1 << 28);
    }
    w.values = calloc(w.total + 1, sizeof *w.values);
    w.grads = with_grad ? calloc(w.total + 1, sizeof *w.grads) : NULL;
    if (!w.values || (with_grad && !w.grads)) {
        lk__weights_free(&w);
        return lk__fail_memory(err, w.total * sizeof(float), "weights");
    }
    size_t at = 0;
    for (int i = 0; i < w.count; i++) {
        w.items[i].value = w.values + at;
        w.items[i].grad = with_grad ? w.grads + at : NULL;
        at += w.items[i].count;
    }
    *out = w;
    return LK_OK;
}

void lk__weights_free(lk__weights *w) {
    free(w->items);
    free(w->values);
    free(w->grads);
    *w = (lk__weights){0};
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

void lk__weights_init(lk__weights *w, uint64_t seed) {
    for (int i = 0; i < w->count; i++) {
        lk__param *p = &w->items[i];
        lk__random random = lk__random_stream(seed, 'w', (uint64_t)i, 0);
        float fill = 0;
        if (ends_with(p->name, ".slope")) fill = 0.25f;
        if (ends_with(p->name, "norm.weight") || ends_with(p->name, ".variance")) fill = 1;
        /* A sum over fan-in inputs halved by the rectifier keeps its variance: He et al. 2015, eq. 15 with a
         * = 1/4. */
        double fan_in = (double)(p->count / (size_t)p->shape[0]),
               deviation = sqrt(2.0 / (1 + 0.0625) / fan_in);
        for (size_t j = 0; j < p->count; j++)
            p->value[j] = p->dims > 1 ? (float)(deviation * lk__random_normal(&random)) : fill;
    }
}

lk__param *lk__weights_find(const lk__weights *w, int layer, const char *what) {
    for (int i = 0; i < w->count; i++)
        if (w->items[i].layer == layer && strcmp(strrchr(w->items[i].name, '.') + 1, what) == 0)
            return &w->items[i];
    return NULL;
}

/* Value j of a tensor, whatever it is kept in. */
static float value_at(const lk__tensor *t, size_t j) {
    if (t->dtype == LK__F32) return ((const float *)t->data)[j];
    uint16_t bits = ((const uint16_t *)t->data)[j];
    if (t->dtype == LK__F16) return lk__half_to_float(bits);
    uint32_t upper = (uint32_t)bits << 16; /* bf16 */
    float value;
    memcpy(&value, &upper, sizeof value);
    return value;
}

lk_status lk__weights_read(lk__weights *w, const lk__tensors *from, const char *file, lk_error *err) {
    for (int pass = 0; pass < 2; pass++) /* check all before the first is changed */
        for (int i = 0; i < w->count; i++) {
            lk__param *p = &w->items[i];
            const char *name = p->name;
            const lk__tensor *t = lk__tensors_find(from, name);
            bool same = t && (t->dtype == LK__F32 || t->dtype == LK__F16 || t->dtype == LK__BF16) &&
                        t->dims == p->dims;
            for (int d = 0; same && d < p->dims; d++) same = t->shape[d] == p->shape[d];
            if (!same)
                return lk__fail(err, LK_MISMATCH, "%s: tensor '%s' is %s; is this a model of another net?",
                                file, name, t ? "of another shape or type" : "missing");
            bool no_minus = ends_with(name, ".variance");
            for (size_t j = 0; j < p->count; j++) {
                float value = value_at(t, j);
                if (!isfinite(value) || (value < 0 && no_minus))
                    return lk__fail(err, LK_FORMAT, "%s: tensor '%s' holds a value that cannot be: %g", file,
                                    name, (double)value);
                if (pass == 1) p->value[j] = value;
            }
        }
    return LK_OK;
}

void lk__weights_tensors(const lk__weights *w, lk__tensor *tensors) {
    for (int i = 0; i < w->count; i++) {
        const lk__param *p = &w->items[i];
        tensors[i] = (lk__tensor){.name = p->name,
                                  .dtype = LK__F32,
                                  .dims = p->dims,
                                  .data = p->value,
                                  .bytes = p->count * sizeof(float)};
        memcpy(tensors[i].shape, p->shape, sizeof p->shape);
    }
}

static bool same_shape(const lk__param *a, const lk__param *b, int dims) {
    if (a->dims != b->dims || strcmp(a->name, b->name) != 0) return false;
    for (int d = 0; d < dims; d++)
        if (a->shape[d] != b->shape[d]) return false;
    return true;
}

/* One (h, w) kernel to another size, bilinear between centres, scaled so that its sum over a face stays what
 * it was. */
static void resample(const float *from, int fh, int fw, float *to, int th, int tw) {
    float scale = (float)(fh * fw) / (float)(th * tw);
    for (int y = 0; y < th; y++)
        for (int x = 0; x < tw; x++) {
            double sy = fmin(fmax((y + 0.5) * fh / th - 0.5, 0), fh - 1),
                   sx = fmin(fmax((x + 0.5) * fw / tw - 0.5, 0), fw - 1);
            int y0 = (int)sy, x0 = (int)sx, y1 = y0 + 1 < fh ? y0 + 1 : y0, x1 = x0 + 1 < fw ? x0 + 1 : x0;
            double v =
                (1 - sy + y0) *
                    ((1 - sx + x0) * (double)from[y0 * fw + x0] + (sx - x0) * (double)from[y0 * fw + x1]) +
                (sy - y0) *
                    ((1 - sx + x0) * (double)from[y1 * fw + x0] + (sx - x0) * (double)from[y1 * fw + x1]);
            to[y * tw + x] = scale * (float)v;
        }
}

lk_status lk__weights_adopt(lk__weights *w, const lk__weights *from, const char *file, lk_error *err) {
    bool fits = w->count == from->count;
    for (int i = 0; fits && i < w->count; i++)
        fits = same_shape(&w->items[i], &from->items[i],
                          strstr(w->items[i].name, ".gdconv.") ? 2 : w->items[i].dims);
    if (!fits)
        return lk__fail(err, LK_MISMATCH, "%s: is a model of another net, its weights do not fit", file);
    for (int i = 0; i < w->count; i++) {
        lk__param *p = &w->items[i];
        const lk__param *q = &from->items[i];
        if (p->count == q->count && same_shape(p, q, p->dims)) {
            memcpy(p->value, q->value, p->count * sizeof(float));
            continue;
        }
        int fh = (int)q->shape[2], fw = (int)q->shape[3], th = (int)p->shape[2], tw = (int)p->shape[3];
        for (int64_t c = 0; c < p->shape[0]; c++)
            resample(q->value + c * fh * fw, fh, fw, p->value + c * th * tw, th, tw);
    }
    return LK_OK;
}
