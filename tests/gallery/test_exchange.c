/* test_exchange.c: what goes out comes back the same; what is not sound is refused whole; two galleries, and
 * two people, become one and lose nothing. */
#include "gallery/gallery_test.h"

#include "base/safetensors.h"
#include "likeness/curate.h"

#include <sys/stat.h>

enum { DIM = 8 };

static const lk_export_options all = {.crops = true};

static void remove_export(const char *path) {
    static const char *const names[] = {"photos.jsonl", "vectors.safetensors", "crops.safetensors"};
    char file[600];
    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        unlink(file);
    }
    rmdir(path);
}

static void enroll(lk_gallery *g, const char *person, const char *photo, uint64_t number, const char *crop) {
    float v[DIM];
    unit_vector(3, number, DIM, v);
    const lk_enrollment e = {.person = person,
                             .photo = photo,
                             .vector = v,
                             .source = number % 2 ? "/photos/\"of\"/ann.jpg" : NULL,
                             .crop = (const uint8_t *)crop,
                             .crop_size = crop ? strlen(crop) : 0,
                             .quality = number % 3 ? 0.1 * (double)number : 0};
    OK(lk_gallery_enroll(g, &e, 1, NULL, err));
}

/* Names of all kinds, ids with holes, photos with and without crop, source, quality; a person whose first
 * photo is gone, so that they were added before any photo that is left. */
static lk_gallery *example(const char *path) {
    lk_gallery *g = new_gallery(path, DIM);
    float v[DIM];
    unit_vector(3, 99, DIM, v);
    const lk_enrollment early = {
        .person = "Zo\xc3\xab", .photo = "first", .vector = v, .added = "2001-02-03T04:05:06Z"};
    int64_t first = 0;
    OK(lk_gallery_enroll(g, &early, 1, &first, err));
    enroll(g, "Zo\xc3\xab", "a.jpg", 1, "JPEG one");
    enroll(g, "O'Neil \"x\" \\", "b/c.jpg", 2, NULL);
    enroll(g, "Zo\xc3\xab", "d.jpg", 3, "JPEG number three");
    OK(lk_gallery_remove_photo(g, first, err));
    enroll(g, "\xe6\x9d\x8e", "e.jpg", 5, NULL);
    return g;
}

