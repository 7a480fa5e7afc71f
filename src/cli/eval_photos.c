/* eval_photos.c: which photos eval looks at, and their vectors. Photos asked for twice, by pairs and by a
 * folder say, are one; each is embedded once by every model. All models are measured on the same photos: what
 * one of them could not read counts for none. */
#include "eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Somebody asks for a photo, and is told in *slot where it is in the run's. */
typedef struct wish {
    cli_photo photo;
    bool spared;
    const char *label;
    size_t *slot;
} wish;

static int wish_compare(const void *a, const void *b) {
    const wish *x = a, *y = b;
    int order = strcmp(x->photo.path, y->photo.path);
    if (order == 0) order = memcmp(&x->photo.crop, &y->photo.crop, sizeof x->photo.crop);
    return order ? order : x->spared - y->spared;
}

static int folder_open(const cli_sources *sources, size_t limit, eval_folder *out, cli_bad *bad) {
    lk_error err = {0};
    if (!sources->count) return CLI_OK;
    if (lk_dataset_open(sources->items, sources->count, &out->dataset, &err) != LK_OK) return cli_fail(&err);
    cli_dataset_skipped(out->dataset, bad);
    out->people = lk_dataset_people(out->dataset);
    if (limit && limit < out->people) out->people = limit;
    size_t first, count;
    lk_dataset_person_photos(out->dataset, out->people - 1, &first, &count);
    out->photos = first + count;
    return CLI_OK;
}

static size_t wish_for_pairs(eval_run *r, wish *wishes) {
    const lk_source *root = r->options->root.items;
    size_t photos = r->pairs.photo_count;
    for (size_t i = 0; i < r->verify.count; i++) {
        size_t at = r->verify.photo[i], photo = at % photos; /* second photos may be listed apart */
        wishes[i] = (wish){.photo = {.path = r->joined[photo], .crop = root->crop},
                           .spared = r->options->damage_second && at < photos,
                           .label = r->pairs.photos[photo],
                           .slot = &r->verify.photo[i]};
    }
    return r->verify.count;
}

/* As named under its own folder, of several. */
static const char *label_of(const cli_sources *sources, const char *path) {
    for (size_t i = 0; i < sources->count; i++) {
        size_t length = strlen(sources->items[i].path);
        if (strncmp(path, sources->items[i].path, length) == 0 && path[length]) return path + length + 1;
    }
    return path;
}

static size_t wish_for_folder(const eval_folder *folder, const cli_sources *source, eval_set *set,
                              wish *wishes) {
    for (size_t i = 0; i < set->count; i++) {
        const char *path = lk_dataset_photo_path(folder->dataset, i);
        wishes[i] = (wish){.photo = {.path = path, .crop = lk_dataset_photo_crop(folder->dataset, i)},
                           .label = label_of(source, path),
                           .slot = &set->photo[i]};
    }
    return set->count;
}

/* Photos in the order of their names, each once, and every wish finds its own. */
static void gather(eval_run *r) {
    const eval_options *o = r->options;
    size_t total = r->verify.count + r->closed.count, n = 0;
    wish *wishes = cli_alloc(total, sizeof *wishes);
    if (r->all_pairs.dataset)
        n += wish_for_folder(&r->all_pairs, &o->all_pairs, &r->verify, wishes);
    else
        n += wish_for_pairs(r, wishes);
    wish_for_folder(&r->identify, &o->identify, &r->closed, wishes + n);
    qsort(wishes, total, sizeof *wishes, wish_compare);
    r->photos = cli_alloc(total, sizeof *r->photos);
    r->label = cli_alloc(total, sizeof *r->label);
    r->spared = cli_alloc(total, sizeof *r->spared);
    for (size_t i = 0; i < total; i++) {
        if (i == 0 || wish_compare(&wishes[i - 1], &wishes[i]) != 0) {
            r->label[r->count] = wishes[i].label;
            r->spared[r->count] = wishes[i].spared;
            r->photos[r->count++] = wishes[i].photo;
        }
        *wishes[i].slot = r->count - 1;
    }
    free(wishes);
}

int eval_photos_open(eval_run *r, cli_bad *bad) {
    const eval_options *o = r->options;
    lk_error err = {0};
    if (o->pairs) {
        if (lk_pairs_load(o->pairs, &r->pairs, &err) != LK_OK) return cli_fail(&err);
        r->joined = cli_alloc(r->pairs.photo_count, sizeof *r->joined);
        for (size_t i = 0; i < r->pairs.photo_count; i++)
            r->joined[i] = cli_format("%s/%s", o->root.items[0].path, r->pairs.photos[i]);
        eval_set_of_pairs(&r->pairs, o->damage_second, &r->verify);
    }
    int code = folder_open(&o->all_pairs, o->limit_people, &r->all_pairs, bad);
    if (code == CLI_OK) code = folder_open(&o->identify, o->limit_people, &r->identify, bad);
    if (code != CLI_OK) return code;
    if (r->all_pairs.dataset) eval_set_of_folder(&r->all_pairs, &r->verify);
    if (r->identify.dataset) eval_set_of_folder(&r->identify, &r->closed);
    gather(r);
    r->usable = cli_alloc(r->count, sizeof *r->usable);
    r->quality = cli_alloc(r->count, sizeof *r->quality);
    r->box = cli_alloc(r->count, sizeof *r->box);
    for (size_t i = 0; i < r->count; i++) {
        r->usable[i] = true;
        r->quality[i] = NAN;
        r->box[i] = r->photos[i].crop;
    }
    return CLI_OK;
}

