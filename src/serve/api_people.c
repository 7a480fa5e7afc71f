/* api_people.c: who is enrolled: list, enroll, rename, remove. Changes are made one caller at a time, as a
 * transaction is the gallery's and not a caller's, and are on disk when the answer says so. */
#include "server.h"

#include "likeness/curate.h"

#include <stdlib.h>
#include <string.h>

enum { LIST = 100, LIST_MAX = 1000, PHOTOS = 32 }; /* people of an answer; photos of one request to enroll */

void serve_change_begin(serve *server, const char *who) {
    pthread_mutex_lock(&server->change);
    lk_gallery_set_who(server->options->gallery, *who ? who : "serve", NULL);
}

void serve_change_end(serve *server) {
    pthread_mutex_unlock(&server->change);
    serve_rule_stale(server);
}

/* ---- lists --------------------------------------------------------------------------------------------- */

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

static json_t *photo_json(const lk_gallery_photo *p) {
    return json_pack("{s:I, s:o, s:o, s:o, s:b}", "photo_id", (json_int_t)p->id, "photo",
                     serve_json_text(p->photo), "added", serve_json_text(p->added), "quality",
                     p->quality > 0 ? serve_json_real(p->quality) : json_null(), "crop", p->crop_size > 0);
}

static int on_photo(void *context, const lk_gallery_photo *photo) {
    json_array_append_new(context, photo_json(photo));
    return json_array_size(context) == LIST_MAX;
}

void serve_api_person(serve_request *r) {
    lk_error err;
    json_t *photos = json_array();
    if (lk_gallery_each_photo(r->server->options->gallery, r->args[0], on_photo, photos, &err) != LK_OK) {
        json_decref(photos);
        serve_answer_error(r, &err, false);
    } else if (json_array_size(photos) == 0) {
        json_decref(photos);
        serve_answer_problem(r, 404, lk_status_text(LK_NOT_FOUND), "nobody of this name is in the gallery");
    } else {
        serve_answer_json(r, 200,
                          json_pack("{s:o, s:o}", "person", serve_json_text(r->args[0]), "photos", photos));
    }
}

/* ---- changes -------------------------------------------------------------------------------------- */

/* The answer to a change; takes the value. */
static void answer_change(serve_request *r, lk_status status, const lk_error *err, json_t *value) {
    if (status == LK_OK) {
        serve_answer_json(r, 200, value);
    } else {
        json_decref(value);
        serve_answer_error(r, err, false);
    }
}

void serve_api_remove(serve_request *r) {
    size_t photos = 0;
    lk_error err;
    serve_change_begin(r->server, r->who);
    lk_status status = lk_gallery_remove(r->server->options->gallery, r->args[0], &photos, &err);
    serve_change_end(r->server);
    answer_change(r, status, &err, json_pack("{s:I}", "photos", (json_int_t)photos));
}

/* A text of the JSON body, which is kept as long as *body; NULL: answered. */
static const char *body_text(serve_request *r, const char *key, json_t **body) {
    json_error_t why;
    *body = json_loadb((const char *)r->body, r->size, JSON_REJECT_DUPLICATES, &why);
    const char *text = json_string_value(json_object_get(*body, key));
    if (!*body)
        serve_answer_problem(r, 400, "no JSON", "the body is no JSON: line %d: %.100s", why.line, why.text);
    else if (!text)
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID), "'%s' is expected, a text", key);
    return *body ? text : NULL;
}

void serve_api_rename(serve_request *r) {
    json_t *body;
    lk_error err;
    const char *to = body_text(r, "person", &body);
    if (to) {
        serve_change_begin(r->server, r->who);
        lk_status status = lk_gallery_rename(r->server->options->gallery, r->args[0], to, &err);
        serve_change_end(r->server);
        answer_change(r, status, &err, json_pack("{s:o}", "person", serve_json_text(to)));
    }
    json_decref(body);
}

