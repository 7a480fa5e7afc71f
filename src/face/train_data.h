/* train_data.h: who is trained on, who is kept for validation, who is excluded. */
#ifndef LK_TRAIN_DATA_H
#define LK_TRAIN_DATA_H

#include "face/validate.h"

typedef struct lk__train_data {
    lk_dataset *set, *validation_set;       /* the second NULL: validation people come from the first */
    size_t *first, *counts, people, photos; /* trained on: each one's first photo and number of photos */
    size_t able;                            /* of them, people with 2 photos */
    size_t *kept, kept_count;               /* people kept for validation */
    size_t excluded;
} lk__train_data;

/* Opens the folders and splits the people by options->validate, holdout, exclude and seed. EMPTY if fewer
 * than 2 people with 2 photos are left to train on. */
lk_status lk__train_data_open(const lk_train_options *options, lk__train_data *out, lk_error *err);
void lk__train_data_close(lk__train_data *data);
/* NULL in *out when nobody was kept. */
lk_status lk__train_data_validation(const lk__train_data *data, const lk_train_options *options, int width,
                                    int height, lk__validation **out, lk_error *err);

#endif
