/* audit_verify.c: reading the audit and saying what does not hold in it.
 *
 * Row by row, the chain: numbers without a gap, and each hash what the row and the hash before it give. Then
 * what the rows tell of against what is there: a photo that is enrolled has a row that says so, one whose row
 * says so and none that it was removed is there, and people are called what the last row that named them
 * says. Others may write meanwhile: people and photos are read before the rows, and a row that is younger
 * than the beginning is believed. */
#include "gallery/gallery.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 256 };

/* A photo or person, and the row that told of it. */
typedef struct known {
    int64_t id, row;
    char *name;             /* of a person that is enrolled */
    uint8_t hash[LK__HASH]; /* of a name that a row gave */
} known;

typedef struct list {
    known *items;
    size_t count, room;
} list;

typedef struct verifier {
    lk_gallery *g;
    lk_audit_fn fn;
    void *context;
    bool stop;
    int64_t youngest;           /* row at the beginning */
    list people, photos;        /* that are there */
    list named, added, removed; /* by the rows */
    int64_t exempt;             /* photos up to this id are older than the audit */
    int64_t last;               /* row */
    uint8_t before[LK__HASH];
    uint8_t head[LK__HASH];
    bool want_head;
    int64_t after; /* of a page of photos */
    char name[LK__PERSON_BYTES + 1];
    size_t in_page;
} verifier;

static lk_status append(list *l, known item, lk_error *err) {
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 256;
        known *grown = realloc(l->items, room * sizeof *grown);
        if (!grown) return lk__fail_memory(err, room * sizeof *grown, "the audit");
        l->items = grown;
        l->room = room;
    }
    l->items[l->count++] = item;
    return LK_OK;
}

