/* gallery_change.c: likeness gallery GALLERY rename, remove, remove-photo and merge-people. */
#include "gallery.h"

#include <errno.h>
#include <stdlib.h>

static int finish(lk_gallery *gallery, lk_status status, const lk_error *err) {
    lk_gallery_close(gallery);
    return status == LK_OK ? CLI_OK : cli_fail(err);
}

int gallery_rename(const char *path, int argc, char **argv) {
    gallery_words w = {.least = 2, .most = 2, .missing = "say whom, and the new name"};
    gallery_words_read(
        &w, "PERSON NAME",
        "Give a person another name, which must be nobody's yet (for two people who are one see "
        "merge-people).",
        argc, argv);
    lk_gallery *gallery = NULL;
    lk_error err;
    lk_status status = cli_gallery_open(path, true, &w.access, &gallery, &err);
    if (status == LK_OK) status = lk_gallery_rename(gallery, w.words[0], w.words[1], &err);
    if (status == LK_OK)
        gallery_told(
            w.style,
            json_pack("{s:o, s:o}", "from", cli_json_text(w.words[0]), "person", cli_json_text(w.words[1])),
            "%s: %s is now %s", lk_gallery_name(gallery), w.words[0], w.words[1]);
    return finish(gallery, status, &err);
}

int gallery_remove(const char *path, int argc, char **argv) {
    gallery_words w = {.least = 1, .most = 1, .missing = "say whom"};
    gallery_words_read(&w, "PERSON", "Delete a person and all that is kept of them.", argc, argv);
    lk_gallery *gallery = NULL;
    lk_error err;
    size_t photos = 0;
    lk_status status = cli_gallery_open(path, true, &w.access, &gallery, &err);
    if (status == LK_OK) status = lk_gallery_remove(gallery, w.words[0], &photos, &err);
    if (status == LK_OK) {
        char *count = gallery_count(photos, "photo", "photos");
        gallery_told(
            w.style,
            json_pack("{s:o, s:I}", "removed", cli_json_text(w.words[0]), "photos", (json_int_t)photos),
            "%s: removed %s and %s", lk_gallery_name(gallery), w.words[0], count);
        free(count);
    }
    return finish(gallery, status, &err);
}

int gallery_remove_photo(const char *path, int argc, char **argv) {
    gallery_words w = {.least = 1, .most = 1, .missing = "say which, by its id"};
    gallery_words_read(&w, "ID",
                       "Delete one photo, by its id (see show); with their last photo the person goes too.",
                       argc, argv);
    char *end = NULL;
    errno = 0;
    long long id = strtoll(w.words[0], &end, 10);
    if (errno || *end || id < 1) {
        cli_say("remove-photo: '%s' is no id of a photo; likeness gallery GALLERY show PERSON tells them",
                w.words[0]);
        return CLI_USAGE;
    }
    lk_gallery *gallery = NULL;
    lk_error err;
    lk_status status = cli_gallery_open(path, true, &w.access, &gallery, &err);
    if (status == LK_OK) status = lk_gallery_remove_photo(gallery, id, &err);
    if (status == LK_OK)
        gallery_told(w.style, json_pack("{s:I}", "removed", (json_int_t)id), "%s: removed photo %lld",
                     lk_gallery_name(gallery), id);
    return finish(gallery, status, &err);
}

int gallery_merge_people(const char *path, int argc, char **argv) {
    gallery_words w = {
        .least = 2, .most = GALLERY_WORDS, .missing = "say who is to stay, and who else they are"};
    gallery_words_read(
        &w, "PERSON OTHER...",
        "People who are one: all photos of the OTHERs become PERSON's, and only PERSON stays. A photo "
        "whose name PERSON has already gets \" (2)\" added to it.",
        argc, argv);
    lk_gallery *gallery = NULL;
    lk_error err;
    size_t photos = 0, others = (size_t)w.count - 1;
    lk_status status = cli_gallery_open(path, true, &w.access, &gallery, &err);
    if (status == LK_OK)
        status = lk_gallery_merge_people(gallery, w.words[0], w.words + 1, others, &photos, &err);
    if (status == LK_OK) {
        char *count = gallery_count(photos, "photo", "photos"),
             *people = gallery_count(others, "person", "people");
        gallery_told(w.style,
                     json_pack("{s:o, s:I, s:I}", "person", cli_json_text(w.words[0]), "merged",
                               (json_int_t)others, "photos", (json_int_t)photos),
                     "%s: merged %s into %s: %s", lk_gallery_name(gallery), people, w.words[0], count);
        free(count);
        free(people);
    }
    return finish(gallery, status, &err);
}
