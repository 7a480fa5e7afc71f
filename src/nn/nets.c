/* nets.c: the ready nets, as anyone could write them (format: nn/net.h, docs/formats.md). */
#include "likeness/train.h"

#include <string.h>

/* Laid out by hand: clang-format takes macros that are strings for statements. */
/* clang-format off */

/* A 3x3 convolution, batch norm, PReLU; S is the stride. */
#define CONV3(O, S) "conv " O " kernel 3 stride " S " pad 1\nbatchnorm\nprelu\n"

/* Residual blocks of two 3x3 convolutions (He et al. 2016): one keeps its shape, one shrinks beside a strided 1x1. */
#define KEEP(O) "save\n" CONV3(O, "1") "conv " O " kernel 3 pad 1\nbatchnorm\nadd\nprelu\n"
#define SHRINK(O) \
    "save\n" CONV3(O, "2") "conv " O " kernel 3 pad 1\nbatchnorm\n" \
    "swap\nconv " O " kernel 1 stride 2\nbatchnorm\nadd\nprelu\n"

/* Bottlenecks of MobileFaceNet: expand to E channels, depthwise 3x3, project to O without activation
 * (Chen et al. 2018, table 1; Sandler et al. 2018). */
#define EXPAND(E, S) \
    "conv " E " kernel 1\nbatchnorm\nprelu\n" \
    "dwconv kernel 3 stride " S " pad 1\nbatchnorm\nprelu\n"
#define DOWN(E, O) EXPAND(E, "2") "conv " O " kernel 1\nbatchnorm\n"
#define SAME(E, O) "save\n" EXPAND(E, "1") "conv " O " kernel 1\nbatchnorm\nadd\n"

/* Each place of the last activation has a weight of its own, then 128 numbers of norm 1. */
#define EMBED "gdconv\nbatchnorm\nlinear 128\nbatchnorm\nl2norm\n"

#define PLAIN \
    CONV3("32", "2") CONV3("64", "2") KEEP("64") \
    CONV3("128", "2") KEEP("128") KEEP("128") \
    CONV3("256", "2") EMBED

/* A depthwise separable convolution (Howard et al. 2017) beside a shortcut. */
#define SHORTCUT(O) \
    "save\ndwconv kernel 3 pad 1\nbatchnorm\nprelu\nconv " O " kernel 1\nbatchnorm\nadd\nprelu\n"
/* What a detector says of each cell of one scale: face/detect.h. */
#define CELLS "dwconv kernel 3 pad 1\nbatchnorm\nprelu\nconv 16 kernel 1 bias\noutput\n"

/* dlib's residual blocks: rectifiers, biases (its affine layers, folded), and no padding where they shrink. Shortcuts
 * have no weights: what they lack in channels is zero, and so is the last row and column of EDGE. */
#define DLIB_KEEP(O) "save\nconv " O " kernel 3 pad 1 bias\nrelu\nconv " O " kernel 3 pad 1 bias\nadd\nrelu\n"
#define DLIB_DOWN(O, MORE, EDGE) \
    "save\nconv " O " kernel 3 stride 2 bias\nrelu\nconv " O " kernel 3 pad 1 bias\n" EDGE \
    "swap\navgpool kernel 2 stride 2\n" MORE "add\nrelu\n"
#define DLIB_EDGE "zeropad bottom 1 right 1\n"

#define VGG(O) "conv " O " kernel 3 pad 1 bias\nrelu\nmaxpool kernel 2 stride 2\n"

