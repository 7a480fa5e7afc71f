/* seal.c: encryption at rest: vectors and crops are sealed before the store gets them, with
 * XChaCha20-Poly1305 and a random nonce each: nonce || ciphertext || tag.
 *
 * What is sealed is bound to its place (gallery, kind of content, photo id): bytes that somebody moved to
 * another row do not open. Whether a key is the right one is told by a known text sealed with it, so that a
 * wrong key is a clear answer and not a damaged gallery. */
#include "gallery/gallery.h"

#include <sodium.h>
#include <string.h>

enum {
    NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    PLACE = 32 + 1 + 8,
};
_Static_assert(LK__SEAL_ROOM == NONCE + TAG, "what a seal adds");
_Static_assert(LK_GALLERY_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a key");

static const char known_text[LK__SEAL_CHECK - LK__SEAL_ROOM] = "likeness gallery";

static void place_of(const lk_gallery *g, char kind, int64_t id, uint8_t *place) {
    memcpy(place, g->store->identity, 32);
    place[32] = (uint8_t)kind;
    memcpy(place + 33, &id, sizeof id);
}

static void seal(const uint8_t *key, const void *plain, size_t size, const uint8_t *place, size_t place_size,
                 uint8_t *out) {
    randombytes_buf(out, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE, NULL, plain, size, place, place_size, NULL, out,
                                               key);
}

static bool open_seal(const uint8_t *key, const uint8_t *sealed, size_t size, const uint8_t *place,
                      size_t place_size, void *out) {
    return size >= LK__SEAL_ROOM &&
           crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed + NONCE, size - NONCE, place,
                                                      place_size, sealed, key) == 0;
}

void lk__seal_check_new(const uint8_t *key, uint8_t *check) {
    seal(key, known_text, sizeof known_text, NULL, 0, check);
}

bool lk__seal_check_fits(const uint8_t *key, const uint8_t *check) {
    uint8_t text[sizeof known_text];
    return open_seal(key, check, LK__SEAL_CHECK, NULL, 0, text) && memcmp(text, known_text, sizeof text) == 0;
}

void lk__seal(const lk_gallery *g, char kind, int64_t id, const void *plain, size_t size, uint8_t *out) {
    uint8_t place[PLACE];
    place_of(g, kind, id, place);
    seal(g->key, plain, size, place, sizeof place, out);
}

lk_status lk__unseal(const lk_gallery *g, char kind, int64_t id, const void *sealed, size_t size, void *out,
                     lk_error *err) {
    uint8_t place[PLACE];
    place_of(g, kind, id, place);
    if (open_seal(g->key, sealed, size, place, sizeof place, out)) return LK_OK;
    return lk__fail(
        err, LK_FORMAT,
        "%s: the %s of photo %lld does not open with the key: it is damaged, or was put there from "
        "another place; restore a copy of the gallery",
        g->path, kind == LK__SEAL_VECTOR ? "vector" : "crop", (long long)id);
}