void serve_api_merge(serve_request *r) {
    json_t *body;
    lk_error err;
    size_t moved = 0;
    const char *into = body_text(r, "into", &body), *from = r->args[0];
    if (into && strcmp(into, from) == 0) {
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID), "a person cannot be merged with themselves");
    } else if (into) {
        serve_change_begin(r->server, r->who);
        lk_status status = lk_gallery_merge_people(r->server->options->gallery, into, &from, 1, &moved, &err);
        serve_change_end(r->server);
        answer_change(r, status, &err,
                      json_pack("{s:o, s:I}", "person", serve_json_text(into), "moved", (json_int_t)moved));
    }
    json_decref(body);
}

/* ---- photos --------------------------------------------------------------------------------------- */

static bool photo_id(serve_request *r, int64_t *id) {
    uint64_t number = 0;
    bool good = serve_text_whole(r->args[0], 1, INT64_MAX, &number);
    *id = (int64_t)number;
    if (!good) serve_answer_problem(r, 404, lk_status_text(LK_NOT_FOUND), "there is no such photo");
    return good;
}

void serve_api_photo_remove(serve_request *r) {
    int64_t id;
    lk_error err;
    if (!photo_id(r, &id)) return;
    serve_change_begin(r->server, r->who);
    lk_status status = lk_gallery_remove_photo(r->server->options->gallery, id, &err);
    serve_change_end(r->server);
    answer_change(r, status, &err, json_pack("{s:i}", "photos", 1));
}

void serve_api_photo_move(serve_request *r) {
    int64_t id, new_id = 0;
    json_t *body;
    lk_error err;
    if (!photo_id(r, &id)) return;
    const char *person = body_text(r, "person", &body);
    if (person) {
        serve_change_begin(r->server, r->who);
        lk_status status = lk_gallery_move_photo(r->server->options->gallery, id, person, &new_id, &err);
        serve_change_end(r->server);
        answer_change(
            r, status, &err,
            json_pack("{s:I, s:o}", "photo_id", (json_int_t)new_id, "person", serve_json_text(person)));
    }
    json_decref(body);
}

void serve_api_photo_crop(serve_request *r) {
    int64_t id;
    lk_error err;
    uint8_t *bytes;
    if (!photo_id(r, &id)) return;
    if (lk_gallery_get_crop(r->server->options->gallery, id, &bytes, &r->answer_size, &err) != LK_OK) {
        serve_answer_error(r, &err, false);
        return;
    }
    r->status = 200;
    r->answer = (char *)bytes;
    r->answer_type = "image/jpeg";
    r->private_body = true;
}

/* ---- enroll --------------------------------------------------------------------------------------- */

void serve_prepare_enroll(serve_request *r) {
    serve_pick pick;
    size_t number;
    if (!serve_request_pick(r, SERVE_PICK_ONLY, &pick, &number)) return;
    if (!serve_request_shots(r, PHOTOS, pick)) return;
    for (size_t i = 0; i < r->shot_count; i++) r->shots[i].number = number;
}

void serve_shot_why(const serve_shot *s, lk_error *why) {
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
    serve_change_begin(r->server, r->who);
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
    serve_change_end(r->server);
    for (size_t i = 0; i < r->shot_count && status == LK_OK; i++) {
        const serve_shot *s = &r->shots[i];
        lk_error why;
        if (s->count == 0) serve_shot_why(s, &why);
        json_array_append_new(photos, shot_json(s, s->count ? ids + s->first : NULL, s->count ? NULL : &why));
    }
    free(ids);
    return status;
}

void serve_api_enroll(serve_request *r) {
    lk_error err = {0};
    if (r->shot_count == 1 && r->shots[0].count == 0) { /* one photo: its problem is the answer */
        serve_shot_why(&r->shots[0], &err);
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
    serve_answer_json(r, enrolled ? 201 : 200,
                      json_pack("{s:o, s:I, s:o}", "person", serve_json_text(r->args[0]), "enrolled",
                                (json_int_t)enrolled, "photos", photos));
}
