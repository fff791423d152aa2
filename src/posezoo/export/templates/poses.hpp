// Pictures, people, and an IR that contains its decoder.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <locale>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <openvino/openvino.hpp>

#include "fit.hpp"

struct Keypoint {
    float x, y, score;
};

using Corners = std::array<float, 4>;  // left, top, right, bottom

// What they mean is said of posezoo.Pose.
struct Pose {
    float score;  // detector_score times pose_score
    std::vector<Keypoint> keypoints;
    Corners box;           // in which the person was found, inside the image
    float pose_score = 1;  // by the network that finds the keypoints
    std::optional<float> detector_score = std::nullopt;  // of the box; none if no detector found it
};

// The box around the keypoints with this score or more; if there are none, around all that were found.
inline Corners bounds_of(const std::vector<Keypoint>& keypoints, float least) {
    const auto counts = [&least](const Keypoint& point) { return point.score > 0 && point.score >= least; };
    if (std::none_of(keypoints.begin(), keypoints.end(), counts)) least = 0;
    constexpr float most = std::numeric_limits<float>::max();
    Corners box{most, most, -most, -most};
    for (const auto& point : keypoints) {
        if (!counts(point)) continue;
        box = {std::min(box[0], point.x), std::min(box[1], point.y), std::max(box[2], point.x),
               std::max(box[3], point.y)};
    }
    return box;
}

// The part of a box inside the image.
inline Corners clip(const Corners& box, const Image& image) {
    const auto right = static_cast<float>(image.width), bottom = static_cast<float>(image.height);
    return {std::clamp(box[0], 0.0F, right), std::clamp(box[1], 0.0F, bottom),
            std::clamp(box[2], 0.0F, right), std::clamp(box[3], 0.0F, bottom)};
}

// The keypoints that a similarity compares, and COCO's standard deviation of each.
using Deviations = std::vector<std::pair<std::size_t, double>>;

// COCO's object keypoint similarity, 0 to 1, of two poses of a person with this area in square pixels.
inline double pose_similarity(const Pose& one, const Pose& other, const Deviations& deviations, double area) {
    double sum = 0;
    for (const auto& [place, deviation] : deviations) {
        const Keypoint &a = one.keypoints[place], &b = other.keypoints[place];
        const double distance = std::hypot(a.x - b.x, a.y - b.y) / deviation;
        sum += std::exp(-distance * distance / (8 * std::max(area, 1.0)));
    }
    return sum / static_cast<double>(deviations.size());
}

// The numbers in a text of the metadata. They have a point, also in a program whose locale has a comma.
inline std::vector<double> numbers_in(const std::string& text) {
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    std::vector<double> numbers;
    for (double number = 0; stream >> number;) numbers.push_back(number);
    return numbers;
}

// A compiled IR that contains its decoder. What it throws is a std::exception.
class Network {
public:
    std::string name, skeleton, decoder;
    std::string type;  // that of the computation, except of quantized layers: f32 or bf16
    std::vector<std::string> keypoints;           // their names; none if the network finds only boxes
    std::map<std::string, std::string> pipeline;  // how people are found and cut out for it; empty if it finds them

