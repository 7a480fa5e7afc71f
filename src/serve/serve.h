/* serve.h: a gallery served over HTTP (likeness serve): what the program needs of this room.
 *
 *   cmd_serve.c opens the gallery and the models -> serve_run answers requests until it is told to stop
 *
 * Nothing here knows a path that came with a request: the files are those of serve_options. */
#ifndef LIKENESS_SERVE_H
#define LIKENESS_SERVE_H

#include "likeness/gallery.h"

#include <stdio.h>

/* What a token allows; each role has what those before it have. */
typedef enum serve_role { SERVE_NOBODY, SERVE_READ, SERVE_ENROLL, SERVE_ADMIN } serve_role;

typedef struct serve_options {
    lk_gallery *gallery;
    const lk_model *model, *detector;

    const char *listen;             /* ADDRESS:PORT; port 0: any free one */
    const char *names;              /* host names, by commas, that requests may ask for besides the address */
    const char *tokens;             /* file; read again when it changes */
    const char *tls_cert, *tls_key; /* PEM files; NULL: plain HTTP */
    double threshold;               /* cosine; NaN: by fpir, or without a calibration the model's */
    double fpir, far;               /* of strangers that may be called known: in the gallery, of two photos */
    double prior; /* probability, before looking, that whom a probe shows is in the gallery */
    int threads;  /* that look for faces; 0: all cores */
    lk_precision precision;
    int detect_size, min_face;
    double confidence;    /* NaN: the detector's own */
    bool keep_crops;      /* enroll keeps the aligned face */
    size_t body_limit;    /* bytes of one request */
    size_t pixels_limit;  /* of one photo */
    size_t faces_limit;   /* of one photo: the widest are answered */
    size_t bodies_limit;  /* bytes of all requests that are in */
    unsigned connections; /* at a time */
    unsigned per_address; /* of these, from one address */
    double seconds;       /* in which a request must have arrived, be answered, and be taken */
    size_t waiting;       /* photos' requests in line; more are refused */
    size_t job_limit;     /* bytes of one upload of many photos */
    void (*say)(const char *format, ...) LK_PRINTF(1, 2); /* a line for the log */
    bool quiet;                                           /* no line for a request */
} serve_options;

/* All but what has no sensible default. */
serve_options serve_options_default(void);
/* Answer until SIGTERM or SIGINT, finish what was begun, and return. INVALID: options that do not go together
 * or are not safe, said in terms of the command's options. Signals are blocked for all threads meanwhile. */
lk_status serve_run(const serve_options *options, lk_error *err);

/* ---- tokens (token.c): one line each, "name <tab> role <tab> SHA-256 <tab> created" -------------------- */

enum { SERVE_TOKEN_TEXT = 64, SERVE_NAME_BYTES = 64 };
/* "read", "enroll", "admin"; SERVE_NOBODY: no such role. */
serve_role serve_role_named(const char *name);
const char *serve_role_name(serve_role role);
/* A new token for `name`, in text, which is to be shown once: the file keeps its hash. The file is made, for
 * its owner only, if it is not there. INVALID: a bad name, or one that has a token. */
lk_status serve_token_add(const char *path, const char *name, serve_role role, char text[SERVE_TOKEN_TEXT],
                          lk_error *err);
/* NOT_FOUND: nobody of that name. */
lk_status serve_token_remove(const char *path, const char *name, lk_error *err);
typedef void (*serve_token_fn)(void *context, const char *name, serve_role role, const char *created);
lk_status serve_token_each(const char *path, serve_token_fn fn, void *context, lk_error *err);

#endif
