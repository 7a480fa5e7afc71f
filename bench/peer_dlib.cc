// peer_dlib.cc: dlib's frontal face detector (HOG and an SVM) on a list of photos: what it finds, or how
// fast.
//
//   peer_dlib find LIST UP             tab-separated: photo x y width height confidence
//   peer_dlib time LIST UP SECONDS     photos a second, share of the cores' time it had
//
// UP is how often the photo is doubled first: faces from 80, 40, 20 pixels are found for 0, 1, 2. Photos are
// decoded to grey before the clock starts, which doubling does not; a detector and a thread a core, photos
// shared out. In C++, because Debian has no dlib for Python; built by bench/detect.sh for the very processor
// that it runs on.
#include <dlib/image_io.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using image = dlib::array2d<unsigned char>;
using seconds = std::chrono::duration<double>;

struct photo {
    std::string path;
    image grey;
};

static std::vector<dlib::rect_detection> find(dlib::frontal_face_detector &detector, const image &grey,
                                              int up, double adjust) {
    std::vector<dlib::rect_detection> found;
    if (up == 0) {
        detector(grey, found, adjust);
        return found;
    }
    image larger;
    dlib::assign_image(larger, grey);
    for (int i = 0; i < up; i++) dlib::pyramid_up(larger);
    detector(larger, found, adjust);
    const dlib::pyramid_down<2> down;
    for (auto &face : found) face.rect = down.rect_down(face.rect, static_cast<unsigned>(up));
    return found;
}

static void print(const std::vector<photo> &photos, int up) {
    auto detector = dlib::get_frontal_face_detector();
    for (const auto &p : photos)
        for (const auto &face : find(detector, p.grey, up, -1)) // far below its own threshold, for the curve
            std::printf("%s\t%ld\t%ld\t%lu\t%lu\t%.5f\n", p.path.c_str(), face.rect.left(), face.rect.top(),
                        face.rect.width(), face.rect.height(), face.detection_confidence);
}

static void measure(const std::vector<photo> &photos, int up, double limit, unsigned cores) {
    std::vector<dlib::frontal_face_detector> detectors(cores, dlib::get_frontal_face_detector());
    const auto pass = [&] {
        std::atomic<std::size_t> next{0};
        std::vector<std::thread> threads;
        for (auto &detector : detectors)
            threads.emplace_back([&] {
                for (std::size_t i; (i = next++) < photos.size();) find(detector, photos[i].grey, up, 0);
            });
        for (auto &thread : threads) thread.join();
    };
    pass(); // warms up
    const auto began = std::chrono::steady_clock::now();
    const std::clock_t before = std::clock();
    std::size_t done = 0;
    double wall = 0;
    while (done == 0 || wall < limit) {
        pass();
        done += photos.size();
        wall = seconds(std::chrono::steady_clock::now() - began).count();
    }
    const double cpu = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    std::printf("%.2f %.3f\n", static_cast<double>(done) / wall, cpu / wall / cores);
}

int main(int argc, char **argv) {
    const std::string verb = argc > 1 ? argv[1] : "";
    if (!(verb == "find" && argc == 4) && !(verb == "time" && argc == 5)) {
        std::fprintf(stderr, "Usage: peer_dlib find LIST UP | peer_dlib time LIST UP SECONDS\n");
        return 2;
    }
    std::vector<photo> photos;
    std::ifstream list(argv[2]);
    for (std::string path; std::getline(list, path);) try {
            photo p{path, {}};
            dlib::load_image(p.grey, path);
            photos.push_back(std::move(p));
        } catch (const std::exception &error) {
            std::fprintf(stderr, "peer_dlib: left out: %s\n", error.what());
        }
    if (photos.empty()) {
        std::fprintf(stderr, "peer_dlib: %s lists no photo that can be read\n", argv[2]);
        return 3;
    }
    const int up = std::stoi(argv[3]);
    if (verb == "find")
        print(photos, up);
    else
        measure(photos, up, std::stod(argv[4]), std::max(1u, std::thread::hardware_concurrency()));
    return 0;
}
