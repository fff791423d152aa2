// Fits an image into a network's input: letterboxed or stretched, with the same bytes as posezoo, which uses OpenCV.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

struct Image {
    std::size_t width, height;
    std::vector<std::uint8_t> bgr;  // row by row
};

using Color = std::array<std::uint8_t, 3>;  // blue, green, red

// How images are fitted, and the value beside a letterboxed one.
struct Fit {
    std::size_t width, height;  // of the input
    bool stretches, centered;
    bool truncates;    // whether the sides are cut to whole pixels, not rounded
    bool keeps_scale;  // whether points are mapped by the scale before the sides are whole pixels
    std::uint8_t padding;
};

// The network's input, and where the image is in it.
struct Fitted {
    Image image;
    double across, down;  // pixels of the input for a pixel of the image
    std::size_t left, top;
};

namespace fitting {

// The pixels from which a row or column of the result is made, each with its weight.
struct Part {
    std::size_t place;
    float weight;
};

inline std::vector<std::vector<Part>> averaged_parts(std::size_t from, std::size_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    std::vector<std::vector<Part>> all(to);
    for (std::size_t number = 0; number < to; ++number) {
        const double begin = static_cast<double>(number) * scale;
        const double end = std::min(begin + scale, static_cast<double>(from));
        for (auto place = static_cast<std::size_t>(begin); static_cast<double>(place) < end - 1e-3; ++place) {
            const auto at = static_cast<double>(place);
            const double share = std::min(end, at + 1) - std::max(begin, at);
            if (share > 1e-3) all[number].push_back({place, static_cast<float>(share / (end - begin))});
        }
    }
    return all;
}

// The averages of rectangles of pixels, as by OpenCV's INTER_AREA; those of two pixels are rounded up at halves, as those
// of 2 x 2 are.
inline Image average(const Image& image, std::size_t width, std::size_t height) {
    const auto columns = averaged_parts(image.width, width), rows = averaged_parts(image.height, height);
    Image small{width, height, std::vector<std::uint8_t>(3 * width * height)};
    std::vector<float> sums(3 * width);
    const bool is_narrow = 2 * width == image.width, is_low = 2 * height == image.height;
    const bool is_halved = (is_narrow || width == image.width) && (is_low || height == image.height);
    for (std::size_t row = 0; row < height; ++row) {
        std::fill(sums.begin(), sums.end(), 0.0F);
        for (const Part& line : rows[row]) {
            const std::uint8_t* pixels = &image.bgr[3 * line.place * image.width];
            for (std::size_t column = 0; column < width; ++column) {
                for (const Part& part : columns[column]) {
                    const float weight = line.weight * part.weight;
                    for (std::size_t k = 0; k < 3; ++k)
                        sums[3 * column + k] += weight * static_cast<float>(pixels[3 * part.place + k]);
                }
            }
        }
        for (std::size_t i = 0; i < sums.size(); ++i) {
            const float sum = is_halved ? std::floor(sums[i] + 0.5F) : std::rint(sums[i]);
            small.bgr[row * sums.size() + i] = static_cast<std::uint8_t>(std::min(sum, 255.0F));
        }
    }
    return small;
}

// Two neighbors and their weights, which are whole numbers: their sum is 2048, as in OpenCV.
struct Between {
    std::size_t first, second;
    int one, other;
};

inline std::vector<Between> neighbors(std::size_t from, std::size_t to, bool is_row) {
    const double scale = 1 / (static_cast<double>(to) / static_cast<double>(from));
    const auto last = static_cast<float>(from - 1);
    std::vector<Between> all;
    for (std::size_t number = 0; number < to; ++number) {
        const auto place = static_cast<float>((static_cast<double>(number) + 0.5) * scale - 0.5);
        const float before = std::floor(place);
        // OpenCV rounds the outermost columns in another way than the outermost rows.
        const bool is_between = is_row || (before >= 0 && before < last);
        const float share = is_between ? place - before : 0;
        all.push_back({static_cast<std::size_t>(std::clamp(before, 0.0F, last)),
                       static_cast<std::size_t>(std::clamp(before + 1, 0.0F, last)),
                       static_cast<int>(std::rint((1 - share) * 2048)), static_cast<int>(std::rint(share * 2048))});
    }
    return all;
}

// Writes an image of this size into another one, from this place on, interpolated as by OpenCV's INTER_LINEAR.
inline void resize_into(const Image& image, std::size_t width, std::size_t height, Image& target,
                        std::size_t left, std::size_t top) {
    const auto columns = neighbors(image.width, width, false), rows = neighbors(image.height, height, true);
    std::vector<int> lines[2] = {std::vector<int>(3 * width), std::vector<int>(3 * width)};
    std::size_t present[2] = {image.height, image.height};  // the rows in ``lines``; none yet
    const auto line = [&](std::size_t row, std::size_t other) -> std::size_t {
        for (const std::size_t slot : {0U, 1U})
            if (present[slot] == row) return slot;
        const std::size_t slot = present[0] == other ? 1 : 0;
        const std::uint8_t* pixels = &image.bgr[3 * row * image.width];
        int* sum = lines[slot].data();
        for (const Between& column : columns)
            for (std::size_t k = 0; k < 3; ++k)
                *sum++ = column.one * pixels[3 * column.first + k] + column.other * pixels[3 * column.second + k];
        present[slot] = row;
        return slot;
    };
    for (std::size_t row = 0; row < height; ++row) {
        const Between& at = rows[row];
        const int* one = lines[line(at.first, at.second)].data();
        const int* other = lines[line(at.second, at.first)].data();
        std::uint8_t* pixel = &target.bgr[3 * ((top + row) * target.width + left)];
        for (std::size_t i = 0; i < 3 * width; ++i) {
            const int sum = ((at.one * (one[i] >> 4)) >> 16) + ((at.other * (other[i] >> 4)) >> 16);
            pixel[i] = static_cast<std::uint8_t>((sum + 2) >> 2);
        }
    }
}

// The image, reduced by averaging if two pixels of the input are four of the image apart or more; a linear
// interpolation alone would skip most of a large photo.
inline Image shrink(Image image, double across, double down) {
    while (std::min(across, down) <= 0.125) {
        const std::size_t x = across <= 0.125 ? 2 : 1, y = down <= 0.125 ? 2 : 1;
        Image half{std::max<std::size_t>(1, image.width / x), std::max<std::size_t>(1, image.height / y), {}};
        if (2 * half.width == image.width && 2 * half.height == image.height) {
            half = average(image, half.width, half.height);
        } else {
            half.bgr.resize(3 * half.width * half.height);
            resize_into(image, half.width, half.height, half, 0, 0);
        }
        image = std::move(half);
        across *= static_cast<double>(x), down *= static_cast<double>(y);
    }
    const auto x = static_cast<std::size_t>(std::max(1.0, 1 / (2 * across)));
    const auto y = static_cast<std::size_t>(std::max(1.0, 1 / (2 * down)));
    if (x == 1 && y == 1) return image;
    return average(image, std::max<std::size_t>(1, image.width / x), std::max<std::size_t>(1, image.height / y));
}

// The three colors of a pixel, 21 bits for each: one multiplication weights all of them.
inline std::uint64_t spread(const std::uint8_t* color) {
    return color[0] | std::uint64_t{color[1]} << 21 | std::uint64_t{color[2]} << 42;
}

// What is outside of an image: its edges, repeated, or a color.
struct Border {
    bool repeats_edges;
    Color color;
};
constexpr Border black{false, {0, 0, 0}};
constexpr Border edge{true, {0, 0, 0}};

// The color at a place in 1/32 of a pixel, from its four neighbors.
inline void interpolate(const Image& image, long u, long v, const Border& border, std::uint8_t* color) {
    const auto width = static_cast<long>(image.width), height = static_cast<long>(image.height);
    const long i = u >> 5, j = v >> 5;
    const auto right = static_cast<std::uint64_t>(u & 31), below = static_cast<std::uint64_t>(v & 31);
    const std::array<std::uint64_t, 4> weights{(32 - right) * (32 - below), right * (32 - below),
                                               (32 - right) * below, right * below};
    std::uint64_t sum = 512 | std::uint64_t{512} << 21 | std::uint64_t{512} << 42;  // half of 1024: rounds
    if (i >= 0 && i + 1 < width && j >= 0 && j + 1 < height) {  // no neighbor is outside
        const std::uint8_t* pixel = &image.bgr[3 * static_cast<std::size_t>(j * width + i)];
        const std::uint8_t* next = pixel + 3 * width;
        sum += spread(pixel) * weights[0] + spread(pixel + 3) * weights[1] + spread(next) * weights[2] +
               spread(next + 3) * weights[3];
    } else {
        for (long corner = 0; corner < 4; ++corner) {
            long column = i + corner % 2, line = j + corner / 2;
            if (border.repeats_edges) {
                column = std::clamp(column, 0L, width - 1);
                line = std::clamp(line, 0L, height - 1);
            }
            const bool is_inside = column >= 0 && column < width && line >= 0 && line < height;
            const std::uint8_t* neighbor = border.color.data();
            if (is_inside) neighbor = &image.bgr[3 * static_cast<std::size_t>(line * width + column)];
            sum += spread(neighbor) * weights[static_cast<std::size_t>(corner)];
        }
    }
    for (int k = 0; k < 3; ++k) color[k] = static_cast<std::uint8_t>(sum >> (21 * k + 10));
}

}  // namespace fitting

