/* trained.c: whom a model was trained or validated on, written into it, so that nobody measures a model on
 * people it has seen. A person is the first 6 bytes of the SHA-256 of their folder's name: a set can be
 * checked against the list, and names cannot be read off it (but guessed: who knows a name can ask for it).
 * With 100,000 people listed, a name that is not among them is taken for one with a chance of 4 in 10^10. */
#include "face/trained.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* LISTED_MOST people take 12 MB; a header of 16 MiB is what readers of models bear. */
enum { ID_BYTES = 6, LISTED_MOST = 1000000 };

static const char PEOPLE[] = "trained_people", PARTIAL[] = "trained_people_partial";

typedef struct list {
    unsigned char (*id)[ID_BYTES];
    size_t count;
} list;

static void add(list *l, const char *name) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)name, strlen(name));
    memcpy(l->id[l->count++], hash, ID_BYTES);
}

static lk_status add_those_of(list *l, const char *hex, const char *path, lk_error *err) {
    size_t digits = strlen(hex), bytes = 0, whole = digits / (2 * ID_BYTES) * ID_BYTES;
    /* Not when a digit is left over: there is room for whole ids only. */
    if (sodium_hex2bin((unsigned char *)l->id[l->count], whole, hex, digits, NULL, &bytes, NULL) != 0)
        return lk__fail(err, LK_FORMAT, "%s: metadata '%s' is damaged: not 12 hex digits for each person",
                        path, PEOPLE);
    l->count += bytes / ID_BYTES;
    return LK_OK;
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, ID_BYTES);
}

static void sort_once(list *l) {
    qsort(l->id, l->count, sizeof *l->id, compare);
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        if (n == 0 || compare(l->id[n - 1], l->id[i]) != 0) memmove(l->id[n++], l->id[i], ID_BYTES);
    l->count = n;
}

static void add_those_in(list *l, const lk__train_data *d, size_t least_photos) {
    for (size_t i = 0; least_photos > 0 && i < d->people; i++)
        if (d->counts[i] >= least_photos)
            add(l, lk_dataset_person_name(d->set, lk_dataset_photo_person(d->set, d->first[i])));
    const lk_dataset *kept = d->validation_set ? d->validation_set : d->set;
    for (size_t i = 0; i < d->kept_count; i++) add(l, lk_dataset_person_name(kept, d->kept[i]));
}

/* Sorted, each once, as hex digits. */
static lk_status write_list(list *l, char **out, lk_error *err) {
    size_t room = l->count * 2 * ID_BYTES + 1;
    char *hex = malloc(room);
    if (!hex) return lk__fail_memory(err, room, PEOPLE);
    sort_once(l);
    sodium_bin2hex(hex, room, (const unsigned char *)l->id, l->count * ID_BYTES);
    *out = hex;
    return LK_OK;
}

lk_status lk__trained_list(const lk__train_data *data, size_t least_photos, const lk_model *init,
                           const char *init_path, lk__trained *out, lk_error *err) {
    const char *earlier = init ? lk_model_metadata(init, PEOPLE) : NULL;
    size_t room = data->people + data->kept_count + (earlier ? strlen(earlier) / (2 * ID_BYTES) : 0) + 1;
    list l = {.id = calloc(room, sizeof *l.id)};
    char *hex = NULL;
    lk_status status = l.id ? LK_OK : lk__fail_memory(err, room * sizeof *l.id, PEOPLE);
    if (status == LK_OK) add_those_in(&l, data, least_photos);
    if (status == LK_OK && earlier) status = add_those_of(&l, earlier, init_path, err);
    if (status == LK_OK) status = write_list(&l, &hex, err);
    if (status == LK_OK) {
        bool listed = l.count <= LISTED_MOST;
        *out = (lk__trained){listed ? hex : NULL, init && (!earlier || lk_model_metadata(init, PARTIAL))};
        if (listed) hex = NULL;
    }
    free(l.id);
    free(hex);
    return status;
}

lk_status lk__trained_join(const lk_model *model, const char *const *names, size_t count, const char *path,
                           char **out, lk_error *err) {
    const char *earlier = lk_model_metadata(model, PEOPLE);
    *out = NULL;
    if (!earlier || count == 0) return LK_OK;
    size_t room = strlen(earlier) / (2 * ID_BYTES) + count + 1;
    list l = {.id = calloc(room, sizeof *l.id)};
    lk_status status =
        l.id ? add_those_of(&l, earlier, path, err) : lk__fail_memory(err, room * sizeof *l.id, PEOPLE);
    for (size_t i = 0; i < count && status == LK_OK; i++) add(&l, names[i]);
    if (status == LK_OK) status = write_list(&l, out, err);
    free(l.id);
    return status;
}

void lk__trained_free(lk__trained *trained) {
    free(trained->people);
    *trained = (lk__trained){0};
}

size_t lk__trained_notes(const lk__trained *trained, lk__meta *notes) {
    size_t n = 0;
    if (trained->people) notes[n++] = (lk__meta){PEOPLE, trained->people};
    if (trained->people && trained->partial)
        notes[n++] = (lk__meta){PARTIAL, "the model it started from does not say whom it was trained on"};
    return n;
}