static int by_id(const void *a, const void *b) {
    const known *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The last of this id; the list is sorted. */
static const known *find(const list *l, int64_t id) {
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->items[middle].id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low && l->items[low - 1].id == id ? &l->items[low - 1] : NULL;
}

static void sort(list *l) {
    if (l->count) qsort(l->items, l->count, sizeof *l->items, by_id);
}

static void list_free(list *l) {
    for (size_t i = 0; i < l->count; i++) free(l->items[i].name);
    free(l->items);
}

static void fault(verifier *v, int64_t number, const char *text) {
    const lk_audit_row row = {.number = number, .fault = text};
    if (!v->stop && v->fn(v->context, &row)) v->stop = true;
}

/* ---- what is there ---------------------------------------------------------------------------------- */

static lk_status on_person(void *context, const lk__person *person, lk_error *err) {
    verifier *v = context;
    lk_status status = append(&v->people, (known){.id = person->id}, err);
    if (status != LK_OK) return status;
    char *name = v->people.items[v->people.count - 1].name = strdup(person->name);
    if (!name) return lk__fail_memory(err, strlen(person->name), "the audit");
    snprintf(v->name, sizeof v->name, "%s", name);
    v->in_page++;
    return LK_OK;
}

static lk_status on_photo(void *context, const lk__photo *photo, lk_error *err) {
    verifier *v = context;
    v->after = photo->id;
    v->in_page++;
    return append(&v->photos, (known){.id = photo->id}, err);
}

static lk_status read_there(verifier *v, lk_error *err) {
    lk_gallery *g = v->g;
    const lk__store_ops *ops = g->store->ops;
    uint8_t hash[LK__HASH];
    int64_t highest = 0;
    pthread_mutex_lock(&g->lock);
    lk_status status = ops->audit_last(g->store, &v->youngest, hash, &highest, err);
    do {
        v->in_page = 0;
        if (status == LK_OK)
            status = ops->people(g->store, *v->name ? v->name : NULL, PAGE, on_person, v, err);
    } while (status == LK_OK && v->in_page == PAGE);
    do {
        v->in_page = 0;
        if (status == LK_OK) status = ops->photos(g->store, NULL, v->after, PAGE, on_photo, v, err);
    } while (status == LK_OK && v->in_page == PAGE);
    pthread_mutex_unlock(&g->lock);
    sort(&v->people);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

/* Copies of a page of rows, told when the lock is free again; the texts of each in one block. */
typedef struct page {
    lk__audit_row rows[PAGE];
    uint8_t names[PAGE][LK__HASH], probes[PAGE][LK__HASH];
    char *text[PAGE];
    size_t count;
} page;

static lk_status keep_row(void *context, const lk__audit_row *row, lk_error *err) {
    page *p = context;
    size_t time = strlen(row->time) + 1, who = strlen(row->who) + 1, action = strlen(row->action) + 1;
    size_t details = row->details ? strlen(row->details) + 1 : 0;
    char *at = malloc(time + who + action + details);
    if (!at) return lk__fail_memory(err, time + who + action + details, "the audit");
    lk__audit_row *copy = &p->rows[p->count];
    *copy = *row;
    copy->time = memcpy(at, row->time, time);
    copy->who = memcpy(at + time, row->who, who);
    copy->action = memcpy(at + time + who, row->action, action);
    if (row->details) copy->details = memcpy(at + time + who + action, row->details, details);
    if (row->name) copy->name = memcpy(p->names[p->count], row->name, LK__HASH);
    if (row->probe) copy->probe = memcpy(p->probes[p->count], row->probe, LK__HASH);
    p->text[p->count++] = at;
    return LK_OK;
}

/* What the row tells of photos and names. */
static lk_status learn(verifier *v, const lk__audit_row *r, lk_error *err) {
    lk_status status = LK_OK;
    static const char key[] = "\"last\":";
    if (strcmp(r->action, "begin") == 0 && r->details) {
        const char *at = strstr(r->details, key);
        long long last = at ? strtoll(at + sizeof key - 1, NULL, 10) : 0;
        if (last > v->exempt) v->exempt = last;
    }
    if (strcmp(r->action, "enroll") == 0)
        status = append(&v->added, (known){.id = r->photo_id, .row = r->number}, err);
    if (strcmp(r->action, "remove-photo") == 0)
        status = append(&v->removed, (known){.id = r->photo_id, .row = r->number}, err);
    if (status == LK_OK && r->name) {
        known k = {.id = r->person_id, .row = r->number};
        memcpy(k.hash, r->name, LK__HASH);
        status = append(&v->named, k, err);
    }
    return status;
}

static lk_status tell(verifier *v, const lk__audit_row *r, lk_error *err) {
    uint8_t hash[LK__HASH];
    char hex[2 * LK__HASH + 1], text[96];
    bool after_gap = r->number != v->last + 1;
    if (after_gap) {
        if (r->number - 1 == v->last + 1)
            snprintf(text, sizeof text, "row %lld is missing", (long long)v->last + 1);
        else
            snprintf(text, sizeof text, "rows %lld to %lld are missing", (long long)v->last + 1,
                     (long long)r->number - 1);
        fault(v, v->last + 1, text);
    }
    lk__audit_hash(v->before, r, hash);
    bool follows = after_gap || memcmp(hash, r->hash, LK__HASH) == 0; /* after a gap nothing can be said */
    sodium_bin2hex(hex, sizeof hex, r->hash, LK__HASH);
    const known *person = r->person_id ? find(&v->people, r->person_id) : NULL;
    const lk_audit_row row = {.number = r->number,
                              .time = r->time,
                              .who = r->who,
                              .action = r->action,
                              .person_id = r->person_id,
                              .photo_id = r->photo_id,
                              .person = person ? person->name : NULL,
                              .probe = r->probe,
                              .details = r->details,
                              .hash = hex,
                              .fault = follows ? NULL : "it was changed, or does not follow the row before"};
    if (!v->stop && v->fn(v->context, &row)) v->stop = true;
    if (v->want_head && memcmp(v->head, r->hash, LK__HASH) == 0) v->want_head = false;
    memcpy(v->before, r->hash, LK__HASH);
    v->last = r->number;
    return learn(v, r, err);
}

static lk_status read_rows(verifier *v, lk_error *err) {
    lk_gallery *g = v->g;
    page *p = malloc(sizeof *p);
    lk_status status = p ? LK_OK : lk__fail_memory(err, sizeof *p, "the audit");
    for (bool more = true; more && status == LK_OK;) {
        p->count = 0;
        pthread_mutex_lock(&g->lock);
        status = g->store->ops->audit_rows(g->store, v->last, PAGE, keep_row, p, err);
        pthread_mutex_unlock(&g->lock);
        more = p->count == PAGE;
        for (size_t i = 0; i < p->count && status == LK_OK && !v->stop; i++)
            status = tell(v, &p->rows[i], err);
        for (size_t i = 0; i < p->count; i++) free(p->text[i]);
        more = more && !v->stop;
    }
    free(p);
    return status;
}

/* ---- what the rows tell against what is there ---------------------------------------------------------- */

static void compare_photos(verifier *v) {
    char text[128];
    for (size_t i = 0; i < v->photos.count && !v->stop; i++) {
        int64_t id = v->photos.items[i].id;
        if (id <= v->exempt || find(&v->added, id)) continue;
        snprintf(text, sizeof text, "photo %lld is enrolled, and no row tells of it", (long long)id);
        fault(v, v->last, text);
    }
    for (size_t i = 0; i < v->added.count && !v->stop; i++) {
        const known *a = &v->added.items[i];
        if (a->row > v->youngest || find(&v->photos, a->id) || find(&v->removed, a->id)) continue;
        snprintf(text, sizeof text, "photo %lld was enrolled and is gone, and no row tells of its removal",
                 (long long)a->id);
        fault(v, a->row, text);
    }
}

static lk_status compare_names(verifier *v, lk_error *err) {
    lk_gallery *g = v->g;
    lk_status status = LK_OK;
    for (size_t i = 0; i < v->people.count && status == LK_OK && !v->stop; i++) {
        const known *person = &v->people.items[i], *named = find(&v->named, person->id);
        uint8_t salt[LK__SALT], hash[LK__HASH];
        int64_t id = 0;
        if (!named || named->row > v->youngest) continue;
        pthread_mutex_lock(&g->lock);
        status = g->store->ops->person(g->store, person->name, &id, salt, err);
        pthread_mutex_unlock(&g->lock);
        if (status == LK_NOT_FOUND) { /* removed or renamed meanwhile */
            status = LK_OK;
            continue;
        }
        lk__audit_name(salt, person->name, hash);
        if (status != LK_OK || id != person->id || memcmp(hash, named->hash, LK__HASH) == 0) continue;
        char text[128];
        snprintf(text, sizeof text, "person %lld is not called what this row says", (long long)id);
        fault(v, named->row, text);
    }
    return status;
}

static lk_status compare_ends(verifier *v, lk_error *err) {
    uint8_t hash[LK__HASH];
    int64_t last = 0, highest = 0;
    char text[128];
    pthread_mutex_lock(&v->g->lock);
    lk_status status = v->g->store->ops->audit_last(v->g->store, &last, hash, &highest, err);
    pthread_mutex_unlock(&v->g->lock);
    if (status == LK_OK && highest > last) {
        snprintf(text, sizeof text, "rows %lld to %lld, the last ones, are missing", (long long)last + 1,
                 (long long)highest);
        fault(v, last + 1, text);
    }
    if (v->want_head) fault(v, v->last, "no row has the hash that was written down: rows were written anew");
    return status;
}

lk_status lk_gallery_each_audit(const lk_gallery *gallery, const char *head, lk_audit_fn fn, void *context,
                                lk_error *err) {
    verifier *v = calloc(1, sizeof *v);
    if (!v) return lk__fail_memory(err, sizeof *v, "the audit");
    *v = (verifier){.g = (lk_gallery *)gallery, .fn = fn, .context = context, .want_head = head != NULL};
    size_t bytes = 0;
    lk_status status = LK_OK;
    if (head && (sodium_hex2bin(v->head, LK__HASH, head, strlen(head), NULL, &bytes, NULL) != 0 ||
                 bytes != LK__HASH || strlen(head) != 2 * LK__HASH))
        status = lk__fail(err, LK_INVALID, "\"%.80s\" is no hash of a row of the audit: 64 hex digits", head);
    lk__audit_origin(gallery->store->identity, v->before);
    if (status == LK_OK) status = read_there(v, err);
    if (status == LK_OK) status = read_rows(v, err);
    sort(&v->added);
    sort(&v->removed);
    sort(&v->named);
    if (status == LK_OK && !v->stop) compare_photos(v);
    if (status == LK_OK && !v->stop) status = compare_names(v, err);
    if (status == LK_OK && !v->stop) status = compare_ends(v, err);
    list_free(&v->people);
    list_free(&v->photos);
    list_free(&v->named);
    list_free(&v->added);
    list_free(&v->removed);
    free(v);
    return status;
}
