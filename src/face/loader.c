/* loader.c: batches of network input made ahead of the network, on threads of their own: choose photos, read,
 * decode, augment, to planes. In training it stands between the data set and the net, which must never wait
 * for it.
 *
 * Batches come from a feed (base/feed.h). Whatever a photo becomes is drawn from a stream of its own (seed,
 * step, place in the batch): neither the number of workers nor their timing can be seen in a batch, and a
 * resumed run goes on as if it had never stopped. */
#include "base/feed.h"
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
} slot;

struct lk__loader {
    lk__loader_options options;
    slot *slots; /* (ahead + 1) */
    size_t slot_count, face_floats;
    lk__feed *feed;

    pthread_mutex_t lock; /* guards everything below */
    uint8_t *bad;         /* (photos) 1: could not be read, told, never tried again */
    size_t bad_count, failing_in_a_row;
};

/* ---- one photo ------------------------------------------------------------------------------------- */

static lk_status make_face(const lk__loader *l, size_t photo, lk__random random, float *out, lk_error *err) {
    const lk__loader_options *o = &l->options;
    lk_image *image = NULL, *face = NULL;
    lk_status status = lk_image_load(lk_dataset_photo_path(o->dataset, photo), &image, err);
    if (status == LK_OK)
        status = lk__augment(image, lk__photo_crop(o->dataset, photo, o->crop), o->augment, o->aligned,
                             &random, o->width, o->height, &face, err);
    if (status == LK_OK) lk__face_to_planes(face, false, out);
    lk_image_free(image);
    lk_image_free(face);
    return status;
}

bool lk__loader_is_bad(lk__loader *l, size_t photo) {
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
static bool tell_bad(lk__loader *l, lk__feed *feed, size_t photo, const lk_error *why) {
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
    size_t bad = l->bad_count;
    pthread_mutex_unlock(&l->lock);
    lk_error failure = *why;
    if (lost && why->status != LK_NO_MEMORY)
        lk__fail(&failure, LK_IO, "%zu of %zu photos cannot be read, is their disk still there? The last: %s",
                 bad, photos, why->message);
    if (lost || why->status == LK_NO_MEMORY) lk__feed_fail(feed, &failure);
    return lk__feed_failed(feed);
}

/* The photo itself, or another of that person when it cannot be read, or grey (0 after normalisation) when
 * none can. Stand-ins are tried in the order of a random rotation, so that no single photo stands in for all.
 */
static void fill(void *context, lk__feed *feed, uint64_t step, int place, int slot_at) {
    lk__loader *l = context;
    size_t photo = l->slots[slot_at].photo[place];
    float *out = l->slots[slot_at].pixels + (size_t)place * l->face_floats;
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
        if (lk__loader_is_bad(l, candidate)) continue;
        lk_error why;
        lk__random random = lk__random_stream(o->seed, step, stream, STREAM_AUGMENT);
        if (make_face(l, candidate, random, out, &why) == LK_OK) {
            tell_good(l);
            return;
        }
        if (tell_bad(l, feed, candidate, &why)) break;
    }
    memset(out, 0, l->face_floats * sizeof *out);
}

static void begin(void *context, uint64_t step, int slot_at) {
    lk__loader *l = context;
    l->options.choose(l->options.context, step, l->slots[slot_at].photo, l->slots[slot_at].label);
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
    l->bad = calloc(photos, 1);
    if (!l->slots || !l->bad) return lk__fail_memory(err, photos, "the loader");
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
    pthread_mutex_init(&l->lock, NULL);
    status = make_slots(l, err);
    if (status == LK_OK) {
        lk__feed_options feed = {.batch = options->batch,
                                 .threads = options->threads,
                                 .ahead = options->ahead,
                                 .what = "photos",
                                 .begin = begin,
                                 .make = fill,
                                 .context = l};
        status = lk__feed_start(&feed, first_step, &l->feed, err);
    }
    if (status != LK_OK) {
        lk__loader_stop(l);
        return status;
    }
    *out = l;
    return LK_OK;
}

lk_status lk__loader_next(lk__loader *l, const float **pixels, const uint32_t **label, lk_error *err) {
    int at = 0;
    lk_status status = lk__feed_next(l->feed, &at, err);
    if (status != LK_OK) return status;
    *pixels = l->slots[at].pixels;
    *label = l->slots[at].label;
    return LK_OK;
}

double lk__loader_waited(const lk__loader *l) {
    return lk__feed_waited(l->feed);
}

void lk__loader_stop(lk__loader *l) {
    if (!l) return;
    lk__feed_stop(l->feed);
    for (size_t i = 0; l->slots && i < l->slot_count; i++) {
        free(l->slots[i].pixels);
        free(l->slots[i].label);
        free(l->slots[i].photo);
    }
    pthread_mutex_destroy(&l->lock);
    free(l->slots);
    free(l->bad);
    free(l);
}
