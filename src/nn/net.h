/* net.h: a net is a list of layers, written as text; the weights that belong to it; and a plan that runs it.
 *
 *   text -> lk__spec (checked list of layers) -> lk__weights (named arrays) -> lk__net (buffers and kernels
 * for one batch size, forward only or forward and backward)
 *
 * Text: one layer a line (or between ';'), `name [out] [key value]...`. All layers: docs/formats.md. */
#ifndef LK_NET_H
#define LK_NET_H

#include "base/base.h"
#include "likeness/train.h"
#include "base/safetensors.h"

typedef enum lk__kind {
    LK__CONV,
    LK__DWCONV,
    LK__GDCONV,
    LK__BATCHNORM,
    LK__PRELU,
    LK__RELU,
    LK__MAXPOOL,
    LK__AVGPOOL,
    LK__ZEROPAD,
    LK__LINEAR,
    LK__SAVE,
    LK__SWAP,
    LK__ADD,
    LK__OUTPUT,
    LK__L2NORM
} lk__kind;

enum { LK__LAYERS_MAX = 512, LK__OUTPUTS_MAX = 8 };

typedef struct lk__layer {
    lk__kind kind;
    int out, kernel, stride, pad; /* kernel 0: avgpool over the whole plane */
    int channels, bottom, right;  /* zeropad: how many more */
    bool bias;
    int in_c, in_h, in_w; /* filled by the parser */
    int out_c, out_h, out_w;
} lk__layer;

typedef struct lk__spec {
    int c, h, w; /* input */
    int count;
    int dim;     /* numbers that come out: of all outputs */
    int outputs; /* layers `output`, in their order; 0: the net ends in l2norm and is an embedding */
    lk__layer layers[LK__LAYERS_MAX];
} lk__spec;

/* Name of a ready net, or text. FORMAT names the line. */
lk_status lk__spec_parse(const char *text, lk__spec *out, lk_error *err);
/* The same net over an input of another size, as nets that look at whole photos are used. */
lk_status lk__spec_parse_sized(const char *text, int width, int height, lk__spec *out, lk_error *err);
const char *lk__kind_name(lk__kind kind);
/* Multiply-adds of one forward pass of one image, times two. */
double lk__spec_flops(const lk__spec *spec);

/* ---- weights ------------------------------------------------------------------------------------- */

typedef struct lk__param {
    char name[32]; /* "07.conv.weight" */
    int layer, dims;
    int64_t shape[4];
    size_t count;
    float *value, *grad; /* grad NULL in weights made without */
    bool trained;        /* false: running mean and variance */
    bool decay;          /* weight decay is for weights, not for biases, slopes and norms */
} lk__param;

typedef struct lk__weights {
    int count;
    lk__param *items;
    float *values, *grads; /* one block each; params lie in order */
    size_t total;
} lk__weights;

lk_status lk__weights_new(const lk__spec *spec, bool with_grad, lk__weights *out, lk_error *err);
void lk__weights_free(lk__weights *weights);
/* He et al. 2015 for what PReLU follows; norms 1 and 0; slopes 0.25. */
void lk__weights_init(lk__weights *weights, uint64_t seed);
/* Copy by name from a file's tensors; MISMATCH names the first that is absent
 * or of another shape. */
lk_status lk__weights_read(lk__weights *weights, const lk__tensors *from, const char *file, lk_error *err);
/* The params as tensors to write, under their names: tensors (weights->count), which point into the weights.
 */
void lk__weights_tensors(const lk__weights *weights, lk__tensor *tensors);
/* Take over another net's weights. Where only the size of a gdconv differs (a net of the same layers at
 * another input size) its kernels are resampled; MISMATCH otherwise. */
lk_status lk__weights_adopt(lk__weights *weights, const lk__weights *from, const char *file, lk_error *err);
/* The param of layer `layer` whose name ends in `.what`, NULL if there is none. */
lk__param *lk__weights_find(const lk__weights *weights, int layer, const char *what);

/* ---- net ----------------------------------------------------------------------------------------- */

typedef struct lk__net lk__net;
typedef struct lk__net_options {
    int batch;
    bool training; /* batch statistics, and backward possible */
    lk_precision precision;
    int part_most; /* inference: at most so many images go through the net together; 0: as many as suit it */
    const lk_ranks
        *ranks; /* training: statistics and gradients are those of all ranks' batches; NULL: alone */
} lk__net_options;
/* The weights are kept by reference and must outlive the net. INVALID: a batch or precision that cannot be.
 */
lk_status lk__net_new(const lk__spec *spec, lk__weights *weights, const lk__net_options *options,
                      lk__net **out, lk_error *err);
void lk__net_free(lk__net *net);
/* (batch, c, h, w): to be filled before forward. */
float *lk__net_input(lk__net *net);
/* Take the weights as they are now; then run. Returns (batch, dim), valid until the next forward; of a net
 * with outputs each in turn, as (h, w, c). */
void lk__net_load(lk__net *net);
const float *lk__net_forward(lk__net *net);
/* Inference of the first `images` only: (images, dim) of the output are meant. */
const float *lk__net_forward_some(lk__net *net, int images);
/* From gradient (batch, dim) of the loss to every param's grad (overwritten). After forward. With ranks the
 * sums over them have been started (sum_start) when it returns, the first while backward still ran. */
void lk__net_backward(lk__net *net, const float *gradient);

/* Where time goes: one entry a step of the net. */
typedef struct lk__step_cost {
    int layer;                            /* the first it does */
    char what[40];                        /* "conv 3x3 64->128 @56 winograd" */
    double forward, backward;             /* seconds so far; inference: mean of the threads */
    double flops_forward, flops_backward; /* of one batch, as the definition counts them */
    double bytes_forward, bytes_backward; /* of activations read and written, of one batch */
} lk__step_cost;
/* costs has room for LK__LAYERS_MAX; returns how many. */
int lk__net_costs(const lk__net *net, lk__step_cost *costs);

#endif