// Letterboxes an image.
inline Fitted fit_image(const Image& image, const Fit& fit) {
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    const auto input_width = static_cast<double>(fit.width), input_height = static_cast<double>(fit.height);
    const double scale = std::min(input_width / width, input_height / height);
    const auto whole = [&](double side) {
        return std::max(1.0, fit.truncates ? std::floor(scale * side) : std::nearbyint(scale * side));
    };
    const double inner_width = whole(width), inner_height = whole(height);
    const auto columns = static_cast<std::size_t>(inner_width), rows = static_cast<std::size_t>(inner_height);
    Fitted fitted{{fit.width, fit.height, std::vector<std::uint8_t>(3 * fit.width * fit.height, fit.padding)},
                  fit.keeps_scale ? scale : inner_width / width,
                  fit.keeps_scale ? scale : inner_height / height,
                  fit.centered ? (fit.width - columns) / 2 : 0,
                  fit.centered ? (fit.height - rows) / 2 : 0};
    if (std::min(fitted.across, fitted.down) <= 0.25) {
        const Image part = fitting::shrink(image, fitted.across, fitted.down);
        fitting::resize_into(part, columns, rows, fitted.image, fitted.left, fitted.top);
    } else {
        fitting::resize_into(image, columns, rows, fitted.image, fitted.left, fitted.top);
    }
    return fitted;
}

