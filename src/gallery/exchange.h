/* exchange.h: what export.c and import.c share: the names of things in an exported gallery (docs/formats.md).
 */
#ifndef LK_EXCHANGE_H
#define LK_EXCHANGE_H

#include "gallery/gallery.h"
#include "likeness/curate.h"

#define LK__EXPORT_PHOTOS "photos.jsonl"
#define LK__EXPORT_VECTORS "vectors.safetensors"
#define LK__EXPORT_CROPS "crops.safetensors"
#define LK__EXPORT_FORMAT "likeness gallery 1"

/* exchange.c */
/* FOLDER/NAME; NULL: out of memory. */
char *lk__path_join(const char *folder, const char *name);
/* Room for one more: the array, or a larger copy; NULL: out of memory, and the old one stays. */
void *lk__grow(void *array, size_t count, size_t size);
/* With all its digits; "" for NaN. */
const char *lk__real_text(double value, char text[40]);
/* Make it last that `path` is there. */
void lk__folder_sync(const char *path);

#endif
