// Finds people in pictures with an IR that contains its decoder, and prints their keypoints as JSON.
//
// The IR takes the bytes of an image, BGR. It is made by
//   posezoo get MODEL --decode --input_type u8 --input_layout NHWC
// Images of other sizes are fitted into its input here: this is faster than in the IR (--resize).
// The JSON has the keys of the file poses.json of `posezoo run`. Coordinates are in pixels of the picture:
// (0, 0) is its top left corner, (0.5, 0.5) the center of its top left pixel.

#include <cctype>
#include <chrono>
#include <cmath>
#include <functional>
#include <iomanip>
#include <iostream>
#include <limits>
#include <locale>
#include <optional>

#include "blazepose.hpp"
#include "poses.hpp"
#include "top_down.hpp"
#ifdef WITH_OPENCV
#include <opencv2/imgcodecs.hpp>
#endif

namespace {

const char* const usage =
    "usage: poses MODEL.xml [--detector DETECTOR.xml|none] [--device DEVICE] [--benchmark SECONDS] PICTURE...\n"
    "  --detector   finds the people for a network that takes one at a time (default: the one that MODEL.xml names,\n"
    "               beside it); none: each picture is one person\n"
    "  --device     an OpenVINO device (default: CPU)\n"
    "  --benchmark  process the pictures again and again, and print frames a second\n";

struct Arguments {
    std::string model, detector, device = "CPU";
    double seconds = 0;  // of the benchmark; 0: none
    std::vector<std::string> pictures;
};

// Throws std::invalid_argument.
Arguments parse(int argc, char** argv) {
    Arguments arguments;
    for (int place = 1; place < argc; ++place) {
        const std::string word = argv[place];
        const auto value = [&]() -> std::string {
            if (++place == argc) throw std::invalid_argument(word + " needs a value");
            return argv[place];
        };
        if (word == "--detector") {
            arguments.detector = value();
        } else if (word == "--device") {
            arguments.device = value();
        } else if (word == "--benchmark") {
            const std::string text = value();
            char* end = nullptr;
            arguments.seconds = std::strtod(text.c_str(), &end);
            if (*end != '\0' || !(arguments.seconds > 0))
                throw std::invalid_argument("--benchmark: expected seconds above 0, got " + text);
        } else if (word.rfind("--", 0) == 0) {
            throw std::invalid_argument("unknown flag " + word);
        } else if (arguments.model.empty()) {
            arguments.model = word;
        } else {
            arguments.pictures.push_back(word);
        }
    }
    if (arguments.pictures.empty()) throw std::invalid_argument("name a model and a picture");
    return arguments;
}

// The next number in the header of a PPM file.
std::size_t read_number(std::istream& file) {
    for (std::string comment; (file >> std::ws).peek() == '#';) std::getline(file, comment);
    std::size_t number = 0;
    file >> number;
    return number;
}

// Reads a PPM file (P6); with OpenCV also JPEG, PNG and its other formats.
Image read_image(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    if (file.get() == 'P' && file.get() == '6') {
        Image image{read_number(file), read_number(file), {}};
        const bool has_bytes = read_number(file) == 255 && std::isspace(file.get());
        constexpr std::size_t longest = 1 << 14;
        if (!file || !has_bytes || image.width - 1 >= longest || image.height - 1 >= longest)
            throw std::runtime_error(path + ": is no PPM file with bytes and sides of at most 16384 pixels");
        image.bgr.resize(3 * image.width * image.height);
        file.read(reinterpret_cast<char*>(image.bgr.data()), static_cast<std::streamsize>(image.bgr.size()));
        if (!file) throw std::runtime_error(path + ": ends before its last pixel");
        for (std::size_t pixel = 0; pixel < image.bgr.size(); pixel += 3)
            std::swap(image.bgr[pixel], image.bgr[pixel + 2]);  // RGB
        return image;
    }
#ifdef WITH_OPENCV
    const cv::Mat read = cv::imread(path, cv::IMREAD_COLOR);
    if (read.empty()) throw std::runtime_error(path + ": is not a picture that OpenCV can read");
    return {static_cast<std::size_t>(read.cols),
            static_cast<std::size_t>(read.rows),
            {read.datastart, read.dataend}};
#else
    throw std::runtime_error(path +
                             ": is not a PPM file (P6). Convert it, or install OpenCV and build again");
#endif
}

std::string quoted(const std::string& text) {
    std::ostringstream json;
    json << '"';
    for (const char letter : text) {
        if (static_cast<unsigned char>(letter) < 0x20)
            json << "\\u" << std::hex << std::setw(4) << std::setfill('0') << static_cast<int>(letter);
        else
            json << (letter == '"' || letter == '\\' ? "\\" : "") << letter;
    }
    json << '"';
    return json.str();
}

void write_json(std::ostream& json, const Corners& box) {
    for (std::size_t side = 0; side < box.size(); ++side) json << (side ? ", " : "[") << box[side];
    json << ']';
}

void write_json(std::ostream& json, const Network& network, const Pose& pose) {
    json << "{\"skeleton\": " << quoted(network.skeleton) << ", \"score\": " << pose.score << ", \"detector_score\": ";
    if (pose.detector_score)
        json << *pose.detector_score;
    else
        json << "null";
    json << ", \"pose_score\": " << pose.pose_score << ", \"box\": ";
    write_json(json, pose.box);
    json << ", \"keypoint_box\": ";
    write_json(json, bounds_of(pose.keypoints, network.seen_from()));
    json << ", \"keypoints\": [";
    for (std::size_t place = 0; place < pose.keypoints.size(); ++place) {
        const Keypoint& point = pose.keypoints[place];
        json << (place ? ",\n  " : "\n  ") << "{\"name\": " << quoted(network.keypoints[place])
             << ", \"x\": " << point.x << ", \"y\": " << point.y << ", \"score\": " << point.score << '}';
    }
    json << "]}";
}

// The IR of the network that finds the people; empty if there is none.
std::string detector_of(const Network& network, const Arguments& arguments) {
    if (arguments.detector == "none") return "";
    if (!arguments.detector.empty()) return arguments.detector;
    const auto named = network.pipeline.find("detector");
    if (named == network.pipeline.end()) return "";
    const std::size_t slash = arguments.model.find_last_of("/\\");
    return (slash == std::string::npos ? "" : arguments.model.substr(0, slash + 1)) + named->second;
}

// What finds the people in an image. The networks must exist as long as it.
std::function<std::vector<Pose>(Image&)> pipeline_of(Network& network, std::optional<Network>& detector,
                                                     const Arguments& arguments) {
    const auto crop = network.pipeline.find("crop");
    if (crop == network.pipeline.end()) {
        if (network.decoder == "blazepose")
            throw std::runtime_error(arguments.model + ": is a part of BlazePose. Name the IR that posezoo exported");
        return std::ref(network);
    }
    if (crop->second != "body") return TopDown(network, detector ? &*detector : nullptr);
    if (!detector) throw std::runtime_error(arguments.model + ": finds no people without its detector");
    return BlazePose(*detector, network);
}

void run(const Arguments& arguments) {
    std::vector<Image> images;
    for (const std::string& picture : arguments.pictures) images.push_back(read_image(picture));
    ov::Core core;
    Network network(core, arguments.model, arguments.device);
    if (network.keypoints.empty())
        throw std::runtime_error(arguments.model + ": finds only boxes. Name a network that finds keypoints");
    std::optional<Network> detector;
    if (const std::string xml = detector_of(network, arguments); !xml.empty())
        detector.emplace(core, xml, arguments.device);
    const std::function<std::vector<Pose>(Image&)> find_people = pipeline_of(network, detector, arguments);
    std::ostringstream json;  // printed only if all pictures were processed
    json.imbue(std::locale::classic());
    json << std::setprecision(std::numeric_limits<float>::max_digits10);
    json << "{\"model\": " << quoted(network.name) << ", \"device\": " << quoted(arguments.device)
         << ", \"computed_in\": " << quoted(network.type);
    if (arguments.seconds > 0) {
        for (Image& image : images) find_people(image);  // the first frame of each size takes longer
        const auto start = std::chrono::steady_clock::now();
        double elapsed = 0;
        std::size_t frames = 0;
        while (elapsed < arguments.seconds) {
            find_people(images[frames++ % images.size()]);
            elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        }
        json << ", \"frames\": " << frames << ", \"seconds\": " << elapsed
             << ", \"frames_per_second\": " << static_cast<double>(frames) / elapsed << "}\n";
        std::cout << json.str();
        return;
    }
    json << ", \"images\": [";
    for (std::size_t number = 0; number < images.size(); ++number) {
        Image& image = images[number];
        json << (number ? ",\n" : "\n") << "{\"image\": " << quoted(arguments.pictures[number])
             << ", \"width\": " << image.width << ", \"height\": " << image.height << ", \"poses\": [";
        const char* separator = "\n ";
        for (const Pose& pose : find_people(image)) {
            json << separator;
            write_json(json, network, pose);
            separator = ",\n ";
        }
        json << "]}";
    }
    std::cout << json.str() << "]}\n";
}

}  // namespace

int main(int argc, char** argv) try {
    run(parse(argc, argv));
    return std::cout.flush() ? 0 : 1;
} catch (const std::invalid_argument& error) {
    std::cerr << "error: " << error.what() << '\n' << usage;
    return 2;
} catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
}
