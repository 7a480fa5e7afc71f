/* winograd_lanes.h: the transforms of winograd.c, of as many channels at a time as a block of an activation
 * has: 16 where a register holds as many (AVX-512), else 8. Vectors of two registers would do for both, but
 * compilers keep those in memory. Read by winograd.c alone, once with LANES 16 and once with 8: C has no
 * other way to write this once. What it makes is in `transforms` at the end. */
#define NAME_OF(it, lanes) it##_##lanes
#define NAME_WITH(it, lanes) NAME_OF(it, lanes)
#define NAME(it) NAME_WITH(it, LANES)
#define V NAME(vector)
#define VI NAME(vector_mask)
#define store NAME(store)
#define input_1d NAME(input_1d)
#define output_1d NAME(output_1d)
#define gradient_1d NAME(gradient_1d)
#define weight_1d NAME(weight_1d)
#define weight_back_1d NAME(weight_back_1d)
#define tile_in NAME(tile_in)
#define tiles_in NAME(tiles_in)
#define tile_out NAME(tile_out)
#define tiles_out NAME(tiles_out)
#define row_in NAME(row_in)
#define tiles_read NAME(tiles_read)
#define read_f32 NAME(read_f32)
#define read_bf16 NAME(read_bf16)
#define write_f32 NAME(write_f32)
#define write_bf16 NAME(write_bf16)
#define row_in_f32 NAME(row_in_f32)
#define row_in_bf16 NAME(row_in_bf16)
#define write_weights NAME(write_weights)
#define add_frame NAME(add_frame)

typedef float V __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t VI __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

LK__INLINE void store(const V *value, void *to, lk_precision type, size_t at) {
#if LANES == 16
    lk__store16((const lk__v16 *)value, to, type, at, LANES);
#else
    (void)type; /* what has no AVX-512 has no bf16 */
    *(V *)((float *)to + at) = *value;
#endif
}

/* ---- along one axis --------------------------------------------------------------------------------- */

/* Values of d lie ds apart, those of o os apart. B^T: 6 to 6. */
LK__INLINE void input_1d(const V *d, int ds, V *o, int os) {
    V d1 = d[ds], d2 = d[2 * ds], d3 = d[3 * ds], d4 = d[4 * ds];
    V p = d4 - BB * d2, q = A1 * (d3 - BB * d1), r = d4 - AA * d2, s = B1 * (d3 - AA * d1);
    o[0] = AA * BB * d[0] - (AA + BB) * d2 + d4;
    o[os] = p + q;
    o[2 * os] = p - q;
    o[3 * os] = r + s;
    o[4 * os] = r - s;
    o[5 * os] = AA * BB * d1 - (AA + BB) * d3 + d[5 * ds];
}

/* A^T: 6 to 4. */
LK__INLINE void output_1d(const V *m, int ms, V *o, int os) {
    V p = m[ms] + m[2 * ms], q = m[ms] - m[2 * ms], r = m[3 * ms] + m[4 * ms], s = m[3 * ms] - m[4 * ms];
    o[0] = m[0] + p + r;
    o[os] = A1 * q + B1 * s;
    o[2 * os] = AA * p + BB * r;
    o[3 * os] = AA * A1 * q + BB * B1 * s + m[5 * ms];
}

/* A: 4 to 6. */
LK__INLINE void gradient_1d(const V *d, int ds, V *o, int os) {
    V d0 = d[0], d1 = d[ds], d2 = d[2 * ds], d3 = d[3 * ds];
    V p = d0 + AA * d2, q = A1 * (d1 + AA * d3), r = d0 + BB * d2, s = B1 * (d1 + BB * d3);
    o[0] = d0;
    o[os] = p + q;
    o[2 * os] = p - q;
    o[3 * os] = r + s;
    o[4 * os] = r - s;
    o[5 * os] = d3;
}

/* G: 3 to 6. */
LK__INLINE void weight_1d(const V *w, int ws, V *o, int os) {
    V w0 = w[0], w1 = w[ws], w2 = w[2 * ws];
    V p = NA * (w0 + AA * w2), q = NA * A1 * w1, r = NB * (w0 + BB * w2), s = NB * B1 * w1;
    o[0] = N0 * w0;
    o[os] = p + q;
    o[2 * os] = p - q;
    o[3 * os] = r + s;
    o[4 * os] = r - s;
    o[5 * os] = w2;
}

/* G^T: 6 to 3. */
LK__INLINE void weight_back_1d(const V *u, int us, V *o, int os) {
    V p = NA * (u[us] + u[2 * us]), q = NA * A1 * (u[us] - u[2 * us]), r = NB * (u[3 * us] + u[4 * us]),
      s = NB * B1 * (u[3 * us] - u[4 * us]);
    o[0] = N0 * u[0] + p + r;
    o[os] = q + s;
    o[2 * os] = AA * p + BB * r + u[5 * us];
}