static void same_file(const char *a, const char *b, const char *name) {
    char path[600];
    size_t a_size = 0, b_size = 0;
    snprintf(path, sizeof path, "%s/%s", a, name);
    uint8_t *x = slurp(path, &a_size);
    snprintf(path, sizeof path, "%s/%s", b, name);
    uint8_t *y = slurp(path, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(x, y, a_size);
    free(x);
    free(y);
}

static void test_round_trip(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *b = in_folder("b.gallery"), *out = in_folder("out"),
               *again = in_folder("again");
    lk_gallery *g = example(a), *h = new_gallery(b, DIM);
    lk_gallery_info info;
    OK(lk_gallery_export(g, out, &all, &info, err));
    assert_int_equal(info.people, 3);
    assert_int_equal(info.photos, 4);
    OK(lk_export_get_info(out, &info, err));
    assert_string_equal(info.fingerprint, FINGERPRINT);
    assert_string_equal(info.model_path, "m.safetensors");
    assert_true(info.threshold == 0.42 && info.photos == 4 && info.dim == DIM);
    size_t count = 0;
    OK(lk_gallery_import(h, out, NULL, NULL, &count, err));
    assert_int_equal(count, 4);
    OK(lk_gallery_export(h, again, &all, NULL, err));
    same_file(out, again, "photos.jsonl");
    same_file(out, again, "vectors.safetensors");
    same_file(out, again, "crops.safetensors");
    FAILS(LK_INVALID, "there already", lk_gallery_export(g, out, &all, NULL, err));
    /* Once more into the same: every photo is replaced by itself, under a new id. */
    OK(lk_gallery_import(h, out, NULL, NULL, &count, err));
    check_counts(h, 3, 4);
    float v[DIM];
    FAILS(LK_NOT_FOUND, "no photo", lk_gallery_get_vector(h, 2, v, err));
    lk_gallery_close(g);
    lk_gallery_close(h);
    remove_export(out);
    remove_export(again);
    unlink(a);
    unlink(b);
}

static int stop(void *context, size_t done, size_t count) {
    (void)context;
    (void)count;
    return done > 0;
}

/* Whatever stops an export, nothing of it is left; and an import, the gallery is as it was. */
static void test_stop(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *out = in_folder("out");
    lk_gallery *g = example(a);
    const lk_export_options stopped = {.crops = true, .progress = stop};
    FAILS(LK_STOPPED, "stopped", lk_gallery_export(g, out, &stopped, NULL, err));
    FAILS(LK_NOT_FOUND, "no/such", lk_gallery_export(g, in_folder("no/such/out"), &all, NULL, err));
    OK(lk_gallery_export(g, out, &all, NULL, err));
    OK(lk_gallery_remove(g, "Zo\xc3\xab", NULL, err));
    FAILS(LK_STOPPED, "stopped", lk_gallery_import(g, out, stop, NULL, NULL, err));
    check_counts(g, 2, 2);
    lk_gallery_close(g);
    remove_export(out);
    unlink(a);
}

/* The gallery is changed, by another handle, between the list and the last look. */
typedef struct meddler {
    const char *path;
    int what;
} meddler;

static int meddle(void *context, size_t done, size_t count) {
    const meddler *m = context;
    (void)done;
    (void)count;
    lk_gallery *g = open_gallery(m->path, 0);
    if (m->what == 0) add_number(g, "new", 50);
    if (m->what == 1) OK(lk_gallery_remove(g, "\xe6\x9d\x8e", NULL, err));
    if (m->what == 2) OK(lk_gallery_rename(g, "Zo\xc3\xab", "Zoe", err));
    lk_gallery_close(g);
    return 0;
}

static void test_changed_meanwhile(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *out = in_folder("out");
    for (int what = 0; what < 3; what++) {
        lk_gallery *g = example(a);
        meddler m = {a, what};
        const lk_export_options options = {.crops = false, .progress = meddle, .context = &m};
        FAILS(LK_BUSY, "changed while", lk_gallery_export(g, out, &options, NULL, err));
        assert_int_equal(access(out, F_OK), -1);
        lk_gallery_close(g);
        unlink(a);
    }
}

/* ---- what is refused ------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Vectors made elsewhere: no more than vectors, names and photos. */
static void write_minimal(const char *out, const char *lines, const char *fingerprint) {
    float v[2 * DIM];
    char path[600];
    unit_vector(3, 1, DIM, v);
    unit_vector(3, 2, DIM, v + DIM);
    const lk__tensor t = {"vectors", LK__F32, 2, {2, DIM}, v, sizeof v};
    const lk__meta meta = {"fingerprint", fingerprint};
    mkdir(out, 0777);
    snprintf(path, sizeof path, "%s/vectors.safetensors", out);
    OK(lk__tensors_write(path, &t, 1, &meta, fingerprint ? 1 : 0, err));
    snprintf(path, sizeof path, "%s/photos.jsonl", out);
    write_text(path, lines);
}

#define LINE(person, photo) "{\"person\": \"" person "\", \"photo\": \"" photo "\"}\n"

static void test_minimal(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *out = in_folder("out");
    lk_gallery *g = new_gallery(a, DIM);
    size_t count = 0;
    write_minimal(out, LINE("ann", "1") LINE("bob", "2"), NULL);
    OK(lk_gallery_import(g, out, NULL, NULL, &count, err));
    check_counts(g, 2, 2);
    write_minimal(out, LINE("ann", "1") LINE("bob", "2"), "of-another-model");
    FAILS(LK_MISMATCH, "of-another-m", lk_gallery_import(g, out, NULL, NULL, &count, err));
    lk_gallery_close(g);
    remove_export(out);
    unlink(a);
}

static void test_bad_lines(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *out = in_folder("out");
    static const struct {
        const char *lines, *hint;
    } bad[] = {
        {"", "ends after line 0, but there are 2"},
        {LINE("ann", "1"), "ends after line 1"},
        {LINE("ann", "1") LINE("bob", "2") LINE("cid", "3"), "more lines"},
        {LINE("ann", "1") "\n" LINE("bob", "2"), "photos.jsonl:2"},
        {LINE("ann", "1") "{\"person\": \"bob\"}\n", "photos.jsonl:2: \"photo\" is missing"},
        {LINE("ann", "1") "{\"person\": 7, \"photo\": \"b\"}\n", "\"person\" is not text"},
        {LINE("ann", "1") "{\"person\": \"b\\u0000c\", \"photo\": \"b\"}\n", "zero byte"},
        {LINE("ann", "1") "[1]\n", "no object"},
        {LINE("ann", "1") "{\"person\": \"a\", \"person\": \"b\", \"photo\": \"b\"}\n", "duplicate"},
        {LINE("ann", "1") LINE("a\\nb", "2"), "cannot be a person's name"},
        {LINE("ann", "1") "{\"person\": \"b\", \"photo\": \"b\", \"added\": \"today\"}\n", "at that time"},
        {LINE("ann", "1") "{\"person\": \"b\", \"photo\": \"b\", \"source\": 1}\n", "\"source\" is not text"},
    };
    lk_gallery *g = new_gallery(a, DIM);
    size_t count = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_minimal(out, bad[i].lines, NULL);
        FAILS(LK_FORMAT, bad[i].hint, lk_gallery_import(g, out, NULL, NULL, &count, err));
        check_counts(g, 0, 0);
    }
    assert_int_equal(count, 77);
    remove_export(out);
    FAILS(LK_NOT_FOUND, "vectors.safetensors", lk_gallery_import(g, out, NULL, NULL, &count, err));
    lk_gallery_close(g);
    unlink(a);
}

