/* photo.c: from a photo's number in a data set to its face, as the trainer's loader, the validation and
 * eigenfaces all want it. */
#include "face/face.h"

lk_crop lk__photo_crop(const lk_dataset *dataset, size_t photo, lk_crop fallback) {
    lk_crop own = lk_dataset_photo_crop(dataset, photo);
    return own.centre > 0 || own.width > 0 ? own : fallback;
}

lk_status lk__photo_face(const lk_dataset *dataset, size_t photo, lk_crop fallback, int width, int height,
                         lk_image **out, lk_error *err) {
    lk_image *whole = NULL;
    lk_status status = lk_image_load(lk_dataset_photo_path(dataset, photo), &whole, err);
    if (status == LK_OK)
        status = lk_image_crop(whole, lk__photo_crop(dataset, photo, fallback), width, height, out, err);
    lk_image_free(whole);
    return status;
}
