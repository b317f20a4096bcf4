// Layer normalisation of each pixel over its channels, forward and backward, in one pass over the image each.
//
// op.py says what is computed and checks what it passes; this file only computes.

#include "shared/norm.h"

namespace {

template <typename T>
void forward(int64_t pixels, int channels, Norm norm, const void* x, void* out, int threads) {
    share(pixels, threads, [=](int, int64_t first, int64_t last) {
        Memory memory(padded(channels));
        float* row = memory.take(padded(channels));
        for (int64_t p = first; p < last; ++p) {
            norm.apply((const T*)x + p * channels, channels, row);
            for (int c = 0; c < channels; c += LANES) write((T*)out + p * channels + c, load(row + c), channels - c);
        }
    });
}

// ``added`` may be none: what else x has part in gives it this gradient
template <typename T>
void backward(int64_t pixels, int channels, float eps, const void* x, const float* weight, const void* grad,
              const void* added, void* grad_x, float* grad_weight, float* grad_bias, int threads) {
    const int size = padded(channels);
    Memory shares(2 * size_t(size) * threads);
    float* sums = shares.take(2 * size_t(size) * threads);
    share(pixels, threads, [=](int thread, int64_t first, int64_t last) {
        Memory memory(2 * size);
        float *row = memory.take(size), *scaled = memory.take(size);
        float *weight_sums = sums + 2 * size_t(size) * thread, *bias_sums = weight_sums + size;
        for (int64_t p = first; p < last; ++p) {
            const Moments m = moments((const T*)x + p * channels, channels, eps, row);
            Vec plain{}, along{};
            for (int c = 0; c < channels; c += LANES) {
                const int left = channels - c;
                const Vec up = read((const T*)grad + p * channels + c, left), y = (load(row + c) - m.mean) * m.scale;
                const Vec g = up * read(weight + c, left);  // zero where there is no channel
                store(row + c, y);
                store(scaled + c, g);
                store(weight_sums + c, load(weight_sums + c) + up * y);
                store(bias_sums + c, load(bias_sums + c) + up);
                plain += g;
                along += g * y;
            }
            const float mean_plain = total(plain) / channels, mean_along = total(along) / channels;
            for (int c = 0; c < channels; c += LANES) {
                Vec g = (load(scaled + c) - mean_plain - load(row + c) * mean_along) * m.scale;
                if (added) g += read((const T*)added + p * channels + c, channels - c);
                write((T*)grad_x + p * channels + c, g, channels - c);
            }
        }
    });
    for (int t = 0; t < threads; ++t)
        for (int c = 0; c < channels; ++c) {
            grad_weight[c] += sums[2 * size_t(size) * t + c];
            grad_bias[c] += sums[2 * size_t(size) * t + size + c];
        }
}

}  // namespace

extern "C" {

void layer_norm_forward(int64_t pixels, int64_t channels, float eps, int64_t half, const void* x, const float* weight,
                        const float* bias, void* out, int64_t threads) {
    (half ? forward<BFloat16> : forward<float>)(pixels, channels, {weight, bias, eps}, x, out, threads);
}

void layer_norm_add_backward(int64_t pixels, int64_t channels, float eps, int64_t half, const void* x,
                             const float* weight, const void* grad, const void* added, void* grad_x, float* grad_weight,
                             float* grad_bias, int64_t threads) {
    (half ? backward<BFloat16> : backward<float>)(pixels, channels, eps, x, weight, grad, added, grad_x, grad_weight,
                                                  grad_bias, threads);
}

void layer_norm_backward(int64_t pixels, int64_t channels, float eps, int64_t half, const void* x, const float* weight,
                         const void* grad, void* grad_x, float* grad_weight, float* grad_bias, int64_t threads) {
    layer_norm_add_backward(pixels, channels, eps, half, x, weight, grad, nullptr, grad_x, grad_weight, grad_bias,
                            threads);
}
}