// A rotated square of an image, as a network sees it.
struct Square {
    double x, y;          // its center, in pixels of the image
    double across, down;  // the step in the image from one of the network's pixels to the next in its row
    int side;             // in pixels of the network
};

// Where an upright rectangle of an image is in a network's input: x of the input is across * x + left.
struct View {
    double across, down, left, top;
    std::size_t width, height;  // of the input
};

// From a place in the pixels of a network to the image: x of the image is xx * x + xy * y + x0.
struct ToImage {
    double xx, xy, x0, yx, yy, y0;

    static ToImage of(const Square& square) {
        const auto [x, y, across, down, side] = square;
        const double half = side / 2.0;
        return {across, -down, x - half * (across - down), down, across, y - half * (across + down)};
    }

    static ToImage of(const View& view) {
        return {1 / view.across, 0, -view.left / view.across, 0, 1 / view.down, -view.top / view.down};
    }
};

// The whole image in the middle of a square.
inline Square whole_square(const Image& image, int side) {
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    return {width / 2, height / 2, std::max(width, height) / side, 0, side};
}

// This part of an image; the sides are inside of it.
inline Image copy_part(const Image& image, std::size_t left, std::size_t top, std::size_t right, std::size_t bottom) {
    Image part{right - left, bottom - top, {}};
    part.bgr.reserve(3 * part.width * part.height);
    for (std::size_t row = top; row < bottom; ++row) {
        const std::uint8_t* line = &image.bgr[3 * (row * image.width + left)];
        part.bgr.insert(part.bgr.end(), line, line + 3 * part.width);
    }
    return part;
}

