// A depthwise 3x3 convolution and a gate in one pass: Restormer's feed-forward network between its two linear layers,
// gelu(first half) * second half of the convolution; and ASTv2's, first half of the convolution * second half of what
// came in. Nothing but the expansion is read, nothing but the result written.
//
// op.py says what is computed and checks what it passes; this file only computes.

#include "shared/depthwise.h"

namespace {

struct Shape {
    int batch, height, width, hidden;
};

template <int PIXELS, typename T>
inline void gate(const Shape& s, const Rows& rows, const Filter& filter, const T* value, T* out, int y, int x,
                 bool both) {
    for (int c = 0; c < s.hidden; c += LANES) {
        Vec first[PIXELS], second[PIXELS];
        convolve<PIXELS>(rows, filter, y, x, c, first);
        if (both) convolve<PIXELS>(rows, filter, y, x, padded(s.hidden) + c, second);
#pragma GCC unroll 8
        for (int p = 0; p < PIXELS; ++p) {
            const int left = s.hidden - c;
            const Vec gated = both ? gelu(first[p]) * second[p] : first[p] * read(value + size_t(2 * p) * s.hidden + c, left);
            write(out + size_t(p) * s.hidden + c, gated, left);
        }
    }
}

template <typename T>
void forward(const Shape& s, bool both, const T* expanded, const float* weights, const float* biases, T* out,
             int threads) {
    const Groups groups{both ? 2 : 1, s.hidden};
    const int columns = Rows::fitting(s.width, groups), stride = 2 * s.hidden;
    share_rows(s.batch, s.height, threads, [=](int, int image, int top, int bottom) {
        Memory memory(Rows::floats(columns, groups) + Filter::floats(groups));
        const Filter filter(memory, groups, weights, biases);
        const Rows rows(memory, columns, groups);
        const T* from = expanded + size_t(image) * s.height * s.width * stride;
        T* to = out + size_t(image) * s.height * s.width * s.hidden;
        for (int left = 0; left < s.width; left += columns) {
            const int count = std::min(columns, s.width - left);
            for (int y = top - 1; y <= bottom; ++y) {
                rows.fill(groups, from, s.height, s.width, stride, y, left, count);
                if (y <= top) continue;
                for (int x = 0; x < count;) {
                    const size_t place = size_t(y - 1) * s.width + left + x;
                    const bool four = x + 4 <= count;
                    const auto some = four ? gate<4, T> : gate<1, T>;
                    some(s, rows, filter, from + place * stride + s.hidden, to + place * s.hidden, y - 1, x, both);
                    x += four ? 4 : 1;
                }
            }
        }
    });
}

}  // namespace

extern "C" {

void depthwise_gate_forward(const int32_t* shape, int64_t both, int64_t half, const void* expanded,
                            const float* weights, const float* biases, void* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3]};
    if (half)
        forward(s, both, (const BFloat16*)expanded, weights, biases, (BFloat16*)out, threads);
    else
        forward(s, both, (const float*)expanded, weights, biases, (float*)out, threads);
}
}
