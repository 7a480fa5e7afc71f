#!/bin/bash
# train.sh: a training step (forward, batch-hard triplets, backward, AdamW; f32, batch 64, all cores) beside PyTorch.
. "$(dirname "$0")/compare.bash"
header
for net in ${NETS:-small mobilefacenet}; do
    measure "$net" train train 64 64 "$cores"
    row "train $net" photos/s 1 "$ours" "$peer"
done
