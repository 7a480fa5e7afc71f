/* bench_fill.c: a gallery of so many photos, its vectors drawn at random: what bench/serve.sh serves.
 *
 *   bench_fill MODEL GALLERY PHOTOS PER_PERSON */
#include "likeness/gallery.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUP = 1000 };

/* xorshift64*: any numbers will do, but the same each time. */
static double next_unit(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

static void draw_vector(uint64_t *state, int dim, float *out) {
    double norm = 0;
    for (int i = 0; i < dim; i++) {
        double x = sqrt(-2 * log(1 - next_unit(state))) * cos(2 * 3.14159265358979323846 * next_unit(state));
        out[i] = (float)x;
        norm += x * x;
    }
    for (int i = 0; i < dim; i++) out[i] = (float)((double)out[i] / sqrt(norm));
}

static lk_status fill(lk_gallery *gallery, int dim, size_t photos, size_t each, lk_error *err) {
    lk_enrollment *group = calloc(GROUP, sizeof *group);
    float *vectors = calloc(GROUP, (size_t)dim * sizeof *vectors);
    char(*names)[2][32] = calloc(GROUP, sizeof *names);
    uint64_t state = 88172645463325252u;
    lk_status status = group && vectors && names ? LK_OK : LK_NO_MEMORY;
    for (size_t done = 0, n; done < photos && status == LK_OK; done += n) {
        n = photos - done < GROUP ? photos - done : GROUP;
        for (size_t i = 0; i < n; i++) {
            snprintf(names[i][0], sizeof names[i][0], "person %06zu", (done + i) / each);
            snprintf(names[i][1], sizeof names[i][1], "photo %zu", (done + i) % each);
            draw_vector(&state, dim, vectors + i * (size_t)dim);
            group[i] = (lk_enrollment){
                .person = names[i][0], .photo = names[i][1], .vector = vectors + i * (size_t)dim};
        }
        status = lk_gallery_enroll(gallery, group, n, NULL, err);
    }
    free(names);
    free(vectors);
    free(group);
    return status;
}

int main(int argc, char **argv) {
    lk_model *model = NULL;
    lk_gallery *gallery = NULL;
    lk_error err = {.message = "usage: bench_fill MODEL GALLERY PHOTOS PER_PERSON"};
    lk_status status = argc == 5 ? lk_model_open(argv[1], &model, &err) : LK_INVALID;
    if (status == LK_OK) {
        lk_vector_kind kind = {.dim = lk_model_dim(model),
                               .fingerprint = lk_model_fingerprint(model),
                               .threshold = lk_model_threshold(model),
                               .model_path = argv[1]};
        status = lk_gallery_create(argv[2], &kind, &gallery, &err);
    }
    if (status == LK_OK)
        status = fill(gallery, lk_model_dim(model), strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10),
                      &err);
    if (status != LK_OK) fprintf(stderr, "bench_fill: %s\n", err.message);
    lk_gallery_close(gallery);
    lk_model_free(model);
    return status == LK_OK ? 0 : 1;
}
