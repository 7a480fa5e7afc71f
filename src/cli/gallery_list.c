/* gallery_list.c: likeness gallery GALLERY list, show and info: who is in a gallery, and what it is. */
#include "gallery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- list ----------------------------------------------------------------------------------------- */

typedef struct rows {
    cli_style style;
    cli_table *table;
    size_t count;
} rows;

static int list_person(void *context, const char *person, size_t photos, const char *added) {
    rows *r = context;
    if (r->style == CLI_JSON) {
        json_t *row = json_object();
        json_object_set_new(row, "person", cli_json_text(person));
        json_object_set_new(row, "photos", json_integer((json_int_t)photos));
        json_object_set_new(row, "added", cli_json_text(added));
        cli_json_print(stdout, row);
    } else {
        cli_table_cell(r->table, "%s", person);
        cli_table_cell(r->table, "%zu", photos);
        cli_table_cell(r->table, "%s", added ? added : "");
    }
    return 0;
}

int gallery_list(const char *path, int argc, char **argv) {
    static const char *const titles[] = {"person", "photos", "added"};
    gallery_words w = {.most = 0};
    gallery_words_read(&w, NULL,
                       "The people by name, how many photos of each there are, and when they were added.",
                       argc, argv);
    lk_gallery *gallery = NULL;
    lk_error err;
    rows r = {.style = w.style};
    lk_status status = cli_gallery_open(path, false, &w.access, &gallery, &err);
    if (status == LK_OK) {
        if (r.style != CLI_JSON) r.table = cli_table_new("lrl", titles);
        status = lk_gallery_each_person(gallery, list_person, &r, &err);
        if (r.table) cli_table_print(r.table, r.style);
    }
    lk_gallery_close(gallery);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}

/* ---- show ----------------------------------------------------------------------------------------- */

static int show_photo(void *context, const lk_gallery_photo *photo) {
    rows *r = context;
    r->count++;
    if (r->style == CLI_JSON) {
        json_t *row = json_object();
        json_object_set_new(row, "id", json_integer(photo->id));
        json_object_set_new(row, "person", cli_json_text(photo->person));
        json_object_set_new(row, "photo", cli_json_text(photo->photo));
        json_object_set_new(row, "added", cli_json_text(photo->added));
        json_object_set_new(row, "source", cli_json_text(photo->source));
        json_object_set_new(row, "quality", cli_json_real(photo->quality > 0 ? photo->quality : (double)NAN));
        json_object_set_new(row, "crop",
                            photo->crop_size ? json_integer((json_int_t)photo->crop_size) : json_null());
        cli_json_print(stdout, row);
        return 0;
    }
    cli_table_cell(r->table, "%lld", (long long)photo->id);
    cli_table_cell(r->table, "%s", photo->photo);
    cli_table_cell(r->table, "%s", photo->added);
    if (photo->quality > 0)
        cli_table_cell(r->table, "%.3f", photo->quality);
    else
        cli_table_cell(r->table, "NA");
    cli_table_cell(r->table, "%zu", photo->crop_size);
    cli_table_cell(r->table, "%s", photo->source ? photo->source : "");
    return 0;
}

int gallery_show(const char *path, int argc, char **argv) {
    static const char *const titles[] = {"id", "photo", "added", "quality", "crop", "source"};
    gallery_words w = {.least = 1, .most = 1, .missing = "say whom"};
    gallery_words_read(
        &w, "PERSON",
        "The photos of a person: id, name, when each was added, quality, bytes of the crop that is "
        "kept (0: none), where the original lies.",
        argc, argv);
    lk_gallery *gallery = NULL;
    lk_error err;
    rows r = {.style = w.style};
    lk_status status = cli_gallery_open(path, false, &w.access, &gallery, &err);
    if (status == LK_OK) {
        if (r.style != CLI_JSON) r.table = cli_table_new("rllrrl", titles);
        status = lk_gallery_each_photo(gallery, w.words[0], show_photo, &r, &err);
        if (r.table && r.count)
            cli_table_print(r.table, r.style);
        else
            free(r.table); /* it has no cells */
    }
    if (status == LK_OK && !r.count)
        cli_say("%s: nobody is called \"%s\"", lk_gallery_name(gallery), w.words[0]);
    lk_gallery_close(gallery);
    if (status != LK_OK) return cli_fail(&err);
    return r.count ? CLI_OK : CLI_INPUT;
}

/* ---- info ----------------------------------------------------------------------------------------- */

static void info_json(const lk_gallery_info *in) {
    json_t *row = json_object();
    json_object_set_new(row, "people", json_integer((json_int_t)in->people));
    json_object_set_new(row, "photos", json_integer((json_int_t)in->photos));
    json_object_set_new(row, "dim", json_integer(in->dim));
    json_object_set_new(row, "threshold", cli_json_real(in->threshold));
    json_object_set_new(row, "model", cli_json_text(in->model_path));
    json_object_set_new(row, "fingerprint", cli_json_text(in->fingerprint));
    json_object_set_new(row, "created", cli_json_text(in->created));
    json_object_set_new(row, "encrypted", json_boolean(in->encrypted));
    json_object_set_new(row, "audit_rows", json_integer(in->audit_rows));
    json_object_set_new(row, "audit_head", cli_json_text(in->audit_head));
    cli_json_print(stdout, row);
}

int gallery_info(const char *path, int argc, char **argv) {
    static const char *const titles[] = {"field", "value"};
    gallery_words w = {.most = 0};
    gallery_words_read(
        &w, NULL,
        "How many people and photos there are, the model whose vectors they have, its threshold, and "
        "when the gallery was made.",
        argc, argv);
    lk_gallery *gallery = NULL;
    lk_gallery_info in;
    lk_error err;
    lk_status status = cli_gallery_open(path, false, &w.access, &gallery, &err);
    if (status == LK_OK) status = lk_gallery_get_info(gallery, &in, &err);
    lk_gallery_close(gallery);
    if (status != LK_OK) return cli_fail(&err);
    if (w.style == CLI_JSON) {
        info_json(&in);
        return CLI_OK;
    }
    cli_table *table = cli_table_new("ll", w.style == CLI_TSV ? titles : NULL);
    cli_table_cell(table, "people");
    cli_table_cell(table, "%zu", in.people);
    cli_table_cell(table, "photos");
    cli_table_cell(table, "%zu", in.photos);
    cli_table_cell(table, "dim");
    cli_table_cell(table, "%d", in.dim);
    cli_table_cell(table, "threshold");
    if (isfinite(in.threshold))
        cli_table_cell(table, "%.4f", in.threshold);
    else
        cli_table_cell(table, "NA");
    cli_table_cell(table, "model");
    cli_table_cell(table, "%s", in.model_path);
    cli_table_cell(table, "fingerprint");
    cli_table_cell(table, "%s", in.fingerprint);
    cli_table_cell(table, "created");
    cli_table_cell(table, "%s", in.created);
    cli_table_cell(table, "encrypted");
    cli_table_cell(table, "%s", in.encrypted ? "yes" : "no");
    cli_table_cell(table, "audit rows");
    cli_table_cell(table, "%lld", (long long)in.audit_rows);
    cli_table_cell(table, "audit head");
    cli_table_cell(table, "%s", in.audit_head);
    cli_table_print(table, w.style);
    return CLI_OK;
}
