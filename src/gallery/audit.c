/* audit.c: the account of what was done with a gallery: one row an act, in the transaction of what it tells
 * of, each row chained to the one before:
 *
 *   hash(row) = SHA-256(hash(row before) || every field of the row, each with its length)
 *
 * and the first to a hash of the gallery's identity. Who changes, moves or leaves out a row breaks the chain
 * there; who writes the whole chain anew, or cuts its end, is found out by a head that was written down.
 *
 * The law wants both: that searches for people be accounted for, and that people be forgotten. So rows name
 * people and photos by id. A name enters as SHA-256(salt || name) with 16 random bytes that lie with the
 * person and are erased with them: until then the audit proves who was called what, and afterwards nobody can
 * find the name by trying. */
#include "gallery/gallery.h"

#include <math.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- hashes --------------------------------------------------------------------------------------- */

static void add_bytes(crypto_hash_sha256_state *state, const void *bytes, size_t size) {
    uint64_t length = bytes ? size : UINT64_MAX; /* nothing is not the empty text */
    crypto_hash_sha256_update(state, (const unsigned char *)&length, sizeof length);
    if (bytes) crypto_hash_sha256_update(state, bytes, size);
}

static void add_text(crypto_hash_sha256_state *state, const char *text) {
    add_bytes(state, text, text ? strlen(text) : 0);
}

void lk__audit_hash(const uint8_t *before, const lk__audit_row *row, uint8_t *hash) {
    const int64_t numbers[] = {row->number, row->person_id, row->photo_id};
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, before, LK__HASH);
    crypto_hash_sha256_update(&state, (const unsigned char *)numbers, sizeof numbers);
    add_text(&state, row->time);
    add_text(&state, row->who);
    add_text(&state, row->action);
    add_bytes(&state, row->name, LK__HASH);
    add_bytes(&state, row->probe, LK__HASH);
    add_text(&state, row->details);
    crypto_hash_sha256_final(&state, hash);
}

void lk__audit_origin(const char *identity, uint8_t *hash) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    add_text(&state, "likeness audit 1");
    add_text(&state, identity);
    crypto_hash_sha256_final(&state, hash);
}

void lk__audit_name(const uint8_t *salt, const char *name, uint8_t *hash) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, salt, LK__SALT);
    crypto_hash_sha256_update(&state, (const unsigned char *)name, strlen(name));
    crypto_hash_sha256_final(&state, hash);
}

void lk_probe_hash(const void *bytes, size_t size, uint8_t hash[32]) {
    crypto_hash_sha256(hash, bytes, size);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

void lk__audit_who(char who[LK__WHO_BYTES + 1]) {
    struct passwd entry, *found = NULL;
    char room[4096], machine[65] = "";
    char user[64];
    snprintf(user, sizeof user, "uid %lu", (unsigned long)getuid());
    if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) == 0 && found)
        snprintf(user, sizeof user, "%s", found->pw_name);
    gethostname(machine, sizeof machine - 1);
    snprintf(who, LK__WHO_BYTES + 1, "%s@%s", user, machine);
    if (!lk__name_valid(who, LK__WHO_BYTES))
        snprintf(who, LK__WHO_BYTES + 1, "uid %lu", (unsigned long)getuid());
}

static void time_now(char text[32]) {
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t length = strftime(text, 24, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + length, 32 - length, ".%03ldZ", now.tv_nsec / 1000000);
}

lk_status lk__audit_append(lk_gallery *g, lk__audit_row *rows, size_t count, lk_error *err) {
    uint8_t before[LK__HASH];
    int64_t last = 0, highest = 0;
    char time[32];
    lk_status status = g->store->ops->audit_last(g->store, &last, before, &highest, err);
    if (status != LK_OK) return status;
    if (last == 0) lk__audit_origin(g->store->identity, before);
    if (highest > last) last = highest; /* rows were cut off: let the gap be seen */
    time_now(time);
    for (size_t i = 0; i < count; i++) {
        rows[i].number = ++last;
        rows[i].time = time;
        if (!rows[i].who) rows[i].who = g->who;
        lk__audit_hash(before, &rows[i], rows[i].hash);
        memcpy(before, rows[i].hash, LK__HASH);
    }
    return g->store->ops->audit_add(g->store, rows, count, err);
}

