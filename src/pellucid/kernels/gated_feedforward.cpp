// A gated feed-forward network in one pass: a linear layer expands each pixel, the halves pass a depthwise 3x3
// convolution and a gate, a second linear layer brings them back. The expansion, several times as large as the image,
// never leaves the cache.
//
// gated_feedforward.py says what is computed and checks what it passes; this file only computes.

#include "depthwise.h"

namespace {

enum Gate { FEATURE_REFINEMENT, GATED_DEPTHWISE, LINEAR };

struct Shape {
    int batch, height, width, dim, hidden;

    Groups expanded() const { return {2, hidden}; }
    Groups depthwise(Gate gate) const { return {gate == GATED_DEPTHWISE ? 2 : 1, hidden}; }
};

struct Weights {
    const float *expand, *expand_bias, *depthwise, *depthwise_bias, *project, *project_bias;
};

// What is left of PIXELS pixels behind the gate: (PIXELS, padded hidden)
template <int PIXELS>
inline void pass_gate(const Shape& s, Gate gate, const Rows& rows, const Filter& filter, int y, int x, float* out) {
    const int half = padded(s.hidden);
    for (int c = 0; c < s.hidden; c += LANES) {
        Vec first[PIXELS], second[PIXELS];
        convolve<PIXELS>(rows, filter, y, x, c, first);
        if (gate == GATED_DEPTHWISE)
            convolve<PIXELS>(rows, filter, y, x, half + c, second);
        else
#pragma GCC unroll 8
            for (int p = 0; p < PIXELS; ++p) second[p] = load(rows.row(y) + size_t(x + p + 1) * rows.channels + half + c);
#pragma GCC unroll 8
        for (int p = 0; p < PIXELS; ++p)
            store(out + size_t(p) * half + c, (gate == LINEAR ? first[p] : gelu(first[p])) * second[p]);
    }
}

void forward(const Shape& s, Gate gate, const float* x, const Weights& w, float* out, int threads) {
    const Groups narrow{1, s.dim}, depthwise = s.depthwise(gate);
    const int columns = Rows::fitting(s.width, s.expanded()), half = padded(s.hidden);
    Memory packed(Linear::floats(s.dim, s.expanded()) + Linear::floats(s.hidden, narrow));
    const Linear expand(packed, s.dim, s.expanded(), w.expand, w.expand_bias);
    const Linear project(packed, s.hidden, narrow, w.project, w.project_bias);
    share_rows(s.batch, s.height, threads, [=](int, int image, int top, int bottom) {
        Memory memory(Rows::floats(columns, s.expanded()) + Filter::floats(depthwise) + size_t(columns) * half);
        const Filter filter(memory, depthwise, w.depthwise, w.depthwise_bias);
        const Rows rows(memory, columns, s.expanded());
        float* gated = memory.take(size_t(columns) * half);
        const size_t start = size_t(image) * s.height * s.width * s.dim;
        for (int left = 0; left < s.width; left += columns) {
            const int count = std::min(columns, s.width - left);
            for (int y = top - 1; y <= bottom; ++y) {
                if (gate == FEATURE_REFINEMENT)
                    rows.fill(expand, x + start, s.height, s.width, s.dim, y, left, count, [](Vec v) { return gelu(v); });
                else
                    rows.fill(expand, x + start, s.height, s.width, s.dim, y, left, count, [](Vec v) { return v; });
                if (y <= top) continue;
                for (int at = 0; at < count;) {
                    const bool four = at + 4 <= count;
                    (four ? pass_gate<4> : pass_gate<1>)(s, gate, rows, filter, y - 1, at, gated + size_t(at) * half);
                    at += four ? 4 : 1;
                }
                float* to = out + start + (size_t(y - 1) * s.width + left) * s.dim;
                project.apply(gated, half, count, [=, &s](int pixel, int c, Vec v) {
                    if (c < s.dim) write(to + size_t(pixel) * s.dim + c, v, s.dim - c);
                });
            }
        }
    });
}

}  // namespace

extern "C" {

void gated_feedforward_forward(const int32_t* shape, int64_t gate, const float* x, const float* expand,
                               const float* expand_bias, const float* depthwise, const float* depthwise_bias,
                               const float* project, const float* project_bias, float* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4]};
    const Weights w{expand, expand_bias, depthwise, depthwise_bias, project, project_bias};
    forward(s, Gate(gate), x, w, out, threads);
}
}
