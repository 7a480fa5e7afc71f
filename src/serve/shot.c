/* shot.c: one photo of a request: bytes -> image -> faces -> crops, and crops to vectors; what cmd_identify.c
 * does with a file. A worker has an eye of its own: detectors and embedders hold scratch memory. */
#include "server.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { FACES_MAX = 1024, BATCH = 4 }; /* of one photo; faces the net takes at once */

struct serve_eye {
    const serve *server;
    lk_detector *detector;
    lk_embedder *embedder;
    lk_face *faces; /* (FACES_MAX) */
};

lk_status serve_eye_new(const serve *server, serve_eye **out, lk_error *err) {
    const serve_options *o = server->options;
    lk_detect_options look = lk_detect_options_default(o->detector);
    look.size = o->detect_size;
    look.min_face = o->min_face;
    if (isfinite(o->confidence)) look.confidence = o->confidence;
    look.threads = 1;
    look.precision = o->precision;
    serve_eye *eye = calloc(1, sizeof *eye);
    lk_face *faces = calloc(FACES_MAX, sizeof *faces);
    lk_status status = LK_OK;
    if (!eye || !faces) {
        free(eye);
        free(faces);
        return serve_fail(err, LK_NO_MEMORY, "no memory for a worker");
    }
    eye->server = server;
    eye->faces = faces;
    status = lk_detector_new(o->detector, &look, &eye->detector, err);
    if (status == LK_OK) status = lk_embedder_new(o->model, BATCH, 1, o->precision, &eye->embedder, err);
    if (status != LK_OK) {
        serve_eye_free(eye);
        return status;
    }
    *out = eye;
    return LK_OK;
}

void serve_eye_free(serve_eye *eye) {
    if (!eye) return;
    lk_detector_free(eye->detector);
    lk_embedder_free(eye->embedder);
    free(eye->faces);
    free(eye);
}

lk_status serve_eye_embed(serve_eye *eye, const lk_image *const *crops, size_t count, float *vectors,
                          lk_error *err) {
    return lk_embedder_embed(eye->embedder, crops, count, &(lk_crop){.centre = 1}, vectors, err);
}

/* Which of the faces; none is not an error here: the route says what that means. */
static void pick(const serve_shot *s, size_t *first, size_t *count) {
    *first = 0;
    *count = s->found > 0;
    switch (s->pick) {
    case SERVE_PICK_ALL: *count = s->found; break;
    case SERVE_PICK_LARGEST: break;
    case SERVE_PICK_ONLY: *count = s->found == 1; break;
    case SERVE_PICK_NUMBER:
        *first = s->number;
        *count = s->number < s->found;
        break;
    }
}

static lk_status cut_faces(const serve *server, const lk_image *photo, serve_shot *s) {
    size_t first, count;
    pick(s, &first, &count);
    if (count == 0) return LK_OK;
    s->number_of = calloc(count, sizeof *s->number_of);
    s->crops = calloc(count, sizeof *s->crops);
    if (!s->number_of || !s->crops)
        return serve_fail(&s->why, LK_NO_MEMORY, "no memory for %zu faces", count);
    for (; s->count < count; s->count++) {
        s->number_of[s->count] = first + s->count;
        lk_status status = lk_face_cut(server->options->model, photo, &s->faces[first + s->count],
                                       &s->crops[s->count], &s->why);
        if (status != LK_OK) return status;
    }
    return LK_OK;
}

static lk_status find_faces(serve_eye *eye, const lk_image *photo, serve_shot *s) {
    size_t limit = eye->server->options->faces_limit, found = 0;
    lk_status status = lk_detector_find(eye->detector, photo, eye->faces, FACES_MAX, &found, &s->why);
    if (status != LK_OK) return status;
    s->found = found < limit ? found : limit;
    s->left_out = found - s->found;
    s->faces = malloc((s->found + 1) * sizeof *s->faces);
    if (!s->faces) return serve_fail(&s->why, LK_NO_MEMORY, "no memory for %zu faces", s->found);
    memcpy(s->faces, eye->faces, s->found * sizeof *s->faces);
    serve_metrics_add(eye->server->metrics, SERVE_COUNT_FACES, found);
    return LK_OK;
}

void serve_shot_look(serve_eye *eye, serve_shot *s, bool cut) {
    lk_image *photo = NULL;
    s->status = lk_image_decode_within(s->bytes, s->size, s->name, eye->server->options->pixels_limit, &photo,
                                       &s->why);
    lk_probe_hash(s->bytes, s->size, s->hash);
    serve_metrics_add(eye->server->metrics, SERVE_COUNT_PHOTOS, 1);
    if (s->status != LK_OK) return;
    s->width = lk_image_width(photo);
    s->height = lk_image_height(photo);
    s->status = find_faces(eye, photo, s);
    if (s->status == LK_OK && cut) s->status = cut_faces(eye->server, photo, s);
    lk_image_free(photo);
}

