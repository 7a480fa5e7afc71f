/* test_damage.c: a page that the disk got wrong is served right or refused, and never wrong; and a copy is
 * whole, whatever goes on meanwhile. */
#include "gallery/gallery_test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { DIM = 32, PEOPLE = 7, PHOTOS = 42, PAGE = 4096 };

/* ---- everything that can be read ------------------------------------------------------------------- */

/* What was read, as text, so that it can be compared as a whole. */
typedef struct content {
    char *text;
    size_t used;
    size_t refused; /* calls that failed */
} content;

static void note(content *c, const char *format, ...) LK_PRINTF(2, 3);
static void note(content *c, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    c->used += (size_t)vsnprintf(c->text + c->used, (1 << 18) - c->used, format, arguments);
    va_end(arguments);
}

static int note_person(void *context, const char *person, size_t photos, const char *added) {
    note(context, "person %s %zu %s\n", person, photos, added);
    return 0;
}

static int note_photo(void *context, const lk_gallery_photo *p) {
    note(context, "photo %lld %s %s %s %s %g %zu\n", (long long)p->id, p->person, p->photo, p->added,
         p->source, p->quality, p->crop_size);
    return 0;
}

static int note_row(void *context, const lk_audit_row *r) {
    content *c = context;
    c->refused += r->fault != NULL;
    if (!r->fault) note(c, "audit %lld %s %s %s\n", (long long)r->number, r->action, r->person, r->hash);
    return 0;
}

/* A failed part is left out: what is compared is only what was answered. */
static void part(content *c, const char *path, lk_status status, const lk_error *e, size_t before) {
    if (status == LK_OK) return;
    c->used = before;
    c->text[before] = 0;
    c->refused++;
    if (status != LK_FORMAT || !strstr(e->message, path)) fail_msg("%d %s", status, e->message);
}

enum { PARTS = 6 };

/* Into parts[]: each what one kind of reading gave, NULL where it was refused. */
static size_t read_all(const char *path, char *parts[PARTS]) {
    content c = {.text = malloc(1 << 18)};
    lk_gallery *g = NULL;
    lk_error e = {LK_OK, ""};
    assert_non_null(c.text);
    memset(parts, 0, PARTS * sizeof *parts);
    lk_status status = lk_gallery_open(path, LK_GALLERY_READ_ONLY, &g, &e);
    part(&c, path, status, &e, 0);
    for (int i = 0; i < PARTS && status == LK_OK; i++) {
        lk_status done = LK_OK;
        size_t refused = c.refused;
        c.used = 0;
        c.text[0] = 0;
        if (i == 0) {
            lk_gallery_info in;
            done = lk_gallery_get_info(g, &in, &e);
            note(&c, "%zu %zu %d %.17g %s %s", in.people, in.photos, in.dim, in.threshold, in.model_path,
                 in.created);
        }
        if (i == 1) done = lk_gallery_each_person(g, note_person, &c, &e);
        if (i == 2) done = lk_gallery_each_photo(g, NULL, note_photo, &c, &e);
        if (i == 3) done = lk_gallery_each_audit(g, NULL, note_row, &c, &e);
        for (uint64_t n = 1; n <= PHOTOS && i == 4 && done == LK_OK; n += 17) {
            float v[DIM];
            lk_matches m = {0, NULL};
            unit_vector(1, n, DIM, v);
            done = lk_gallery_search(g, v, 5, &m, &e);
            for (size_t k = 0; k < m.count; k++)
                note(&c, "match %lld %s %s %.9g\n", (long long)m.items[k].photo_id, m.items[k].person,
                     m.items[k].photo, (double)m.items[k].cosine);
            lk_matches_free(&m);
        }
        for (int64_t id = 1; id <= PHOTOS && i == 5 && done == LK_OK; id += 13) {
            uint8_t *bytes = NULL;
            size_t size = 0;
            done = lk_gallery_get_crop(g, id, &bytes, &size, &e);
            if (done == LK_OK) note(&c, "crop %zu %.*s\n", size, (int)size, (const char *)bytes);
            free(bytes);
        }
        part(&c, path, done, &e, 0);
        if (done == LK_OK && c.refused == refused) parts[i] = strdup(c.text);
    }
    lk_gallery_close(g);
    free(c.text);
    return c.refused;
}

