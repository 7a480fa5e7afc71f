/* faces.c: which faces there are in a photo, which one it is about, and how a face is shown. Every verb that
 * takes photos as they come finds its faces through here. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

error_t cli_look_parse(cli_look *look, int key, char *arg) {
    switch (key) {
    case CLI_KEY_DETECT: look->detect = true; return 0;
    case CLI_KEY_ALIGNED: look->aligned = true; return 0;
    case CLI_KEY_DETECTOR: look->detector = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- detectors ------------------------------------------------------------------------------------ */

typedef struct seat {
    lk_detector *detector;
    lk_face *faces; /* (CLI_FACES_MAX) */
} seat;

struct cli_finder {
    lk_model *model;
    double confidence;
    int count;
    seat *seats; /* (count) */
};

static lk_status seats_make(cli_finder *f, const cli_look *look, const cli_compute *compute, int workers,
                            lk_error *err) {
    lk_detect_options o = lk_detect_options_default(f->model);
    lk_status status = LK_OK;
    o.size = look->size;
    o.min_face = look->min_face;
    if (isfinite(look->confidence)) o.confidence = look->confidence;
    o.threads = cli_worker_threads(compute->threads, workers);
    o.precision = compute->precision;
    f->confidence = o.confidence;
    f->seats = cli_alloc((size_t)workers, sizeof *f->seats);
    for (; f->count < workers && status == LK_OK; f->count++) {
        f->seats[f->count].faces = cli_alloc(CLI_FACES_MAX, sizeof(lk_face));
        status = lk_detector_new(f->model, &o, &f->seats[f->count].detector, err);
    }
    return status;
}

lk_status cli_finder_open(const cli_look *look, const cli_compute *compute, int workers, cli_finder **out,
                          lk_error *err) {
    char *path = look->detector ? cli_format("%s", look->detector) : cli_shipped_model("detect.safetensors");
    cli_finder *f = cli_alloc(1, sizeof *f);
    lk_status status = lk_model_open(path, &f->model, err);
    if (status != LK_OK && !look->detector)
        cli_say("the model that finds faces is not installed; give one with --detector");
    if (status == LK_OK && lk_model_dim(f->model) > 0) {
        err->status = status = LK_MISMATCH;
        snprintf(err->message, sizeof err->message,
                 "%.500s: this model embeds faces and does not find them: a detector is needed", path);
    }
    if (status == LK_OK) status = seats_make(f, look, compute, workers, err);
    free(path);
    if (status != LK_OK) {
        cli_finder_free(f);
        return status;
    }
    *out = f;
    return LK_OK;
}

void cli_finder_free(cli_finder *f) {
    if (!f) return;
    for (int i = 0; i < f->count; i++) {
        lk_detector_free(f->seats[i].detector);
        free(f->seats[i].faces);
    }
    free(f->seats);
    lk_model_free(f->model);
    free(f);
}

const char *cli_finder_fingerprint(const cli_finder *f) {
    return lk_model_fingerprint(f->model);
}

double cli_finder_confidence(const cli_finder *f) {
    return f->confidence;
}

lk_status cli_finder_find(cli_finder *f, int worker, const lk_image *photo, lk_face **faces, size_t *count,
                          lk_error *err) {
    const seat *s = &f->seats[worker];
    size_t found = 0;
    lk_status status = lk_detector_find(s->detector, photo, s->faces, CLI_FACES_MAX, &found, err);
    if (status != LK_OK) return status;
    *faces = cli_alloc(found, sizeof **faces);
    memcpy(*faces, s->faces, found * sizeof **faces);
    *count = found;
    return LK_OK;
}

/* ---- faces ---------------------------------------------------------------------------------------- */

/* The width of the box, less the further it is from the centre of the photo, nothing in a corner: somebody
 * twice as large half way out counts as much. */
size_t cli_face_central(const lk_face *faces, size_t count, int width, int height) {
    size_t best = 0;
    double most = -1, corner = hypot(width, height) / 2;
    for (size_t i = 0; i < count; i++) {
        const lk_face *f = &faces[i];
        double x = (double)f->x + (double)f->width / 2, y = (double)f->y + (double)f->height / 2;
        double share = 1 - fmin(1, hypot(x - width / 2.0, y - height / 2.0) / corner);
        double score = (double)f->width * share;
        if (score > most) {
            most = score;
            best = i;
        }
    }
    return best;
}

/* A tenth of a pixel is more than a detector knows. */
static json_t *pixels(double value) {
    return cli_json_real(round(10 * value) / 10);
}

void cli_face_json(json_t *object, const lk_face *face) {
    json_t *box = NULL, *points = NULL;
    if (face) {
        box = json_pack("[o, o, o, o]", pixels((double)face->x), pixels((double)face->y),
                        pixels((double)face->width), pixels((double)face->height));
        points = json_array();
        for (int i = 0; i < LK_FACE_POINTS; i++)
            json_array_append_new(points, json_pack("[o, o]", pixels((double)face->point[i].x),
                                                    pixels((double)face->point[i].y)));
    }
    json_object_set_new(object, "box", face ? box : json_null());
    json_object_set_new(object, "points", face ? points : json_null());
    json_object_set_new(object, "confidence", face ? cli_json_real((double)face->confidence) : json_null());
    json_object_set_new(object, "quality", face ? cli_json_real((double)face->quality) : json_null());
}
