/* api_probe.c: what a photo shows: detect, embed, verify, identify. The faces are found, embedded and
 * searched for by the time an answer is made here (work.c). */
#include "server.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 5, K_MAX = 1000, VECTORS_MAX = 64 };

/* ---- bodies -------------------------------------------------------------------------------------------- */

void serve_prepare_one(serve_request *r) {
    serve_request_shots(r, 1, SERVE_PICK_ALL);
}

/* A unit vector from a JSON array; it is normalised, as text has fewer digits than a float. */
static bool vector_of(const json_t *array, int dim, float *out) {
    double norm = 0;
    if (json_array_size(array) != (size_t)dim) return false;
    for (int i = 0; i < dim; i++) {
        const json_t *value = json_array_get(array, (size_t)i);
        if (!json_is_number(value)) return false;
        double x = json_number_value(value);
        norm += x * x;
        out[i] = (float)x;
    }
    norm = sqrt(norm);
    if (!(fabs(norm - 1) < 1e-2)) return false;
    for (int i = 0; i < dim; i++) out[i] = (float)((double)out[i] / norm);
    return true;
}

/* {"vectors": [[...], ...]} */
static void prepare_vectors(serve_request *r, size_t least, size_t most) {
    json_error_t why;
    int dim = r->server->dim;
    json_t *body = json_loadb((const char *)r->body, r->size, JSON_REJECT_DUPLICATES, &why);
    const json_t *vectors = json_object_get(body, "vectors");
    size_t count = json_array_size(vectors);
    if (!body) {
        serve_answer_problem(r, 400, "no JSON", "the body is no JSON: line %d: %.100s", why.line, why.text);
    } else if (count < least || count > most) {
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID),
                             "'vectors' is expected, an array of %zu to %zu vectors", least, most);
    } else if (!(r->vectors = calloc(count, (size_t)dim * sizeof *r->vectors))) {
        serve_answer_json(r, 503, NULL);
    }
    for (size_t i = 0; !r->status && i < count; i++)
        if (!vector_of(json_array_get(vectors, i), dim, r->vectors + i * (size_t)dim))
            serve_answer_problem(
                r, 400, lk_status_text(LK_INVALID),
                "vector %zu is not %d numbers of L2 norm 1; was it made by this gallery's model?", i + 1,
                dim);
    if (!r->status) r->vector_count = count;
    json_decref(body);
}

/* The rule that holds for this request; false: answered. */
static bool rule_of(serve_request *r, bool pair) {
    lk_error err;
    if (serve_rule_now(r->server, &r->rule, &err) != LK_OK) {
        serve_answer_error(r, &err, false);
        return false;
    }
    double own = pair ? r->rule.pair : r->rule.threshold;
    return serve_query_real(r, "threshold", -1, 1, own, &r->threshold);
}

void serve_prepare_probe(serve_request *r) {
    uint64_t k;
    if (!serve_query_whole(r, "k", 1, K_MAX, K, &k) || !rule_of(r, false)) return;
    r->k = (size_t)k;
    const char *by = serve_query_get(r, "by");
    r->people = !by || strcmp(by, "people") == 0;
    if (by && !r->people && strcmp(by, "photos") != 0)
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID), "by: is neither people nor photos");
    else if (serve_text_is(r->content_type, "application/json"))
        prepare_vectors(r, 1, VECTORS_MAX);
    else
        serve_request_shots(r, 1, SERVE_PICK_ALL);
}

void serve_prepare_pair(serve_request *r) {
    if (!rule_of(r, true)) return;
    if (serve_text_is(r->content_type, "application/json")) {
        prepare_vectors(r, 2, 2);
    } else if (serve_request_shots(r, 2, SERVE_PICK_LARGEST) && r->shot_count != 2) {
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID),
                             "two photos are needed: a multipart/form-data body with two parts");
    }
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* True: a photo could not be used, which is the answer. */
static bool shots_failed(serve_request *r) {
    for (size_t i = 0; i < r->shot_count && !r->status; i++)
        if (r->shots[i].status != LK_OK) {
            r->shots[i].why.status = r->shots[i].status;
            serve_answer_error(r, &r->shots[i].why, true);
        }
    return r->status != 0;
}

static json_t *answer_begin(const serve_request *r, json_t *faces) {
    const serve_shot *s = r->shot_count ? &r->shots[0] : NULL;
    json_t *o = json_object();
    json_object_set_new(o, "width", s ? json_integer(s->width) : json_null());
    json_object_set_new(o, "height", s ? json_integer(s->height) : json_null());
    json_object_set_new(o, "left_out", json_integer(s ? (json_int_t)s->left_out : 0));
    json_object_set_new(o, "faces", faces);
    return o;
}

