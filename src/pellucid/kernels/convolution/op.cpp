// Dense convolutions of channels-last images, on AMX: what each pixel sees, side by side, times the weights. A few
// hundred pixels at a time, so that what they see stays in the cache.
//
// op.py says what is computed and checks what it passes; this file only computes.

#include "shared/linear.h"

namespace {

struct Shape {
    int batch, height, width, in, out, kernel, stride, padding, out_height, out_width;

    int seen() const { return kernel * kernel * in; }  // by each pixel
    int64_t pixels() const { return int64_t(batch) * out_height * out_width; }
    bool is_pointwise() const { return kernel == 1 && stride == 1 && padding == 0; }
};

constexpr int CACHED = 128 * 1024;  // floats of what pixels see
constexpr int FEWEST = 64;          // pixels, for which weights are read from beyond the cache

// What a pixel of the result sees: (kernel, kernel, in), zeros outside of the image
void gather(const Shape& s, const float* x, int64_t pixel, float* to) {
    const int column = int(pixel % s.out_width), row = int(pixel / s.out_width % s.out_height);
    const int64_t image = pixel / s.out_width / s.out_height;
    const int left = column * s.stride - s.padding, first = std::max(left, 0);
    const int last = std::min(left + s.kernel, s.width);
    for (int i = 0; i < s.kernel; ++i, to += s.kernel * s.in) {
        const int y = row * s.stride - s.padding + i;
        const bool inside = y >= 0 && y < s.height && first < last;
        if (!inside || last - first < s.kernel) std::fill(to, to + s.kernel * s.in, 0.0f);
        if (!inside) continue;
        const float* from = x + ((image * s.height + y) * s.width + first) * s.in;
        std::copy(from, from + size_t(last - first) * s.in, to + size_t(first - left) * s.in);
    }
}

template <typename Layer>
void convolve(const Shape& s, const float* x, const float* weights, const float* biases, const float* added, float* out,
              int threads) {
    const Groups g{1, s.out};
    Memory packed(Layer::floats(s.seen(), g));
    const Layer layer(packed, s.seen(), g, weights, biases);
    const int block = std::max(CACHED / s.seen() / 32 * 32, FEWEST);
    share(s.pixels(), threads, [&](int, int64_t start, int64_t end) {
        const typename Layer::Scope scope;
        Memory memory(s.is_pointwise() ? 0 : size_t(block) * s.seen());
        float* seen = memory.take(0);
        for (; start < end; start += block) {
            const int count = int(std::min<int64_t>(block, end - start));
            const float* inputs = x + start * s.in;
            if (!s.is_pointwise()) {
                for (int p = 0; p < count; ++p) gather(s, x, start + p, seen + size_t(p) * s.seen());
                inputs = seen;
            }
            layer.apply(inputs, s.seen(), count, [&](int pixel, int c, Vec v) {
                const size_t at = size_t(start + pixel) * s.out + c;
                const int rest = s.out - c;
                if (rest > 0) write(out + at, added ? v + read(added + at, rest) : v, rest);
            });
        }
    });
}

}  // namespace

extern "C" {

int convolution_has_tiles() {
#ifdef PELLUCID_TILES
    return has_tiles();
#else
    return 0;
#endif
}

// Weights are (out, kernel, kernel, in). ``added`` may be none: an image that is added to the result
void convolution_forward(const int32_t* shape, const void* x, const float* weights, const float* biases,
                         const void* added, void* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6], shape[7], shape[8], shape[9]};
    with_linear(SPLIT_FLOATS, [&](auto* layer, auto*) {
        convolve<std::remove_pointer_t<decltype(layer)>>(s, (const float*)x, weights, biases, (const float*)added,
                                                         (float*)out, int(threads));
    });
}
}
