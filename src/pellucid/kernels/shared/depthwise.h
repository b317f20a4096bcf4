// Depthwise 3x3 convolutions of channels-last images, row by row over a few columns at a time, so that what the next
// row needs again is still in the cache.

#pragma once

#include "linear.h"

constexpr int TAPS = 9;
constexpr size_t CACHED = 160 * 1024;  // floats of rows that are needed again: what a core's own cache holds beside others

// What follows a convolution of an expansion; as ``GATES`` of depthwise_gate/reference.py
enum Gate { FEATURE_REFINEMENT, GATED_DEPTHWISE, LINEAR };

// Weights (9, channels) and bias (channels) of a convolution, padded as the groups are
struct Filter {
    int channels;  // padded
    float *weight, *bias;

    static size_t floats(const Groups& g) { return size_t(TAPS + 1) * g.padded_channels(); }

    // Weights are (channels, 9); there may be no biases
    Filter(Memory& from, const Groups& g, const float* weights, const float* biases)
        : channels(g.padded_channels()), weight(from.take(size_t(TAPS) * channels)), bias(from.take(channels)) {
        for (int group = 0; group < g.count; ++group)
            for (int c = 0; c < g.size; ++c) {
                const int channel = group * g.size + c, place = group * g.padded_size() + c;
                if (biases) bias[place] = biases[channel];
                for (int tap = 0; tap < TAPS; ++tap)
                    weight[tap * channels + place] = weights[channel * TAPS + tap];
            }
    }
};

// Three rows of some columns of an image as floats, with a column more on each side, zeros outside of the image
struct Rows {
    int columns = 0, channels = 0;  // padded
    float* memory = nullptr;

    static size_t floats(int columns, const Groups& g) { return size_t(3) * (columns + 2) * g.padded_channels(); }

    // How many columns of an image so wide to do at a time
    static int fitting(int width, const Groups& g) {
        const int most = int(CACHED / (3 * size_t(g.padded_channels()))) - 2;
        return std::min(width, std::max(most, 8));
    }

    Rows() = default;
    Rows(Memory& from, int columns, const Groups& g)
        : columns(columns), channels(g.padded_channels()), memory(from.take(floats(columns, g))) {}

    float* row(int y) const { return memory + size_t((y + 3) % 3) * (columns + 2) * channels; }

    // Make row y of an image, columns left - 1 to left + count: inside of the image by place(column, where it goes)
    template <typename Place>
    void fill(int height, int width, int y, int left, int count, Place place) const {
        float* to = row(y);
        for (int x = left - 1; x <= left + count; ++x, to += channels)
            if (y < 0 || y >= height || x < 0 || x >= width)
                std::fill(to, to + channels, 0.0f);
            else
                place(x, to);
    }

    // Read it from the pixels of an image that lie ``stride`` numbers apart
    template <typename T, typename Change>
    void fill(const Groups& g, const T* image, int height, int width, int stride, int y, int left, int count,
              Change change) const {
        fill(height, width, y, left, count, [&](int x, float* to) {
            const T* pixel = image + (size_t(y) * width + x) * stride;
            for (int group = 0; group < g.count; ++group)
                for (int c = 0; c < g.size; c += LANES)
                    store(to + group * g.padded_size() + c, change(read(pixel + group * g.size + c, g.size - c)));
        });
    }

    // Make it by a linear layer. ``pixels`` are the inputs of those columns that the image has, ``stride`` apart
    template <typename Layer, typename Change>
    void fill(const Layer& linear, const float* pixels, size_t stride, int height, int width, int y, int left, int count,
              Change change) const {
        fill(height, width, y, left, count, [](int, float*) {});
        if (y < 0 || y >= height) return;
        const int first = std::max(left - 1, 0), last = std::min(left + count, width - 1);
        float* to = row(y) + size_t(first - left + 1) * channels;
        const size_t step = channels;
        linear.apply(pixels, stride, last - first + 1,
                     [=](int pixel, int c, Vec v) { store(to + pixel * step + c, change(v)); });
    }
};

// The convolution of LANES channels from c on, at PIXELS columns from x on (0 is the first that is not added at the side)
template <int PIXELS>
inline void convolve(const Rows& rows, const Filter& filter, int y, int x, int c, Vec sums[PIXELS]) {
    const int channels = rows.channels;  // the filter may be for the first of them
    const Vec bias = load(filter.bias + c);
#pragma GCC unroll 8
    for (int p = 0; p < PIXELS; ++p) sums[p] = bias;
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
        const float* row = rows.row(y + i - 1) + size_t(x) * channels + c;
        const float* weight = filter.weight + size_t(3 * i) * filter.channels + c;
        const Vec left = load(weight), middle = load(weight + filter.channels),
                  right = load(weight + 2 * filter.channels);
#pragma GCC unroll 10
        for (int p = 0; p < PIXELS + 2; ++p) {
            const Vec value = load(row + size_t(p) * channels);
            if (p < PIXELS) sums[p] += value * left;
            if (p >= 1 && p <= PIXELS) sums[p - 1] += value * middle;
            if (p >= 2) sums[p - 2] += value * right;
        }
    }
}

// Call work(thread, image, top, bottom) for bands of rows that together are the batch
template <typename Work>
void share_rows(int batch, int height, int threads, Work work) {
    share(int64_t(batch) * height, threads, [=](int thread, int64_t first, int64_t last) {
        while (first < last) {
            const int image = int(first / height), top = int(first % height);
            const int bottom = int(std::min<int64_t>(height, top + last - first));
            work(thread, image, top, bottom);
            first += bottom - top;
        }
    });
}