/* Highest photo id: what a gallery held already when its account began. */
static lk_status begin_row(lk_gallery *g, lk_error *err) {
    size_t people = 0, photos = 0;
    int64_t next = 0;
    char details[96];
    lk__audit_row row = {.action = "begin", .details = details};
    lk_status status = g->store->ops->counts(g->store, &people, &photos, err);
    if (status == LK_OK) status = g->store->ops->reserve(g->store, 1, &next, err);
    if (status != LK_OK) return status;
    snprintf(details, sizeof details, "{\"people\":%zu,\"photos\":%zu,\"last\":%lld}", people, photos,
             (long long)next - 1);
    return lk__audit_append(g, &row, 1, err);
}

lk_status lk__audit_begin(lk_gallery *g, lk_error *err) {
    uint8_t hash[LK__HASH];
    int64_t last = 0, highest = 0;
    pthread_mutex_lock(&g->lock);
    lk_status status = g->store->ops->audit_last(g->store, &last, hash, &highest, err);
    if (status == LK_OK && last == 0 && highest == 0) {
        status = lk__change_begin(g, err);
        if (status == LK_OK) { /* another process may have done it meanwhile */
            status = g->store->ops->audit_last(g->store, &last, hash, &highest, err);
            if (status == LK_OK && last == 0 && highest == 0) status = begin_row(g, err);
            status = lk__change_end(g, status, err);
        }
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}

/* ---- events of programs --------------------------------------------------------------------------- */

lk_status lk_gallery_set_who(lk_gallery *g, const char *who, lk_error *err) {
    if (!lk__name_valid(who, LK__WHO_BYTES))
        return lk__fail(err, LK_INVALID, "\"%.127s\" cannot be who acts: 1 to %d bytes of UTF-8",
                        who ? who : "", LK__WHO_BYTES);
    pthread_mutex_lock(&g->lock);
    strcpy(g->who, who);
    pthread_mutex_unlock(&g->lock);
    return LK_OK;
}

/* {"threshold":0.42,"known":true,"matches":[{"photo":12,"person":3,"cosine":0.734512}]}; free(). */
static char *search_details(const lk_gallery_event *e) {
    size_t count = e->matches ? e->matches->count : 0, room = 96 + count * 96, at;
    char *text = malloc(room);
    if (!text) return NULL;
    if (isfinite(e->threshold))
        at = (size_t)snprintf(text, room, "{\"threshold\":%.6f", e->threshold);
    else
        at = (size_t)snprintf(text, room, "{\"threshold\":null");
    at += (size_t)snprintf(text + at, room - at, ",\"known\":%s,\"matches\":[", e->known ? "true" : "false");
    for (size_t i = 0; i < count; i++) {
        const lk_match *m = &e->matches->items[i];
        at += (size_t)snprintf(text + at, room - at, "%s{\"photo\":%lld,\"person\":%lld,\"cosine\":%.6f}",
                               i ? "," : "", (long long)m->photo_id, (long long)m->person_id,
                               (double)m->cosine);
    }
    snprintf(text + at, room - at, "]}");
    return text;
}

static lk_status record_one(lk_gallery *g, const lk_gallery_event *e, lk_error *err) {
    lk__audit_row row = {.who = e->who, .action = e->action, .probe = e->probe, .details = e->details};
    char *search = e->probe ? search_details(e) : NULL;
    if (e->probe && !search) return lk__fail_memory(err, 96, "the audit");
    if (search) row.details = search;
    lk_status status = LK_OK;
    if (e->person) status = g->store->ops->person(g->store, e->person, &row.person_id, NULL, err);
    if (status == LK_OK) status = lk__audit_append(g, &row, 1, err);
    free(search);
    return status;
}

lk_status lk_gallery_record(lk_gallery *g, const lk_gallery_event *events, size_t count, lk_error *err) {
    for (size_t i = 0; i < count; i++)
        if (!lk__name_valid(events[i].action, LK__ACTION_BYTES) ||
            (events[i].who && !lk__name_valid(events[i].who, LK__WHO_BYTES)))
            return lk__fail(err, LK_INVALID, "%s: an event without an action, or with a name that is none",
                            g->path);
    pthread_mutex_lock(&g->lock);
    lk_status status = lk__change_begin(g, err);
    if (status == LK_OK) {
        for (size_t i = 0; i < count && status == LK_OK; i++) status = record_one(g, &events[i], err);
        status = lk__change_end(g, status, err);
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}