void serve_api_detect(serve_request *r) {
    if (shots_failed(r)) return;
    json_t *faces = json_array();
    for (size_t i = 0; i < r->shots[0].found; i++)
        json_array_append_new(faces, serve_json_face(&r->shots[0].faces[i]));
    serve_answer_json(r, 200, answer_begin(r, faces));
}

static json_t *vector_json(const float *vector, int dim) {
    json_t *array = json_array();
    for (int i = 0; i < dim; i++) json_array_append_new(array, json_real((double)vector[i]));
    return array;
}

/* Face i of the answer; for one that came as a vector all of it is null. */
static json_t *face_json(const serve_request *r, size_t i) {
    if (r->shot_count) return serve_json_face(&r->shots[0].faces[r->shots[0].number_of[i]]);
    return json_pack("{s:n, s:n, s:n, s:n}", "box", "points", "confidence", "quality");
}

void serve_api_embed(serve_request *r) {
    if (shots_failed(r)) return;
    json_t *faces = json_array();
    int dim = r->server->dim;
    for (size_t i = 0; i < r->vector_count; i++) {
        json_t *face = face_json(r, i);
        json_object_set_new(face, "vector", vector_json(r->vectors + i * (size_t)dim, dim));
        json_array_append_new(faces, face);
    }
    json_t *o = answer_begin(r, faces);
    json_object_set_new(o, "model", json_string(lk_model_fingerprint(r->server->options->model)));
    serve_answer_json(r, 200, o);
}

void serve_api_verify(serve_request *r) {
    if (shots_failed(r)) return;
    for (size_t i = 0; i < r->shot_count; i++)
        if (r->shots[i].found == 0) {
            serve_answer_problem(r, 422, "no face", "photo %zu shows no face", i + 1);
            return;
        }
    const float *a = r->vectors, *b = a + r->server->dim;
    double cosine = lk_cosine(a, b, r->server->dim);
    json_t *faces = json_array();
    for (size_t i = 0; i < r->shot_count; i++)
        json_array_append_new(faces, serve_json_face(&r->shots[i].faces[0]));
    serve_answer_json(
        r, 200,
        json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "same", cosine >= r->threshold, "cosine",
                  serve_json_real(cosine), "l2", serve_json_real(lk_l2(a, b, r->server->dim)), "probability",
                  serve_json_real(serve_rule_probability(&r->rule, cosine, r->server->options->prior)),
                  "threshold", serve_json_real(r->threshold), "faces", faces));
}

static double probability(const serve_request *r, const lk_match *m) {
    return serve_rule_probability(&r->rule, (double)m->cosine, r->rule.prior);
}

static json_t *match_json(const serve_request *r, const lk_match *m) {
    return json_pack("{s:o, s:o, s:I, s:o, s:o, s:o}", "person", serve_json_text(m->person), "photo",
                     serve_json_text(m->photo), "photo_id", (json_int_t)m->photo_id, "cosine",
                     serve_json_real((double)m->cosine), "l2", serve_json_real((double)m->l2), "probability",
                     serve_json_real(probability(r, m)));
}

void serve_api_identify(serve_request *r) {
    if (shots_failed(r)) return;
    json_t *faces = json_array();
    for (size_t i = 0; i < r->vector_count; i++) {
        const lk_matches *found = &r->matches[i];
        bool known = found->count > 0 && (double)found->items[0].cosine >= r->threshold;
        json_t *face = face_json(r, i), *matches = json_array();
        for (size_t k = 0; k < found->count; k++)
            json_array_append_new(matches, match_json(r, &found->items[k]));
        json_object_set_new(face, "person", serve_json_text(known ? found->items[0].person : NULL));
        json_object_set_new(face, "known", json_boolean(known));
        json_object_set_new(face, "probability",
                            serve_json_real(found->count ? probability(r, &found->items[0]) : (double)NAN));
        json_object_set_new(face, "matches", matches);
        json_array_append_new(faces, face);
    }
    json_t *o = answer_begin(r, faces);
    json_object_set_new(o, "threshold", serve_json_real(r->threshold));
    json_object_set_new(o, "fpir", serve_json_real(serve_rule_fpir(&r->rule, r->threshold)));
    serve_answer_json(r, 200, o);
}