/* ---- vectors ------------------------------------------------------------------------------------- */

/* One model at work. Photos that an earlier one could not use are not tried again. */
typedef struct embedding_of {
    eval_run *run;
    eval_model *model;
    cli_photo *photos; /* to do */
    size_t *number;    /* of each in the run */
    size_t count;
} embedding_of;

static lk_status on_faces(void *context, size_t at, const cli_faces *faces, lk_error *err) {
    const embedding_of *of = context;
    eval_run *r = of->run;
    size_t dim = (size_t)lk_model_dim(of->model->model), photo = of->number[at];
    (void)err;
    if (!faces) {
        r->usable[photo] = false;
        return LK_OK;
    }
    memcpy(of->model->vectors + photo * dim, faces->vectors, dim * sizeof *faces->vectors);
    of->model->lengths[photo] = faces->lengths[0];
    of->model->quality[photo] = faces->quality[0];
    of->model->looked += faces->looked;
    of->model->faceless += faces->looked && faces->whole;
    if (of->model->damage_text) return LK_OK; /* what follows is of photos as they are */
    if (faces->looked && faces->whole) r->quality[photo] = 0;
    if (faces->whole) return LK_OK;
    const lk_face *face = &faces->face[faces->number[0]];
    r->quality[photo] = face->quality;
    r->box[photo] = lk_face_square(face, 1);
    return LK_OK;
}

static embedding_of embedding_of_new(eval_run *r, eval_model *m) {
    embedding_of of = {r, m, cli_alloc(r->count, sizeof(cli_photo)), cli_alloc(r->count, sizeof(size_t)), 0};
    for (size_t i = 0; i < r->count; i++) {
        if (!r->usable[i]) continue;
        of.photos[of.count] = r->photos[i];
        if (!r->spared[i]) of.photos[of.count].damage = m->damage;
        of.number[of.count++] = i;
    }
    return of;
}

static lk_status embed_by(eval_run *r, eval_model *m, cli_bad *bad, lk_error *err) {
    embedding_of of = embedding_of_new(r, m);
    m->vectors = cli_alloc(r->count * (size_t)lk_model_dim(m->model), sizeof *m->vectors);
    m->lengths = cli_alloc(r->count, sizeof *m->lengths);
    m->quality = cli_alloc(r->count, sizeof *m->quality);
    cli_embedding embedding = {.model = m->model,
                               .compute = &r->options->compute,
                               .look = &r->options->look,
                               .pick = CLI_PICK_CENTRAL,
                               .photos = of.photos,
                               .count = of.count,
                               .fn = on_faces,
                               .context = &of,
                               .bad = bad};
    double started = cli_seconds();
    lk_status status = cli_embed(&embedding, err);
    m->seconds = cli_seconds() - started;
    m->embedded = of.count;
    if (m->faceless) cli_say("%zu of %zu photos: no face found, taken whole", m->faceless, m->looked);
    free(of.photos);
    free(of.number);
    return status;
}

int eval_photos_embed(eval_run *r, cli_bad *bad) {
    const eval_options *o = r->options;
    lk_status status = LK_OK;
    lk_error err = {0};
    for (size_t i = 0; i < r->model_count && status == LK_OK; i++) {
        if (r->model_count > 1) cli_say("%s", r->models[i].name);
        status = embed_by(r, &r->models[i], bad, &err);
    }
    if (status != LK_OK) return cli_fail(&err);
    for (size_t i = 0; i < r->count; i++) r->good += r->usable[i];
    eval_set_keep(&r->verify, r->usable);
    eval_set_keep(&r->closed, r->usable);
    if (r->verify.left_out)
        cli_say("%s: %zu of %zu pairs left out", o->pairs, r->verify.left_out, r->pairs.count);
    return CLI_OK;
}

void eval_photos_free(eval_run *r) {
    for (size_t i = 0; r->joined && i < r->pairs.photo_count; i++) free(r->joined[i]);
    free(r->joined);
    free(r->photos);
    free(r->label);
    free(r->spared);
    free(r->usable);
    free(r->quality);
    free(r->box);
    eval_set_free(&r->verify);
    eval_set_free(&r->closed);
    if (r->options->pairs) lk_pairs_free(&r->pairs);
    lk_dataset_free(r->all_pairs.dataset);
    lk_dataset_free(r->identify.dataset);
}
