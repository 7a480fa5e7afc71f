/* work.c: who works on which request when.
 *
 *   DESK  two threads for what reads and changes the gallery, so that a list is not behind forty photos
 *   LOOK  as many workers as cores. Each takes a photo, decodes it and finds the faces; the faces of several
 *         requests then go through the net and the gallery together: a batch costs less than its parts, as
 *         vectors of the gallery are read from memory once for all.
 *   one more   writes the searches into the audit and answers them
 *
 * A batch is due when no photo waits (nothing would come to join it), when it is full, or when its first face
 * has waited LINGER: so a single request never waits for others, and under load batches grow by themselves.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

enum { DESKS = 2, FULL = 16 };    /* threads; faces of a batch */
static const double LINGER = 0.1; /* seconds */

typedef struct line {
    serve_request *first, **last;
    size_t count;
} line;

struct serve_work {
    serve *server;
    pthread_mutex_t lock;
    pthread_cond_t desk_more, look_more, record_more;
    line desk, look, batch, record;
    size_t batch_faces;
    bool ending, recorded; /* nothing new is taken; nothing more will come to be recorded */
    bool recording;        /* the recorder runs */
    pthread_t recorder;
    int workers, started;
    pthread_t *threads; /* (started) */
    serve_eye **eyes;   /* (workers) */
    int next_eye;
};

static void line_put(line *l, serve_request *r) {
    r->next = NULL;
    if (!l->first) l->last = &l->first;
    *l->last = r;
    l->last = &r->next;
    l->count++;
}

static serve_request *line_take(line *l) {
    serve_request *r = l->first;
    l->first = r->next;
    l->count--;
    return r;
}

size_t serve_work_waiting(serve_work *w) {
    pthread_mutex_lock(&w->lock);
    size_t waiting = w->desk.count + w->look.count + w->batch.count + w->record.count;
    pthread_mutex_unlock(&w->lock);
    return waiting;
}

bool serve_work_put(serve_work *w, serve_request *r) {
    bool desk = r->route->lane == SERVE_DESK;
    line *l = desk ? &w->desk : &w->look;
    r->queued = serve_seconds();
    pthread_mutex_lock(&w->lock);
    bool room = l->count < w->server->options->waiting && !w->ending;
    if (room) {
        line_put(l, r);
        pthread_cond_signal(desk ? &w->desk_more : &w->look_more);
    }
    pthread_mutex_unlock(&w->lock);
    return room;
}

/* ---- a batch ------------------------------------------------------------------------------------------- */

/* The faces of all requests of the batch through the net at once. */
static lk_status batch_embed(serve_eye *eye, serve_request *const *requests, size_t count, size_t faces,
                             int dim, lk_error *err) {
    const lk_image **crops = calloc(faces, sizeof *crops);
    float *vectors = calloc(faces, (size_t)dim * sizeof *vectors);
    size_t at = 0;
    lk_status status = LK_OK;
    if (!crops || !vectors) status = serve_fail(err, LK_NO_MEMORY, "no memory for %zu faces", faces);
    for (size_t i = 0; status == LK_OK && i < count; i++)
        for (size_t s = 0; s < requests[i]->shot_count; s++)
            for (size_t f = 0; f < requests[i]->shots[s].count; f++)
                crops[at++] = requests[i]->shots[s].crops[f];
    if (status == LK_OK && at > 0) status = serve_eye_embed(eye, crops, at, vectors, err);
    at = 0;
    for (size_t i = 0; status == LK_OK && i < count; i++) {
        serve_request *r = requests[i];
        if (r->shot_count == 0) continue; /* came with vectors */
        size_t size = r->vector_count * (size_t)dim;
        r->vectors = malloc((size + 1) * sizeof *r->vectors);
        if (!r->vectors) {
            status = serve_fail(err, LK_NO_MEMORY, "no memory for %zu vectors", r->vector_count);
            break;
        }
        memcpy(r->vectors, vectors + at, size * sizeof *vectors);
        at += size;
    }
    free(vectors);
    free(crops);
    return status;
}

static bool searches(const serve_request *r) {
    return (r->route->flags & SERVE_SEARCH) && r->vector_count > 0;
}

/* Those of the batch that ask for the same as the first, at once: `same` of so many vectors. */
static lk_status search_same(serve *server, serve_request *const *same, size_t count, size_t vectors,
                             lk_error *err) {
    size_t dim = (size_t)server->dim, at = 0;
    lk_search_options options = {.k = same[0]->k, .people = same[0]->people};
    float *probes = malloc(vectors * dim * sizeof *probes);
    lk_matches *found = calloc(vectors, sizeof *found);
    lk_status status = LK_OK;
    if (!probes || !found) status = serve_fail(err, LK_NO_MEMORY, "no memory for %zu searches", vectors);
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        serve_request *r = same[i];
        r->matches = calloc(r->vector_count, sizeof *r->matches);
        if (!r->matches)
            status = serve_fail(err, LK_NO_MEMORY, "no memory for %zu searches", r->vector_count);
        memcpy(probes + at * dim, r->vectors, r->vector_count * dim * sizeof *probes);
        at += r->vector_count;
    }
    if (status == LK_OK)
        status = lk_gallery_search_many(server->options->gallery, probes, vectors, &options, found, err);
    at = 0;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        memcpy(same[i]->matches, found + at, same[i]->vector_count * sizeof *found);
        at += same[i]->vector_count;
    }
    free(found);
    free(probes);
    return status;
}

