/* api_gallery.c: what there is to know of the server and its gallery as a whole: the page, the description of
 * the API, health, the gallery's figures. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

static void answer_file(serve_request *r, const char *path) {
    for (size_t i = 0; i < serve_file_count; i++)
        if (strcmp(serve_files[i].path, path) == 0) {
            r->status = 200;
            r->answer = (char *)(uintptr_t)serve_files[i].bytes;
            r->answer_size = serve_files[i].size;
            r->answer_type = serve_files[i].type;
            return;
        }
    serve_answer_problem(r, 404, lk_status_text(LK_NOT_FOUND), "the page has no such file");
}

void serve_api_page(serve_request *r) {
    char path[SERVE_ARG_BYTES + 8];
    snprintf(path, sizeof path, *r->args[0] ? "/web/%s" : "/", r->args[0]);
    answer_file(r, path);
}

void serve_api_openapi(serve_request *r) {
    answer_file(r, "/openapi.json");
}

void serve_api_health(serve_request *r) {
    serve_answer_json(r, 200, json_pack("{s:s}", "status", "ok"));
}

static json_t *limits_json(const serve_options *o) {
    return json_pack("{s:I, s:I, s:I, s:I, s:f}", "body_bytes", (json_int_t)o->body_limit, "job_bytes",
                     (json_int_t)o->job_limit, "pixels", (json_int_t)o->pixels_limit, "faces",
                     (json_int_t)o->faces_limit, "seconds", o->seconds);
}

void serve_api_info(serve_request *r) {
    const serve_options *o = r->server->options;
    lk_gallery_info info;
    lk_error err;
    if (lk_gallery_get_info(o->gallery, &info, &err) != LK_OK) {
        serve_answer_error(r, &err, false);
        return;
    }
    json_t *j = json_object();
    json_object_set_new(j, "version", json_string(LK_VERSION));
    json_object_set_new(j, "people", json_integer((json_int_t)info.people));
    json_object_set_new(j, "photos", json_integer((json_int_t)info.photos));
    json_object_set_new(j, "dim", json_integer(info.dim));
    json_object_set_new(j, "created", serve_json_text(info.created));
    json_object_set_new(j, "model", serve_json_text(info.fingerprint));
    json_object_set_new(j, "threshold", serve_json_real(o->threshold));
    json_object_set_new(j, "keeps_crops", json_boolean(o->keep_crops));
    json_object_set_new(j, "role", json_string(serve_role_name(r->role)));
    json_object_set_new(j, "tokens", json_boolean(*r->who != 0));
    json_object_set_new(j, "limits", limits_json(o));
    serve_answer_json(r, 200, j);
}
