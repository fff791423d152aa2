// A network that takes one person at a time, and the detector that finds them.
//
// The metadata of the IR say how: the section posezoo, pipeline of its rt_info. Boxes, crops and thresholds are those of
// `posezoo run`.
#pragma once

#include <optional>

#include "poses.hpp"

class TopDown {
public:
    // The networks must exist as long as this object. Without a detector, an image is one person.
    TopDown(Network& network, Network* detector) : network_(network), detector_(detector) {
        const auto number = [&network](const std::string& key) { return numbers_in(network.pipeline.at(key)).at(0); };
        crop_ = network.pipeline.at("crop");
        padding_ = number("padding");
        max_people_ = static_cast<std::size_t>(number("max_people"));
        max_similarity_ = number("max_similarity");
        min_pose_score_ = number("min_pose_score");
        if (network.pipeline.count("whole_image")) {
            whole_image_ = number("whole_image");
            second_look_ = number("second_look");
            second_score_ = number("second_score");
        }
        const std::vector<double> outside = numbers_in(network.pipeline.at("outside"));
        for (std::size_t color = 0; color < outside_.size(); ++color)
            outside_[color] = static_cast<std::uint8_t>(std::nearbyint(outside.at(color)));
        deviations_ = network.deviations();
    }

    // The people in an image, in its pixels, highest score first.
    std::vector<Pose> operator()(Image& image) {
        if (network_.width() == 0) return network_(image);  // it fits images itself
        const Box whole{0, 0, static_cast<double>(image.width), static_cast<double>(image.height), {}};
        if (detector_ == nullptr) return find_in(image, {whole}, 1);
        std::vector<Box> boxes;
        for (const Pose& person : (*detector_)(image)) {
            const auto [left, top, right, bottom] = person.box;
            if (left < right && top < bottom) boxes.push_back({left, top, right, bottom, person.score});
        }
        if (boxes.size() > max_people_) boxes.resize(max_people_);
        if (!boxes.empty()) return find_in(image, boxes, padding_);
        return whole_image_ ? find_in_whole(image, whole) : std::vector<Pose>();
    }

private:
    struct Box {
        double left, top, right, bottom;
        std::optional<float> score;  // none if no detector found it

        Corners corners() const {
            return {static_cast<float>(left), static_cast<float>(top), static_cast<float>(right),
                    static_cast<float>(bottom)};
        }
        double width() const { return right - left; }
        double height() const { return bottom - top; }
        double x() const { return (left + right) / 2; }
        double y() const { return (top + bottom) / 2; }
    };

    // Which part of the image the network sees, where, and in which color the rest is.
    struct Crop {
        std::size_t left, top, right, bottom;
        View view;
    };

    static constexpr double half_pixel = 0.5;
    static constexpr float person_margin = 0.1F;  // a body is larger than the box around its keypoints
    Network& network_;
    Network* detector_;
    std::string crop_;
    double padding_ = 0, max_similarity_ = 1, min_pose_score_ = 0, second_look_ = 1, second_score_ = 0;
    std::optional<double> whole_image_;
    std::size_t max_people_ = 0;
    Color outside_{};
    Deviations deviations_;

    // The person in the whole image, in which the detector found nobody: what the network finds there is looked at
    // once more, in a box around it.
    std::vector<Pose> find_in_whole(const Image& image, const Box& whole) {
        std::vector<Box> boxes;
        for (const Pose& pose : find_in(image, {whole}, 1)) {
            if (pose.score < *whole_image_) continue;
            const auto [left, top, right, bottom] = clip(bounds_of(pose.keypoints, 0), image);
            const Box box{left, top, right, bottom, {}};
            const double across = box.width() * second_look_ / 2, down = box.height() * second_look_ / 2;
            boxes.push_back({box.x() - across, box.y() - down, box.x() + across, box.y() + down, {}});
        }
        std::vector<Pose> poses;
        for (Pose& pose : find_in(image, boxes, 1)) {
            if (pose.score < second_score_) continue;
            const auto [left, top, right, bottom] = bounds_of(pose.keypoints, network_.seen_from());
            const float margin = person_margin * std::max(right - left, bottom - top);
            pose.box = clip({left - margin, top - margin, right + margin, bottom + margin}, image);
            poses.push_back(pose);
        }
        return poses;
    }

