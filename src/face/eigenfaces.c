/* eigenfaces.c: the classic baseline (Turk & Pentland 1991): project the crop on the directions in which
 * photos of faces vary most. As a model it is a net of one linear layer, so that whatever serves a network
 * serves it too:
 *
 *   y = D^-1 B (x - mean) / |...|_2     B (K, 3 * 64 * 64): first K principal components, D: their deviations
 *
 * Whitened by D, which the original is not: compared by cosine this is the stronger variant (Moon & Phillips
 * 2001), and a baseline should be as good as it can be. No labels are used; they only choose the threshold.
 */
#include "face/face.h"
#include "face/model.h"
#include "face/people.h"
#include "face/train.h"
#include "face/train_data.h"
#include "face/trained.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 64, PIXELS = 3 * SIDE * SIDE, COMPONENTS = 128, PHOTOS_MAX = 3000, BATCH = 64 };

typedef struct eigen {
    const lk_train_options *options;
    lk__train_data people;
    float *x;                     /* (n, PIXELS) */
    float *mean, *basis, *scores; /* (PIXELS), (COMPONENTS, PIXELS), (n, COMPONENTS) */
    int n, found;
    lk__weights weights;
} eigen;

static lk_status read_photo(eigen *e, size_t photo) {
    const lk_train_options *o = e->options;
    lk_image *face = NULL;
    lk_error why;
    lk_status status = lk__photo_face(e->people.set, photo, o->crop, SIDE, SIDE, &face, &why);
    if (status == LK_OK)
        lk__face_to_planes(face, false, e->x + (size_t)e->n++ * PIXELS);
    else if (o->bad_photo)
        o->bad_photo(o->context, lk_dataset_photo_path(e->people.set, photo), &why);
    lk_image_free(face);
    return status == LK_NO_MEMORY ? status : LK_OK;
}

/* At most PHOTOS_MAX, evenly from all people. */
static lk_status read_photos(eigen *e, lk_error *err) {
    const lk__train_data *d = &e->people;
    size_t room = d->photos < PHOTOS_MAX ? d->photos : PHOTOS_MAX, seen = 0;
    e->x = malloc(room * PIXELS * sizeof *e->x);
    e->scores = malloc(room * COMPONENTS * sizeof *e->scores);
    e->mean = malloc(PIXELS * sizeof *e->mean);
    e->basis = malloc((size_t)COMPONENTS * PIXELS * sizeof *e->basis);
    if (!e->x || !e->scores || !e->mean || !e->basis)
        return lk__fail_memory(err, room * PIXELS * sizeof *e->x, "eigenfaces");
    for (size_t i = 0; i < d->people; i++)
        for (size_t j = 0; j < d->counts[i]; j++, seen++)
            if ((seen + 1) * room / d->photos > seen * room / d->photos &&
                read_photo(e, d->first[i] + j) != LK_OK)
                return lk__fail_memory(err, PIXELS, "eigenfaces");
    if (e->n < 3)
        return lk__fail(err, LK_EMPTY, "eigenfaces: only %d photos could be read, 3 are needed", e->n);
    return LK_OK;
}

/* The linear layer: weight = D^-1 B, bias = -D^-1 B mean. */
static void fill_weights(eigen *e, const lk__spec *spec) {
    LK__CHECK(spec->dim, ==, e->found);
    float *weight = lk__weights_find(&e->weights, 0, "weight")->value,
          *bias = lk__weights_find(&e->weights, 0, "bias")->value;
    for (int k = 0; k < e->found; k++) {
        double square = 0, at_mean = 0;
        for (int i = 0; i < e->n; i++) {
            double s = (double)e->scores[(size_t)i * (size_t)e->found + (size_t)k];
            square += s * s;
        }
        double scale = 1 / fmax(sqrt(square / e->n), 1e-12);
        for (size_t j = 0; j < PIXELS; j++) {
            double b = scale * (double)e->basis[(size_t)k * PIXELS + j];
            weight[(size_t)k * PIXELS + j] = (float)b;
            at_mean += b * (double)e->mean[j];
        }
        bias[k] = (float)-at_mean;
    }
}

static lk_status choose_threshold(eigen *e, const lk__spec *spec, double *accuracy, double *threshold,
                                  lk_error *err) {
    const lk_train_options *o = e->options;
    lk__validation *validation = NULL;
    lk_embedder *embedder = NULL;
    lk_status status = lk__train_data_validation(&e->people, o, SIDE, SIDE, &validation, err);
    if (status == LK_OK && validation)
        status = lk__embedder_over(spec, &e->weights, o->crop, BATCH, o->threads, LK_PRECISION_F32, &embedder,
                                   err);
    if (status == LK_OK && validation)
        status = lk__validation_measure(validation, embedder, accuracy, threshold, err);
    lk_embedder_free(embedder);
    lk__validation_free(validation);
    return status;
}

static lk_status write(eigen *e, lk_error *err) {
    const lk_train_options *o = e->options;
    char net[128], data[128], validated[32];
    snprintf(net, sizeof net, "input 3 %d %d\nlinear %d bias\nl2norm\n", SIDE, SIDE, e->found);
    lk__spec *spec = malloc(sizeof *spec);
    if (!spec) return lk__fail_memory(err, sizeof *spec, "a net");
    double accuracy = NAN, threshold = NAN;
    lk_status status = lk__spec_parse(net, spec, err);
    if (status == LK_OK) status = lk__weights_new(spec, false, &e->weights, err);
    if (status == LK_OK) {
        fill_weights(e, spec);
        status = choose_threshold(e, spec, &accuracy, &threshold, err);
    }
    free(spec);
    if (status != LK_OK) return status;
    snprintf(data, sizeof data, "%d photos of %zu people; %zu people kept for validation, %zu excluded", e->n,
             e->people.people, e->people.kept_count, e->people.excluded);
    snprintf(validated, sizeof validated, "%.4f", accuracy);
    lk__trained trained = {0};
    status = lk__trained_list(&e->people, 1, NULL, NULL, &trained, err);
    if (status != LK_OK) return status;
    lk__meta notes[3 + LK__TRAINED_NOTES];
    size_t n = 0;
    notes[n++] = (lk__meta){"data", data};
    if (isfinite(accuracy)) notes[n++] = (lk__meta){"validation_accuracy", validated};
    if (o->recipe) notes[n++] = (lk__meta){"recipe", o->recipe};
    n += lk__trained_notes(&trained, notes + n);
    status = lk__model_write(o->output, net, &e->weights, threshold, o->crop, o->aligned, notes, n, err);
    lk__trained_free(&trained);
    return status;
}

lk_status lk_train_eigenfaces(const lk_train_options *options, lk_error *err) {
    eigen e = {.options = options};
    lk_status status = lk__train_options_check(options, err);
    if (status != LK_OK) return status;
    lk__threads_set(options->threads);
    status = lk__train_data_open(options, &e.people, err);
    if (status == LK_OK) status = read_photos(&e, err);
    if (status == LK_OK) {
        int k = e.n - 1 < COMPONENTS ? e.n - 1 : COMPONENTS;
        status = lk__pca(e.x, e.n, PIXELS, k, true, options->seed, e.mean, e.basis, e.scores, &e.found, err);
    }
    if (status == LK_OK) status = write(&e, err);
    lk__train_data_close(&e.people);
    lk__weights_free(&e.weights);
    free(e.x);
    free(e.scores);
    free(e.mean);
    free(e.basis);
    return status;
}
