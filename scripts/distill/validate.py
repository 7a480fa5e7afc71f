"""How well vectors tell people apart whom nobody trained on: on photos as they are, and on the same photos damaged."""
import math

import torch
import torch.nn.functional as F

import damage
from data import PROFILE


def verification(same, apart):
    """{accuracy, threshold, tar at far 1e-2 and 1e-3} from the cosines of all pairs of one person, and of two. Accuracy
    counts both kinds alike, at the threshold that is best for them."""
    if not len(same) or not len(apart):
        return {"accuracy": math.nan, "threshold": math.nan, "tar@0.01": math.nan, "tar@0.001": math.nan}
    same, apart = same.sort().values, apart.sort().values
    right = (1 - torch.searchsorted(same, same).double() / len(same) +
             torch.searchsorted(apart, same).double() / len(apart)) / 2
    best = int(right.argmax())
    out = {"accuracy": float(right[best]), "threshold": float(same[best])}
    for far in (1e-2, 1e-3):
        limit = apart[min(len(apart) - 1, int(len(apart) * (1 - far)))]
        out[f"tar@{far:g}"] = float((same > limit).double().mean())
    return out


def compare(vectors, person, profile=None):
    """All pairs of the photos; with `profile` (n, bool) those of a photo from the front with one from the side."""
    cosine, alike = vectors @ vectors.T, person[:, None] == person[None, :]
    if profile is None:
        wanted = torch.ones_like(alike).triu(1)
    else:
        wanted = ~profile[:, None] & profile[None, :]
    return verification(cosine[alike & wanted], cosine[~alike & wanted])


class Validation:
    """Photos of people kept out, as they are and damaged in ways that never change."""

    def __init__(self, crops, side):
        self.rows, self.front = crops.validation(), crops.where(PROFILE)
        self.person, self.front_person = crops.person[self.rows], crops.person[self.front]
        self.profile = crops.profile[self.front] > 0
        state = torch.get_rng_state()
        cuda = torch.cuda.get_rng_state() if crops.pixels.is_cuda else None
        torch.manual_seed(1)
        clean = crops.square(self.rows)
        if clean.shape[3] != side:
            clean = damage.resize(clean, side)
        off = damage.warp(crops.pixels[self.rows], crops.geometry, side, 1.5)

        def at(size):
            return damage.resize(damage.resize(clean, size), side)
        self.kinds = {"clean": clean, "grey": damage.without_colour(clean), "off": off, "32px": at(32), "24px": at(24), "16px": at(16),
                      "jpeg": damage.jpeg(clean, 10, 10.1), "light": damage.light(clean, 0.0)}
        front = crops.square(self.front)
        self.fronts = damage.resize(front, side) if front.shape[3] != side else front
        self.kinds = {k: v.clamp(0, 255).round().byte() for k, v in self.kinds.items()}
        self.fronts = self.fronts.round().byte()
        torch.set_rng_state(state)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)

    def __call__(self, embed, kinds=None):
        """{kind: figures}; embed: bytes (n, 3, side, side) to unit vectors, mirror images averaged (embedder())."""
        out = {k: compare(embed(v), self.person) for k, v in self.kinds.items() if kinds is None or k in kinds}
        if len(self.front) and (kinds is None or "profile" in kinds):
            out["profile"] = compare(embed(self.fronts), self.front_person, self.profile)
        return out


def embedder(net, part=512):
    """As the C program embeds: the mean of a photo's vector and its mirror image's, scaled to norm 1."""
    @torch.no_grad()
    def embed(photos):
        net.eval()
        out = []
        for x in photos.split(part):
            x = damage.to_net(x.float())
            out.append(F.normalize(net(x) + net(x.flip(3)), dim=1))
        return torch.cat(out)
    return embed


def table(figures):
    """One line a kind: accuracy, TAR at FAR 1e-2 and 1e-3, in per cent."""
    return "  ".join(f"{k} {100 * f['accuracy']:.2f}/{100 * f['tar@0.01']:.1f}/{100 * f['tar@0.001']:.1f}"
                     for k, f in figures.items())
