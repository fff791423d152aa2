// BlazePose: a detector finds the axis of each body, another network the keypoints in a square around it.
//
// V. Bazarevsky et al., BlazePose: On-device Real-time Body Pose tracking, 2020, arXiv:2006.10204.
#pragma once

#include <cmath>
#include <utility>

#include "poses.hpp"

class BlazePose {
public:
    static constexpr std::size_t axis = 4;  // the number of the detector's keypoints

    // The networks must exist as long as this object.
    BlazePose(Network& detector, Network& landmarks) : detector_(detector), landmarks_(landmarks) {
        if (detector.keypoints.size() != axis || landmarks.keypoints.size() != 33)
            throw std::runtime_error(detector.name + " and " + landmarks.name +
                                     ": are not the detector and the landmark network of BlazePose");
    }

    // The people in an image, in its pixels, highest score first.
    std::vector<Pose> operator()(const Image& image) {
        std::vector<Pose> poses;
        const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
        const Square whole{width / 2, height / 2, std::max(width, height) / 224, 0, 224};
        for (const Pose& face : run(detector_, image, whole)) {
            // The middle of the hips, and a point above the head, whose distance is the radius of the body.
            const Keypoint hip = face.keypoints[0], top = face.keypoints[1];
            if (region * std::hypot(top.x - hip.x, top.y - hip.y) < 1) continue;
            const double unit = region / 256;
            const Square body{hip.x, hip.y, unit * (hip.y - top.y), unit * (top.x - hip.x), 256};
            for (Pose& pose : run(landmarks_, image, body)) {
                pose.box = bounding_box(pose.keypoints, image, 0.5F);
                // Two faces may lead to the same body.
                const auto is_same = [&pose](const Pose& other) { return similarity(pose, other) > 0.3; };
                if (std::none_of(poses.begin(), poses.end(), is_same)) poses.push_back(pose);
            }
        }
        const auto is_higher = [](const Pose& one, const Pose& other) { return one.score > other.score; };
        std::stable_sort(poses.begin(), poses.end(), is_higher);
        return poses;
    }

private:
    // A rotated square of an image, as a network sees it.
    struct Square {
        double x, y;          // its center, in pixels of the image
        double across, down;  // the step in the image from one of the network's pixels to the next in its row
        int side;             // in pixels of the network
    };

    static constexpr double region = 2.5;  // the side of a body's square, as MediaPipe: its diameter and 25 %
    Network& detector_;
    Network& landmarks_;

    // What a network finds in a square, in pixels of the image.
    static std::vector<Pose> run(Network& network, const Image& image, const Square& square) {
        Image seen = cut(image, square);
        std::vector<Pose> poses = network(seen);
        for (Pose& pose : poses) {
            for (Keypoint& point : pose.keypoints) {
                const double x = point.x - square.side / 2.0, y = point.y - square.side / 2.0;
                point.x = static_cast<float>(square.x + square.across * x - square.down * y);
                point.y = static_cast<float>(square.y + square.down * x + square.across * y);
            }
        }
        return poses;
    }

