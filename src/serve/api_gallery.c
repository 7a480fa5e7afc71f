/* api_gallery.c: what there is to know of the server and its gallery as a whole: the page, the description of
 * the API, health, the gallery's figures. */
#include "server.h"

#include "likeness/eval.h"

#include <stdlib.h>
#include <string.h>

static void answer_file(serve_request *r, const char *path) {
    for (size_t i = 0; i < serve_file_count; i++)
        if (strcmp(serve_files[i].path, path) == 0) {
            r->status = 200;
            r->answer = (char *)(uintptr_t)serve_files[i].bytes;
            r->answer_size = serve_files[i].size;
            r->answer_type = serve_files[i].type;
            return;
        }
    serve_answer_problem(r, 404, lk_status_text(LK_NOT_FOUND), "the page has no such file");
}

void serve_api_page(serve_request *r) {
    char path[SERVE_ARG_BYTES + 8];
    snprintf(path, sizeof path, *r->args[0] ? "/web/%s" : "/", r->args[0]);
    answer_file(r, path);
}

void serve_api_openapi(serve_request *r) {
    answer_file(r, "/openapi.json");
}

void serve_api_health(serve_request *r) {
    serve_answer_json(r, 200, json_pack("{s:s}", "status", "ok"));
}

static json_t *limits_json(const serve_options *o) {
    return json_pack("{s:I, s:I, s:I, s:I, s:f}", "body_bytes", (json_int_t)o->body_limit, "job_bytes",
                     (json_int_t)o->job_limit, "pixels", (json_int_t)o->pixels_limit, "faces",
                     (json_int_t)o->faces_limit, "seconds", o->seconds);
}

void serve_api_info(serve_request *r) {
    const serve_options *o = r->server->options;
    lk_error err;
    if (serve_rule_now(r->server, &r->rule, &err) != LK_OK) {
        serve_answer_error(r, &err, false);
        return;
    }
    const lk_gallery_info *info = &r->rule.info;
    json_t *j = json_object();
    json_object_set_new(j, "version", json_string(LK_VERSION));
    json_object_set_new(j, "people", json_integer((json_int_t)info->people));
    json_object_set_new(j, "photos", json_integer((json_int_t)info->photos));
    json_object_set_new(j, "dim", json_integer(info->dim));
    json_object_set_new(j, "created", serve_json_text(info->created));
    json_object_set_new(j, "model", serve_json_text(info->fingerprint));
    json_object_set_new(j, "threshold", serve_json_real(r->rule.threshold));
    json_object_set_new(j, "fpir", serve_json_real(serve_rule_fpir(&r->rule, r->rule.threshold)));
    json_object_set_new(j, "calibrated", json_boolean(r->rule.calibration != NULL));
    json_object_set_new(j, "keeps_crops", json_boolean(o->keep_crops));
    json_object_set_new(j, "role", json_string(serve_role_name(r->role)));
    json_object_set_new(j, "tokens", json_boolean(*r->who != 0));
    json_object_set_new(j, "limits", limits_json(o));
    serve_answer_json(r, 200, j);
}

/* ---- audit ------------------------------------------------------------------------------------------ */

enum { AUDIT = 200, AUDIT_MAX = 1000 };

/* The last rows before `before`: a ring, as the walk is from the first on. */
typedef struct audit_walk {
    int64_t before;
    size_t limit, count;
    json_t **ring; /* (limit) */
    uint64_t faults;
} audit_walk;

static json_t *audit_json(const lk_audit_row *row) {
    json_t *details = row->details ? json_loads(row->details, 0, NULL) : NULL;
    return json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "number", (json_int_t)row->number,
                     "time", serve_json_text(row->time), "who", serve_json_text(row->who), "action",
                     serve_json_text(row->action), "person_id", (json_int_t)row->person_id, "photo_id",
                     (json_int_t)row->photo_id, "person", serve_json_text(row->person), "details",
                     details ? details : json_null(), "hash", serve_json_text(row->hash), "fault",
                     serve_json_text(row->fault));
}

static int on_audit(void *context, const lk_audit_row *row) {
    audit_walk *w = context;
    w->faults += row->fault != NULL;
    if (w->before && row->number >= w->before) return 0; /* verified, and not shown */
    json_t **place = &w->ring[w->count++ % w->limit];
    json_decref(*place);
    *place = audit_json(row);
    return 0;
}

