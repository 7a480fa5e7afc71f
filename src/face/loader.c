/* loader.c: batches of network input made ahead of the network, on threads of their own: choose photos, read,
 * decode, augment, to planes. In training it stands between the data set and the net, which must never wait
 * for it.
 *
 * A ring of ahead + 1 slots, one batch each (the extra one is in the caller's hands). The unit of work is one
 * photo, handed out in order by a counter, so that all workers fill the same batch: the first is ready soon,
 * and a slow photo delays one worker only. Whatever a photo becomes is drawn from a stream of its own (seed,
 * step, place in the batch): neither the number of workers nor their timing can be seen in a batch, and a
 * resumed run goes on as if it had never stopped.
 *
 * One lock guards everything but the pixels. It is taken twice a photo, for nanoseconds beside a photo's
 * millisecond. */
#include "face/face.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Third argument of lk__random_stream beside step and place: streams of one photo for different ends. */
enum { STREAM_AUGMENT = 1, STREAM_STAND_IN = 2 };

/* This many photos failing one after another, each for the first time, is no bad photo but a lost disk. */
enum { MOST_FAILING_IN_A_ROW = 256 };

typedef struct slot {
    float *pixels;   /* (batch, 3, height, width) */
    uint32_t *label; /* (batch) */
    size_t *photo;   /* (batch) */
    int done;        /* photos finished */
} slot;

struct lk__loader {
    lk__loader_options options;
    slot *slots;
    size_t slot_count, face_floats;
    pthread_t *threads;
    int thread_count;
    double waited;

    pthread_mutex_t lock; /* guards everything below, and slots[].label, photo, done */
    pthread_cond_t room;  /* a slot became free, or stop */
    pthread_cond_t ready; /* a batch became complete, or failed */
    uint64_t step;        /* the next photo to be handed to a worker: its batch ... */
    int place;            /* ... and its place there */
    uint64_t oldest;      /* the batch the caller holds or will get next: slots from here on are in use */
    bool held, stop;
    uint8_t *bad; /* (photos) 1: could not be read, told, never tried again */
    size_t bad_count, failing_in_a_row;
    lk_error failure; /* status not OK: a worker failed for good */
};

static slot *slot_of(const lk__loader *l, uint64_t step) {
    return &l->slots[step % l->slot_count];
}

/* ---- one photo ------------------------------------------------------------------------------------- */

static lk_status make_face(const lk__loader *l, size_t photo, lk__random random, float *out, lk_error *err) {
    const lk__loader_options *o = &l->options;
    lk_image *image = NULL, *face = NULL;
    lk_status status = lk_image_load(lk_dataset_photo_path(o->dataset, photo), &image, err);
    if (status == LK_OK)
        status = lk__augment(image, lk__photo_crop(o->dataset, photo, o->crop), o->augment, &random, o->width,
                             o->height, &face, err);
    if (status == LK_OK) lk__face_to_planes(face, false, out);
    lk_image_free(image);
    lk_image_free(face);
    return status;
}

static bool is_bad(lk__loader *l, size_t photo) {
    pthread_mutex_lock(&l->lock);
    bool bad = l->bad[photo] != 0;
    pthread_mutex_unlock(&l->lock);
    return bad;
}

static void tell_good(lk__loader *l) {
    pthread_mutex_lock(&l->lock);
    l->failing_in_a_row = 0;
    pthread_mutex_unlock(&l->lock);
}

/* Remember and tell a bad photo; true when that is no longer a matter of one photo and the run must end. */
static bool tell_bad(lk__loader *l, size_t photo, const lk_error *why) {
    const lk__loader_options *o = &l->options;
    size_t photos = lk_dataset_photos(o->dataset);
    pthread_mutex_lock(&l->lock);
    if (!l->bad[photo] && why->status != LK_NO_MEMORY) {
        l->bad[photo] = 1;
        l->bad_count++;
        l->failing_in_a_row++;
        if (o->bad_photo) o->bad_photo(o->context, lk_dataset_photo_path(o->dataset, photo), why);
    }
    bool lost = l->bad_count == photos || l->failing_in_a_row >= MOST_FAILING_IN_A_ROW;
    if (l->failure.status == LK_OK) {
        if (why->status == LK_NO_MEMORY)
            l->failure = *why;
        else if (lost)
            lk__fail(&l->failure, LK_IO,
                     "%zu of %zu photos cannot be read, is their disk still there? The last: %s",
                     l->bad_count, photos, why->message);
    }
    bool failed = l->failure.status != LK_OK;
    pthread_mutex_unlock(&l->lock);
    return failed;
}

/* The photo itself, or another of that person when it cannot be read, or grey (0 after normalisation) when
 * none can. Stand-ins are tried in the order of a random rotation, so that no single photo stands in for all.
 */
static void fill(lk__loader *l, uint64_t step, int place, size_t photo, float *out) {
    const lk__loader_options *o = &l->options;
    size_t first, count, start = 0;
    lk_dataset_person_photos(o->dataset, lk_dataset_photo_person(o->dataset, photo), &first, &count);
    uint64_t stream = o->first_place + (uint64_t)place;
    for (size_t i = 0; i < count; i++) {
        if (i == 1) {
            lk__random random = lk__random_stream(o->seed, step, stream, STREAM_STAND_IN);
            start = lk__random_below(&random, count - 1);
        }
        size_t candidate =
            i == 0 ? photo : first + (photo - first + 1 + (start + i - 1) % (count - 1)) % count;
        if (is_bad(l, candidate)) continue;
        lk_error why;
        lk__random random = lk__random_stream(o->seed, step, stream, STREAM_AUGMENT);
        if (make_face(l, candidate, random, out, &why) == LK_OK) {
            tell_good(l);
            return;
        }
        if (tell_bad(l, candidate, &why)) break;
    }
    memset(out, 0, l->face_floats * sizeof *out);
}