    Network(ov::Core& core, const std::string& xml, const std::string& device) {
        if (!std::ifstream(xml)) throw std::runtime_error(xml + ": no such file");
        const auto model = core.read_model(xml);
        std::set<std::string> outputs;
        for (const auto& port : model->outputs())
            outputs.insert(port.get_names().begin(), port.get_names().end());
        const ov::PartialShape frames{1, ov::Dimension(), ov::Dimension(), 3};
        finds_boxes_ = outputs.count("boxes") > 0;
        if (!outputs.count(values_name()) || !outputs.count("scores") || model->inputs().size() != 1 ||
            model->input().get_element_type() != ov::element::u8 ||
            !model->input().get_partial_shape().compatible(frames)) {
            throw std::runtime_error(
                xml +
                ": does not take bytes and return keypoints. Make the IR with\n  posezoo get "
                "MODEL --decode --input_type u8 --input_layout NHWC");
        }
        decoder = text(*model, "posezoo", "decoder");
        const ov::PartialShape shape = model->input().get_partial_shape();
        if (shape.is_static()) {
            const std::string padding = text(*model, "model_info", "pad_value");
            const std::string resize_type = text(*model, "model_info", "resize_type");
            // The file that the IR was made of says how images are fitted: as Model API and Ultralytics do it.
            const bool is_stated = model->has_rt_info("posezoo", "resize_type");
            const bool cuts = decoder == "yolox" || decoder == "rtmdet";  // as their publishers do
            fit_ = {static_cast<std::size_t>(shape[2].get_length()),
                    static_cast<std::size_t>(shape[1].get_length()),
                    resize_type == "standard",
                    resize_type != "fit_to_window",
                    cuts && !is_stated,
                    cuts || is_stated,
                    static_cast<std::uint8_t>(padding.empty() ? 0 : std::stoi(padding))};
        }
        name = text(*model, "posezoo", "model");
        skeleton = text(*model, "model_info", "skeleton");
        if (!finds_boxes_) read_names(*model);
        read_pipeline(*model);
        // The type in which posezoo computes this network; a CPU without bf16 computes in f32.
        const bool is_bf16 = device == "CPU" && pipeline.count("compute_type");
        const auto precision = ov::hint::inference_precision(is_bf16 ? ov::element::bf16 : ov::element::f32);
        const auto mode = ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY);
        ov::CompiledModel compiled = core.compile_model(model, device, precision, mode);
        type = compiled.get_property(ov::hint::inference_precision).get_type_name();
        request_ = compiled.create_infer_request();
    }

    // The width and height of its input; 0 if it takes images of any size.
    std::size_t width() const { return fit_.width; }
    std::size_t height() const { return fit_.height; }

    // Keypoints with a lower score are guesses.
    float seen_from() const {
        const auto stated = pipeline.find("seen_from");
        return stated == pipeline.end() ? 0 : static_cast<float>(numbers_in(stated->second).at(0));
    }

    // The keypoints by which its poses are compared.
    Deviations deviations() const {
        const std::vector<double> numbers = numbers_in(pipeline.at("similarity"));
        Deviations deviations;
        for (std::size_t i = 0; i + 1 < numbers.size(); i += 2)
            deviations.emplace_back(static_cast<std::size_t>(numbers[i]), numbers[i + 1]);
        return deviations;
    }

    // The people in an image, in its pixels, highest score first.
    std::vector<Pose> operator()(Image& image) {
        if (fit_.width == 0 || (fit_.width == image.width && fit_.height == image.height))
            return find_in(image, ToImage{1, 0, 0, 0, 1, 0}, image);
        if (fit_.stretches) {
            const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
            const View view{static_cast<double>(fit_.width) / width, static_cast<double>(fit_.height) / height, 0, 0,
                            fit_.width, fit_.height};
            Image seen = warp(image, view, {0, 0, 0});
            return find_in(image, ToImage::of(view), seen);
        }
        Fitted fitted = fit_image(image, fit_);
        const View view{fitted.across, fitted.down, static_cast<double>(fitted.left),
                        static_cast<double>(fitted.top), fit_.width, fit_.height};
        return find_in(image, ToImage::of(view), fitted.image);
    }

    // What the network finds in a part of an image, in the image's pixels; it sees these pixels of the part.
    std::vector<Pose> find_in(const Image& image, const ToImage& to_image, Image& seen) {
        std::vector<Pose> poses = find_people(seen);
        const auto convert = [&to_image](float& x, float& y) {
            const double u = x, v = y;
            x = static_cast<float>(to_image.xx * u + to_image.xy * v + to_image.x0);
            y = static_cast<float>(to_image.yx * u + to_image.yy * v + to_image.y0);
        };
        for (Pose& pose : poses) {
            for (Keypoint& point : pose.keypoints)
                if (point.score > 0) convert(point.x, point.y);
            if (!finds_boxes_) {
                pose.box = clip(bounds_of(pose.keypoints, seen_from()), image);
                continue;
            }
            auto& [left, top, right, bottom] = pose.box;
            convert(left, top);
            convert(right, bottom);
            pose.box = clip(pose.box, image);
        }
        return poses;
    }

private:
    bool finds_boxes_ = false;
    Fit fit_{};  // its sides are 0 if the IR takes images of any size
    ov::InferRequest request_;

    const char* values_name() const { return finds_boxes_ ? "boxes" : "keypoints"; }

    void read_names(const ov::Model& model) {
        const auto count = static_cast<std::size_t>(model.output("keypoints").get_partial_shape()[1].get_length());
        std::istringstream labels(text(model, "model_info", "labels"));
        for (std::string label; labels >> label;) keypoints.push_back(label);
        if (keypoints.size() != count) keypoints.clear();
        while (keypoints.size() < count) keypoints.push_back(std::to_string(keypoints.size()));
    }

    void read_pipeline(const ov::Model& model) {
        for (const char* key : {"detector", "crop", "padding", "outside", "max_people", "max_similarity",
                                "min_pose_score", "seen_from", "similarity", "whole_image", "second_look",
                                "second_score", "compute_type"}) {
            const std::vector<std::string> path{"posezoo", "pipeline", key};
            if (model.has_rt_info(path)) pipeline[key] = model.get_rt_info<std::string>(path);
        }
    }

    std::vector<Pose> find_people(Image& image) {
        const ov::Shape shape{1, image.height, image.width, 3};
        request_.set_input_tensor(ov::Tensor(ov::element::u8, shape, image.bgr.data()));
        // On one CPU, infer() reports no failure.
        request_.start_async();
        request_.wait();
        const ov::Tensor values = request_.get_tensor(values_name()), scores = request_.get_tensor("scores");
        std::vector<Pose> poses;
        const float* value = values.data<float>();
        for (std::size_t row = 0; row < scores.get_size(); ++row) {
            const float score = scores.data<float>()[row];
            if (finds_boxes_) {
                if (score > 0) poses.push_back({score, {}, {value[0], value[1], value[2], value[3]}, score});
                value += 4;
                continue;
            }
            std::vector<Keypoint> points;
            for (std::size_t place = 0; place < keypoints.size(); ++place, value += 3)
                points.push_back({value[0], value[1], value[2]});
            // A row of zeros is not a person.
            if (std::any_of(points.begin(), points.end(),
                            [](const Keypoint& point) { return point.score > 0; }))
                poses.push_back({score, points, {}, score});
        }
        return poses;
    }

    static std::string text(const ov::Model& model, const std::string& section, const std::string& key) {
        return model.has_rt_info(section, key) ? model.get_rt_info<std::string>(section, key) : "";
    }
};
