// peer_faiss.cc: peer_faiss.py against a FAISS that was built from its source, which has no Python with it:
//   peer_faiss DIR PHOTOS
#include <faiss/IndexFlat.h>
#include <faiss/utils/utils.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

static const size_t dim = 128, most = 1000, k = 10;

static std::vector<float> read_floats(const std::string &path, size_t count) {
    std::vector<float> values(count * dim);
    FILE *f = std::fopen(path.c_str(), "rb");
    if (!f || std::fread(values.data(), sizeof(float), values.size(), f) != values.size()) std::exit(4);
    std::fclose(f);
    return values;
}

template <class Search> static double median(int turns, Search search) {
    std::vector<double> times;
    for (int turn = 0; turn <= turns; turn++) {
        auto start = std::chrono::steady_clock::now();
        search(turn);
        if (turn > 0)
            times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const size_t photos = std::strtoul(argv[2], nullptr, 10);
    std::vector<float> distances(most * k), probes = read_floats(std::string(argv[1]) + "/probes.f32", most);
    std::vector<faiss::idx_t> ids(most * k);
    faiss::IndexFlatIP index(dim);
    {
        std::vector<float> vectors = read_floats(std::string(argv[1]) + "/photos.f32", photos);
        index.add(faiss::idx_t(photos), vectors.data());
    }
    std::fprintf(stderr, "FAISS %s\n", faiss::get_compile_options().c_str());
    std::printf("one\t%.2f\n", 1 / median(21, [&](int i) {
                                   index.search(1, probes.data() + size_t(i) * dim, k, distances.data(),
                                                ids.data());
                               }));
    std::printf("batch\t%.1f\n", double(most) / median(3, [&](int) {
                                     index.search(most, probes.data(), k, distances.data(), ids.data());
                                 }));
}
