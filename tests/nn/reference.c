/* reference.c: the plain definition of every layer. No blocks, no fusing, no threads, no reuse of memory. */
#include "nn/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct plain {
    int n, c, h, w;
    double *at; /* (n, c, h, w) */
} plain;

static plain plain_new(int n, int c, int h, int w) {
    plain p = {n, c, h, w, calloc((size_t)n * (size_t)c * (size_t)h * (size_t)w, sizeof(double))};
    if (!p.at) abort();
    return p;
}

static size_t plain_count(plain p) {
    return (size_t)p.n * (size_t)p.c * (size_t)p.h * (size_t)p.w;
}

static plain plain_copy(plain p) {
    plain copy = plain_new(p.n, p.c, p.h, p.w);
    memcpy(copy.at, p.at, plain_count(p) * sizeof(double));
    return copy;
}

static size_t place_of(plain p, int n, int c, int i, int j) {
    return (((size_t)n * (size_t)p.c + (size_t)c) * (size_t)p.h + (size_t)i) * (size_t)p.w + (size_t)j;
}

static double *param(const reference *r, int layer, const char *what) {
    const lk__param *p = lk__weights_find(r->shapes, layer, what);
    return p ? r->values + (p->value - r->shapes->values) : NULL;
}

/* Of one plane each, y[i,j] += sum over u, v of w[u,v] x[i s + u - pad, j s + v - pad]; outside x is 0. */
static void add_plane(const lk__layer *l, const double *w, plain x, const double *from, plain y, double *to) {
    for (int u = 0; u < l->kernel; u++)
        for (int v = 0; v < l->kernel; v++)
            for (int i = 0; i < y.h; i++) {
                int xi = i * l->stride + u - l->pad;
                if (xi < 0 || xi >= x.h) continue;
                double weight = w[u * l->kernel + v];
                for (int j = 0, xj = v - l->pad; j < y.w && xj < x.w; j++, xj += l->stride)
                    if (xj >= 0) to[i * y.w + j] += weight * from[xi * x.w + xj];
            }
}

/* y[o] = b[o] + sum over c of w[o,c] * x[c]. */
static void conv(const lk__layer *l, const double *w, const double *bias, plain x, plain y) {
    int kk = l->kernel * l->kernel;
    for (int n = 0; n < y.n; n++)
        for (int o = 0; o < y.c; o++) {
            double *to = y.at + place_of(y, n, o, 0, 0);
            for (int i = 0; i < y.h * y.w; i++) to[i] = bias ? bias[o] : 0;
            for (int c = 0; c < x.c; c++)
                add_plane(l, w + (o * x.c + c) * kk, x, x.at + place_of(x, n, c, 0, 0), y, to);
        }
}

/* A convolution for each channel alone: y[c] = w[c] * x[c]. */
static void dwconv(const lk__layer *l, const double *w, plain x, plain y) {
    for (int n = 0; n < y.n; n++)
        for (int c = 0; c < y.c; c++)
            add_plane(l, w + c * l->kernel * l->kernel, x, x.at + place_of(x, n, c, 0, 0), y,
                      y.at + place_of(y, n, c, 0, 0));
}

/* y[c] = sum over the whole plane of w[c] x[c]; w NULL: the mean. */
static void global(const double *w, plain x, plain y) {
    int hw = x.h * x.w;
    for (int n = 0; n < x.n; n++)
        for (int c = 0; c < x.c; c++)
            for (int i = 0; i < hw; i++)
                y.at[n * x.c + c] +=
                    (w ? w[c * hw + i] : 1.0 / hw) * x.at[place_of(x, n, c, 0, 0) + (size_t)i];
}

static void linear(const double *w, const double *bias, plain x, plain y) {
    int in = x.c * x.h * x.w;
    for (int n = 0; n < x.n; n++)
        for (int o = 0; o < y.c; o++) {
            double s = bias ? bias[o] : 0;
            for (int i = 0; i < in; i++)
                s += w[(size_t)o * (size_t)in + (size_t)i] * x.at[(size_t)n * (size_t)in + (size_t)i];
            y.at[n * y.c + o] = s;
        }
}

/* y = g (x - m) / sqrt(v + 1e-5) + b. In training m and v are the batch's own (v divided by the count), and
 * the running ones go a tenth of the way to them (there v is divided by the count less one). */
static void batchnorm(double *g, double *b, double *mean, double *variance, bool training, plain x, plain y) {
    int hw = x.h * x.w;
    double count = (double)x.n * hw;
    for (int c = 0; c < x.c; c++) {
        double m = mean[c], v = variance[c];
        if (training) {
            m = v = 0;
            for (int n = 0; n < x.n; n++)
                for (int i = 0; i < hw; i++) m += x.at[place_of(x, n, c, 0, 0) + (size_t)i] / count;
            for (int n = 0; n < x.n; n++)
                for (int i = 0; i < hw; i++)
                    v += pow(x.at[place_of(x, n, c, 0, 0) + (size_t)i] - m, 2) / count;
            mean[c] = 0.9 * mean[c] + 0.1 * m;
            variance[c] = 0.9 * variance[c] + 0.1 * (count > 1 ? v * count / (count - 1) : v);
        }
        for (int n = 0; n < x.n; n++)
            for (int i = 0; i < hw; i++) {
                size_t at = place_of(x, n, c, 0, 0) + (size_t)i;
                y.at[at] = g[c] * (x.at[at] - m) / sqrt(v + 1e-5) + b[c];
            }
    }
}