/* Newest first; the chain is verified from its beginning whatever is shown of it. */
void serve_api_audit(serve_request *r) {
    uint64_t before, limit;
    lk_error err;
    if (!serve_query_whole(r, "before", 1, INT64_MAX, 0, &before)) return;
    if (!serve_query_whole(r, "limit", 1, AUDIT_MAX, AUDIT, &limit)) return;
    audit_walk w = {.before = (int64_t)before, .limit = (size_t)limit};
    w.ring = calloc(w.limit, sizeof(json_t *));
    if (!w.ring) {
        serve_answer_json(r, 503, NULL);
        return;
    }
    lk_status status = lk_gallery_each_audit(r->server->options->gallery, NULL, on_audit, &w, &err);
    json_t *rows = json_array();
    size_t kept = w.count < w.limit ? w.count : w.limit;
    for (size_t i = 0; i < kept; i++) json_array_append(rows, w.ring[(w.count - 1 - i) % w.limit]);
    for (size_t i = 0; i < w.limit; i++) json_decref(w.ring[i]);
    free(w.ring);
    if (status == LK_OK) {
        serve_answer_json(r, 200,
                          json_pack("{s:o, s:b, s:I}", "rows", rows, "more", w.count > w.limit, "faults",
                                    (json_int_t)w.faults));
    } else {
        json_decref(rows);
        serve_answer_error(r, &err, false);
    }
}

/* ---- the gallery's vectors as a whole: a map, people who look alike -------------------------------- */

enum { MAP_MAX = 1500, DUPLICATES_MAX = 100, SPREAD_MAX = 5000 };

typedef struct sample {
    size_t limit, seen, count;
    int64_t *ids;  /* (limit) */
    char **people; /* (limit) */
    bool one_each; /* photos of a person follow each other or not: one of each */
    json_t *known; /* people taken already */
    bool failed;
} sample;

/* Reservoir sampling (Vitter 1985) with a fixed seed: each photo has the same chance, and the same gallery
 * the same sample. */
static int on_sample(void *context, const lk_gallery_photo *p) {
    sample *s = context;
    if (s->one_each) {
        if (json_object_get(s->known, p->person)) return 0;
        json_object_set_new(s->known, p->person, json_true());
    }
    uint64_t x = (++s->seen) * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    size_t at = s->count < s->limit ? s->count++ : (size_t)(x % s->seen);
    if (at >= s->limit) return 0;
    char *person = strdup(p->person);
    s->failed = s->failed || !person;
    free(s->people[at]);
    s->people[at] = person;
    s->ids[at] = p->id;
    return s->failed;
}

static void sample_free(sample *s) {
    for (size_t i = 0; s->people && i < s->count; i++) free(s->people[i]);
    free(s->people);
    free(s->ids);
    json_decref(s->known);
}

/* Photos, and their vectors (count, dim), which are to be freed. A photo that went meanwhile is left out. */
static lk_status sample_take(serve *server, size_t limit, bool one_each, sample *s, float **vectors,
                             lk_error *err) {
    size_t dim = (size_t)server->dim, kept = 0;
    *s = (sample){.limit = limit, .one_each = one_each, .known = json_object()};
    s->ids = calloc(limit, sizeof *s->ids);
    s->people = calloc(limit, sizeof *s->people);
    *vectors = calloc(limit, dim * sizeof **vectors);
    if (!s->ids || !s->people || !*vectors)
        return serve_fail(err, LK_NO_MEMORY, "no memory for %zu photos", limit);
    lk_status status = lk_gallery_each_photo(server->options->gallery, NULL, on_sample, s, err);
    if (status == LK_OK && s->failed)
        status = serve_fail(err, LK_NO_MEMORY, "no memory for %zu photos", limit);
    for (size_t i = 0; i < s->count && status == LK_OK; i++) {
        status = lk_gallery_get_vector(server->options->gallery, s->ids[i], *vectors + kept * dim, err);
        if (status == LK_OK) {
            char *person = s->people[i];
            s->ids[kept] = s->ids[i];
            s->people[i] = NULL;
            s->people[kept++] = person;
        } else if (status == LK_NOT_FOUND) {
            free(s->people[i]);
            s->people[i] = NULL;
            status = LK_OK;
        }
    }
    s->count = kept;
    return status;
}

