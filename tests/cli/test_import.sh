# likeness import: what it refuses, and how it says so. That what it writes is right: tests/face/test_import.c, on a whole
# package; here there is none.
. "$(dirname "$0")/lib.sh"
name=face_recognition_model-weights_manifest.json

run 2 import
err_has 'no folder or manifest is given'
run 2 import one two -o m.safetensors
run 2 import one
err_has 'no model to write is given'
run 2 import one -o m.onnx
err_has 'must end in .safetensors'
run 0 import --help
out_has 'face-api'

run 3 import absent -o m.safetensors
err_has '^likeness: absent: '
mkdir empty
run 3 import empty -o m.safetensors
err_is <<END
likeness: empty: no $name in this folder: give that of the npm package @vladmandic/face-api
END

# Another model of the package, a shard that is missing, one that is cut off, and no manifest at all.
mkdir -p package/model
printf '%s' '[{"weights":[{"name":"conv0/filters","shape":[2],"dtype":"float32"}],"paths":["tiny.bin"]}]' >package/model/tiny.json
run 3 import package/model/tiny.json -o m.safetensors
err_has "package/model/tiny.bin"
printf 1234 >package/model/tiny.bin
run 3 import package/model/tiny.json -o m.safetensors
err_has "'conv0/filters' takes 8 bytes, and its shards have 4 left: are they complete?"
printf 12345678 >package/model/tiny.bin
run 3 import package/model/tiny.json -o m.safetensors
err_has 'weights of another model: .* face_recognition_model'
cp package/model/tiny.json "package/model/$name"
run 3 import package -o m.safetensors
err_has 'weights of another model'
echo '<html>' >page.json
run 3 import page.json -o m.safetensors
err_has 'page.json: is not sound JSON'
missing m.safetensors
out_empty
if [ "$(id -u)" -ne 0 ]; then
    chmod 0 page.json
    run 4 import page.json -o m.safetensors
    err_has 'page.json'
fi
run 4 import package/model/tiny.json/x -o m.safetensors
done_testing