static lk_status batch_search(serve *server, serve_request *const *requests, size_t count, lk_error *err) {
    serve_request *same[FULL];
    lk_status status = LK_OK;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        size_t n = 0, vectors = 0;
        if (!searches(requests[i]) || requests[i]->matches) continue;
        for (size_t j = i; j < count; j++) {
            serve_request *r = requests[j];
            if (!searches(r) || r->matches || r->k != requests[i]->k || r->people != requests[i]->people)
                continue;
            same[n++] = r;
            vectors += r->vector_count;
        }
        status = search_same(server, same, n, vectors, err);
        serve_metrics_add(server->metrics, SERVE_COUNT_SEARCHES, vectors);
    }
    return status;
}

static void answer(serve_request *r, const lk_error *err) {
    if (!r->status && err && err->status != LK_OK) serve_answer_error(r, err, false);
    if (!r->status) r->route->answer(r);
    serve_http_done(r);
}

/* Requests of a batch that searched go on to the recorder, the others are answered. */
static void batch_run(serve_work *w, serve_eye *eye, serve_request **requests, size_t count, size_t faces) {
    lk_error err = {0};
    lk_status status = batch_embed(eye, requests, count, faces, w->server->dim, &err);
    if (status == LK_OK) status = batch_search(w->server, requests, count, &err);
    err.status = status;
    serve_metrics_add(w->server->metrics, SERVE_COUNT_BATCHES, 1);
    serve_metrics_add(w->server->metrics, SERVE_COUNT_BATCHED, faces);
    for (size_t i = 0; i < count; i++) {
        if (status != LK_OK || !searches(requests[i])) {
            answer(requests[i], &err);
            continue;
        }
        pthread_mutex_lock(&w->lock);
        line_put(&w->record, requests[i]);
        pthread_cond_signal(&w->record_more);
        pthread_mutex_unlock(&w->lock);
    }
}

/* With the lock held; false: not due. */
static bool batch_take(serve_work *w, serve_request **requests, size_t *count, size_t *faces) {
    if (w->batch.count == 0) return false;
    bool due =
        w->look.count == 0 || w->batch_faces >= FULL || serve_seconds() - w->batch.first->queued > LINGER;
    if (!due) return false;
    *count = *faces = 0;
    while (w->batch.count > 0 && *count < FULL &&
           (*count == 0 || *faces + w->batch.first->vector_count <= FULL)) {
        serve_request *r = line_take(&w->batch);
        *faces += r->vector_count;
        requests[(*count)++] = r;
    }
    w->batch_faces -= *faces;
    return true;
}

/* ---- the recorder ----------------------------------------------------------------------------------- */

/* Who searched for whom and what came back is in the audit before anybody sees it. */
static lk_status record(serve *server, const line *taken, lk_error *err) {
    size_t n = 0, faces = 0;
    for (const serve_request *r = taken->first; r; r = r->next) faces += r->vector_count;
    lk_gallery_event *events = calloc(faces, sizeof *events);
    if (!events) return serve_fail(err, LK_NO_MEMORY, "no memory for the audit");
    for (const serve_request *r = taken->first; r; r = r->next)
        for (size_t v = 0; v < r->vector_count; v++) {
            const lk_matches *m = &r->matches[v];
            events[n++] = (lk_gallery_event){.action = "identify",
                                             .who = *r->who ? r->who : "serve",
                                             .probe = r->shot_count ? r->shots[0].hash : NULL,
                                             .matches = m,
                                             .threshold = r->threshold,
                                             .known = m->count && (double)m->items[0].cosine >= r->threshold};
        }
    pthread_mutex_lock(&server->change);
    lk_status status = lk_gallery_record(server->options->gallery, events, n, err);
    pthread_mutex_unlock(&server->change);
    free(events);
    return status;
}

/* A commit waits for the disk, and meanwhile the workers go on: all that has come by then is one commit. */
static void *record_main(void *context) {
    serve_work *w = context;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->record.count == 0 && !w->recorded) pthread_cond_wait(&w->record_more, &w->lock);
        if (w->record.count == 0) break;
        line taken = w->record;
        w->record = (line){0};
        pthread_mutex_unlock(&w->lock);
        lk_error err = {0};
        err.status = record(w->server, &taken, &err);
        while (taken.count > 0) answer(line_take(&taken), &err);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- workers ------------------------------------------------------------------------------------------- */

