"""The teacher: dlib's face recognition ResNet (Davis King, 2017; a ResNet-34 with fewer layers and half the filters), as
the package @vladmandic/face-api (MIT) ships it for browsers: weights in 8 bits each, with a manifest.

`npm pack @vladmandic/face-api` and unpack: its folder `model` holds the two files that Teacher() reads. They are not part
of this project. What it computes was compared with the package's own output (distill/check.py).

Its vectors (128 numbers) are no unit vectors; two photos closer than 0.6 (L2) show one person, says its author.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

SIDE = 150  # pixels of its input
MEAN = (122.782, 117.001, 104.298)  # of red, green, blue
STAGES = ("conv32_1 conv32_2 conv32_3 conv64_down conv64_1 conv64_2 conv64_3 conv128_down conv128_1 conv128_2 "
          "conv256_down conv256_1 conv256_2 conv256_down_out").split()


class Teacher:
    def __init__(self, folder, device="cpu", dtype=torch.float32):
        self.device, self.dtype, self.w = device, dtype, {}
        with open(os.path.join(folder, "face_recognition_model-weights_manifest.json")) as f:
            groups = json.load(f)
        for group in groups:
            data = b"".join(open(os.path.join(folder, path), "rb").read() for path in group["paths"])
            at = 0
            for entry in group["weights"]:
                count, q = int(np.prod(entry["shape"])), entry.get("quantization")
                if q and q["dtype"] != "uint8":
                    raise ValueError(f"{entry['name']}: quantised as {q['dtype']}, uint8 expected")
                raw = np.frombuffer(data, np.uint8 if q else "<f4", count, at)
                values = raw.astype(np.float32) * q["scale"] + q["min"] if q else raw.copy()
                self.w[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
                at += raw.nbytes
        self.fuse()

    def fuse(self):
        """Bias and the affine layer that follows each convolution, into one; (h, w, in, out) to (out, in, h, w)."""
        self.conv = {}
        for name in [n[:-len("/conv/filters")] for n in self.w if n.endswith("/conv/filters")]:
            scale = self.w[name + "/scale/weights"]
            weight = self.w[name + "/conv/filters"].permute(3, 2, 0, 1) * scale[:, None, None, None]
            bias = self.w[name + "/conv/bias"] * scale + self.w[name + "/scale/biases"]
            self.conv[name] = (weight.contiguous().to(self.device, self.dtype), bias.to(self.device, self.dtype))
        self.fc = self.w["fc"].to(self.device, torch.float32)

    def block(self, x, name):
        down = "down" in name
        stride, pad = (2, 0) if down else (1, 1)
        y = F.relu(F.conv2d(x, *self.conv[name + "/conv1"], stride=stride, padding=pad))
        y = F.conv2d(y, *self.conv[name + "/conv2"], padding=1)
        if not down:
            return F.relu(x + y)
        x = F.avg_pool2d(x, 2, 2)
        # The shortcut may be a row and a column larger, and has half the channels: zeros fill up what is missing.
        y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu(y + F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1])))

    @torch.no_grad()
    def __call__(self, photos):
        """Photos (n, 3, 150, 150), values 0 to 255, to vectors (n, 128)."""
        mean = torch.tensor(MEAN, device=photos.device)[:, None, None]
        x = ((photos - mean) / 255).to(self.dtype).contiguous(memory_format=torch.channels_last)
        x = F.relu(F.conv2d(x, *self.conv["conv32_down"], stride=2))
        x = F.max_pool2d(x, 3, 2)
        for name in STAGES:
            x = self.block(x, name)
        return x.float().mean((2, 3)) @ self.fc


def views(crops, geometry, room, dx=0.0, dy=0.0, mirror=False):
    """The teacher's photos (n, 3, 150, 150) from aligned crops (n, 3, h, w), values 0 to 255.

    room: side of its photo in sides of the aligned square; dx, dy: how far its centre lies from the square's, to the
    right and down, in the same unit. geometry: where the square lies in the crops (data.py)."""
    n, _, h, w = crops.shape
    side, left, top = geometry
    t = (torch.arange(SIDE, device=crops.device) + 0.5) / SIDE - 0.5
    x = left + side * (0.5 + dx + room * (t.flip(0) if mirror else t))
    y = top + side * (0.5 + dy + room * t)
    gx, gy = 2 * x / w - 1, 2 * y / h - 1
    grid = torch.stack((gx[None, :].expand(SIDE, SIDE), gy[:, None].expand(SIDE, SIDE)), -1)
    return F.grid_sample(crops.float(), grid[None].expand(n, -1, -1, -1), mode="bilinear", padding_mode="border",
                         align_corners=False)