void serve_shot_free(serve_shot *s) {
    for (size_t i = 0; i < s->count; i++) lk_image_free(s->crops[i]);
    free(s->crops);
    free(s->number_of);
    free(s->faces);
}

/* ---- from a request ------------------------------------------------------------------------------------ */

/* A photo that came without a name is called by what is in it, so that the same photo again replaces itself.
 */
static void name_shot(serve_shot *s, const char *name) {
    unsigned char hash[crypto_generichash_BYTES];
    char hex[17];
    if (name && *name) {
        snprintf(s->name, sizeof s->name, "%s", name);
        return;
    }
    crypto_generichash(hash, sizeof hash, s->bytes, s->size, NULL, 0);
    snprintf(s->name, sizeof s->name, "photo-%s", sodium_bin2hex(hex, sizeof hex, hash, 8));
}

static bool shots_of_parts(serve_request *r, size_t most) {
    serve_part *parts = calloc(most, sizeof *parts);
    size_t count = 0;
    lk_error err = {0};
    if (!parts) {
        serve_answer_json(r, 503, NULL);
        return false;
    }
    lk_status status = serve_multipart_parse(r->content_type, r->body, r->size, parts, most, &count, &err);
    for (size_t i = 0; status == LK_OK && i < count; i++) {
        r->shots[i].bytes = parts[i].bytes;
        r->shots[i].size = parts[i].size;
        name_shot(&r->shots[i], parts[i].file);
    }
    r->shot_count = count;
    free(parts);
    if (status == LK_OK) return true;
    serve_answer_error(r, &err, true);

    return false;
}

bool serve_request_shots(serve_request *r, size_t most, serve_pick pick) {
    r->shots = calloc(most, sizeof *r->shots);
    if (!r->shots) {
        serve_answer_json(r, 503, NULL);
        return false;
    }
    if (serve_text_is(r->content_type, "multipart/form-data")) {
        if (!shots_of_parts(r, most)) return false;
    } else {
        r->shot_count = 1;
        r->shots[0].bytes = r->body;
        r->shots[0].size = r->size;
        name_shot(&r->shots[0], serve_query_get(r, "photo"));
    }
    for (size_t i = 0; i < r->shot_count; i++) r->shots[i].pick = pick;
    if (r->shot_count > 0 && r->size > 0) return true;
    serve_answer_problem(r, 400, lk_status_text(LK_EMPTY), "the body holds no photo");
    return false;
}

bool serve_request_pick(serve_request *r, serve_pick fallback, serve_pick *pick, size_t *number) {
    const char *text = serve_query_get(r, "face");
    uint64_t n = 0;
    *pick = fallback;
    *number = 0;
    if (!text) return true;
    if (strcmp(text, "only") == 0) {
        *pick = SERVE_PICK_ONLY;
    } else if (strcmp(text, "largest") == 0) {
        *pick = SERVE_PICK_LARGEST;
    } else if (strcmp(text, "all") == 0) {
        *pick = SERVE_PICK_ALL;
    } else if (serve_text_whole(text, 1, FACES_MAX, &n)) {
        *pick = SERVE_PICK_NUMBER;
        *number = (size_t)n - 1;
    } else {
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID),
                             "face: is not only, largest, all or a number from 1, the widest face");
        return false;
    }
    return true;
}

/* ---- into the gallery ---------------------------------------------------------------------------------- */

/* The gallery keeps the aligned face where the server was told so. */
static lk_status keep_crop(const serve *server, const lk_image *crop, lk_enrollment *e, lk_error *err) {
    uint8_t *bytes = NULL;
    if (!server->options->keep_crops) return LK_OK;
    lk_status status = lk_image_encode_jpeg(crop, 90, &bytes, &e->crop_size, err);
    e->crop = bytes;
    return status;
}

/* A face that was told from others by its number carries it in the name of its photo, as in likeness enroll.
 */
lk_status serve_shot_enroll(serve *server, const serve_shot *s, const float *vectors, const char *person,
                            int64_t *ids, lk_error *err) {
    bool numbered = s->found > 1 && (s->pick == SERVE_PICK_ALL || s->pick == SERVE_PICK_NUMBER);
    char name[sizeof s->name + 24];
    lk_status status = LK_OK;
    for (size_t i = 0; i < s->count && status == LK_OK; i++) {
        if (numbered)
            snprintf(name, sizeof name, "%s#%zu", s->name, s->number_of[i] + 1);
        else
            snprintf(name, sizeof name, "%s", s->name);
        lk_enrollment e = {.person = person,
                           .photo = name,
                           .vector = vectors + i * (size_t)server->dim,
                           .quality = (double)s->faces[s->number_of[i]].quality};
        status = keep_crop(server, s->crops[i], &e, err);
        if (status == LK_OK) status = lk_gallery_enroll(server->options->gallery, &e, 1, &ids[i], err);
        free((void *)(uintptr_t)e.crop);
    }
    return status;
}
