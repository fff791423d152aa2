// BlazePose: a detector finds the axis of each body, another network the keypoints in a square around it.
//
// V. Bazarevsky et al., BlazePose: On-device Real-time Body Pose tracking, 2020, arXiv:2006.10204.
#pragma once

#include <cmath>

#include "poses.hpp"

class BlazePose {
public:
    static constexpr std::size_t axis = 4;  // the number of the detector's keypoints

    // The networks must exist as long as this object.
    BlazePose(Network& detector, Network& landmarks)
        : detector_(detector),
          landmarks_(landmarks),
          joints_(landmarks.deviations()),
          max_similarity_(numbers_in(landmarks.pipeline.at("max_similarity")).at(0)) {
        if (detector.keypoints.size() != axis)
            throw std::runtime_error(detector.name + ": is not the detector of BlazePose");
    }

    // The people in an image, in its pixels, highest score first.
    std::vector<Pose> operator()(const Image& image) {
        std::vector<Pose> poses;
        const Square whole = whole_square(image, 224);
        Image seen = cut_at_corner(image, whole, fitting::black);
        for (const Pose& face : detector_.find_in(image, ToImage::of(whole), seen)) {
            // The middle of the hips, and a point above the head, whose distance is the radius of the body.
            const Keypoint hip = face.keypoints[0], top = face.keypoints[1];
            if (region * std::hypot(top.x - hip.x, top.y - hip.y) < 1) continue;
            const double unit = region / 256;
            const Square body{hip.x, hip.y, unit * (hip.y - top.y), unit * (top.x - hip.x), 256};
            Image cropped = cut_at_corner(image, body, fitting::edge);
            for (Pose& pose : landmarks_.find_in(image, ToImage::of(body), cropped)) {
                // Two faces may lead to the same body.
                const auto is_same = [&](const Pose& other) { return similarity(pose, other) > max_similarity_; };
                if (std::none_of(poses.begin(), poses.end(), is_same)) poses.push_back(pose);
            }
        }
        const auto is_higher = [](const Pose& one, const Pose& other) { return one.score > other.score; };
        std::stable_sort(poses.begin(), poses.end(), is_higher);
        return poses;
    }

private:
    static constexpr double region = 2.5;  // the side of a body's square, as MediaPipe: its diameter and 25 %
    Network& detector_;
    Network& landmarks_;
    Deviations joints_;
    double max_similarity_;

    // COCO's object keypoint similarity of two poses, 0 to 1.
    double similarity(const Pose& one, const Pose& other) const {
        double area = 1;
        for (const Pose* pose : {&one, &other}) {
            std::vector<Keypoint> points;
            for (const auto& joint : joints_) points.push_back(pose->keypoints[joint.first]);
            const auto by_x = [](const Keypoint& a, const Keypoint& b) { return a.x < b.x; };
            const auto by_y = [](const Keypoint& a, const Keypoint& b) { return a.y < b.y; };
            const auto [left, right] = std::minmax_element(points.begin(), points.end(), by_x);
            const auto [high, low] = std::minmax_element(points.begin(), points.end(), by_y);
            // A person usually covers this share of their box.
            area = std::max(area, 0.53 * (right->x - left->x) * (low->y - high->y));
        }
        return pose_similarity(one, other, joints_, area);
    }
};
