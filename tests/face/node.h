/* node.h: for the tests that hold our vectors against those of another program, which runs in node. */
#ifndef LK_TEST_NODE_H
#define LK_TEST_NODE_H

#include "face/models.h"
#include "likeness/train.h"

#include <spawn.h>
#include <sys/wait.h>

/* node with these words; its exit code, or -1 if there is no node. */
static inline int run_node(char **arguments) {
    pid_t child;
    int status;
    if (posix_spawnp(&child, "node", NULL, NULL, arguments, environ) != 0) return -1;
    while (waitpid(child, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static inline bool has_node(void) {
    char node[] = "node", version[] = "--version", *arguments[] = {node, version, NULL};
    return run_node(arguments) == 0;
}

/* Floats that node wrote; free(). */
static inline float *read_floats(const char *path, size_t count) {
    uint8_t *bytes;
    size_t size;
    lk_error err;
    if (lk__file_read(path, 1 << 24, &bytes, &size, &err) != LK_OK) fail_msg("%s", err.message);
    assert_int_equal(size, count * sizeof(float));
    return (float *)(void *)bytes;
}

/* NaN if there is one. */
static inline double largest_difference(const float *a, const float *b, size_t count) {
    double worst = 0;
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= worst)) worst = fabs((double)a[i] - (double)b[i]);
    return worst;
}

/* Photo i of people who do not exist, two of each. */
static inline lk_image *draw_person(const lk_people *people, size_t i, int width, int height) {
    lk_image *photo = NULL, *sized = NULL;
    lk_error err;
    if (lk_people_draw(people, 11, i / 2, i % 2, &photo, &err) != LK_OK ||
        lk_image_resize(photo, width, height, &sized, &err) != LK_OK)
        fail_msg("%s", err.message);
    lk_image_free(photo);
    return sized;
}

static inline lk_people *open_people(void) {
    lk_people *people = NULL;
    lk_error err;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/models/people.safetensors", getenv("LK_SOURCE"));
    if (lk_people_open(path, &people, &err) != LK_OK) fail_msg("%s", err.message);
    return people;
}

#endif
