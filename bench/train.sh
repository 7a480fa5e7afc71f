#!/bin/bash
# train.sh: a training step (forward, batch-hard triplets, backward, AdamW; batch 64, all cores) beside PyTorch: f32
# beside its best f32, bf16 beside its best of any precision, and the peak of resident memory beside that of its most
# frugal variant of the same precision, as installed among them.
. "$(dirname "$0")/compare.bash"

declare -A goal_f32=([small]=2 [vgg]=2 [resnet]=1.8 [mobilefacenet]=3)
declare -A goal_bf16=([small]=1.4 [vgg]=1.4 [resnet]=2 [mobilefacenet]=3.5)

header
for net in ${NETS:-small vgg resnet mobilefacenet}; do
    begin "$net" "$cores"
    side ours_f32 ours train 64 "$seconds"
    side torch_f32_contiguous torch train 64 "$seconds"
    side torch_f32_channels_last torch train 64 "$seconds" channels_last
    side ours_bf16 ours train 64 "$seconds" bf16
    side torch_bf16_contiguous torch train 64 "$seconds" bf16
    side torch_bf16_channels_last torch train 64 "$seconds" channels_last bf16
    play "train $net, batch 64"
    row "train $net f32" photos/s "${goal_f32[$net]:-1}" "$(median ours_f32)" "$(best torch_f32)"
    row "train $net bf16" photos/s "${goal_bf16[$net]:-1}" "$(median ours_bf16)" "$(best torch_)"

    # Tuned, PyTorch trades memory for speed; as installed it may take less, which shows in a few steps.
    clear_sides
    for precision in f32 bf16; do
        side "stock_${precision}_contiguous" torch_stock train 64 0 "${precision#f32}"
        side "stock_${precision}_channels_last" torch_stock train 64 0 channels_last "${precision#f32}"
    done
    play "train $net, memory as installed" 1
    for precision in f32 bf16; do
        row_less "train $net peak memory $precision" MiB 2 "$(least_memory "ours_$precision")" \
            "$(least_memory "torch_$precision" "stock_$precision")"
    done
done
