# What the program writes opens elsewhere as it is: vectors in numpy, models in a few lines of Python, or in safetensors
# where that is installed. Skipped without numpy.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import numpy' 2>/dev/null || { echo 'skipped: needs python3-numpy'; exit 77; }
tiny_world

cat >read.py <<'END'
"""A model as docs/formats.md describes it: (metadata, {name: array}), in the file's order."""
import json
import struct

import numpy as np

TYPES = {"F32": np.float32, "F16": np.float16}


def read(path):
    with open(path, "rb") as f:
        length, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(length)), f.read()
    meta, arrays = header.pop("__metadata__"), {}
    for name, a in header.items():
        begin, end = a["data_offsets"]
        arrays[name] = np.frombuffer(data[begin:end], TYPES[a["dtype"]]).reshape(a["shape"])
    return meta, arrays
END
cat >check.py <<'END'
import hashlib
import json
import re
import sys

import numpy as np
from read import read

model, onnx, vectors, lines = sys.argv[1:]
meta, arrays = read(model)
assert meta["format"] == "likeness-model-1" and meta["net"].startswith("input 3 16 16")
assert arrays["00.conv.weight"].shape == (8, 3, 3, 3), arrays["00.conv.weight"].shape
digest = hashlib.sha256(meta["net"].encode())
for a in arrays.values():
    digest.update(a.astype("<f4").tobytes())
with open(onnx, "rb") as f:
    said = re.search(rb"fingerprint..([0-9a-f]{64})", f.read()).group(1).decode()
assert digest.hexdigest() == said, "other weights than the program sees"

x = np.load(vectors)
rows = [json.loads(line) for line in open(lines)]
assert x.dtype == np.float32 and x.shape == (len(rows), 16) and len(rows) == 24, x.shape
assert np.abs(np.linalg.norm(x, axis=1) - 1).max() < 1e-6
assert np.abs(x - np.array([row["vector"] for row in rows])).max() < 1e-6

try:
    from safetensors.numpy import load_file
except ImportError:
    print("without the package safetensors")
else:
    theirs = load_file(model)
    assert theirs.keys() == arrays.keys() and all((theirs[k] == arrays[k]).all() for k in arrays)
END
run 0 export model.safetensors -o half.safetensors
for model in model half; do
    run 0 export $model.safetensors -o $model.onnx
    run 0 embed $model.safetensors people/*/* --format npy -o $model.npy
    run 0 embed $model.safetensors people/*/* --format json -o $model.json
    command="check.py $model.safetensors"
    /usr/bin/python3 check.py $model.safetensors $model.onnx $model.npy $model.json >out 2>err || fail 'Python disagrees'
done
# The models that are shipped: as many numbers as their cards say.
command='read.py models'
/usr/bin/python3 - "$LK_SOURCE" >out 2>err <<'END' || fail 'Python disagrees'
import sys

from read import read

for name, count in ("face-small", 1440832), ("face-tiny", 295968):
    meta, arrays = read(f"{sys.argv[1]}/models/{name}.safetensors")
    trained = sum(a.size for key, a in arrays.items() if not key.endswith((".mean", ".variance")))
    total = sum(a.size for a in arrays.values())
    print(name, meta["alignment"], trained, total)
    assert count in (trained, total) and meta["alignment"] == "five-points", (trained, total)
END
done_testing
