/* job.c: many photos enrolled in the background, one job after the other on one thread with an eye of its
 * own, so that probes keep theirs. Photos go in by groups: a group is on disk before it is counted, and what
 * was counted stays, whatever happens to the rest. Who listens gets the job's whole state whenever it changed
 * (server-sent events). */
#include "server.h"

#include "bundle.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 8, JOBS = 32, WAITING = 4, PROBLEMS = 100, LISTENERS = 32 };
static const double HEARTBEAT = 15; /* seconds: a comment, by which a caller that is gone is found out */

typedef enum job_state { QUEUED, RUNNING, DONE, FAILED, CANCELLED } job_state;
static const char *const state_names[] = {"queued", "running", "done", "failed", "cancelled"};

typedef struct job {
    struct job *next; /* older */
    uint64_t id;
    char who[SERVE_NAME_BYTES], person[256], content_type[256];
    serve_pick pick;
    size_t number;
    uint8_t *body; /* NULL when it is over */
    size_t size, capacity;
    job_state state;
    bool cancel;
    size_t photos, done, enrolled, skipped;
    json_t *problems;
    lk_error why;     /* of FAILED */
    unsigned version; /* of all this */
} job;

typedef struct listener {
    struct listener *next;
    serve_jobs *jobs;
    uint64_t id;
    unsigned seen;
    double told;
    struct MHD_Connection *connection;
    bool asleep; /* its connection is suspended */
    char *text;  /* what is left to send of an event */
    size_t at, size;
} listener;

struct serve_jobs {
    serve *server;
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_t thread;
    bool started, stopping;
    job *newest;
    uint64_t last_id;
    listener *listeners;
    size_t listening;
    serve_eye *eye;
};

static job *job_find(serve_jobs *jobs, uint64_t id) {
    job *j = jobs->newest;
    while (j && j->id != id) j = j->next;
    return j;
}

static bool over(const job *j) {
    return j->state >= DONE;
}

static json_t *job_json(const job *j) {
    return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:O, s:o}", "job", (json_int_t)j->id, "state",
                     state_names[j->state], "photos", (json_int_t)j->photos, "done", (json_int_t)j->done,
                     "enrolled", (json_int_t)j->enrolled, "skipped", (json_int_t)j->skipped, "problems",
                     j->problems, "problem",
                     j->state == FAILED ? serve_problem_json(&j->why, true) : json_null());
}

/* With the lock held: those who listen to this job (0: to any) look again. */
static void wake(serve_jobs *jobs, uint64_t id) {
    for (listener *l = jobs->listeners; l; l = l->next) {
        if (!l->asleep || (id && l->id != id)) continue;
        l->asleep = false;
        MHD_resume_connection(l->connection);
    }
}

static void changed(serve_jobs *jobs, job *j) {
    j->version++;
    wake(jobs, j->id);
}

/* ---- the work ------------------------------------------------------------------------------------- */

typedef struct group {
    serve_shot shots[GROUP];
    char person[GROUP][256];
    uint8_t *bytes[GROUP];
    size_t count;
} group;

static void problem(serve_jobs *jobs, job *j, const char *photo, const lk_error *why) {
    pthread_mutex_lock(&jobs->lock);
    j->skipped++;
    if (json_array_size(j->problems) < PROBLEMS)
        json_array_append_new(j->problems, json_pack("{s:o, s:o}", "photo", serve_json_text(photo), "problem",
                                                     serve_problem_json(why, true)));
    pthread_mutex_unlock(&jobs->lock);
}

static void group_clear(group *g) {
    for (size_t i = 0; i < g->count; i++) serve_shot_free(&g->shots[i]);
    memset(g, 0, sizeof *g);
}