/* ---- tiles ------------------------------------------------------------------------------------------ */

/* One tile to the 36 places of to, `stride` values apart. */
LK__INLINE void tile_in(const float *frame, int width, bool patches, void *to, lk_precision type, size_t at,
                        size_t stride) {
    V d[PATCH][PATCH], t[PATCH][PATCH];
    int n = patches ? PATCH : TILE;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) d[i][j] = *(const V *)(frame + (i * width + j) * LANES);
    for (int c = 0; c < n; c++)
        if (patches)
            input_1d(&d[0][c], PATCH, &t[0][c], PATCH);
        else
            gradient_1d(&d[0][c], PATCH, &t[0][c], PATCH);
    for (int r = 0; r < PATCH; r++)
        if (patches)
            input_1d(t[r], 1, d[r], 1);
        else
            gradient_1d(t[r], 1, d[r], 1);
    for (int e = 0; e < P; e++) store(&d[e / PATCH][e % PATCH], to, type, at + (size_t)e * stride);
}

/* Tiles [first, last) of one run, one after the other, `apart` values from each to the next. */
LK__INLINE void tiles_in(const plane *p, bool patches, const float *frame, size_t first, size_t last,
                         void *to, lk_precision type, size_t at, size_t apart, size_t stride) {
    for (size_t t = first; t < last; t++, at += apart) {
        int i = (int)t / p->columns * TILE, j = (int)t % p->columns * TILE;
        tile_in(frame + (i * frame_width(p) + j) * LANES, frame_width(p), patches, to, type, at, stride);
    }
}

/* Compiled for each of the two. */
LK__INLINE void tiles_read(const plane *p, bool patches, const float *frame, size_t first, size_t last,
                           void *to, lk_precision type, size_t at, size_t apart, size_t stride) {
    if (patches)
        tiles_in(p, true, frame, first, last, to, type, at, apart, stride);
    else
        tiles_in(p, false, frame, first, last, to, type, at, apart, stride);
}

/* m (36, chunk, channels) to tiles of y; lanes: rectified and normalised, NULL: as they are. */
LK__INLINE void tile_out(const plane *p, lk_precision type, const float *m, size_t stride, const float *bias,
                         const lk__lanes *lanes, int row, int column, void *to) {
    V d[PATCH][PATCH], t[TILE][PATCH], o[TILE][TILE], add = {0};
    if (bias) add = *(const V *)bias;
    for (int e = 0; e < P; e++) d[e / PATCH][e % PATCH] = *(const V *)(m + (size_t)e * stride);
    for (int c = 0; c < PATCH; c++) output_1d(&d[0][c], PATCH, &t[0][c], PATCH);
    for (int r = 0; r < TILE; r++) output_1d(t[r], 1, o[r], 1);
    for (int r = 0; r < TILE; r++)
        for (int c = 0; c < TILE; c++) {
            if (row + r >= p->h || column + c >= p->w) continue;
            V v = o[r][c] + add;
            if (lanes) {
                v = v * *(const V *)&lanes->scale + *(const V *)&lanes->shift;
                V low = v * *(const V *)&lanes->slope;
                v = (V)(((VI)v & (v > 0)) | ((VI)low & ~(v > 0)));
            }
            store(&v, to, type, (size_t)(((row + r) * p->w + column + c) * LANES));
        }
}

LK__INLINE void tiles_out(const plane *p, lk_precision type, const float *m, const float *bias,
                          const lk__norm *norm, size_t first, size_t count, size_t chunk, void *y) {
    size_t tiles = (size_t)(p->rows * p->columns), channels = p->blocks * LANES;
    size_t run = (size_t)(p->h * p->w * LANES) * lk__type_bytes(type), stride = matrix_apart(chunk, channels);
    for (size_t n = 0; n < count; n++) {
        size_t image = (first + n) / tiles, tile = (first + n) % tiles;
        for (size_t b = 0; b < p->blocks; b++)
            tile_out(p, type, m + n * channels + b * LANES, stride, bias ? bias + b * LANES : NULL,
                     norm ? lk__lanes_of(norm, b) : NULL, (int)tile / p->columns * TILE,
                     (int)tile % p->columns * TILE, (char *)y + (image * p->blocks + b) * run);
    }
}

/* ---- weights ---------------------------------------------------------------------------------------- */