void serve_api_map(serve_request *r) {
    const char *kind = serve_query_get(r, "kind");
    bool tsne = kind && strcmp(kind, "tsne") == 0;
    sample s = {0};
    float *vectors = NULL, *xy = NULL;
    lk_error err;
    if (kind && !tsne && strcmp(kind, "pca") != 0) {
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID), "kind: is neither pca nor tsne");
        return;
    }
    lk_status status = sample_take(r->server, MAP_MAX, false, &s, &vectors, &err);
    if (status == LK_OK && !(xy = calloc(s.count + 1, 2 * sizeof *xy)))
        status = serve_fail(&err, LK_NO_MEMORY, "no memory for a map");
    if (status == LK_OK && s.count >= 3)
        status = lk_map_make(vectors, s.count, r->server->dim, tsne ? LK_MAP_TSNE : LK_MAP_PCA, 1, xy, &err);
    json_t *points = json_array();
    for (size_t i = 0; status == LK_OK && i < s.count; i++)
        json_array_append_new(points, json_pack("{s:I, s:o, s:f, s:f}", "photo_id", (json_int_t)s.ids[i],
                                                "person", serve_json_text(s.people[i]), "x",
                                                (double)xy[2 * i], "y", (double)xy[2 * i + 1]));
    if (status == LK_OK) {
        serve_answer_json(r, 200, json_pack("{s:o, s:I}", "points", points, "photos", (json_int_t)s.seen));
    } else {
        json_decref(points);
        serve_answer_error(r, &err, false);
    }
    sample_free(&s);
    free(vectors);
    free(xy);
}

static json_t *pair_json(const sample *s, size_t i, const lk_match *m) {
    return json_pack("{s:[o, o], s:[I, I], s:o}", "people", serve_json_text(s->people[i]),
                     serve_json_text(m->person), "photo_ids", (json_int_t)s->ids[i], (json_int_t)m->photo_id,
                     "cosine", serve_json_real((double)m->cosine));
}

static double pair_cosine(const json_t *pairs, size_t i) {
    return json_real_value(json_object_get(json_array_get(pairs, i), "cosine"));
}

/* One photo of each person was searched for among all; who is close and another may be the same person twice.
 * Each pair once, the closest first, at most DUPLICATES_MAX. */
static json_t *duplicates_of(const sample *s, const lk_matches *found, double threshold) {
    json_t *pairs = json_array(), *told = json_object();
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < found[i].count; k++) {
            const lk_match *m = &found[i].items[k];
            char key[1024];
            int order = strcmp(s->people[i], m->person);
            snprintf(key, sizeof key, "%s\n%s", order > 0 ? m->person : s->people[i],
                     order > 0 ? s->people[i] : m->person);
            if ((double)m->cosine < threshold || order == 0 || json_object_get(told, key)) continue;
            json_object_set_new(told, key, json_true());
            size_t at = json_array_size(pairs);
            while (at > 0 && pair_cosine(pairs, at - 1) < (double)m->cosine) at--;
            if (at < DUPLICATES_MAX) json_array_insert_new(pairs, at, pair_json(s, i, m));
            if (json_array_size(pairs) > DUPLICATES_MAX) json_array_remove(pairs, DUPLICATES_MAX);
        }
    json_decref(told);
    return pairs;
}

void serve_api_duplicates(serve_request *r) {
    serve *server = r->server;
    sample s = {0};
    float *vectors = NULL;
    lk_error err;
    lk_status status = serve_rule_now(server, &r->rule, &err);
    if (!serve_query_real(r, "threshold", -1, 1, r->rule.pair, &r->threshold)) return;
    if (status == LK_OK) status = sample_take(server, SPREAD_MAX, true, &s, &vectors, &err);
    lk_matches *found = calloc(s.count + 1, sizeof *found);
    if (status == LK_OK && !found) status = serve_fail(&err, LK_NO_MEMORY, "no memory for the pairs");
    lk_search_options options = {.k = 4, .people = true};
    if (status == LK_OK && s.count)
        status = lk_gallery_search_many(server->options->gallery, vectors, s.count, &options, found, &err);
    if (status == LK_OK) {
        serve_answer_json(r, 200,
                          json_pack("{s:o, s:I, s:I}", "pairs", duplicates_of(&s, found, r->threshold),
                                    "looked_at", (json_int_t)s.count, "people", (json_int_t)s.seen));
    } else {
        serve_answer_error(r, &err, false);
    }
    for (size_t i = 0; found && i < s.count; i++) lk_matches_free(&found[i]);
    free(found);
    free(vectors);
    sample_free(&s);
}
