#!/bin/bash
# infer.sh: vectors of photos (forward only, f32) beside PyTorch with batch norms folded and the graph frozen; and the
# time that one photo takes on one core, with its mirror image as in use, which for the peer is a batch of two.
. "$(dirname "$0")/compare.bash"
header
for net in ${NETS:-small mobilefacenet}; do
    measure "$net" infer infer 64 64 "$cores"
    row "infer $net batch 64" photos/s 1 "$ours" "$peer"
    measure "$net" infer infer 1 1 1
    row "infer $net batch 1 on one core" photos/s 1 "$ours" "$peer"
done
measure face embed infer 1 2 1
awk -v OFS='\t' -v a="$ours" -v b="$peer" 'BEGIN {
    print "embed one photo and its mirror image, face, one core", sprintf("%.2f", 1000 / a),
          sprintf("%.2f", 2000 / b), "ms", sprintf("%.2f", 2 * a / b), "10 ms" }'