static const struct {
    const char *name, *text;
} nets[] = {
    /* The same layers at two sizes, so that one can be trained small and fast, then go on large (--init): plain 3x3
     * convolutions, which train at twice the speed per FLOP of depthwise ones. 1.1M parameters; 0.14 and 0.44 GFLOP. */
    {"small", "input 3 64 64\n" PLAIN},
    {"face", "input 3 112 112\n" PLAIN},
    /* The shipped models: the same kind of net, deeper where the face is small (28 and 14 pixels), with a wide 1x1
     * convolution before the last step. 1.44M and 0.30M parameters; 0.66 and 0.14 GFLOP. */
    {"face-small", "input 3 112 112\n" CONV3("32", "2") CONV3("64", "2") KEEP("64") KEEP("64")
     CONV3("128", "2") KEEP("128") KEEP("128") KEEP("128") CONV3("128", "2") "conv 512 kernel 1\nbatchnorm\nprelu\n" EMBED},
    {"face-tiny", "input 3 112 112\n" CONV3("16", "2") CONV3("32", "2") KEEP("32") KEEP("32")
     CONV3("64", "2") KEEP("64") KEEP("64") CONV3("64", "2") "conv 192 kernel 1\nbatchnorm\nprelu\n" EMBED},
    /* MobileFaceNet (Chen et al. 2018): 1M parameters, 0.44 GFLOP. */
    {"mobilefacenet",
     "input 3 112 112\n" CONV3("64", "2") "dwconv kernel 3 pad 1\nbatchnorm\nprelu\n"
     DOWN("128", "64") SAME("128", "64") SAME("128", "64") SAME("128", "64") SAME("128", "64")
     DOWN("256", "128") SAME("256", "128") SAME("256", "128") SAME("256", "128")
     SAME("256", "128") SAME("256", "128") SAME("256", "128")
     DOWN("512", "128") SAME("256", "128") SAME("256", "128")
     "conv 512 kernel 1\nbatchnorm\nprelu\n" EMBED},
    /* A larger residual net: 7.7M parameters, 1.39 GFLOP. */
    {"resnet", "input 3 112 96\n" CONV3("64", "1") SHRINK("64") SHRINK("128") SHRINK("256") SHRINK("512")
               "linear 128 bias\nl2norm\n"},
    /* Finds faces of about 10 to 80 pixels, at strides 8 and 16, in a canvas of any size that holds a photo at several
     * scales (face/detect.h). 0.2M parameters; 1.3 GFLOP for a photo of 640x480. */
    {"detect",
     "input 3 160 160\n" CONV3("16", "2") CONV3("32", "2") SHORTCUT("32")
     CONV3("64", "2") SHORTCUT("64") SHORTCUT("64") SHORTCUT("64") SHORTCUT("64") "save\n" CELLS
     CONV3("128", "2") SHORTCUT("128") SHORTCUT("128") SHORTCUT("128") SHORTCUT("128") CELLS},
    /* Looks again at a face that was found, and says where its points are (face/points.c). 0.06M parameters, 8 MFLOP. */
    {"points",
     "input 3 64 64\n" CONV3("16", "2") CONV3("32", "2") SHORTCUT("32") CONV3("64", "2") SHORTCUT("64") SHORTCUT("64")
     "conv 32 kernel 1\nbatchnorm\nprelu\nlinear 10 bias\noutput\n"},
    /* dlib's face recognition ResNet (Davis King, 2017), for the weights of `likeness import`. 5.58M parameters,
     * 0.53 GFLOP. */
    {"dlib-resnet",
     "input 3 150 150\nconv 32 kernel 7 stride 2 bias\nrelu\nmaxpool kernel 3 stride 2\n"
     DLIB_KEEP("32") DLIB_KEEP("32") DLIB_KEEP("32")
     DLIB_DOWN("64", "zeropad channels 32\n", "") DLIB_KEEP("64") DLIB_KEEP("64") DLIB_KEEP("64")
     DLIB_DOWN("128", "zeropad channels 64\n", "") DLIB_KEEP("128") DLIB_KEEP("128")
     DLIB_DOWN("256", "zeropad channels 128\n", DLIB_EDGE) DLIB_KEEP("256") DLIB_KEEP("256")
     DLIB_DOWN("256", "", DLIB_EDGE) "avgpool\nlinear 128\nl2norm\n"},
    /* VGG-like without norms (Simonyan & Zisserman 2015): the classic small net to compare speed with. 0.14 GFLOP. */
    {"vgg", "input 3 64 64\n" VGG("32") VGG("64") VGG("128") VGG("256") VGG("256") "linear 128 bias\nl2norm\n"},
};

/* clang-format on */

const char *lk_net_name(size_t i) {
    return i < sizeof nets / sizeof *nets ? nets[i].name : NULL;
}

const char *lk_net_text(const char *name) {
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (strcmp(nets[i].name, name) == 0) return nets[i].text;
    return NULL;
}