/* ---- workers ----------------------------------------------------------------------------------------- */

static bool can_start(const lk__loader *l) {
    return l->step < l->oldest + l->slot_count;
}

static void *work(void *arg) {
    lk__loader *l = arg;
    const lk__loader_options *o = &l->options;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->stop && !can_start(l)) pthread_cond_wait(&l->room, &l->lock);
        if (l->stop) break;
        uint64_t step = l->step;
        int place = l->place;
        slot *s = slot_of(l, step);
        if (place == 0) {
            s->done = 0;
            o->choose(o->context, step, s->photo, s->label);
        }
        if (++l->place == o->batch) {
            l->place = 0;
            l->step++;
        }
        size_t photo = s->photo[place];
        bool failed = l->failure.status != LK_OK;
        pthread_mutex_unlock(&l->lock);
        if (!failed) fill(l, step, place, photo, s->pixels + (size_t)place * l->face_floats);
        pthread_mutex_lock(&l->lock);
        if (++s->done == o->batch || l->failure.status != LK_OK) pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------- */

static lk_status check_options(const lk__loader_options *o, lk_error *err) {
    if (!o->dataset || !o->choose)
        return lk__fail(err, LK_INVALID, "the loader needs a data set and choose()");
    if (o->batch < 1 || o->width < 1 || o->height < 1)
        return lk__fail(err, LK_INVALID, "a batch of %d faces of %d x %d: expected at least 1 of each",
                        o->batch, o->width, o->height);
    if (o->threads < 1 || o->ahead < 1)
        return lk__fail(err, LK_INVALID, "%d loading threads, %d batches ahead: expected at least 1 of each",
                        o->threads, o->ahead);
    if (!(o->augment >= 0 && o->augment <= 1))
        return lk__fail(err, LK_INVALID, "augment is %g, expected 0 (none) to 1 (full)", o->augment);
    return LK_OK;
}

static lk_status make_slots(lk__loader *l, lk_error *err) {
    const lk__loader_options *o = &l->options;
    size_t batch = (size_t)o->batch, photos = lk_dataset_photos(o->dataset);
    size_t bytes = batch * l->face_floats * sizeof(float);
    l->slots = calloc(l->slot_count, sizeof *l->slots);
    l->threads = calloc((size_t)o->threads, sizeof *l->threads);
    l->bad = calloc(photos, 1);
    if (!l->slots || !l->threads || !l->bad) return lk__fail_memory(err, photos, "the loader");
    for (size_t i = 0; i < l->slot_count; i++) {
        slot *s = &l->slots[i];
        s->pixels = malloc(bytes);
        s->label = calloc(batch, sizeof *s->label);
        s->photo = calloc(batch, sizeof *s->photo);
        if (!s->pixels || !s->label || !s->photo)
            return lk__fail_memory(err, bytes, "a batch (try a smaller one)");
    }
    return LK_OK;
}

lk_status lk__loader_start(const lk__loader_options *options, uint64_t first_step, lk__loader **out,
                           lk_error *err) {
    lk_status status = check_options(options, err);
    if (status != LK_OK) return status;
    lk__loader *l = calloc(1, sizeof *l);
    if (!l) return lk__fail_memory(err, sizeof *l, "the loader");
    l->options = *options;
    l->slot_count = (size_t)options->ahead + 1;
    l->face_floats = 3 * (size_t)options->width * (size_t)options->height;
    l->step = l->oldest = first_step;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    status = make_slots(l, err);
    while (status == LK_OK && l->thread_count < options->threads) {
        if (pthread_create(&l->threads[l->thread_count], NULL, work, l) != 0) break;
        l->thread_count++; /* fewer than asked for will do */
    }
    if (status == LK_OK && l->thread_count == 0)
        status = lk__fail(err, LK_IO,
                          "cannot start a thread to load photos: too many threads or processes are running");
    if (status != LK_OK) {
        lk__loader_stop(l);
        return status;
    }
    *out = l;
    return LK_OK;
}

lk_status lk__loader_next(lk__loader *l, const float **pixels, const uint32_t **label, lk_error *err) {
    pthread_mutex_lock(&l->lock);
    if (l->held) {
        l->oldest++;
        l->held = false;
        pthread_cond_broadcast(&l->room);
    }
    const slot *s = slot_of(l, l->oldest);
    double since = lk__seconds();
    /* `done` is of this batch only once its first photo has been handed out. */
    while (l->failure.status == LK_OK &&
           (l->step < l->oldest || (l->step == l->oldest && l->place == 0) || s->done < l->options.batch))
        pthread_cond_wait(&l->ready, &l->lock);
    l->waited += lk__seconds() - since;
    lk_error failure = l->failure;
    if (failure.status == LK_OK) l->held = true;
    pthread_mutex_unlock(&l->lock);
    if (failure.status != LK_OK) return lk__fail(err, failure.status, "%s", failure.message);
    *pixels = s->pixels;
    *label = s->label;
    return LK_OK;
}

double lk__loader_waited(const lk__loader *l) {
    return l->waited;
}

void lk__loader_stop(lk__loader *l) {
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->thread_count; i++) pthread_join(l->threads[i], NULL);
    for (size_t i = 0; l->slots && i < l->slot_count; i++) {
        free(l->slots[i].pixels);
        free(l->slots[i].label);
        free(l->slots[i].photo);
    }
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->room);
    pthread_mutex_destroy(&l->lock);
    free(l->slots);
    free(l->threads);
    free(l->bad);
    free(l);
}
