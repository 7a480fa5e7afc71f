# A model that wants to see more than the aligned square (metadata `view`): of photos that are aligned it is given that part,
# the border repeated where they end; of a part that is asked for, that part.
. "$(dirname "$0")/lib.sh"
tiny_world
cat >view.py <<'END'
import json
import struct
import sys

source, target, view = sys.argv[1:]
with open(source, "rb") as f:
    length, = struct.unpack("<Q", f.read(8))
    header, data = json.loads(f.read(length)), f.read()
header["__metadata__"]["view"] = view
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(target, "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
END
/usr/bin/python3 view.py model.safetensors more.safetensors '1.5 0.1' || fail 'no Python'
photo=people/person_01/photo_01.jpg
width=48 height=48 # of the photos that draw.c draws
crop=$(awk -v w="$width" -v h="$height" 'BEGIN { s = w < h ? w : h; print (w - 1.5 * s) / 2 "," (h - 1.5 * s) / 2 + 0.1 * s "," 1.5 * s "," 1.5 * s }')
run 0 embed more.safetensors $photo --aligned
cp out aligned
run 0 embed model.safetensors $photo --crop="$crop"
cmp -s out aligned || fail "--aligned is not --crop=$crop"
run 0 embed more.safetensors $photo --crop="$crop"
cmp -s out aligned || fail 'a crop that is asked for is another'
run 0 embed model.safetensors $photo --aligned
! cmp -s out aligned || fail 'it sees no more than without'

# A folder that is marked says how much room there is around the faces.
mkdir -p marked/person
cp $photo marked/person/a.jpg
echo 'likeness crop 1: template five-points size 112 room 2 format jpg' >marked/.likeness-aligned
half=$(awk -v w="$width" -v h="$height" 'BEGIN { s = (w < h ? w : h) / 2; print (w - 1.5 * s) / 2 "," (h - 1.5 * s) / 2 + 0.1 * s "," 1.5 * s "," 1.5 * s }')
run 0 embed more.safetensors marked/person/a.jpg
cut -f 2 out >marked.txt
run 0 embed model.safetensors marked/person/a.jpg --crop="$half"
cut -f 2 out | cmp -s - marked.txt || fail "a marked folder is not --crop=$half"

/usr/bin/python3 view.py model.safetensors bad.safetensors '0.5 0'
run 3 embed bad.safetensors $photo
err_has "metadata 'view'"
done_testing
