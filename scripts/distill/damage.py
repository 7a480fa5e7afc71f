"""What happens to a face on its way to the net, on whole batches on the device: a detector that errs, light, things in front
of the face, lens, few pixels, sensor, compression; in this order. The C program's augmentation (src/face/augment.h) does
the same to one photo at a time.

Pictures are (n, 3, h, w), values 0 to 255, float. What needs one setting for many pictures (a kernel, a size) takes part of
the batch, drawn anew each time.
"""
import functools
import math

import torch
import torch.nn.functional as F


@functools.lru_cache(None)
def constant(name, device):
    """A table of this file, on the device: moved there once, since moving makes the device wait."""
    return globals()[name].to(device)


def uniform(n, low, high, like):
    return torch.rand(n, device=like.device) * (high - low) + low


def chance(n, p, like):
    return torch.rand(n, device=like.device) < p


def some(x, share, change):
    """`change` applied in place to a random share of the batch."""
    rows = torch.randperm(len(x), device=x.device)[:int(round(share * len(x)))]
    if len(rows):
        x[rows] = change(x[rows])


def warp(crops, geometry, side, strength=1.0):
    """Aligned squares as a detector finds them, (n, 3, side, side): most are off by a little, some by much; half are
    mirrored; some photos end within the face, and their border is repeated."""
    n, _, h, w = crops.shape
    square, left, top = geometry
    # Most by a deviation of 2 % and 2.5 degrees, one in six by up to 9 %, a scale of 0.8 to 1.25, and 12 degrees.
    far = chance(n, 1 / 6, crops)
    dx, dy = (strength * torch.where(far, uniform(n, -0.09, 0.09, crops), 0.02 * torch.randn(n, device=crops.device))
              for _ in range(2))
    zoom = torch.exp(strength * torch.where(far, uniform(n, -0.22, 0.22, crops),
                                            0.04 * torch.randn(n, device=crops.device)))
    turn = strength * math.pi / 180 * torch.where(far, uniform(n, -12, 12, crops),
                                                  2.5 * torch.randn(n, device=crops.device))
    aspect = torch.exp(strength * 0.03 * torch.randn(n, device=crops.device))
    mirror = torch.where(chance(n, 0.5, crops), -1.0, 1.0).to(crops.device)
    t = (torch.arange(side, device=crops.device) + 0.5) / side - 0.5
    u, v = t[None, None, :], t[None, :, None]
    c, s = (zoom * torch.cos(turn))[:, None, None], (zoom * torch.sin(turn))[:, None, None]
    u = u * mirror[:, None, None]
    x = 0.5 + dx[:, None, None] + aspect[:, None, None] * (c * u - s * v)
    y = 0.5 + dy[:, None, None] + (s * u + c * v) / aspect[:, None, None]
    # The photo's ends, in shares of the square: 1 in 4 lies within it or close to it, on some sides.
    ends = torch.where(chance((4, n), 0.12 * strength, crops), uniform((4, n), -0.02, 0.15, crops),
                       torch.full((4, n), -1.0, device=crops.device))[..., None, None]
    x = torch.minimum(torch.maximum(x, ends[0]), 1 - ends[1])
    y = torch.minimum(torch.maximum(y, ends[2]), 1 - ends[3])
    grid = torch.stack((2 * (left + square * x) / w - 1, 2 * (top + square * y) / h - 1), -1)
    return F.grid_sample(crops.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


LUMINANCE = torch.tensor([0.299, 0.587, 0.114])


def without_colour(x):
    return (x * constant("LUMINANCE", x.device)[:, None, None]).sum(1, keepdim=True).expand_as(x)


def light(x, grey=0.45):
    """Exposure, contrast, gamma, colour of the light, a light from one side; `grey`: share without colour."""
    n, _, h, w = x.shape
    one = (n, 1, 1, 1)
    change = chance(one, 0.6, x).float()
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * torch.exp(change * 0.25 * torch.randn(one, device=x.device)) + mean
    x = x * torch.exp(change * 0.25 * torch.randn(one, device=x.device))
    x = x * torch.exp(0.07 * torch.randn((n, 3, 1, 1), device=x.device))
    x = 255 * (x.clamp(0, 255) / 255 + 1e-4) ** torch.exp(change * 0.25 * torch.randn(one, device=x.device))
    angle = uniform(one, 0, 2 * math.pi, x)
    across = torch.linspace(-1, 1, w, device=x.device) * torch.cos(angle)
    down = torch.linspace(-1, 1, h, device=x.device)[:, None] * torch.sin(angle)
    x = x * torch.exp(chance(one, 0.3, x) * uniform(one, 0, 0.9, x) * (across + down))
    # Without colour: of luminance, of one channel more than the others; or half of the colour.
    weight = constant("LUMINANCE", x.device) * torch.exp(0.5 * torch.randn((n, 3), device=x.device))
    plain = (x * (weight / weight.sum(1, keepdim=True))[:, :, None, None]).sum(1, keepdim=True)
    keep = torch.where(chance(one, grey, x), torch.zeros_like(angle), uniform(one, 0.3, 1.3, x).clamp(max=1.0))
    return (plain + keep * (x - plain)).clamp(0, 255)


def cover(x):
    """A box somewhere on 9 %, dark glasses on 8 %, something over the mouth on 4 %."""
    n, _, h, w = x.shape
    one = (n, 1, 1, 1)
    u = ((torch.arange(w, device=x.device) + 0.5) / w)[None, None, None, :]
    v = ((torch.arange(h, device=x.device) + 0.5) / h)[None, None, :, None]
    area, aspect = uniform(one, 0.02, 0.15, x), torch.exp(uniform(one, -0.9, 0.9, x))
    box = ((u - uniform(one, 0, 1, x)).abs() < (area * aspect).sqrt() / 2) & \
          ((v - uniform(one, 0, 1, x)).abs() < (area / aspect).sqrt() / 2) & chance(one, 0.09, x)
    x = torch.where(box, uniform((n, 3, 1, 1), 0, 255, x), x)
    middle, apart = uniform(one, 0.46, 0.54, x), uniform(one, 0.15, 0.21, x)
    dx, dy = (u - middle).abs() - apart, (v - uniform(one, 0.34, 0.44, x)) / uniform(one, 0.06, 0.11, x)
    lens = (dx / (apart * uniform(one, 0.72, 0.95, x))) ** 4 + dy ** 4 < 1
    glasses = (lens | ((dx < 0) & ((dy + 0.5).abs() < 0.2))) & chance(one, 0.08, x)
    opacity = uniform(one, 0.75, 1, x)
    x = torch.where(glasses, x + opacity * (uniform(one, 0, 60, x) * uniform((n, 3, 1, 1), 0.5, 1, x) - x), x)
    mask = (v > uniform(one, 0.6, 0.72, x)) & ((u - 0.5).abs() < uniform(one, 0.3, 0.5, x)) & chance(one, 0.04, x)
    return torch.where(mask, uniform((n, 3, 1, 1), 0, 255, x), x)


def convolve(x, kernel):
    """kernel (kh, kw), the same for all planes."""
    n, c, h, w = x.shape
    kh, kw = kernel.shape
    planes = F.pad(x.reshape(n * c, 1, h, w), (kw // 2, kw // 2, kh // 2, kh // 2), mode="replicate")
    return F.conv2d(planes, kernel[None, None]).reshape(n, c, h, w)


def blur(x):
    sigma = float(torch.rand(()) * 2.2 + 0.4)
    radius = math.ceil(2.5 * sigma)
    t = torch.arange(-radius, radius + 1, device=x.device).float()
    k = torch.exp(-0.5 * (t / sigma) ** 2)
    k = k / k.sum()
    return convolve(convolve(x, k[None, :]), k[:, None])


def motion(x):
    length, angle = float(torch.rand(()) * 6 + 3), float(torch.rand(()) * math.pi)
    t = torch.arange(-4, 5, device=x.device).float()
    along = t[None, :] * math.cos(angle) + t[:, None] * math.sin(angle)
    across = t[:, None] * math.cos(angle) - t[None, :] * math.sin(angle)
    k = torch.exp(-0.5 * (across / 0.6) ** 2) * (along.abs() <= length / 2)
    return convolve(x, k / k.sum())


def noise(x):
    return x + torch.randn_like(x) * uniform((len(x), 1, 1, 1), 1, 13, x)


DCT = torch.tensor([[(0.5 if k else 0.125 ** 0.5) * math.cos((2 * i + 1) * k * math.pi / 16) for i in range(8)]
                    for k in range(8)])
# Annex K of the JPEG standard (ITU-T T.81).
LUMA = torch.tensor([[16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
                     [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
                     [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
                     [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]]).float()
CHROMA = torch.full((8, 8), 99.0)
CHROMA[:4, :4] = torch.tensor([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]).float()


def jpeg(x, low=12, high=70):
    """As a JPEG of a quality between low and high, one for all, would show it; colours at half the resolution."""
    n, _, h, w = x.shape
    quality = float(torch.rand(()) * (high - low) + low)
    scale = (5000 / quality if quality < 50 else 200 - 2 * quality) / 100
    d = constant("DCT", x.device)
    r, g, b = x.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b

    def code(plane, table):
        ph, pw = plane.shape[1:]
        table = (constant(table, x.device) * scale).clamp(1, 255)
        p = F.pad(plane[:, None], (0, -pw % 8, 0, -ph % 8), mode="replicate")[:, 0] - 128
        H, W = p.shape[1:]
        blocks = p.reshape(n, H // 8, 8, W // 8, 8).transpose(2, 3)
        f = torch.round(d @ blocks @ d.T / table) * table
        return ((d.T @ f @ d).transpose(2, 3).reshape(n, H, W) + 128)[:, :ph, :pw]

    def half(plane):
        small = F.avg_pool2d(F.pad(plane[:, None], (0, w % 2, 0, h % 2), mode="replicate"), 2)[:, 0]
        return F.interpolate(code(small, "CHROMA")[:, None], scale_factor=2, mode="nearest")[:, 0, :h, :w] - 128

    cb, cr = half((b - y) / 1.772 + 128), half((r - y) / 1.402 + 128)
    y = code(y, "LUMA")
    return torch.stack((y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb), 1).clamp(0, 255)


def resize(x, size, mode="bilinear"):
    return F.interpolate(x, (size, size), mode=mode, align_corners=False, antialias=size < x.shape[3])


def small(x, lowest=14, highest=64):
    """Few pixels, grown back; half of the time noise and a JPEG at that size, where they happen."""
    side = x.shape[3]
    size = round(lowest * (highest / lowest) ** float(torch.rand(())))
    y = resize(x, size)
    if torch.rand(()) < 0.5:
        y = jpeg(noise(y).clamp(0, 255), 30, 90)
    return resize(y, side, "bicubic" if torch.rand(()) < 0.5 else "bilinear").clamp(0, 255)


@torch.no_grad()
def damage(crops, geometry, side):
    """Crops (n, 3, h, w) uint8 to what a net is given, (n, 3, side, side) in [-1, 1]."""
    x = warp(crops, geometry, side)
    x = cover(light(x))
    for _ in range(2):
        some(x, 0.07, blur)
    some(x, 0.05, motion)
    for _ in range(4):
        some(x, 0.06, small)
    some(x, 0.2, noise)
    for _ in range(2):
        some(x, 0.1, jpeg)
    return to_net(x)


def to_net(x):
    """Bytes, as a photo has them, to the net's numbers."""
    return (x.clamp(0, 255).round() - 127.5) / 127.5
