// Layer normalisation of one pixel over its channels.

#pragma once

#include "simd.h"

struct Moments {
    float mean, scale;  // scale is 1 / sqrt(variance + eps)
};

// Of one pixel, widened into ``row``, whose end is padded with zeros
template <typename T>
inline Moments moments(const T* pixel, int channels, float eps, float* row) {
    Vec sums{};
    for (int c = 0; c < channels; c += LANES) {
        const Vec x = read(pixel + c, channels - c);
        store(row + c, x);
        sums += x;
    }
    const float mean = total(sums) / channels;
    Vec squares{};
    for (int c = 0; c < channels; c += LANES) {
        Vec away = load(row + c) - mean;
        if (channels - c < LANES)
            for (int l = channels - c; l < LANES; ++l) away[l] = 0;  // where there is no channel
        squares += away * away;
    }
    return {mean, 1.0f / __builtin_sqrtf(total(squares) / channels + eps)};
}

// Without biases the mean stays in (Restormer's BiasFree)
struct Norm {
    const float *weight, *bias;
    float eps;

    // Into a row whose end is padded with zeros
    template <typename T>
    void apply(const T* pixel, int channels, float* row) const {
        const Moments m = moments(pixel, channels, eps, row);
        const float mean = bias ? m.mean : 0.0f;
        for (int c = 0; c < channels; c += LANES) {
            const int left = channels - c;
            const Vec added = bias ? read(bias + c, left) : Vec{};
            store(row + c, (load(row + c) - mean) * m.scale * read(weight + c, left) + added);
        }
    }
};
