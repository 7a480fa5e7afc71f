/* gallery_keep.c: likeness gallery GALLERY check and backup: that what is in a gallery stays there. */
#include "gallery.h"

typedef struct findings {
    size_t count;
    json_t *list; /* NULL: said as they come */
} findings;

static void on_finding(void *context, const char *finding) {
    findings *f = context;
    f->count++;
    if (f->list)
        json_array_append_new(f->list, cli_json_text(finding));
    else
        cli_say("%s", finding);
}

static int check(cli_style style, lk_gallery *gallery) {
    findings f = {.list = style == CLI_JSON ? json_array() : NULL};
    lk_gallery_info info;
    lk_error err;
    lk_status status = lk_gallery_check(gallery, on_finding, &f, &err);
    if (status == LK_OK) status = lk_gallery_get_info(gallery, &info, &err);
    if (status != LK_OK) {
        json_decref(f.list);
        return cli_fail(&err);
    }
    if (f.list) {
        json_t *row = json_object();
        json_object_set_new(row, "people", json_integer((json_int_t)info.people));
        json_object_set_new(row, "photos", json_integer((json_int_t)info.photos));
        json_object_set_new(row, "audit_rows", json_integer(info.audit_rows));
        json_object_set_new(row, "audit_head", cli_json_text(info.audit_head));
        json_object_set_new(row, "findings", f.list);
        cli_json_print(stdout, row);
    } else if (f.count) {
        printf("%zu %s wrong: restore a backup, or see what it still gives with likeness gallery GALLERY "
               "export\n",
               f.count, f.count == 1 ? "thing is" : "things are");
    } else {
        printf("sound: %zu %s, %zu %s, %lld rows of audit; head %s\n", info.people,
               info.people == 1 ? "person" : "people", info.photos, info.photos == 1 ? "photo" : "photos",
               (long long)info.audit_rows, info.audit_head);
    }
    return f.count ? CLI_NO : CLI_OK;
}

int gallery_check(const char *path, int argc, char **argv) {
    gallery_words w = {.most = 0};
    gallery_words_read(
        &w, NULL, "Look at everything that is stored; exit code 1 if something is wrong. Nothing is changed.",
        argc, argv);
    lk_gallery *gallery = NULL;
    lk_error err;
    lk_status status = cli_gallery_open(path, false, &w.access, &gallery, &err);
    int code = status == LK_OK ? check(w.style, gallery) : cli_fail(&err);
    lk_gallery_close(gallery);
    return code;
}

int gallery_backup(const char *path, int argc, char **argv) {
    gallery_words w = {.least = 1, .most = 1, .missing = "say where to, a new file"};
    gallery_words_read(&w, "FILE", "A copy as of one moment, while others may write.", argc, argv);
    const lk_gallery_event event = {.action = "backup", .threshold = (double)NAN};
    lk_gallery *gallery = NULL;
    lk_error err;
    bool recorded = false;
    lk_status status = cli_gallery_open_to_search(path, &w.access, &gallery, &recorded, &err);
    if (status == LK_OK && recorded) status = lk_gallery_record(gallery, &event, 1, &err);
    if (status == LK_OK) status = lk_gallery_backup(gallery, w.words[0], &err);
    if (status == LK_OK)
        gallery_told(w.style, json_pack("{s:o}", "backup", cli_json_text(w.words[0])), "%s: copied to %s",
                     lk_gallery_name(gallery), w.words[0]);
    lk_gallery_close(gallery);
    return status == LK_OK ? CLI_OK : cli_fail(&err);
}
