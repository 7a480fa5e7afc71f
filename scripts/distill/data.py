"""Bundles of aligned crops: all photos of a training run in a few files, made once (pack.py), decoded once.

A bundle is two files, NAME.bin and NAME.npz. NAME.bin holds WebP pictures of one size, one after another; NAME.npz arrays
with one element a picture, in that order:

    offset    int64, one more than pictures: picture i is bytes offset[i] to offset[i + 1] of NAME.bin
    person    int32, whom it shows, an index into `people`; -1: not known
    source    uint8, which folder it came from, an index into `sources`
    role      uint8: 0 to train on; 1 of a person kept out for validation; 2 of a person kept out to compare frontal
              photos with profiles
    profile   uint8: 1 for a photo from the side (known for role 2 only)

and for all of them: `sources` and `people` (names; people of one name in several bundles are one), `photos` (names of the pictures' files, joined by
newlines), `geometry` (side, left, top): the aligned square, as docs/formats.md has it, covers the pixels from (left, top)
to (left + side, top + side) of a picture. More is stored below it than above: the teacher looks further down.
"""
import concurrent.futures
import glob
import io
import os

import numpy as np
import torch

TRAIN, VALIDATION, PROFILE = 0, 1, 2


def decode(blob):
    """RGB (h, w, 3)."""
    try:
        import cv2
        return np.ascontiguousarray(cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1])
    except ImportError:
        from PIL import Image
        return np.asarray(Image.open(io.BytesIO(blob)).convert("RGB"))


def renumber(names, known):
    """Places in `known`, which grows, of a bundle's names; the last element is for -1."""
    place = {name: i for i, name in enumerate(known)}
    for name in map(str, names):
        if name not in place:
            place[name] = len(known)
            known.append(name)
    return np.array([place[str(name)] for name in names] + [-1], np.int64)


class Crops:
    """All pictures of the bundles in a folder, on the device: pixels (n, 3, h, w) uint8, and their arrays."""

    def __init__(self, folder, device, limit=None):
        names = sorted(glob.glob(os.path.join(folder, "*.bin")))
        if not names:
            raise FileNotFoundError(f"{folder}: no bundle (NAME.bin and NAME.npz) in it")
        parts = {k: [] for k in ("person", "source", "role", "profile")}
        blobs, self.photos, self.people, self.sources = [], [], [], []
        for name in names:
            index, data = np.load(name[:-4] + ".npz"), open(name, "rb").read()
            offset = index["offset"]
            rows = np.arange(len(offset) - 1)
            if limit is not None:  # spread over the bundle, which has the people kept out first
                rows = rows[::max(1, len(rows) // limit)]
            blobs += [data[offset[i]:offset[i + 1]] for i in rows]
            own = {"person": renumber(index["people"], self.people), "source": renumber(index["sources"], self.sources)}
            for key in parts:
                values = index[key][rows].astype(np.int64)
                parts[key].append(own[key][values] if key in own else values)
            photos = index["photos"].item().split("\n")
            self.photos += [photos[i] for i in rows]
            self.geometry = tuple(int(v) for v in index["geometry"])
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            pixels = np.stack(list(pool.map(decode, blobs)))
        self.pixels = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).contiguous()
        for key in parts:
            setattr(self, key, torch.from_numpy(np.concatenate(parts[key])).to(device))

    def __len__(self):
        return len(self.pixels)

    def where(self, role):
        return (self.role == role).nonzero().flatten()

    def validation(self, most=20):
        """Rows of people kept out, of nobody more than `most`: pairs grow with the square of a person's photos."""
        rows, seen, out = self.where(VALIDATION), {}, []
        for row, person in zip(rows.tolist(), self.person[rows].tolist()):
            seen[person] = seen.get(person, 0) + 1
            if seen[person] <= most:
                out.append(row)
        return torch.tensor(out, dtype=torch.int64, device=rows.device)

    def square(self, rows):
        """The aligned squares (n, 3, side, side), values 0 to 255, float."""
        side, left, top = self.geometry
        return self.pixels[rows, :, top:top + side, left:left + side].float()
