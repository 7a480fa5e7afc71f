// peer_usearch.cjs MODULES DIR PHOTOS THREADS: usearch's exact search (npm) over the set of bench_search.
const [modules, folder, photos, threads] = process.argv.slice(2);
const fs = require('fs');
const { exactSearch, MetricKind } = require(`${modules}/usearch`);

const dim = 128, k = 10;
const floats = (name, count) => {
    const file = fs.openSync(`${folder}/${name}`), bytes = Buffer.alloc(count * dim * 4);
    for (let at = 0; at < bytes.length;) at += fs.readSync(file, bytes, at, Math.min(bytes.length - at, 1 << 30), at);
    return new Float32Array(bytes.buffer, bytes.byteOffset, count * dim);
};
const vectors = floats('photos.f32', Number(photos)), probes = floats('probes.f32', 1000);
const median = (turns, search) => {
    const times = [];
    for (let turn = 0; turn <= turns; turn++) {
        const start = process.hrtime.bigint();
        search(turn);
        if (turn > 0) times.push(Number(process.hrtime.bigint() - start) * 1e-9);
    }
    return times.sort((a, b) => a - b)[turns >> 1];
};
const search = (some) => exactSearch(vectors, some, dim, k, MetricKind.IP, Number(threads));
console.log(`one\t${(1 / median(11, (i) => search(probes.subarray(i * dim, (i + 1) * dim)))).toFixed(2)}`);
const batch = 40; // of 1000: it takes each by itself
console.log(`batch\t${(batch / median(1, () => search(probes.subarray(0, batch * dim)))).toFixed(1)}`);
