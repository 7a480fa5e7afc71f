/* use.c: the smallest program on the library: the version linked is the version included, and errors come
 * back. */
#include <likeness/likeness.h>

#include <stdio.h>
#include <string.h>

int main(void) {
    lk_error err;
    lk_image *image = NULL;
    if (strncmp(lk_version(), LK_VERSION, strlen(LK_VERSION)) != 0) {
        fprintf(stderr, "headers of %s, library of %s\n", LK_VERSION, lk_version());
        return 1;
    }
    if (lk_image_load("no such photo.jpg", &image, &err) != LK_NOT_FOUND || image != NULL) {
        fprintf(stderr, "expected NOT_FOUND\n");
        return 1;
    }
    return 0;
}