/* Files whose tensors do not belong together. */
static void test_bad_tensors(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *out = in_folder("out");
    float v[2 * DIM], longer[2 * DIM];
    int64_t ids[2] = {3, 9}, falling[2] = {9, 3}, ends[2] = {2, 3}, beyond[2] = {2, 4}, back[2] = {3, 2};
    double quality[2] = {0.5, 0.25}, none[2] = {0.5, NAN};
    unit_vector(3, 1, DIM, v);
    unit_vector(3, 2, DIM, v + DIM);
    memcpy(longer, v, sizeof v);
    longer[DIM] += 0.5f;
    const lk__tensor vectors = {"vectors", LK__F32, 2, {2, DIM}, v, sizeof v};
    const struct {
        lk__tensor first, second; /* of vectors.safetensors */
        lk__tensor ends;          /* of crops.safetensors; no name: no such file */
        const char *hint;         /* NULL: sound */
    } cases[] = {
        {vectors, {"ids", LK__I64, 1, {2}, ids, 16}, {"crop_ends", LK__I64, 1, {2}, ends, 16}, NULL},
        {vectors, {"qualities", LK__F64, 1, {2}, quality, 16}, {.name = NULL}, NULL},
        {{"vector", LK__F32, 2, {2, DIM}, v, sizeof v},
         {.name = NULL},
         {.name = NULL},
         "\"vectors\" is missing"},
        {{"vectors", LK__F32, 1, {2 * DIM}, v, sizeof v},
         {.name = NULL},
         {.name = NULL},
         "another type or shape"},
        {{"vectors", LK__F32, 2, {2, DIM}, longer, sizeof v}, {.name = NULL}, {.name = NULL}, "length 1"},
        {vectors, {"ids", LK__I64, 1, {2}, falling, 16}, {.name = NULL}, "do not rise"},
        {vectors, {"ids", LK__I64, 1, {1}, ids, 8}, {.name = NULL}, "\"ids\" is of another"},
        {vectors, {"qualities", LK__I64, 1, {2}, ids, 16}, {.name = NULL}, "\"qualities\" is of another"},
        {vectors, {"qualities", LK__F64, 1, {2}, none, 16}, {.name = NULL}, "quality"},
        {vectors, {.name = NULL}, {"crop_ends", LK__I64, 1, {2}, beyond, 16}, "crop_ends"},
        {vectors, {.name = NULL}, {"crop_ends", LK__I64, 1, {2}, back, 16}, "crop_ends"},
        {vectors, {.name = NULL}, {"ends", LK__I64, 1, {2}, ends, 16}, "\"crop_ends\" is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[600];
        lk_gallery *g = new_gallery(a, DIM);
        write_minimal(out, LINE("ann", "1") LINE("bob", "2"), NULL);
        const lk__tensor both[] = {cases[i].first, cases[i].second},
                         crops[] = {cases[i].ends, {"crops", LK__U8, 1, {3}, "abc", 3}};
        snprintf(path, sizeof path, "%s/vectors.safetensors", out);
        OK(lk__tensors_write(path, both, cases[i].second.name ? 2 : 1, NULL, 0, err));
        snprintf(path, sizeof path, "%s/crops.safetensors", out);
        if (cases[i].ends.name) OK(lk__tensors_write(path, crops, 2, NULL, 0, err));
        if (cases[i].hint)
            FAILS(LK_FORMAT, cases[i].hint, lk_gallery_import(g, out, NULL, NULL, NULL, err));
        else
            OK(lk_gallery_import(g, out, NULL, NULL, NULL, err));
        check_counts(g, cases[i].hint ? 0 : 2, cases[i].hint ? 0 : 2);
        lk_gallery_close(g);
        remove_export(out);
        unlink(a);
    }
}

/* ---- joining --------------------------------------------------------------------------------------- */

static void test_merge(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery"), *b = in_folder("b.gallery");
    lk_gallery *g = new_gallery(a, DIM), *h = new_gallery(b, DIM);
    enroll(g, "ann", "1.jpg", 1, "crop");
    enroll(g, "bob", "2.jpg", 2, NULL);
    enroll(h, "ann", "1.jpg", 1, NULL);   /* the very photo */
    enroll(h, "ann", "2.jpg", 3, "crop"); /* another one */
    enroll(h, "bob", "2.jpg", 4, NULL);   /* another one of the same name */
    enroll(h, "cid", "1.jpg", 5, NULL);
    lk_merged m;
    const lk_merge_options same = {.rename = false}, other = {.rename = true};
    OK(lk_gallery_merge(g, h, &same, &m, err));
    assert_true(m.people == 1 && m.photos == 3 && m.kept == 1 && m.joined == 2 && m.renamed == 0);
    check_counts(g, 3, 5);
    OK(lk_gallery_merge(g, h, &same, &m, err)); /* again: nothing new */
    assert_true(m.people == 0 && m.photos == 0 && m.kept == 4 && m.joined == 3);
    check_counts(g, 3, 5);
    enroll(h, "ann (2)", "x.jpg", 6, NULL); /* a name that a renamed one must not get */
    OK(lk_gallery_merge(g, h, &other, &m, err));
    assert_true(m.people == 4 && m.photos == 5 && m.renamed == 3 && m.joined == 0);
    size_t photos = 0;
    OK(lk_gallery_remove(g, "ann (3)", &photos, err));
    assert_int_equal(photos, 2);
    lk_gallery_close(h);
    unlink(b);
    h = new_gallery(b, DIM + 1);
    FAILS(LK_MISMATCH, "9 numbers", lk_gallery_merge(g, h, &same, &m, err));
    lk_gallery_close(g);
    lk_gallery_close(h);
    unlink(a);
    unlink(b);
}

typedef struct seen {
    size_t count, crops, sources;
    char added[32];
} seen;

static int look(void *context, const lk_gallery_photo *photo) {
    seen *s = context;
    s->count++;
    s->crops += photo->crop_size > 0;
    s->sources += photo->source != NULL;
    snprintf(s->added, sizeof s->added, "%s", photo->added);
    return 0;
}

static void test_merge_people(void **state) {
    (void)state;
    const char *a = in_folder("a.gallery");
    lk_gallery *g = new_gallery(a, DIM);
    enroll(g, "ann", "1.jpg", 2, NULL);
    enroll(g, "anna", "1.jpg", 3, "crop");
    float v[DIM];
    unit_vector(3, 4, DIM, v);
    const lk_enrollment old = {
        .person = "anne", .photo = "1.jpg", .vector = v, .added = "2001-02-03T04:05:06Z"};
    OK(lk_gallery_enroll(g, &old, 1, NULL, err));
    static const char *const others[] = {"anna", "anne"}, *const wrong[] = {"anna", "nobody"};
    size_t moved = 77;
    FAILS(LK_NOT_FOUND, "nobody", lk_gallery_merge_people(g, "ann", wrong, 2, &moved, err));
    FAILS(LK_NOT_FOUND, "nobody", lk_gallery_merge_people(g, "nobody", others, 2, &moved, err));
    FAILS(LK_INVALID, "themselves", lk_gallery_merge_people(g, "anna", others, 2, &moved, err));
    assert_int_equal(moved, 77);
    check_counts(g, 3, 3);
    OK(lk_gallery_merge_people(g, "ann", others, 2, &moved, err));
    assert_int_equal(moved, 2);
    seen s = {0};
    OK(lk_gallery_each_photo(g, "ann", look, &s, err));
    assert_true(s.count == 3 && s.crops == 1 && s.sources == 1);
    assert_string_equal(s.added, "2001-02-03T04:05:06Z");
    lk_gallery_close(g);
    unlink(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_changed_meanwhile),
        cmocka_unit_test(test_minimal),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_people),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
