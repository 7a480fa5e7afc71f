/* validate.h: people kept out of training, to see how far it has come and to choose the threshold. */
#ifndef LK_VALIDATE_H
#define LK_VALIDATE_H

#include "face/model.h"
#include "likeness/train.h"

typedef struct lk__validation lk__validation;
/* Takes the listed people's photos (up to 10 each, 1200 in all) cut to (height, width) and draws pairs by
 * options->seed: as many same as different. Unreadable photos are told to options->bad_photo and left out.
 * EMPTY if no pair of each kind is left. */
lk_status lk__validation_new(const lk_dataset *dataset, const size_t *people, size_t count,
                             const lk_train_options *options, int width, int height, lk__validation **out,
                             lk_error *err);
void lk__validation_free(lk__validation *validation);
/* Share of the pairs told right at the best threshold, and that threshold (cosine). */
lk_status lk__validation_measure(lk__validation *validation, lk_embedder *embedder, double *accuracy,
                                 double *threshold, lk_error *err);
/* The pairs as they were last measured, (count) each; 0 before that, and for NULL. */
size_t lk__validation_scores(const lk__validation *validation, const float **cosine, const int **same);

/* What options->calibrate makes of all their pairs, as metadata has it: to be freed; NULL in *out: none. */
lk_status lk__validation_calibrate(const lk__validation *validation, const lk_train_options *options,
                                   char **out, lk_error *err);

#endif