static void fill(lk_gallery *g) {
    OK(lk_gallery_begin(g, err));
    for (uint64_t n = 1; n <= PHOTOS; n++) {
        float v[DIM];
        char person[32], photo[32], source[64], crop[300];
        snprintf(person, sizeof person, "Person Number %d", (int)(n % PEOPLE));
        snprintf(photo, sizeof photo, "photo-%d.jpg", (int)n);
        snprintf(source, sizeof source, "/far/away/photo-%d.jpg", (int)n);
        memset(crop, 'a' + (int)(n % 26), sizeof crop);
        unit_vector(1, n, DIM, v);
        const lk_enrollment e = {.person = person,
                                 .photo = photo,
                                 .vector = v,
                                 .source = source,
                                 .crop = (const uint8_t *)crop,
                                 .crop_size = sizeof crop,
                                 .quality = 0.5};
        OK(lk_gallery_enroll(g, &e, 1, NULL, err));
    }
    OK(lk_gallery_commit(g, err));
}

static void spill(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* In every way that a page may come back: all of it other, zeros, another page's, a few bits, one bit. */
static void damage(uint8_t *bytes, size_t size, size_t page, int way) {
    lk__random r = lk__random_stream(page, (uint64_t)way, 0, 0);
    uint8_t *at = bytes + page * PAGE;
    if (way == 0)
        for (int i = 0; i < PAGE; i++) at[i] ^= 0xff;
    if (way == 1) memset(at, 0, PAGE);
    if (way == 2) memmove(at, bytes + (page + 1) % (size / PAGE) * PAGE, PAGE);
    if (way >= 3)
        for (int i = 0; i < (way == 3 ? 8 : 1); i++)
            at[lk__random_below(&r, PAGE)] ^= (uint8_t)(1u << lk__random_below(&r, 8));
}

static void test_every_page(void **state) {
    (void)state;
    const char *more = getenv("LK_DURABLE_ROUNDS");
    int ways = 4 + (more ? atoi(more) : 3);
    const char *path = in_folder("whole.gallery"), *bad = in_folder("bad.gallery");
    lk_gallery *g = new_gallery(path, DIM);
    fill(g);
    lk_gallery_close(g);
    size_t size = 0, refused = 0, right = 0;
    uint8_t *bytes = slurp(path, &size), *copy = malloc(size);
    assert_non_null(copy);
    char *want[PARTS], *got[PARTS];
    assert_int_equal(read_all(path, want), 0);
    for (int i = 0; i < PARTS; i++) assert_true(want[i] && *want[i]);
    for (size_t page = 0; page < size / PAGE; page++)
        for (int way = 0; way < ways; way++) {
            memcpy(copy, bytes, size);
            damage(copy, size, page, way);
            spill(bad, copy, size);
            read_all(bad, got);
            for (int i = 0; i < PARTS; i++) {
                if (got[i] && strcmp(got[i], want[i]) != 0)
                    fail_msg("page %zu, way %d, part %d:\n%s\ninstead of\n%s", page, way, i, got[i], want[i]);
                *(got[i] ? &right : &refused) += 1;
                free(got[i]);
            }
            remove_gallery(bad);
        }
    print_message("%zu pages: %zu readings right, %zu refused\n", size / PAGE, right, refused);
    assert_true(refused > size / PAGE);
    assert_true(right > size / PAGE);
    for (int i = 0; i < PARTS; i++) free(want[i]);
    free(bytes);
    free(copy);
    remove_gallery(path);
}

/* ---- check ----------------------------------------------------------------------------------------- */

static void on_finding(void *context, const char *finding) {
    char *all = context;
    strncat(all, finding, 300);
    strcat(all, "\n");
}

static void sql(const char *path, const char *text) {
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(lk__sqlite_sum_register(db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", text, why);
    sqlite3_close(db);
}

static void test_check(void **state) {
    (void)state;
    static const struct {
        const char *sql, *finding;
    } bad[] = {
        {"SELECT 1", ""},
        {"INSERT INTO crops VALUES (999, 0, x'00')", "belongs to one of photos"},
        {"UPDATE crops SET jpeg = x'0001' WHERE photo_id = 5", "photo 5 is damaged"},
        {"UPDATE photos SET name = 'x' WHERE id = 5", "photo 5 is damaged"},
        {"UPDATE photos SET vector_sum = 0 WHERE id = 5", "photo 5 is damaged"},
        {"UPDATE people SET name = 'x' WHERE id = 2", "person 2 is damaged"},
        {"INSERT INTO people (name, added, salt, sum) VALUES ('x', '', zeroblob(16), 0)", "has no photos"},
        {"UPDATE info SET value = 3 WHERE key = 'photos'", "info counts 3 photos"},
        {"INSERT INTO removed (photo_id) VALUES (5)", "photo 5 is there and among the removed"},
        {"UPDATE sqlite_sequence SET seq = 3 WHERE name = 'photos'", "highest id of photos"},
        {"DELETE FROM photos WHERE id = 5", "no row tells of its removal"},
    };
    const char *path = in_folder("check.gallery");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char all[8000] = "";
        lk_gallery *g = new_gallery(path, DIM);
        fill(g);
        lk_gallery_close(g);
        sql(path, bad[i].sql);
        g = open_gallery(path, LK_GALLERY_READ_ONLY);
        OK(lk_gallery_check(g, on_finding, all, err));
        if (*bad[i].finding ? !strstr(all, bad[i].finding) : *all != 0) fail_msg("%s: %s", bad[i].sql, all);
        lk_gallery_close(g);
        remove_gallery(path);
    }
}

/* ---- a copy ----------------------------------------------------------------------------------------- */

enum { GROUP = 4 };

static _Noreturn void write_groups(const char *path) {
    lk_gallery *g = NULL;
    if (lk_gallery_open(path, 0, &g, NULL) != LK_OK) _exit(1);
    for (uint64_t group = 0;; group++) {
        if (lk_gallery_begin(g, NULL) != LK_OK) _exit(2);
        for (uint64_t i = 0; i < GROUP; i++) {
            float v[DIM];
            char photo[32];
            snprintf(photo, sizeof photo, "%llu", (unsigned long long)(group * GROUP + i));
            unit_vector(1, group * GROUP + i, DIM, v);
            if (lk_gallery_add(g, "ann", photo, v, NULL, NULL) != LK_OK) _exit(3);
        }
        if (lk_gallery_commit(g, NULL) != LK_OK) _exit(4);
    }
}

static void check_copy(const char *copy, size_t *photos) {
    char all[4000] = "";
    lk_gallery *c = open_gallery(copy, 0);
    lk_gallery_info info;
    OK(lk_gallery_check(c, on_finding, all, err));
    assert_string_equal(all, "");
    OK(lk_gallery_get_info(c, &info, err));
    assert_int_equal(info.photos % GROUP, 0);
    assert_true(info.photos >= *photos);
    *photos = info.photos;
    lk_gallery_close(c);
    remove_gallery(copy);
}

/* While another process writes as fast as it can; and searches of ours see whole transactions only. */
static void test_backup(void **state) {
    (void)state;
    const char *path = in_folder("busy.gallery"), *copy = in_folder("copy.gallery");
    lk_gallery_close(new_gallery(path, DIM));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) write_groups(path);
    lk_gallery *g = open_gallery(path, LK_GALLERY_READ_ONLY);
    size_t first = 0, photos = 0, seen = 0;
    for (int round = 0; round < 12; round++) {
        OK(lk_gallery_backup(g, copy, err));
        check_copy(copy, &photos);
        if (round == 0) first = photos;
        for (int i = 0; i < 20; i++) {
            lk_matches m;
            float v[DIM];
            unit_vector(1, 0, DIM, v);
            OK(lk_gallery_search(g, v, SIZE_MAX, &m, err));
            assert_int_equal(m.count % GROUP, 0);
            assert_true(m.count >= seen);
            seen = m.count;
            lk_matches_free(&m);
        }
    }
    assert_true(photos > first);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    OK(lk_gallery_backup(g, copy, err));
    FAILS(LK_INVALID, "exists already", lk_gallery_backup(g, copy, err));
    FAILS(LK_NOT_FOUND, "no such folder", lk_gallery_backup(g, in_folder("no such folder/copy"), err));
    remove_gallery(copy);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlim_t most = limit.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    limit.rlim_cur = 9000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    FAILS(LK_IO, "cannot", lk_gallery_backup(g, copy, err)); /* no disk: no half of a copy either */
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(access(copy, F_OK), -1);
    lk_gallery_close(g);
    remove_gallery(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
