/* crops.c: photos as they come in, files of aligned faces out, for likeness crop and likeness train --detect.
 *
 * The same alignment that embedding uses, with some room around it, so that training can turn and shift what
 * it reads and still see photo and not border. Each file is written whole under its last name, and the first
 * face of a photo last: a photo whose first face is there is done. So the same command goes on where it was
 * stopped, at whatever moment that was. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct job {
    const char *photo;
    char *stem; /* OUTPUT/PERSON/NAME without its extension */
    size_t order;
} job;

typedef struct run {
    const cli_crops *crops;
    cli_finder *finder;
    int side; /* of what is written, pixels */
    double room;
    job *jobs; /* (count): what is still to do */
    size_t count;
    double started;
    cli_cropped *cropped;
    cli_bad *bad;
} run;

typedef struct outcome {
    lk_status status;
    lk_error why;
    bool output; /* it is the writing that failed */
    size_t found, written;
} outcome;

/* ---- one photo ------------------------------------------------------------------------------------ */

static char *face_path(const cli_crops *c, const char *stem, size_t face) {
    return c->all ? cli_format("%s-face%zu.%s", stem, face + 1, c->extension)
                  : cli_format("%s.%s", stem, c->extension);
}

static lk_status face_write(const run *r, const lk_image *photo, const lk_face *face, const char *stem,
                            size_t number, outcome *o) {
    lk_image *aligned = NULL;
    lk_status status = lk_image_align(photo, face->point, r->room, r->side, r->side, &aligned, &o->why);
    if (status != LK_OK) return status;
    char *path = face_path(r->crops, stem, number);
    status = lk_image_save(aligned, path, r->crops->quality, &o->why);
    o->output = status != LK_OK;
    o->written += status == LK_OK;
    free(path);
    lk_image_free(aligned);
    return status;
}

static lk_status folder_for(const char *stem, outcome *o) {
    char *folder = cli_format("%.*s", (int)(strrchr(stem, '/') - stem), stem);
    int code = cli_folder_make(folder); /* says why */
    free(folder);
    if (code == CLI_OK) return LK_OK;
    o->output = true;
    o->why.status = LK_IO;
    snprintf(o->why.message, sizeof o->why.message, "%.700s: cannot be written", stem);
    return LK_IO;
}

static lk_status photo_crop(const run *r, int worker, const job *j, const lk_image *photo, outcome *o) {
    lk_face *faces = NULL;
    lk_status status = cli_finder_find(r->finder, worker, photo, &faces, &o->found, &o->why);
    if (status == LK_OK && o->found > 0) status = folder_for(j->stem, o);
    if (status == LK_OK && o->found > 0 && !r->crops->all) {
        size_t one = cli_face_central(faces, o->found, lk_image_width(photo), lk_image_height(photo));
        status = face_write(r, photo, &faces[one], j->stem, 0, o);
    }
    for (size_t i = r->crops->all ? o->found : 0; i > 0 && status == LK_OK; i--)
        status = face_write(r, photo, &faces[i - 1], j->stem, i - 1, o);
    free(faces);
    return status;
}

static void *work(void *context, int worker, size_t piece) {
    const run *r = context;
    outcome *o = cli_alloc(1, sizeof *o);
    lk_image *photo = NULL;
    o->status = lk_image_load(r->jobs[piece].photo, &photo, &o->why);
    if (o->status == LK_OK) o->status = photo_crop(r, worker, &r->jobs[piece], photo, o);
    lk_image_free(photo);
    return o;
}

static lk_status done(void *context, size_t piece, void *result, lk_error *err) {
    const run *r = context;
    const outcome *o = result;
    lk_status status = LK_OK;
    if (o->status != LK_OK && (o->output || o->status == LK_NO_MEMORY)) {
        *err = o->why;
        status = o->status;
    } else if (o->status != LK_OK) {
        cli_bad_add(r->bad, r->jobs[piece].photo, &o->why);
    } else if (o->found == 0) {
        cli_bad_say(r->bad, CLI_NO_FACE, r->jobs[piece].photo, "no face found");
    } else {
        r->cropped->photos++;
    }
    r->cropped->faces += o->written;
    free(result);
    return status == LK_OK ? cli_photos_done(piece + 1, r->count, r->started, err) : status;
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static int by_stem(const void *a, const void *b) {
    const job *x = a, *y = b;
    int order = strcmp(x->stem, y->stem);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* a/me.jpg and a/me.png would both be OUTPUT/a/me: all but the first get a number. */
static void part_names(job *jobs, size_t count) {
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(jobs[i].stem, jobs[first].stem) != 0) {
            first = i;
            continue;
        }
        free(jobs[i].stem);
        jobs[i].stem = cli_format("%s-%zu", jobs[first].stem, i - first + 1);
    }
}

