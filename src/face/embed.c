/* embed.c: photos to vectors: crop -> planes -> net -> unit vector, averaged with that of the mirror image (a
 * face and its mirror image are one person; the average of both is steadier, as is usual at test time).
 *
 * The net runs without its last layer, l2norm, which is done here: how long a vector was before tells how far
 * it can be trusted (src/eval/trust.c). */
#include "face/model.h"
#include "face/face.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images that go through the net together: more would be a tenth faster for many photos, and a waste for one.
 */
enum { BATCH_MOST = 2048, PART_MOST = 4 };

struct lk_embedder {
    lk__net *net;
    int batch, dim, width, height, threads;
    lk_crop crop;
};

lk_status lk__embedder_over(const lk__spec *spec, lk__weights *weights, lk_crop crop, int max_batch,
                            int threads, lk_precision precision, lk_embedder **out, lk_error *err) {
    if (max_batch < 1 || max_batch > BATCH_MOST || threads < 0)
        return lk__fail(err, LK_INVALID, "embedder: a batch of %d on %d threads is not possible", max_batch,
                        threads);
    if (spec->outputs)
        return lk__fail(err, LK_INVALID, "embedder: this model finds faces; one that embeds them is needed");
    if (spec->c != 3)
        return lk__fail(err, LK_INVALID, "embedder: the net takes %d planes, a photo has 3", spec->c);
    lk_embedder *e = calloc(1, sizeof *e);
    if (!e) return lk__fail_memory(err, sizeof *e, "an embedder");
    *e = (lk_embedder){.batch = max_batch,
                       .dim = spec->dim,
                       .width = spec->w,
                       .height = spec->h,
                       .threads = threads,
                       .crop = crop};
    lk__spec *bare = malloc(sizeof *bare); /* as it is, but for the last layer */
    if (!bare) {
        free(e);
        return lk__fail_memory(err, sizeof *bare, "an embedder");
    }
    *bare = *spec;
    bare->layers[bare->count - 1].kind = LK__OUTPUT;
    bare->outputs = 1;
    lk__threads_set(threads); /* kernels are chosen for the number of threads they will have */
    lk_status status = lk__net_new(
        bare, weights,
        &(lk__net_options){.batch = 2 * max_batch, .precision = precision, .part_most = PART_MOST}, &e->net,
        err);
    free(bare);
    if (status != LK_OK) {
        free(e);
        return status;
    }
    *out = e;
    return LK_OK;
}

lk_status lk_embedder_new(const lk_model *model, int max_batch, int threads, lk_precision precision,
                          lk_embedder **out, lk_error *err) {
    /* A net for inference reads weights only; lk__weights is not const because training shares the type. */
    lk__weights *weights = &((lk_model *)(uintptr_t)model)->weights;
    return lk__embedder_over(&model->spec, weights, model->crop, max_batch, threads, precision, out, err);
}

void lk_embedder_free(lk_embedder *e) {
    if (!e) return;
    lk__net_free(e->net);
    free(e);
}

int lk__embedder_dim(const lk_embedder *e) {
    return e->dim;
}

void lk__embedder_load(lk_embedder *e) {
    lk__net_load(e->net);
}

static double length_of(const float *vector, size_t dim) {
    double s = 0;
    for (size_t i = 0; i < dim; i++) s += (double)vector[i] * (double)vector[i];
    return sqrt(s);
}

static const double SMALLEST = 1e-12; /* a zero vector stays zero instead of becoming NaN, as in l2norm */

/* Of photo and mirror image, each scaled to 1, the mean scaled to 1; and the mean of their lengths. */
static double join(const float *a, const float *b, size_t dim, float *out) {
    double length[2] = {length_of(a, dim), length_of(b, dim)};
    double scale[2] = {1 / fmax(length[0], SMALLEST), 1 / fmax(length[1], SMALLEST)};
    for (size_t i = 0; i < dim; i++)
        out[i] = (float)((double)a[i] * scale[0]) + (float)((double)b[i] * scale[1]);
    double norm = length_of(out, dim);
    if (norm < SMALLEST) out[0] = 1, norm = 1; /* a net that answers 0 still owes a unit vector */
    for (size_t i = 0; i < dim; i++) out[i] = (float)((double)out[i] / norm);
    return (length[0] + length[1]) / 2;
}

/* Photos and their mirror images side by side in one batch: two threads have work even for one photo. */
static void embed_batch(lk_embedder *e, const lk_image *const *crops, size_t count, float *vectors,
                        float *lengths) {
    size_t plane = 3 * (size_t)e->width * (size_t)e->height, dim = (size_t)e->dim;
    float *input = lk__net_input(e->net);
    for (size_t i = 0; i < 2 * count; i++) lk__face_to_planes(crops[i / 2], i % 2 == 1, input + i * plane);
    const float *y = lk__net_forward_some(e->net, (int)(2 * count));
    for (size_t i = 0; i < count; i++) {
        double length = join(y + 2 * i * dim, y + (2 * i + 1) * dim, dim, vectors + i * dim);
        if (lengths) lengths[i] = (float)length;
    }
}

void lk__embedder_crops(lk_embedder *e, const lk_image *const *crops, size_t count, float *vectors,
                        float *lengths) {
    lk__threads_set(e->threads);
    for (size_t first = 0; first < count; first += (size_t)e->batch) {
        size_t n = count - first < (size_t)e->batch ? count - first : (size_t)e->batch;
        embed_batch(e, crops + first, n, vectors + first * (size_t)e->dim, lengths ? lengths + first : NULL);
    }
}

lk_status lk_embedder_embed(lk_embedder *e, const lk_image *const *images, size_t count, const lk_crop *crop,
                            float *vectors, lk_error *err) {
    return lk_embedder_embed_lengths(e, images, count, crop, vectors, NULL, err);
}

lk_status lk_embedder_embed_lengths(lk_embedder *e, const lk_image *const *images, size_t count,
                                    const lk_crop *crop, float *vectors, float *lengths, lk_error *err) {
    lk_status status = LK_OK;
    size_t done = 0;
    lk_image **crops = calloc((size_t)e->batch, sizeof *crops);
    /* So that an error leaves the outputs untouched. */
    float *out = malloc((count + 1) * (size_t)e->dim * sizeof(float)),
          *length = malloc((count + 1) * sizeof(float));
    if (!crops || !out || !length)
        status = lk__fail_memory(err, count * (size_t)e->dim * sizeof(float), "vectors");
    while (status == LK_OK && done < count) {
        size_t n = 0;
        while (status == LK_OK && n < (size_t)e->batch && done + n < count) {
            status =
                lk_image_crop(images[done + n], crop ? *crop : e->crop, e->width, e->height, &crops[n], err);
            n += status == LK_OK;
        }
        if (status == LK_OK)
            lk__embedder_crops(e, (const lk_image *const *)crops, n, out + done * (size_t)e->dim,
                               length + done);
        for (size_t i = 0; i < n; i++) lk_image_free(crops[i]);
        done += n;
    }
    if (status == LK_OK) memcpy(vectors, out, count * (size_t)e->dim * sizeof(float));
    if (status == LK_OK && lengths) memcpy(lengths, length, count * sizeof(float));
    free(length);
    free(crops);
    free(out);
    return status;
}