static lk_status group_embed(serve_jobs *jobs, group *g, float **vectors, size_t *faces, lk_error *err) {
    size_t at = 0;
    *faces = 0;
    for (size_t i = 0; i < g->count; i++) {
        g->shots[i].first = *faces;
        *faces += g->shots[i].count;
    }
    const lk_image **crops = calloc(*faces + 1, sizeof *crops);
    *vectors = calloc(*faces + 1, (size_t)jobs->server->dim * sizeof **vectors);
    lk_status status = LK_OK;
    if (!crops || !*vectors) status = serve_fail(err, LK_NO_MEMORY, "no memory for %zu faces", *faces);
    for (size_t i = 0; status == LK_OK && i < g->count; i++)
        for (size_t k = 0; k < g->shots[i].count; k++) crops[at++] = g->shots[i].crops[k];
    if (status == LK_OK && at) status = serve_eye_embed(jobs->eye, crops, at, *vectors, err);
    free(crops);
    return status;
}

/* A bad name is the photo's fault and leaves the others in; nothing was written for it. */
static lk_status group_enroll(serve_jobs *jobs, job *j, group *g, const float *vectors, size_t *enrolled,
                              lk_error *err) {
    serve *server = jobs->server;
    int64_t ids[1024];
    serve_change_begin(server, j->who);
    lk_status status = lk_gallery_begin(server->options->gallery, err);
    bool open = status == LK_OK;
    for (size_t i = 0; i < g->count && status == LK_OK; i++) {
        serve_shot *s = &g->shots[i];
        if (s->count == 0 || s->count > sizeof ids / sizeof *ids) continue;
        status = serve_shot_enroll(server, s, vectors + s->first * (size_t)server->dim, g->person[i], ids,
                                   &s->why);
        s->status = status;
        if (status == LK_OK)
            *enrolled += s->count;
        else if (status == LK_INVALID)
            status = LK_OK;
        else
            *err = s->why;
    }
    if (status == LK_OK) status = lk_gallery_commit(server->options->gallery, err);
    if (status != LK_OK && open) lk_gallery_rollback(server->options->gallery);
    serve_change_end(server);
    return status;
}

static lk_status group_flush(serve_jobs *jobs, job *j, group *g, lk_error *err) {
    float *vectors = NULL;
    size_t faces, enrolled = 0;
    lk_status status = group_embed(jobs, g, &vectors, &faces, err);
    if (status == LK_OK && faces) status = group_enroll(jobs, j, g, vectors, &enrolled, err);
    free(vectors);
    for (size_t i = 0; i < g->count && status == LK_OK; i++) {
        serve_shot *s = &g->shots[i];
        lk_error why = s->why;
        if (s->count == 0) serve_shot_why(s, &why);
        if (s->count == 0 || s->status != LK_OK) problem(jobs, j, s->name, &why);
    }
    if (status == LK_OK) {
        pthread_mutex_lock(&jobs->lock);
        j->done += g->count;
        j->enrolled += enrolled;
        changed(jobs, j);
        pthread_mutex_unlock(&jobs->lock);
        serve_metrics_add(jobs->server->metrics, SERVE_COUNT_ENROLLED, enrolled);
    }
    group_clear(g);
    return status;
}

/* The shot keeps nothing of the item: crops are made at once. */
static void group_add(serve_jobs *jobs, const job *j, const serve_item *item, group *g) {
    serve_shot *s = &g->shots[g->count];
    snprintf(g->person[g->count++], sizeof *g->person, "%s", *j->person ? j->person : item->person);
    snprintf(s->name, sizeof s->name, "%s", item->photo);
    s->bytes = item->bytes;
    s->size = item->size;
    s->pick = j->pick;
    s->number = j->number;
    serve_shot_look(jobs->eye, s, true);
    s->bytes = NULL;
    if (s->status == LK_OK || s->count == 0) return;
    for (size_t k = 0; k < s->count; k++) lk_image_free(s->crops[k]);
    s->count = 0;
}

static bool told_to_end(serve_jobs *jobs, const job *j) {
    pthread_mutex_lock(&jobs->lock);
    bool end = j->cancel || jobs->stopping;
    pthread_mutex_unlock(&jobs->lock);
    return end;
}