    // The people in these boxes, highest score first; of poses that are too similar, the best.
    std::vector<Pose> find_in(const Image& image, const std::vector<Box>& boxes, double padding) {
        struct Found {
            Pose pose;
            double area;
        };
        std::vector<Found> found;
        const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
        for (const Box& box : boxes) {
            const bool is_across = std::min(box.right, width) > std::max(box.left, 0.0);
            const bool is_down = std::min(box.bottom, height) > std::max(box.top, 0.0);
            if (!is_across || !is_down) continue;  // nothing of it is visible
            const Crop crop = crop_of(box, image, padding);
            Image seen = extract(image, crop);
            const double area = static_cast<double>(crop.view.width) / crop.view.across *
                                static_cast<double>(crop.view.height) / crop.view.down;
            for (Pose& pose : network_.find_in(image, ToImage::of(crop.view), seen)) {
                if (box.score) {
                    pose.score = pose.pose_score * *box.score;
                    pose.detector_score = box.score;
                    pose.box = clip(box.corners(), image);
                }
                if (pose.score >= min_pose_score_) found.push_back({pose, area});
            }
        }
        std::stable_sort(found.begin(), found.end(), [](const Found& one, const Found& other) {
            return one.pose.score > other.pose.score;
        });
        std::vector<Found> kept;
        for (const Found& each : found) {
            const auto is_same = [&](const Found& better) {
                const double area = (each.area + better.area) / 2;
                return !(pose_similarity(each.pose, better.pose, deviations_, area) <= max_similarity_);
            };
            if (std::none_of(kept.begin(), kept.end(), is_same)) kept.push_back(each);
        }
        std::vector<Pose> poses;
        for (const Found& each : kept) poses.push_back(each.pose);
        return poses;
    }

    Image extract(const Image& image, const Crop& crop) const {
        View view = crop.view;
        if (crop.left == 0 && crop.top == 0 && crop.right == image.width && crop.bottom == image.height)
            return warp(image, view, outside_);
        view.left += view.across * static_cast<double>(crop.left);
        view.top += view.down * static_cast<double>(crop.top);
        return warp(copy_part(image, crop.left, crop.top, crop.right, crop.bottom), view, outside_);
    }

    // Crops as networks were trained with them. A padding of 0 is that of their publishers.
    Crop crop_of(const Box& box, const Image& image, double padding) const {
        if (crop_ == "stretch") {  // GluonCV's
            const Box shown = enlarge(box, padding > 0 ? padding : 1.25, image);
            return part(shown, view(shown.x(), shown.y(), shown.width(), shown.height(), 0));
        }
        if (crop_ == "blank") {  // AlphaPose's
            const double usual = box.width() > 100 ? 1.2 : 1.3;
            const Box shown = enlarge(box, padding > 0 ? padding : usual, image);
            const double side = height_of(shown, 1);
            return part(shown, view(shown.x(), shown.y(), side * aspect(), side, 0));
        }
        const Box all{0, 0, static_cast<double>(image.width), static_cast<double>(image.height), {}};
        const double side = height_of(box, padding > 0 ? padding : 1.25);
        if (crop_ == "align")  // UDP's: from the center of the first pixel to that of the last
            return part(all, view(box.x() + half_pixel, box.y() + half_pixel, side * aspect(), side, 1));
        if (crop_ == "affine") {  // HRNet's and MMPose's: the center of the box is the center of a pixel
            View seen = view(box.x() + half_pixel, box.y() + half_pixel, side * aspect(), side, 0);
            seen.left += half_pixel;
            seen.top += half_pixel;
            return part(all, seen);
        }
        return part(all, view(box.x(), box.y(), side * aspect(), side, 0));
    }

    double aspect() const { return static_cast<double>(network_.width()) / static_cast<double>(network_.height()); }

    // The height of the smallest rectangle around a box with the aspect of the input, enlarged.
    double height_of(const Box& box, double padding) const {
        return std::max(box.height(), box.width() / aspect()) * padding;
    }

    static Crop part(const Box& shown, const View& view) {
        return {static_cast<std::size_t>(shown.left), static_cast<std::size_t>(shown.top),
                static_cast<std::size_t>(shown.right), static_cast<std::size_t>(shown.bottom), view};
    }

    // A rectangle of the image in the input, without ``border`` pixels of the input's sides.
    View view(double x, double y, double width, double height, int border) const {
        const auto columns = static_cast<double>(network_.width()), rows = static_cast<double>(network_.height());
        const double across = (columns - border) / width, down = (rows - border) / height;
        return {across, down, columns / 2 - across * x, rows / 2 - down * y, network_.width(), network_.height()};
    }

    // The enlarged box inside the image, in whole pixels.
    static Box enlarge(const Box& box, double padding, const Image& image) {
        const auto right = static_cast<double>(image.width), bottom = static_cast<double>(image.height);
        const double across = box.width() * padding / 2, down = box.height() * padding / 2;
        const double x0 = std::min(std::floor(std::clamp(box.x() - across, 0.0, right)), right - 1);
        const double y0 = std::min(std::floor(std::clamp(box.y() - down, 0.0, bottom)), bottom - 1);
        return {x0, y0, std::max(std::floor(std::clamp(box.x() + across, 0.0, right)), x0 + 1),
                std::max(std::floor(std::clamp(box.y() + down, 0.0, bottom)), y0 + 1), box.score};
    }
};
