/* test_beside.c: the file beside a gallery makes the first search quick and changes no answer: not when it is
 * older than the gallery, newer, damaged anywhere, or another gallery's; and nothing that was removed stays
 * in it. */
#include "gallery/gallery_test.h"
#include "gallery/rows.h"

#include <sys/stat.h>

enum { PHOTOS = 12000, DIM = 16, K = 20 };

static const char *beside(const char *path) {
    static char name[600];
    snprintf(name, sizeof name, "%s.index", path);
    return name;
}

static void add_many(lk_gallery *g, uint64_t first, uint64_t last) {
    OK(lk_gallery_begin(g, err));
    for (uint64_t i = first; i < last; i++) {
        char person[32];
        snprintf(person, sizeof person, "p%llu", (unsigned long long)(i / 3));
        add_number(g, person, i);
    }
    OK(lk_gallery_commit(g, err));
}

/* The first bytes of a vector, to be looked for. */
static void bytes_of(uint64_t number, float *v) {
    unit_vector(1, number, DIM, v);
}

static bool holds(const char *path, uint64_t number) {
    float v[DIM];
    size_t size = 0;
    uint8_t *bytes = slurp(path, &size);
    bytes_of(number, v);
    bool found = memmem(bytes, size, v, sizeof v) != NULL;
    free(bytes);
    return found;
}

static bool from_file(const lk_gallery *g) {
    return g->index->segment_count > 0 && g->index->segments[0]->file != NULL;
}

static void search(lk_gallery *g, uint64_t probe, lk_matches *out) {
    float v[DIM];
    unit_vector(probe % 2 ? 1 : 7, probe, DIM, v); /* odd: one that is enrolled */
    OK(lk_gallery_search(g, v, K, out, err));
}

/* As a gallery answers that has no file. */
static void check_answers(lk_gallery *g, const char *path) {
    char moved[640];
    snprintf(moved, sizeof moved, "%s.away", beside(path));
    lk_matches first;
    search(g, 0, &first); /* with the file, if it is the first */
    lk_matches_free(&first);
    rename(beside(path), moved);
    lk_gallery *plain = open_gallery(path, LK_GALLERY_READ_ONLY);
    for (uint64_t p = 0; p < 5; p++) {
        lk_matches got, want;
        search(g, p, &got);
        search(plain, p, &want);
        assert_false(from_file(plain));
        assert_int_equal(got.count, want.count);
        for (size_t i = 0; i < got.count; i++) {
            assert_int_equal(got.items[i].photo_id, want.items[i].photo_id);
            assert_true(got.items[i].cosine == want.items[i].cosine);
            assert_string_equal(got.items[i].person, want.items[i].person);
        }
        lk_matches_free(&got);
        lk_matches_free(&want);
    }
    lk_gallery_close(plain);
    rename(moved, beside(path));
}

static const char *made(const char *name) {
    const char *path = in_folder(name);
    lk_gallery *g = new_gallery(path, DIM);
    add_many(g, 0, PHOTOS);
    lk_gallery_close(g);
    return path;
}

static void check_opened(const char *path, bool want_from_file) {
    lk_gallery *g = open_gallery(path, LK_GALLERY_READ_ONLY);
    lk_matches m;
    search(g, 1, &m);
    lk_matches_free(&m);
    assert_int_equal(from_file(g), want_from_file);
    check_answers(g, path);
    lk_gallery_close(g);
}

