/* trained.h: whom a model has seen in training: metadata `trained_people` (docs/formats.md). */
#ifndef LK_TRAINED_H
#define LK_TRAINED_H

#include "face/model.h"
#include "face/train_data.h"

typedef struct lk__trained {
    char *people; /* 12 hex digits a person, sorted; NULL: not known */
    bool partial; /* more people than these, who are not known */
} lk__trained;

/* Those of the data kept for validation; with least_photos > 0 also those trained on who have as many photos;
 * and those of `init` (NULL: none). FORMAT: what init says of its own people is damaged. */
lk_status lk__trained_list(const lk__train_data *data, size_t least_photos, const lk_model *init,
                           const char *init_path, lk__trained *out, lk_error *err);
/* Those of a model and some more, by the names of their folders, as its metadata would have them: to be
 * freed; NULL in *out where the model does not tell. */
lk_status lk__trained_join(const lk_model *model, const char *const *names, size_t count, const char *path,
                           char **out, lk_error *err);
void lk__trained_free(lk__trained *trained);

enum { LK__TRAINED_NOTES = 2 };
/* As metadata: adds up to LK__TRAINED_NOTES notes, which refer to `trained`; returns how many. */
size_t lk__trained_notes(const lk__trained *trained, lk__meta *notes);

#endif