static lk_status job_photos(serve_jobs *jobs, job *j, serve_bundle *bundle, lk_error *err) {
    group *g = calloc(1, sizeof *g);
    serve_item item;
    lk_status status = g ? LK_OK : serve_fail(err, LK_NO_MEMORY, "no memory for a job");
    for (bool end = false; status == LK_OK && !end && !told_to_end(jobs, j);) {
        lk_error why = {0};
        lk_status one = serve_bundle_next(bundle, &item, &end, &why);
        if (end && one != LK_OK) {
            *err = why;
            status = one;
        } else if (!end && one == LK_OK && !*j->person && !*item.person) {
            one =
                serve_fail(&why, LK_INVALID, "%s: lies in no folder that could name the person", item.photo);
        }
        if (!end && one != LK_OK) {
            problem(jobs, j, item.photo, &why);
            pthread_mutex_lock(&jobs->lock);
            j->done++;
            changed(jobs, j);
            pthread_mutex_unlock(&jobs->lock);
        } else if (!end) {
            group_add(jobs, j, &item, g);
        }
        if (g->count == GROUP) status = group_flush(jobs, j, g, err);
    }
    if (status == LK_OK && g->count) status = group_flush(jobs, j, g, err);
    if (g) group_clear(g);
    free(g);
    return status;
}

static void job_run(serve_jobs *jobs, job *j) {
    const serve_options *o = jobs->server->options;
    serve_bundle *bundle = NULL;
    lk_error err = {0};
    lk_status status = jobs->eye ? LK_OK : serve_eye_new(jobs->server, &jobs->eye, &err);
    if (status == LK_OK)
        status = serve_bundle_open(j->content_type, j->body, j->size, o->body_limit, 8 * o->job_limit,
                                   &bundle, &err);
    if (status == LK_OK) {
        pthread_mutex_lock(&jobs->lock);
        j->photos = serve_bundle_count(bundle);
        changed(jobs, j);
        pthread_mutex_unlock(&jobs->lock);
        status = job_photos(jobs, j, bundle, &err);
    }
    serve_bundle_free(bundle);
    serve_http_body_free(jobs->server, j->body, j->capacity);
    pthread_mutex_lock(&jobs->lock);
    j->body = NULL;
    j->why = err;
    j->state = status != LK_OK ? FAILED : j->cancel || j->done < j->photos ? CANCELLED : DONE;
    changed(jobs, j);
    pthread_mutex_unlock(&jobs->lock);
}

/* The oldest that waits. */
static job *job_next(serve_jobs *jobs) {
    job *found = NULL;
    for (job *j = jobs->newest; j; j = j->next)
        if (j->state == QUEUED) found = j;
    return found;
}

static void *jobs_main(void *context) {
    serve_jobs *jobs = context;
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        job *j = job_next(jobs);
        if (!j) {
            pthread_cond_wait(&jobs->more, &jobs->lock);
            continue;
        }
        j->state = RUNNING;
        changed(jobs, j);
        pthread_mutex_unlock(&jobs->lock);
        job_run(jobs, j);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* ---- start and stop ------------------------------------------------------------------------------- */

lk_status serve_jobs_new(serve *server, serve_jobs **out, lk_error *err) {
    serve_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs) return serve_fail(err, LK_NO_MEMORY, "no memory for jobs");
    jobs->server = server;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->more, NULL);
    jobs->started = pthread_create(&jobs->thread, NULL, jobs_main, jobs) == 0;
    if (!jobs->started) {
        serve_jobs_free(jobs);
        return serve_fail(err, LK_NO_MEMORY, "cannot start another thread");
    }
    *out = jobs;
    return LK_OK;
}

void serve_jobs_stop(serve_jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_signal(&jobs->more);
    wake(jobs, 0);
    pthread_mutex_unlock(&jobs->lock);
    if (jobs->started) pthread_join(jobs->thread, NULL);
    jobs->started = false;
}