    // The pixels of a square; black outside of the image.
    static Image cut(const Image& image, const Square& square) {
        const auto [x, y, across, down, side] = square;
        // Of a large square, most pixels would be skipped, so they are averaged first.
        std::size_t factor = 1;
        double step = std::hypot(across, down);
        for (; step >= 8 && factor < 64; step /= 2) factor *= 2;
        if (step >= 4) factor *= static_cast<std::size_t>(std::min(step / 2, 64.0));
        if (factor > 1) {
            const auto scale = static_cast<double>(factor);
            return cut(reduce(image, factor), {x / scale, y / scale, across / scale, down / scale, side});
        }
        Image pixels{static_cast<std::size_t>(side), static_cast<std::size_t>(side), {}};
        pixels.bgr.reserve(3 * pixels.width * pixels.height);
        const auto width = static_cast<long>(image.width), height = static_cast<long>(image.height);
        // The center of the first pixel, and the steps to the others in its row. All are rounded to 1/1024 of a
        // pixel, and places to 1/32, as by OpenCV's warpAffine: the results are then those of posezoo.
        const double first = 0.5 - side / 2.0;
        const double left = x + (across - down) * first - 0.5, top = y + (across + down) * first - 0.5;
        std::vector<std::pair<long, long>> steps;
        for (int column = 0; column < side; ++column)
            steps.emplace_back(std::lround(1024 * across * column), std::lround(1024 * down * column));
        for (int row = 0; row < side; ++row) {
            const long start_u = std::lround(1024 * (left - down * row)) + 16;
            const long start_v = std::lround(1024 * (top + across * row)) + 16;
            for (const auto& [step_u, step_v] : steps) {
                const long u = (start_u + step_u) >> 5, v = (start_v + step_v) >> 5;
                std::array<long, 3> sums{512, 512, 512};  // half of the sum of the weights: rounds
                for (long corner = 0; corner < 4; ++corner) {
                    const long i = (u >> 5) + corner % 2, j = (v >> 5) + corner / 2;
                    if (i < 0 || i >= width || j < 0 || j >= height) continue;
                    const long weight =
                        (corner % 2 ? u & 31 : 32 - (u & 31)) * (corner / 2 ? v & 31 : 32 - (v & 31));
                    const std::uint8_t* color = &image.bgr[3 * static_cast<std::size_t>(j * width + i)];
                    for (std::size_t k = 0; k < 3; ++k) sums[k] += weight * color[k];
                }
                for (const long sum : sums) pixels.bgr.push_back(static_cast<std::uint8_t>(sum / 1024));
            }
        }
        return pixels;
    }

    // The averages of squares of pixels.
    static Image reduce(const Image& image, std::size_t factor) {
        Image small{image.width / factor, image.height / factor, {}};
        small.bgr.reserve(3 * small.width * small.height);
        for (std::size_t i = 0; i < 3 * small.width * small.height; ++i) {
            const std::size_t top = i / (3 * small.width) * factor, left = i / 3 % small.width * factor;
            std::size_t sum = factor * factor / 2;
            for (std::size_t y = top; y < top + factor; ++y)
                for (std::size_t x = left; x < left + factor; ++x)
                    sum += image.bgr[3 * (y * image.width + x) + i % 3];
            small.bgr.push_back(static_cast<std::uint8_t>(sum / (factor * factor)));
        }
        return small;
    }

    // COCO's object keypoint similarity of two poses, 0 to 1.
    static double similarity(const Pose& one, const Pose& other) {
        // COCO's keypoints among the 33, and their standard deviations.
        static constexpr std::array<std::pair<std::size_t, double>, 17> joints{
            {{0, 0.026}, {2, 0.025}, {5, 0.025}, {7, 0.035}, {8, 0.035}, {11, 0.079}, {12, 0.079}, {13, 0.072},
             {14, 0.072}, {15, 0.062}, {16, 0.062}, {23, 0.107}, {24, 0.107}, {25, 0.087}, {26, 0.087},
             {27, 0.089}, {28, 0.089}}};
        double area = 1, sum = 0;
        for (const Pose* pose : {&one, &other}) {
            std::vector<Keypoint> points;
            for (const auto& joint : joints) points.push_back(pose->keypoints[joint.first]);
            const auto by_x = [](const Keypoint& a, const Keypoint& b) { return a.x < b.x; };
            const auto by_y = [](const Keypoint& a, const Keypoint& b) { return a.y < b.y; };
            const auto [left, right] = std::minmax_element(points.begin(), points.end(), by_x);
            const auto [high, low] = std::minmax_element(points.begin(), points.end(), by_y);
            // A person usually covers this share of their box.
            area = std::max(area, 0.53 * (right->x - left->x) * (low->y - high->y));
        }
        for (const auto& [place, deviation] : joints) {
            const Keypoint &a = one.keypoints[place], &b = other.keypoints[place];
            const double distance = std::hypot(a.x - b.x, a.y - b.y) / deviation;
            sum += std::exp(-distance * distance / (8 * area));
        }
        return sum / static_cast<double>(joints.size());
    }
};
