/* train.h: inside the trainer: options checked and told. */
#ifndef LK_FACE_TRAIN_H
#define LK_FACE_TRAIN_H

#include "base/base.h"
#include "likeness/train.h"

/* INVALID, naming the option and its range. */
lk_status lk__train_options_check(const lk_train_options *options, lk_error *err);
/* Every option that decides the result, and the size of the data, on one line; to be freed. NULL: no memory.
 * `batch_people`: of a batch of all ranks; how many ranks share it decides nothing but rounding and is not
 * told. */
char *lk__train_options_text(const lk_train_options *options, int batch_people, size_t people, size_t photos);

#endif
