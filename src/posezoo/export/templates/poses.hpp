// Pictures, people, and an IR that contains its decoder.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

#include "fit.hpp"

struct Keypoint {
    float x, y, score;
};

struct Pose {
    float score;
    std::vector<Keypoint> keypoints;
    std::array<float, 4> box;  // left, top, right, bottom
};

// The box around the keypoints with this score or more; if there are none, around all that were found.
inline std::array<float, 4> bounding_box(const std::vector<Keypoint>& keypoints, const Image& image,
                                         float least) {
    const auto counts = [&least](const Keypoint& point) { return point.score > 0 && point.score >= least; };
    if (std::none_of(keypoints.begin(), keypoints.end(), counts)) least = 0;
    const auto right = static_cast<float>(image.width), bottom = static_cast<float>(image.height);
    std::array<float, 4> box{right, bottom, 0, 0};
    for (const Keypoint& point : keypoints) {
        if (!counts(point)) continue;
        const float x = std::clamp(point.x, 0.0F, right), y = std::clamp(point.y, 0.0F, bottom);
        box = {std::min(box[0], x), std::min(box[1], y), std::max(box[2], x), std::max(box[3], y)};
    }
    return box;
}

// A compiled IR that contains its decoder. What it throws is a std::exception.
class Network {
public:
    std::string name, skeleton;
    std::vector<std::string> keypoints;  // their names

    Network(ov::Core& core, const std::string& xml, const std::string& device) {
        if (!std::ifstream(xml)) throw std::runtime_error(xml + ": no such file");
        const auto model = core.read_model(xml);
        std::set<std::string> outputs;
        for (const auto& port : model->outputs())
            outputs.insert(port.get_names().begin(), port.get_names().end());
        const ov::PartialShape frames{1, ov::Dimension(), ov::Dimension(), 3};
        if (!outputs.count("keypoints") || !outputs.count("scores") || model->inputs().size() != 1 ||
            model->input().get_element_type() != ov::element::u8 ||
            !model->input().get_partial_shape().compatible(frames)) {
            throw std::runtime_error(
                xml +
                ": does not take bytes and return keypoints. Make the IR with\n  posezoo get "
                "MODEL --decode --input_type u8 --input_layout NHWC");
        }
        const ov::PartialShape shape = model->input().get_partial_shape();
        if (shape.is_static()) {
            const std::string padding = text(*model, "model_info", "pad_value");
            const std::string resize_type = text(*model, "model_info", "resize_type");
            fit_ = {static_cast<std::size_t>(shape[2].get_length()),
                    static_cast<std::size_t>(shape[1].get_length()), resize_type == "standard",
                    resize_type != "fit_to_window",
                    static_cast<std::uint8_t>(padding.empty() ? 0 : std::stoi(padding))};
        }
        name = text(*model, "posezoo", "model");
        is_cut_ = text(*model, "posezoo", "decoder") == "movenet";
        skeleton = text(*model, "model_info", "skeleton");
        const auto count = model->output("keypoints").get_partial_shape()[1].get_length();
        std::istringstream labels(text(*model, "model_info", "labels"));
        for (std::string label; labels >> label;) keypoints.push_back(label);
        if (keypoints.size() != static_cast<std::size_t>(count)) keypoints.clear();
        while (keypoints.size() < static_cast<std::size_t>(count))
            keypoints.push_back(std::to_string(keypoints.size()));
        // Otherwise many processors compute in bf16, which moves keypoints by some pixels.
        const auto precision = ov::hint::inference_precision(ov::element::f32);
        const auto mode = ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY);
        request_ = core.compile_model(model, device, precision, mode).create_infer_request();
    }

    // The people in an image, in its pixels, highest score first.
    std::vector<Pose> operator()(Image& image) {
        if (fit_.width == 0 || (fit_.width == image.width && fit_.height == image.height))
            return find_people(image);
        if (is_cut_) {
            const Square square = whole_square(image, static_cast<int>(fit_.width));
            return find_in(image, square, cut(image, square));
        }
        Fitted fitted = fit_image(image, fit_);
        std::vector<Pose> poses = find_people(fitted.image);
        for (Pose& pose : poses) {
            for (Keypoint& point : pose.keypoints) {
                if (point.score <= 0) continue;
                point.x = static_cast<float>((point.x - static_cast<double>(fitted.left)) / fitted.across);
                point.y = static_cast<float>((point.y - static_cast<double>(fitted.top)) / fitted.down);
            }
            pose.box = bounding_box(pose.keypoints, image, 0);
        }
        return poses;
    }

    // What the network finds in a square of an image, in the image's pixels; it sees these pixels of the square.
    std::vector<Pose> find_in(const Image& image, const Square& square, Image seen) {
        std::vector<Pose> poses = find_people(seen);
        for (Pose& pose : poses) {
            for (Keypoint& point : pose.keypoints) {
                if (point.score <= 0) continue;
                const double x = point.x - square.side / 2.0, y = point.y - square.side / 2.0;
                point.x = static_cast<float>(square.x + square.across * x - square.down * y);
                point.y = static_cast<float>(square.y + square.down * x + square.across * y);
            }
            pose.box = bounding_box(pose.keypoints, image, 0);
        }
        return poses;
    }

private:
    bool is_cut_ = false;  // whether posezoo cuts squares out of images for this network
    Fit fit_{};  // its sides are 0 if the IR takes images of any size
    ov::InferRequest request_;

    std::vector<Pose> find_people(Image& image) {
        const ov::Shape shape{1, image.height, image.width, 3};
        request_.set_input_tensor(ov::Tensor(ov::element::u8, shape, image.bgr.data()));
        // On one CPU, infer() reports no failure.
        request_.start_async();
        request_.wait();
        const ov::Tensor values = request_.get_tensor("keypoints"), scores = request_.get_tensor("scores");
        std::vector<Pose> poses;
        const float* value = values.data<float>();
        for (std::size_t row = 0; row < scores.get_size(); ++row) {
            std::vector<Keypoint> points;
            for (std::size_t place = 0; place < keypoints.size(); ++place, value += 3)
                points.push_back({value[0], value[1], value[2]});
            // A row of zeros is not a person.
            if (std::any_of(points.begin(), points.end(),
                            [](const Keypoint& point) { return point.score > 0; }))
                poses.push_back({scores.data<float>()[row], points, bounding_box(points, image, 0)});
        }
        return poses;
    }

    static std::string text(const ov::Model& model, const std::string& section, const std::string& key) {
        return model.has_rt_info(section, key) ? model.get_rt_info<std::string>(section, key) : "";
    }
};
