/* api_people.c: who is enrolled: list, enroll, rename, remove. Changes are made one caller at a time, as a
 * transaction is the gallery's and not a caller's, and are on disk when the answer says so. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

enum { LIST = 100, LIST_MAX = 1000, PHOTOS = 32 }; /* people of an answer; photos of one request to enroll */

void serve_change_begin(serve_request *r) {
    pthread_mutex_lock(&r->server->change);
    lk_gallery_set_who(r->server->options->gallery, *r->who ? r->who : "serve", NULL);
}

void serve_change_end(serve_request *r) {
    pthread_mutex_unlock(&r->server->change);
}

/* ---- lists
 * --------------------------------------------------------------------------------------------------- */

typedef struct listing {
    const char *search, *after;
    uint64_t limit;
    json_t *people;
    bool more;
} listing;

static int on_person(void *context, const char *person, size_t photos, const char *added) {
    listing *l = context;
    if (l->after && strcmp(person, l->after) <= 0) return 0;
    if (l->search && !serve_text_has(person, l->search)) return 0;
    l->more = json_array_size(l->people) == l->limit;
    if (l->more) return 1;
    json_array_append_new(l->people, json_pack("{s:o, s:I, s:o}", "person", serve_json_text(person), "photos",
                                               (json_int_t)photos, "added", serve_json_text(added)));
    return 0;
}

void serve_api_people(serve_request *r) {
    lk_error err;
    listing l = {.search = serve_query_get(r, "search"), .after = serve_query_get(r, "after")};
    if (!serve_query_whole(r, "limit", 1, LIST_MAX, LIST, &l.limit)) return;
    l.people = json_array();
    if (lk_gallery_each_person(r->server->options->gallery, on_person, &l, &err) != LK_OK) {
        json_decref(l.people);
        serve_answer_error(r, &err, false);
        return;
    }
    serve_answer_json(r, 200, json_pack("{s:o, s:b}", "people", l.people, "more", l.more));
}

/* ---- changes
 * -------------------------------------------------------------------------------------------------- */

void serve_api_remove(serve_request *r) {
    size_t photos = 0;
    lk_error err;
    serve_change_begin(r);
    lk_status status = lk_gallery_remove(r->server->options->gallery, r->args[0], &photos, &err);
    serve_change_end(r);
    if (status != LK_OK)
        serve_answer_error(r, &err, false);
    else
        serve_answer_json(r, 200, json_pack("{s:I}", "photos", (json_int_t)photos));
}

void serve_prepare_enroll(serve_request *r) {
    serve_pick pick;
    size_t number;
    if (!serve_request_pick(r, SERVE_PICK_ONLY, &pick, &number)) return;
    if (!serve_request_shots(r, PHOTOS, pick)) return;
    for (size_t i = 0; i < r->shot_count; i++) r->shots[i].number = number;
}

/* Why nothing of the shot was enrolled, in the words of likeness enroll. */
static void why_none(const serve_shot *s, lk_error *why) {
    if (s->status != LK_OK) {
        *why = s->why;
        why->status = s->status;
    } else if (s->found == 0) {
        serve_fail(why, LK_EMPTY, "%s: no face found", s->name);
    } else if (s->pick == SERVE_PICK_NUMBER) {
        serve_fail(why, LK_EMPTY, "%s: %zu %s, and so no face %zu", s->name, s->found,
                   s->found == 1 ? "face" : "faces", s->number + 1);
    } else {
        serve_fail(why, LK_EMPTY, "%s: %zu faces: say which with face=largest, face=all or face=N", s->name,
                   s->found);
    }
}

static json_t *shot_json(const serve_shot *s, const int64_t *ids, const lk_error *why) {
    json_t *enrolled = json_array(), *faces = json_array();
    for (size_t i = 0; ids && i < s->count; i++) {
        json_array_append_new(enrolled,
                              json_pack("{s:I, s:I, s:o}", "photo_id", (json_int_t)ids[i], "face",
                                        (json_int_t)s->number_of[i] + 1, "quality",
                                        serve_json_real((double)s->faces[s->number_of[i]].quality)));
    }
    for (size_t i = 0; i < s->found; i++) json_array_append_new(faces, serve_json_face(&s->faces[i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "photo", serve_json_text(s->name), "enrolled", enrolled, "faces",
                     faces, "problem", why ? serve_problem_json(why, true) : json_null());
}

/* All photos of the request that can be enrolled, or after an error of the gallery none. */
static lk_status enroll_shots(serve_request *r, json_t *photos, size_t *enrolled, lk_error *err) {
    serve *server = r->server;
    int64_t *ids = calloc(r->vector_count + 1, sizeof *ids);
    if (!ids) return serve_fail(err, LK_NO_MEMORY, "no memory for %zu faces", r->vector_count);
    serve_change_begin(r);
    lk_status status = lk_gallery_begin(server->options->gallery, err);
    bool open = status == LK_OK;
    for (size_t i = 0; i < r->shot_count && status == LK_OK; i++) {
        serve_shot *s = &r->shots[i];
        const float *vectors = s->count ? r->vectors + s->first * (size_t)server->dim : NULL;
        if (s->count) status = serve_shot_enroll(server, s, vectors, r->args[0], ids + s->first, err);
        *enrolled += status == LK_OK ? s->count : 0;
    }
    if (status == LK_OK) status = lk_gallery_commit(server->options->gallery, err);
    if (status != LK_OK && open) lk_gallery_rollback(server->options->gallery);
    serve_change_end(r);
    for (size_t i = 0; i < r->shot_count && status == LK_OK; i++) {
        const serve_shot *s = &r->shots[i];
        lk_error why;
        if (s->count == 0) why_none(s, &why);
        json_array_append_new(photos, shot_json(s, s->count ? ids + s->first : NULL, s->count ? NULL : &why));
    }
    free(ids);
    return status;
}

void serve_api_enroll(serve_request *r) {
    lk_error err = {0};
    if (r->shot_count == 1 && r->shots[0].count == 0) { /* one photo: its problem is the answer */
        why_none(&r->shots[0], &err);
        serve_answer_error(r, &err, true);
        return;
    }
    json_t *photos = json_array();
    size_t enrolled = 0;
    if (enroll_shots(r, photos, &enrolled, &err) != LK_OK) {
        json_decref(photos);
        serve_answer_error(r, &err, false);
        return;
    }
    serve_metrics_add(r->server->metrics, SERVE_COUNT_ENROLLED, enrolled);
    serve_answer_json(r, enrolled ? 201 : 422,
                      json_pack("{s:o, s:I, s:o}", "person", serve_json_text(r->args[0]), "enrolled",
                                (json_int_t)enrolled, "photos", photos));
}
