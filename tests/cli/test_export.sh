# likeness export: a model as an ONNX file; and when it cannot be.
. "$(dirname "$0")/lib.sh"
tiny_world

run 0 export model.safetensors -o model.onnx
out_empty
err_is <<'END'
likeness: model.onnx: photo (N, 3, 16, 16) to embedding (N, 16)
END
for text in Conv PRelu Gemm LpNormalization photo embedding likeness fingerprint 'conv 8 kernel 3 stride 2 pad 1'; do
    grep -aqF "$text" model.onnx || fail "model.onnx lacks $text"
done
! grep -aqF BatchNormalization model.onnx || fail 'batch norms are not folded'
run 0 export model.safetensors --output=again.onnx
cmp -s model.onnx again.onnx || fail 'the same model, other bytes'

run 0 export model.safetensors -o half.safetensors
[ "$(stat -c %s half.safetensors)" -lt "$(stat -c %s model.safetensors)" ] || fail 'half is no smaller'
cp model.safetensors before
run 2 export model.safetensors -o ./model.safetensors
cmp -s model.safetensors before || fail 'the model was replaced'

run 3 export absent.safetensors -o x.onnx
err_has 'absent.safetensors'
missing x.onnx
run 3 export model.onnx -o x.onnx
err_has '^likeness: model.onnx: '
missing x.onnx
run 3 export model.safetensors -o no/folder/x.onnx
err_has 'no/folder/x.onnx'
[ -z "$(find . -name '*.tmp.*')" ] || fail 'a temporary file is left'
done_testing