static void plan(run *r, const cli_files *files) {
    job *all = cli_alloc(files->count, sizeof *all);
    for (size_t i = 0; i < files->count; i++) {
        const cli_file *f = &files->items[i];
        const char *name = f->path + f->name_at, *slash = strrchr(name, '/');
        const char *dot = strrchr(slash ? slash + 1 : name, '.');
        int length = dot ? (int)(dot - name) : (int)strlen(name);
        all[i] = (job){f->path, cli_format("%s/%.*s", r->crops->output, length, name), i};
    }
    qsort(all, files->count, sizeof *all, by_stem);
    part_names(all, files->count);
    r->jobs = cli_alloc(files->count, sizeof *all);
    for (size_t i = 0; i < files->count; i++) {
        char *path = face_path(r->crops, all[i].stem, 0);
        if (access(path, F_OK) == 0) {
            r->cropped->kept++;
            free(all[i].stem);
        } else {
            r->jobs[r->count++] = all[i];
        }
        free(path);
    }
    free(all);
}

/* What decides the files: the folder's mark, docs/formats.md. */
static char *mark_text(const run *r) {
    const cli_crops *c = r->crops;
    return cli_format("likeness crop 1: template five-points size %d room %.9g format %s quality %d faces %s "
                      "detector %s detect-size %d min-face %d confidence %g\n",
                      c->size, r->room, c->extension, c->quality, c->all ? "all" : "one",
                      cli_finder_fingerprint(r->finder), c->look.size, c->look.min_face,
                      cli_finder_confidence(r->finder));
}

static int crop_all(run *r, int workers) {
    lk_error err = {0};
    cli_crew crew = {
        .count = r->count, .workers = workers, .context = r, .work = work, .done = done, .drop = free};
    cli_catch_signals();
    r->started = cli_seconds();
    lk_status status = cli_crew_run(&crew, &err);
    cli_progress_suspend();
    cli_progress_resume();
    if (status == LK_OK) return CLI_OK;
    int code = cli_fail(&err);
    if (status == LK_STOPPED) cli_say("what was written is kept; the same command goes on");
    return code;
}

int cli_crops_write(const cli_crops *crops, const cli_files *files, cli_cropped *cropped, cli_bad *bad) {
    run r = {.crops = crops, .cropped = cropped, .bad = bad};
    *cropped = (cli_cropped){0};
    r.side = (int)lround(crops->size * crops->room);
    r.room = (double)r.side / crops->size;
    int workers = cli_workers(crops->compute.threads, files->count);
    lk_error err;
    if (cli_finder_open(&crops->look, &crops->compute, workers, &r.finder, &err) != LK_OK)
        return cli_fail(&err);
    char *mark = mark_text(&r);
    int code = cli_folder_claim(crops->output, CLI_ALIGNED_MARK, mark);
    free(mark);
    if (code == CLI_OK) {
        plan(&r, files);
        code = crop_all(&r, workers);
    }
    for (size_t i = 0; i < r.count; i++) free(r.jobs[i].stem);
    free(r.jobs);
    cli_finder_free(r.finder);
    return code;
}

char *cli_crops_summary(const cli_cropped *c, const cli_bad *bad) {
    char *kinds = cli_bad_kinds(bad);
    char *kept = c->kept ? cli_format(", %zu %s there already", c->kept, c->kept == 1 ? "was" : "were")
                         : cli_format("%s", "");
    char *text = cli_format("wrote %zu %s of %zu %s%s; skipped %zu%s%s", c->faces,
                            c->faces == 1 ? "face" : "faces", c->photos, c->photos == 1 ? "photo" : "photos",
                            kept, bad->count, bad->count ? ": " : "", bad->count ? kinds : "");
    free(kept);
    free(kinds);
    return text;
}