static void job_free(serve_jobs *jobs, job *j) {
    if (j->body) serve_http_body_free(jobs->server, j->body, j->capacity);
    json_decref(j->problems);
    free(j);
}

void serve_jobs_free(serve_jobs *jobs) {
    if (!jobs) return;
    if (jobs->started) serve_jobs_stop(jobs);
    for (job *j = jobs->newest, *next; j; j = next) {
        next = j->next;
        job_free(jobs, j);
    }
    serve_eye_free(jobs->eye);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->more);
    free(jobs);
}

void serve_jobs_wake(serve_jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    wake(jobs, 0);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- routes --------------------------------------------------------------------------------------- */

/* The oldest that are over make room. */
static void forget_old(serve_jobs *jobs) {
    size_t kept = 0;
    for (job **at = &jobs->newest; *at;) {
        job *j = *at;
        if (++kept <= JOBS || !over(j)) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        job_free(jobs, j);
    }
}

static bool job_add(serve_jobs *jobs, job *j) {
    size_t waiting = 0;
    pthread_mutex_lock(&jobs->lock);
    for (const job *other = jobs->newest; other; other = other->next) waiting += other->state == QUEUED;
    bool room = waiting < WAITING && !jobs->stopping;
    if (room) {
        j->id = ++jobs->last_id;
        j->next = jobs->newest;
        jobs->newest = j;
        forget_old(jobs);
        pthread_cond_signal(&jobs->more);
    }
    pthread_mutex_unlock(&jobs->lock);
    return room;
}

void serve_api_job_start(serve_request *r) {
    serve_pick pick;
    size_t number;
    const char *person = serve_query_get(r, "person");
    if (!serve_request_pick(r, SERVE_PICK_ONLY, &pick, &number)) return;
    if (r->size == 0 || (person && strlen(person) >= sizeof((job *)0)->person)) {
        serve_answer_problem(r, 400, lk_status_text(LK_INVALID),
                             "the upload is empty, or the person's name too long");
        return;
    }
    job *j = calloc(1, sizeof *j);
    if (!j || !(j->problems = json_array())) {
        free(j);
        serve_answer_json(r, 503, NULL);
        return;
    }
    snprintf(j->who, sizeof j->who, "%s", r->who);
    snprintf(j->person, sizeof j->person, "%s", person ? person : "");
    snprintf(j->content_type, sizeof j->content_type, "%s", r->content_type);
    j->pick = pick;
    j->number = number;
    j->body = r->body;
    j->size = r->size;
    j->capacity = r->capacity;
    json_t *answer = NULL;
    r->body = NULL; /* before the job may end and free it */
    size_t capacity = r->capacity;
    r->capacity = r->size = 0;
    if (job_add(r->server->jobs, j)) {
        pthread_mutex_lock(&r->server->jobs->lock);
        answer = job_json(j); /* it is among the newest, and so still there */
        pthread_mutex_unlock(&r->server->jobs->lock);
        serve_answer_json(r, 202, answer);
        return;
    }
    r->body = j->body;
    r->capacity = capacity;
    json_decref(j->problems);
    free(j);
    serve_answer_problem(r, 503, "too busy", "too many jobs are waiting; try again later");
}

void serve_api_jobs(serve_request *r) {
    serve_jobs *jobs = r->server->jobs;
    json_t *list = json_array();
    pthread_mutex_lock(&jobs->lock);
    for (const job *j = jobs->newest; j; j = j->next) json_array_append_new(list, job_json(j));
    pthread_mutex_unlock(&jobs->lock);
    serve_answer_json(r, 200, json_pack("{s:o}", "jobs", list));
}

/* With the lock held; NULL: answered. */
static job *job_asked(serve_request *r) {
    uint64_t id = 0;
    job *j = serve_text_whole(r->args[0], 1, INT64_MAX, &id) ? job_find(r->server->jobs, id) : NULL;
    if (!j)
        serve_answer_problem(r, 404, lk_status_text(LK_NOT_FOUND),
                             "there is no such job, or it is long over");
    return j;
}

void serve_api_job(serve_request *r) {
    pthread_mutex_lock(&r->server->jobs->lock);
    job *j = job_asked(r);
    if (j) serve_answer_json(r, 200, job_json(j));
    pthread_mutex_unlock(&r->server->jobs->lock);
}

void serve_api_job_cancel(serve_request *r) {
    serve_jobs *jobs = r->server->jobs;
    pthread_mutex_lock(&jobs->lock);
    job *j = job_asked(r);
    if (j && !over(j)) {
        j->cancel = true;
        if (j->state == QUEUED) {
            j->state = CANCELLED;
            serve_http_body_free(r->server, j->body, j->capacity);
            j->body = NULL;
        }
        changed(jobs, j);
    }
    if (j) serve_answer_json(r, 200, job_json(j));
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- events --------------------------------------------------------------------------------------- */

/* With the lock held: the next event into l->text, or a comment when it is time; false: nothing to tell.
 * *end: nothing will come any more. */
static bool event_next(listener *l, bool *end) {
    job *j = job_find(l->jobs, l->id);
    double now = serve_seconds();
    *end = !j || l->jobs->stopping;
    if (j && j->version != l->seen) {
        json_t *value = job_json(j);
        char *text = json_dumps(value, JSON_COMPACT), *event = NULL;
        json_decref(value);
        int size = text ? asprintf(&event, "data: %s\n\n", text) : -1;
        free(text);
        if (size < 0) return false;
        l->text = event;
        l->size = (size_t)size;
        l->seen = j->version;
    } else if (!*end && over(j)) {
        *end = true;
        return false;
    } else if (!*end && now - l->told > HEARTBEAT) {
        l->text = strdup(":\n\n");
        l->size = l->text ? 3 : 0;
    } else {
        return false;
    }
    l->told = now;
    l->at = 0;
    *end = false;
    return l->size > 0;
}

static ssize_t on_read(void *context, uint64_t position, char *out, size_t room) {
    listener *l = context;
    bool end = false;
    ssize_t result = 0;
    (void)position;
    pthread_mutex_lock(&l->jobs->lock);
    if (l->at < l->size || event_next(l, &end)) {
        size_t size = l->size - l->at < room ? l->size - l->at : room;
        memcpy(out, l->text + l->at, size);
        l->at += size;
        result = (ssize_t)size;
        if (l->at == l->size) {
            free(l->text);
            l->text = NULL;
            l->at = l->size = 0;
        }
    } else if (end) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        l->asleep = true;
        MHD_suspend_connection(l->connection);
    }
    pthread_mutex_unlock(&l->jobs->lock);
    return result;
}

static void on_free(void *context) {
    listener *l = context;
    serve_jobs *jobs = l->jobs;
    pthread_mutex_lock(&jobs->lock);
    for (listener **at = &jobs->listeners; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    jobs->listening--;
    pthread_mutex_unlock(&jobs->lock);
    free(l->text);
    free(l);
}

void serve_api_job_events(serve_request *r) {
    serve_jobs *jobs = r->server->jobs;
    pthread_mutex_lock(&jobs->lock);
    const job *j = job_asked(r);
    bool room = jobs->listening < LISTENERS;
    listener *l = j && room ? calloc(1, sizeof *l) : NULL;
    if (l) {
        *l = (listener){.next = jobs->listeners,
                        .jobs = jobs,
                        .id = j->id,
                        .seen = j->version - 1,
                        .told = serve_seconds(),
                        .connection = r->connection};
        jobs->listeners = l;
        jobs->listening++;
    }
    pthread_mutex_unlock(&jobs->lock);
    if (!j) return;
    if (l) r->stream = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_read, l, on_free);
    if (!r->stream) {
        if (l) on_free(l);
        serve_answer_problem(r, 503, "too busy",
                             "too many are listening; ask for the job now and then instead");
        return;
    }
    r->status = 200;
    r->answer_type = "text/event-stream";
}