/* y = x > 0 ? x : slope[c] x; slope NULL: ReLU. */
static void rectifier(const double *slope, plain x, plain y, double *kink) {
    size_t hw = (size_t)x.h * (size_t)x.w;
    for (size_t i = 0; i < plain_count(x); i++) {
        double a = slope ? slope[i / hw % (size_t)x.c] : 0;
        y.at[i] = x.at[i] > 0 ? x.at[i] : a * x.at[i];
        *kink = fmin(*kink, fabs(x.at[i]));
    }
}

static void maxpool(const lk__layer *l, plain x, plain y, double *kink) {
    for (int n = 0; n < y.n; n++)
        for (int c = 0; c < y.c; c++)
            for (int i = 0; i < y.h; i++)
                for (int j = 0; j < y.w; j++) {
                    double best = -INFINITY, second = -INFINITY;
                    for (int u = 0; u < l->kernel; u++)
                        for (int v = 0; v < l->kernel; v++) {
                            int xi = i * l->stride + u - l->pad, xj = j * l->stride + v - l->pad;
                            if (xi < 0 || xi >= x.h || xj < 0 || xj >= x.w) continue;
                            double value = x.at[place_of(x, n, c, xi, xj)];
                            second = fmax(second, fmin(value, best));
                            best = fmax(best, value);
                        }
                    y.at[place_of(y, n, c, i, j)] = best;
                    *kink = fmin(*kink, best - second);
                }
}

/* The mean of each window. */
static void avgpool(const lk__layer *l, plain x, plain y) {
    for (int n = 0; n < y.n; n++)
        for (int c = 0; c < y.c; c++)
            for (int i = 0; i < y.h; i++)
                for (int j = 0; j < y.w; j++)
                    for (int u = 0; u < l->kernel; u++)
                        for (int v = 0; v < l->kernel; v++)
                            y.at[place_of(y, n, c, i, j)] +=
                                x.at[place_of(x, n, c, i * l->stride + u, j * l->stride + v)] /
                                (l->kernel * l->kernel);
}

/* x in the corner of zeros. */
static void zeropad(plain x, plain y) {
    for (int n = 0; n < x.n; n++)
        for (int c = 0; c < x.c; c++)
            for (int i = 0; i < x.h; i++)
                for (int j = 0; j < x.w; j++) y.at[place_of(y, n, c, i, j)] = x.at[place_of(x, n, c, i, j)];
}

static void l2norm(plain x, plain y) {
    for (int n = 0; n < x.n; n++) {
        double s = 0;
        for (int c = 0; c < x.c; c++) s += x.at[n * x.c + c] * x.at[n * x.c + c];
        for (int c = 0; c < x.c; c++) y.at[n * x.c + c] = x.at[n * x.c + c] / fmax(sqrt(s), 1e-12);
    }
}

static void add(plain x, plain residual, plain y) {
    for (size_t i = 0; i < plain_count(x); i++) y.at[i] = x.at[i] + residual.at[i];
}

/* (h, w, c) of each image, at its place among all outputs. */
static void hand_out(const lk__spec *s, plain x, size_t at, double *output) {
    for (int n = 0; n < x.n; n++)
        for (int i = 0; i < x.h * x.w; i++)
            for (int c = 0; c < x.c; c++)
                output[(size_t)n * (size_t)s->dim + at + (size_t)(i * x.c + c)] =
                    x.at[place_of(x, n, c, 0, 0) + (size_t)i];
}

void reference_forward(reference *r, const double *input, int batch, bool training, double *output) {
    const lk__spec *s = r->spec;
    plain now = plain_new(batch, s->c, s->h, s->w), stack[16];
    int depth = 0;
    size_t handed_out = 0;
    memcpy(now.at, input, plain_count(now) * sizeof(double));
    r->kink = INFINITY;
    for (int i = 0; i < s->count; i++) {
        const lk__layer *l = &s->layers[i];
        plain x = now, y = plain_new(batch, l->out_c, l->out_h, l->out_w);
        double *w = param(r, i, "weight"), *bias = param(r, i, "bias");
        switch (l->kind) {
        case LK__CONV: conv(l, w, bias, x, y); break;
        case LK__DWCONV: dwconv(l, w, x, y); break;
        case LK__GDCONV: global(w, x, y); break;
        case LK__AVGPOOL:
            if (l->kernel)
                avgpool(l, x, y);
            else
                global(NULL, x, y);
            break;
        case LK__ZEROPAD: zeropad(x, y); break;
        case LK__LINEAR: linear(w, bias, x, y); break;
        case LK__BATCHNORM:
            batchnorm(w, bias, param(r, i, "mean"), param(r, i, "variance"), training, x, y);
            break;
        case LK__PRELU: rectifier(param(r, i, "slope"), x, y, &r->kink); break;
        case LK__RELU: rectifier(NULL, x, y, &r->kink); break;
        case LK__MAXPOOL: maxpool(l, x, y, &r->kink); break;
        case LK__L2NORM: l2norm(x, y); break;
        case LK__SAVE:
            stack[depth++] = plain_copy(x);
            memcpy(y.at, x.at, plain_count(x) * sizeof(double));
            break;
        case LK__SWAP: {
            plain top = stack[depth - 1];
            stack[depth - 1] = plain_copy(x);
            free(y.at);
            y = top;
            break;
        }
        case LK__ADD:
            add(x, stack[--depth], y);
            free(stack[depth].at);
            break;
        case LK__OUTPUT:
            hand_out(s, x, handed_out, output);
            handed_out += plain_count(x) / (size_t)batch;
            if (depth > 0) {
                free(y.at);
                y = stack[--depth];
            }
            break;
        }
        free(x.at);
        now = y;
    }
    if (!s->outputs) memcpy(output, now.at, plain_count(now) * sizeof(double));
    free(now.at);
}
