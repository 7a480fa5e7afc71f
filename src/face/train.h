/* train.h: inside the trainer: options checked and told. */
#ifndef LK_FACE_TRAIN_H
#define LK_FACE_TRAIN_H

#include "base/base.h"
#include "likeness/train.h"

/* INVALID, naming the option and its range. */
lk_status lk__train_options_check(const lk_train_options *options, lk_error *err);
/* Every option that decides the result, and the size of the data, on one line; to be freed. NULL: no memory.
 */
char *lk__train_options_text(const lk_train_options *options, size_t people, size_t photos);

#endif
