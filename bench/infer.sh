#!/bin/bash
# infer.sh: vectors of photos, forward only, batch 1 on one core and batch 64 on all. Beside PyTorch: ours in bf16 and
# its best of any precision, ours in f32 and its best in f32. Beside ONNX Runtime, which has no bf16 here, on the same
# net exported: both of ours. And the time that one photo takes on one core, with its mirror image as in use, which
# for the peer is a batch of two.
seconds=3
. "$(dirname "$0")/compare.bash"

# Make $scratch/net.onnx of a net with random weights.
export_net() { # NET
    build/release/bench_net "$1" model "$scratch/net.safetensors" &&
        build/release/likeness export "$scratch/net.safetensors" -o "$scratch/net.onnx"
}

header
for net in ${NETS:-small vgg resnet mobilefacenet}; do
    export_net "$net" >&2 || echo "$net could not be exported, so there is nothing for ONNX Runtime to run" >&2
    for batch in 1 64; do
        threads=$((batch == 1 ? 1 : cores))
        begin "$net" "$threads"
        side ours_f32 ours infer "$batch" "$seconds"
        side torch_f32_contiguous torch infer "$batch" "$seconds" jit
        side torch_f32_channels_last torch infer "$batch" "$seconds" channels_last jit
        side ours_bf16 ours infer "$batch" "$seconds" bf16
        side torch_bf16_contiguous torch infer "$batch" "$seconds" bf16 jit
        side torch_bf16_channels_last torch infer "$batch" "$seconds" channels_last bf16 jit
        side ort ort "$batch" "$seconds" "$threads"
        play "infer $net, batch $batch"
        f32=$(median ours_f32) bf16=$(median ours_bf16) runtime=$(median ort)
        row "infer $net batch $batch" photos/s 2 "$bf16" "$(best torch_)"
        row "infer $net batch $batch f32" photos/s 1 "$f32" "$(best torch_f32)"
        row "infer $net batch $batch f32 against ONNX Runtime" photos/s 1.3 "$f32" "$runtime"
        row "infer $net batch $batch against ONNX Runtime" photos/s 1.3 "$bf16" "$runtime"
    done
done

begin face 1
side ours ours embed 1 "$seconds"
side torch_contiguous torch infer 2 "$seconds" jit
side torch_channels_last torch infer 2 "$seconds" channels_last jit
play "embed one photo and its mirror image"
milliseconds() { awk -v rate="$1" -v photos="$2" 'BEGIN { print rate == "-" ? rate : 1000 * photos / rate }'; }
row_less "embed one photo and its mirror image, face, one core" ms "10 ms" \
    "$(milliseconds "$(median ours)" 1)" "$(milliseconds "$(best torch_)" 2)"