static bool late(serve_request *r) {
    if (serve_seconds() - r->queued < r->server->options->seconds) return false;
    serve_answer_problem(r, 503, "too busy", "the request waited %.0f s for its turn; try again later",
                         r->server->options->seconds);
    return true;
}

/* True: the request goes on in a batch. */
static bool look(serve_eye *eye, serve_request *r) {
    if (late(r)) return false;
    if (r->route->prepare) r->route->prepare(r);
    if (r->status) return false;
    bool embed = r->route->flags & SERVE_EMBED;
    for (size_t i = 0; i < r->shot_count; i++) {
        serve_shot *s = &r->shots[i];
        serve_shot_look(eye, s, embed);
        s->first = r->vector_count;
        if (s->status == LK_OK) r->vector_count += s->count;
        if (s->status == LK_OK) continue;
        for (size_t k = 0; k < s->count; k++) lk_image_free(s->crops[k]);
        s->count = 0;
    }
    return embed && r->vector_count > 0;
}

static void *look_main(void *context) {
    serve_work *w = context;
    serve_request *taken[FULL];
    size_t count, faces;
    pthread_mutex_lock(&w->lock);
    serve_eye *eye = w->eyes[w->next_eye++];
    for (;;) {
        if (batch_take(w, taken, &count, &faces)) {
            pthread_mutex_unlock(&w->lock);
            batch_run(w, eye, taken, count, faces);
        } else if (w->look.count > 0) {
            serve_request *r = line_take(&w->look);
            pthread_mutex_unlock(&w->lock);
            if (!look(eye, r)) {
                answer(r, NULL);
            } else {
                pthread_mutex_lock(&w->lock);
                r->queued = serve_seconds();
                line_put(&w->batch, r);
                w->batch_faces += r->vector_count;
                continue;
            }
        } else if (w->ending) {
            break;
        } else {
            pthread_cond_wait(&w->look_more, &w->lock);
            continue;
        }
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void *desk_main(void *context) {
    serve_work *w = context;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->desk.count == 0 && !w->ending) pthread_cond_wait(&w->desk_more, &w->lock);
        if (w->desk.count == 0) break;
        serve_request *r = line_take(&w->desk);
        pthread_mutex_unlock(&w->lock);
        if (!late(r)) r->route->answer(r);
        serve_http_done(r);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

lk_status serve_work_new(serve *server, serve_work **out, lk_error *err) {
    serve_work *w = calloc(1, sizeof *w);
    lk_status status = LK_OK;
    if (!w) return serve_fail(err, LK_NO_MEMORY, "no memory for the workers");
    w->server = server;
    w->workers = server->options->threads;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->desk_more, NULL);
    pthread_cond_init(&w->look_more, NULL);
    pthread_cond_init(&w->record_more, NULL);
    w->eyes = calloc((size_t)w->workers, sizeof(serve_eye *));
    w->threads = calloc((size_t)w->workers + DESKS, sizeof *w->threads);
    if (!w->eyes || !w->threads) status = serve_fail(err, LK_NO_MEMORY, "no memory for the workers");
    for (int i = 0; i < w->workers && status == LK_OK; i++) status = serve_eye_new(server, &w->eyes[i], err);
    for (; w->started < w->workers + DESKS && status == LK_OK; w->started += status == LK_OK)
        if (pthread_create(&w->threads[w->started], NULL, w->started < DESKS ? desk_main : look_main, w) != 0)
            status = serve_fail(err, LK_NO_MEMORY, "cannot start another thread");
    w->recording = status == LK_OK && pthread_create(&w->recorder, NULL, record_main, w) == 0;
    if (status == LK_OK && !w->recording)
        status = serve_fail(err, LK_NO_MEMORY, "cannot start another thread");
    if (status != LK_OK) {
        serve_work_free(w);
        return status;
    }
    *out = w;
    return LK_OK;
}

void serve_work_end(serve_work *w) {
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->desk_more);
    pthread_cond_broadcast(&w->look_more);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->started; i++) pthread_join(w->threads[i], NULL);
    w->started = 0;
    pthread_mutex_lock(&w->lock);
    w->recorded = true;
    pthread_cond_signal(&w->record_more);
    pthread_mutex_unlock(&w->lock);
    if (w->recording) pthread_join(w->recorder, NULL);
    w->recording = false;
}

void serve_work_free(serve_work *w) {
    if (!w) return;
    serve_work_end(w);
    for (int i = 0; w->eyes && i < w->workers; i++) serve_eye_free(w->eyes[i]);
    free(w->eyes);
    free(w->threads);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->desk_more);
    pthread_cond_destroy(&w->look_more);
    pthread_cond_destroy(&w->record_more);
    free(w);
}