static void test_written_and_read(void **state) {
    (void)state;
    struct stat st;
    const char *path = made("made.gallery");
    assert_int_equal(stat(beside(path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    check_opened(path, true);

    lk_gallery *g = open_gallery(path, 0); /* a little more is read from the store */
    add_many(g, PHOTOS, PHOTOS + 100);
    OK(lk_gallery_remove(g, "p7", NULL, err));
    ino_t before = st.st_ino;
    lk_gallery_close(g);
    assert_int_equal(stat(beside(path), &st), 0);
    assert_int_equal(st.st_ino, before); /* not worth writing anew */
    check_opened(path, true);

    g = open_gallery(path, 0); /* much more is */
    add_many(g, PHOTOS + 100, PHOTOS + 3000);
    lk_gallery_close(g);
    assert_int_equal(stat(beside(path), &st), 0);
    assert_int_not_equal(st.st_ino, before);
    check_opened(path, true);
    remove_gallery(path);

    path = in_folder("small.gallery"); /* nor are few at all */
    g = new_gallery(path, DIM);
    add_many(g, 0, 1000);
    lk_gallery_close(g);
    assert_int_not_equal(stat(beside(path), &st), 0);
    remove_gallery(path);
}

static void test_removed_bytes(void **state) {
    (void)state;
    const char *path = made("erase.gallery");
    lk_gallery *reader = open_gallery(path, LK_GALLERY_READ_ONLY), *g = open_gallery(path, 0);
    lk_matches m;
    search(reader, 1, &m);
    lk_matches_free(&m);
    assert_true(from_file(reader));
    assert_true(holds(beside(path), 30));
    OK(lk_gallery_remove(g, "p10", NULL, err)); /* 30, 31, 32; nobody has searched in g */
    for (uint64_t i = 30; i < 33; i++) assert_false(holds(beside(path), i));
    assert_true(holds(beside(path), 33));
    check_answers(reader, path); /* whose file it is too */
    check_answers(g, path);
    assert_true(from_file(g));

    OK(lk_gallery_begin(g, err)); /* several at once, when they are committed */
    OK(lk_gallery_remove(g, "p20", NULL, err));
    OK(lk_gallery_remove(g, "p21", NULL, err));
    assert_true(holds(beside(path), 60));
    OK(lk_gallery_commit(g, err));
    assert_false(holds(beside(path), 60));
    assert_false(holds(beside(path), 63));

    /* Killed between the store's commit and the file: whoever closes next does it. */
    int64_t id = 0;
    OK(g->store->ops->person(g->store, "p30", &id, NULL, err));
    OK(g->store->ops->begin(g->store, err));
    OK(g->store->ops->remove_person(g->store, id, err));
    OK(g->store->ops->commit(g->store, err));
    assert_true(holds(beside(path), 90));
    check_answers(reader, path);
    lk_gallery_close(g);
    assert_false(holds(beside(path), 90));
    lk_gallery_close(reader);
    check_opened(path, true);
    remove_gallery(path);
}

static void copy_file(const char *from, const char *to) {
    size_t size = 0;
    uint8_t *bytes = slurp(from, &size);
    lk__writer *w = NULL;
    OK(lk__writer_open(to, &w, err));
    OK(lk__writer_write(w, bytes, size, err));
    OK(lk__writer_commit(w, err));
    free(bytes);
}

/* The old file is overwritten when a new one takes its place, and what an interrupted save left too. */
static void test_old_files(void **state) {
    (void)state;
    const char *path = made("old.gallery");
    char other[700], fresh[700], fresh_too[740];
    snprintf(other, sizeof other, "%s.link", beside(path));
    snprintf(fresh, sizeof fresh, "%s.new", beside(path));
    snprintf(fresh_too, sizeof fresh_too, "%s.link", fresh);
    copy_file(beside(path), fresh); /* as if a save had come that far */
    assert_int_equal(link(beside(path), other), 0);
    assert_int_equal(link(fresh, fresh_too), 0);
    assert_true(holds(other, 5) && holds(fresh_too, 5));
    lk_gallery *g = open_gallery(path, 0);
    add_many(g, PHOTOS, PHOTOS + 3000);
    lk_gallery_close(g);
    assert_true(holds(beside(path), 5));
    assert_false(holds(other, 5) || holds(fresh_too, 5));
    assert_int_not_equal(access(fresh, F_OK), 0);
    check_opened(path, true);
    unlink(other);
    unlink(fresh_too);
    remove_gallery(path);
}

static void write_at(const char *path, long at, uint8_t change) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int c = fgetc(f);
    assert_true(c >= 0);
    assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
    fputc(c ^ change, f);
    assert_int_equal(fclose(f), 0);
}

static void test_damaged(void **state) {
    (void)state;
    const char *path = made("damaged.gallery");
    struct stat st;
    assert_int_equal(stat(beside(path), &st), 0);
    /* photos, people, sums, bounds, codes begin on pages; the rest are vectors */
    long vectors = st.st_size - ((long)PHOTOS * DIM * 4 + 4095) / 4096 * 4096;
    const long places[] = {0, 9, 12, 30, 50, 100, 4096 + 80, vectors / 3, vectors / 2, vectors - 5000};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        write_at(beside(path), places[i], 0x10);
        check_opened(path, false);
        write_at(beside(path), places[i], 0x10);
    }
    check_opened(path, true);
    /* In a vector it shows when it is looked at, and the answer is right all the same. */
    float v[DIM];
    lk_matches m;
    write_at(beside(path), vectors + 77 * DIM * 4 + 5, 0x01);
    for (int writable = 0; writable < 2; writable++) {
        lk_gallery *g = open_gallery(path, writable ? 0 : LK_GALLERY_READ_ONLY);
        bytes_of(77, v);
        OK(lk_gallery_search(g, v, K, &m, err));
        assert_int_equal(m.items[0].photo_id, 78);
        lk_matches_free(&m);
        assert_false(from_file(g));
        check_answers(g, path);
        lk_gallery_close(g);
    }
    assert_true(holds(beside(path), 77)); /* whoever may write has written it anew */
    assert_int_equal(truncate(beside(path), st.st_size - 4096), 0);
    check_opened(path, false);
    assert_int_equal(truncate(beside(path), 0), 0);
    check_opened(path, false);
    remove_gallery(path);
}

static void test_foreign(void **state) {
    (void)state;
    const char *path = made("one.gallery");
    char name[600];
    snprintf(name, sizeof name, "%s", beside(path));
    const char *other = made("other.gallery");
    copy_file(name, beside(other));
    check_opened(other, false);
    unlink(beside(other));
    assert_int_equal(symlink(name, beside(other)), 0); /* might lead anywhere */
    check_opened(other, false);
    remove_gallery(other);

    /* A copy of the gallery that has gone another way since. */
    const char *copy = in_folder("copy.gallery");
    copy_file(path, copy);
    lk_gallery *g = open_gallery(path, 0);
    add_many(g, PHOTOS, PHOTOS + 3000);
    lk_gallery_close(g);
    g = open_gallery(copy, 0);
    add_many(g, 2 * PHOTOS, 2 * PHOTOS + 3000);
    lk_gallery_close(g);
    copy_file(name, beside(copy));
    check_opened(copy, false);
    remove_gallery(copy);
    check_opened(path, true);
    remove_gallery(path);
}

/* The file has vectors in the open. */
static void test_encrypted(void **state) {
    (void)state;
    const char *path = in_folder("encrypted.gallery");
    const uint8_t key[LK_GALLERY_KEY_BYTES] = {1, 2, 3};
    const lk_vector_kind kind = kind_of(DIM);
    lk_gallery *g = NULL;
    OK(lk_gallery_create_with(path, &kind, &(lk_gallery_options){.key = key}, &g, err));
    add_many(g, 0, PHOTOS);
    lk_gallery_close(g);
    assert_int_not_equal(access(beside(path), F_OK), 0);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_and_read), cmocka_unit_test(test_removed_bytes),
        cmocka_unit_test(test_old_files),        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_foreign),          cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