/* Row `row` of u (36, rows, to): LANES kernels at a time, each `stride` floats after the other. */
LK__INLINE void row_in(const float *w, size_t stride, bool turned, size_t rows, size_t row, size_t to,
                       lk_precision type, void *u) {
    for (size_t j = 0; j < to; j += LANES) {
        V g[3][3], t[PATCH][3], o[PATCH][PATCH];
        for (int e = 0; e < 9; e++)
            for (size_t l = 0; l < LANES; l++)
                g[e / 3][e % 3][l] = w[(j + l) * stride + (size_t)(turned ? 8 - e : e)];
        for (int c = 0; c < 3; c++) weight_1d(&g[0][c], 3, &t[0][c], 3);
        for (int r = 0; r < PATCH; r++) weight_1d(t[r], 1, o[r], 1);
        for (int e = 0; e < P; e++)
            store(&o[e / PATCH][e % PATCH], u, type, ((size_t)e * rows + row) * to + j);
    }
}

/* Row c of du (36, c, k) to dw (k, c, 3, 3). */
LK__CLONES static void write_weights(const float *du, size_t rows, size_t row, size_t to, float *dw) {
    for (size_t j = 0; j < to; j += LANES) {
        V u[PATCH][PATCH], t[3][PATCH], g[3][3];
        for (int e = 0; e < P; e++)
            u[e / PATCH][e % PATCH] = *(const V *)(du + ((size_t)e * rows + row) * to + j);
        for (int c = 0; c < PATCH; c++) weight_back_1d(&u[0][c], PATCH, &t[0][c], PATCH);
        for (int r = 0; r < 3; r++) weight_back_1d(t[r], 1, g[r], 1);
        for (int e = 0; e < 9; e++)
            for (size_t l = 0; l < LANES; l++)
                dw[((j + l) * rows + row) * 9 + (size_t)e] = g[e / 3][e % 3][l];
    }
}

/* db (LANES) += the sum over a frame without padding. */
LK__CLONES static void add_frame(const plane *p, const float *frame, float *db) {
    V s = {0};
    for (int i = 0; i < p->h; i++)
        for (int j = 0; j < p->w; j++) s += *(const V *)(frame + (i * frame_width(p) + j) * LANES);
    *(V *)db += s;
}

/* ---- compiled for each type ------------------------------------------------------------------------- */

LK__CLONES static void read_f32(const plane *p, bool patches, const float *frame, size_t first, size_t last,
                                void *to, size_t at, size_t apart, size_t stride) {
    tiles_read(p, patches, frame, first, last, to, F32, at, apart, stride);
}

LK__CLONES static void write_f32(const plane *p, const float *m, const float *bias, const lk__norm *norm,
                                 size_t first, size_t count, size_t chunk, void *y) {
    tiles_out(p, F32, m, bias, norm, first, count, chunk, y);
}

LK__CLONES static void row_in_f32(const float *w, size_t stride, bool turned, size_t rows, size_t row,
                                  size_t to, void *u) {
    row_in(w, stride, turned, rows, row, to, F32, u);
}

#if LANES == 16
LK__BF16 static void read_bf16(const plane *p, bool patches, const float *frame, size_t first, size_t last,
                               void *to, size_t at, size_t apart, size_t stride) {
    tiles_read(p, patches, frame, first, last, to, BF16, at, apart, stride);
}

LK__BF16 static void write_bf16(const plane *p, const float *m, const float *bias, const lk__norm *norm,
                                size_t first, size_t count, size_t chunk, void *y) {
    tiles_out(p, BF16, m, bias, norm, first, count, chunk, y);
}

LK__BF16 static void row_in_bf16(const float *w, size_t stride, bool turned, size_t rows, size_t row,
                                 size_t to, void *u) {
    row_in(w, stride, turned, rows, row, to, BF16, u);
}
#else
#undef read_bf16
#undef write_bf16
#undef row_in_bf16
#define read_bf16 NULL
#define write_bf16 NULL
#define row_in_bf16 NULL
#endif

static const transforms NAME(lanes) = {{[F32] = read_f32, [BF16] = read_bf16},
                                       {[F32] = write_f32, [BF16] = write_bf16},
                                       {[F32] = row_in_f32, [BF16] = row_in_bf16},
                                       write_weights,
                                       add_frame};

#undef V
#undef VI
#undef store
#undef input_1d
#undef output_1d
#undef gradient_1d
#undef weight_1d
#undef weight_back_1d
#undef tile_in
#undef tiles_in
#undef tile_out
#undef tiles_out
#undef row_in
#undef tiles_read
#undef read_f32
#undef read_bf16
#undef write_f32
#undef write_bf16
#undef row_in_f32
#undef row_in_bf16
#undef write_weights
#undef add_frame
#undef NAME
#undef NAME_WITH
#undef NAME_OF