// What a network sees of an image, with this color outside of it. It has the bytes of posezoo, which averages a large
// image first, and then calls OpenCV's warpAffine: its steps are rounded to 1/1024 of a pixel, and places to 1/32.
inline Image warp(const Image& image, const View& view, const Color& outside) {
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    const auto to_x = [&view](double x) { return static_cast<float>((x - view.left) / view.across); };
    const auto to_y = [&view](double y) { return static_cast<float>((y - view.top) / view.down); };
    // The part that the input covers, with a margin for the interpolation.
    const auto margin = static_cast<float>(2 / std::min(view.across, view.down));
    const auto first = [&](float place, double side) {
        return static_cast<std::size_t>(std::clamp(static_cast<double>(std::floor(place - margin)), 0.0, side));
    };
    const auto last = [&](float place, double side) {
        return static_cast<std::size_t>(std::clamp(static_cast<double>(std::ceil(place + margin)), 0.0, side));
    };
    const std::size_t left = first(to_x(0), width), right = last(to_x(static_cast<double>(view.width)), width);
    const std::size_t top = first(to_y(0), height), bottom = last(to_y(static_cast<double>(view.height)), height);
    Image pixels{view.width, view.height, std::vector<std::uint8_t>(3 * view.width * view.height)};
    if (left >= right || top >= bottom) {
        for (std::size_t i = 0; i < pixels.bgr.size(); ++i) pixels.bgr[i] = outside[i % 3];
        return pixels;
    }
    Image part = copy_part(image, left, top, right, bottom);
    if (std::min(view.across, view.down) <= 0.25) part = fitting::shrink(std::move(part), view.across, view.down);
    // The scales of the reduced part, and the places of its pixels' centers.
    const double across = view.across * static_cast<double>(right - left) / static_cast<double>(part.width);
    const double down = view.down * static_cast<double>(bottom - top) / static_cast<double>(part.height);
    const double shift_x = view.across * static_cast<double>(left) + view.left + across / 2 - 0.5;
    const double shift_y = view.down * static_cast<double>(top) + view.top + down / 2 - 0.5;
    std::vector<long> steps;
    for (std::size_t column = 0; column < view.width; ++column)
        steps.push_back(std::lrint(1024 / across * static_cast<double>(column)));
    const long start_u = std::lrint(-1024 / across * shift_x) + 16;
    const fitting::Border border{false, outside};
    std::uint8_t* pixel = pixels.bgr.data();
    for (std::size_t row = 0; row < view.height; ++row) {
        const long v = std::lrint(1024 / down * (static_cast<double>(row) - shift_y)) + 16;
        for (const long step : steps) {
            fitting::interpolate(part, (start_u + step) >> 5, v >> 5, border, pixel);
            pixel += 3;
        }
    }
    return pixels;
}

// The pixels of a square as MediaPipe gives them to its networks: nothing is averaged, and the corner of the square
// is the center of its first pixel.
inline Image cut_at_corner(const Image& image, const Square& square, const fitting::Border& border) {
    const auto side = static_cast<std::size_t>(square.side);
    const double half = square.side / 2.0;
    const double left = square.x - half * (square.across - square.down);
    const double top = square.y - half * (square.across + square.down);
    Image pixels{side, side, std::vector<std::uint8_t>(3 * side * side)};
    std::uint8_t* pixel = pixels.bgr.data();
    // Places are rounded to 1/32 of a pixel, as by OpenCV's warpPerspective.
    for (int row = 0; row < square.side; ++row) {
        for (int column = 0; column < square.side; ++column) {
            const long u = std::lrint(32 * (left - square.down * row + square.across * column));
            const long v = std::lrint(32 * (top + square.across * row + square.down * column));
            fitting::interpolate(image, u, v, border, pixel);
            pixel += 3;
        }
    }
    return pixels;
}
