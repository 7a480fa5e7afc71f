/* gallery_keep.c: likeness gallery GALLERY check and backup: that what is in a gallery stays there. */
#include "gallery.h"

typedef struct findings {
    const gallery_options *options;
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

int gallery_check(const gallery_options *o, lk_gallery *gallery) {
    findings f = {.options = o, .list = o->style == CLI_JSON ? json_array() : NULL};
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
        printf("%zu %s wrong: restore a backup\n", f.count, f.count == 1 ? "thing is" : "things are");
    } else {
        printf("sound: %zu %s, %zu %s, %lld rows of audit; head %s\n", info.people,
               info.people == 1 ? "person" : "people", info.photos, info.photos == 1 ? "photo" : "photos",
               (long long)info.audit_rows, info.audit_head);
    }
    return f.count ? CLI_NO : CLI_OK;
}

int gallery_backup(const gallery_options *o, lk_gallery *gallery) {
    const lk_gallery_event event = {.action = "backup", .threshold = NAN};
    lk_error err;
    lk_status status = o->recorded ? lk_gallery_record(gallery, &event, 1, &err) : LK_OK;
    if (status == LK_OK) status = lk_gallery_backup(gallery, o->arguments[0], &err);
    if (status != LK_OK) return cli_fail(&err);
    cli_say("%s: copied to %s", lk_gallery_name(gallery), o->arguments[0]);
    return CLI_OK;
}
