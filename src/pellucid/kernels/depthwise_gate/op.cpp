// A depthwise 3x3 convolution and a gate in one pass, row by row: the middle of a feed-forward network, between its two
// linear layers. Nothing but the expansion is read, nothing but the result written. Backward, for AST's alone.
//
// op.py says what is computed and checks what it passes; this file only computes.

#include "shared/depthwise.h"

namespace {

struct Shape {
    int batch, height, width, hidden;

    Groups groups() const { return {1, hidden}; }
    int channels() const { return padded(hidden); }
    size_t row() const { return size_t(width + 2) * channels(); }  // one pixel more on each side
};

// Whole rows of one image that the backward pass still needs, in the place of older ones
struct Ring {
    float* memory;
    size_t size;
    int rows;

    Ring(Memory& from, const Shape& s, int rows) : memory(from.take(s.row() * rows)), size(s.row()), rows(rows) {}
    float* row(int y) const { return memory + size * ((y + 2 * rows) % rows); }
};

// gelu of the first half of row y of the expansion; zeros outside of the image
template <typename T>
void gate_row(const Shape& s, const T* image, int y, float* out) {
    const int channels = s.channels();
    if (y < 0 || y >= s.height) {
        std::fill(out, out + s.row(), 0.0f);
        return;
    }
    const T* pixel = image + size_t(y) * s.width * 2 * s.hidden;
    for (int x = 0; x < s.width; ++x, pixel += 2 * s.hidden)
        for (int c = 0; c < s.hidden; c += LANES)
            store(out + size_t(x + 1) * channels + c, gelu(read(pixel + c, s.hidden - c)));
}

// The convolution at column x, of LANES channels from c on; rows start one pixel left of the image. With ``flipped``,
// its transpose
inline Vec convolved(const float* const rows[3], const float* weight, int channels, int x, int c, bool flipped) {
    Vec sum{};
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i)
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) {
            const int tap = flipped ? TAPS - 1 - (3 * i + j) : 3 * i + j;
            sum += load(rows[i] + size_t(x + j) * channels + c) * load(weight + tap * channels + c);
        }
    return sum;
}

template <int PIXELS, typename T>
inline void pass_gate(const Shape& s, Gate gate, const Rows& rows, const Filter& filter, const T* value, T* out, int y,
                      int x) {
    for (int c = 0; c < s.hidden; c += LANES) {
        const int left = s.hidden - c;
        Vec first[PIXELS], second[PIXELS];
        convolve<PIXELS>(rows, filter, y, x, c, first);
        if (gate == GATED_DEPTHWISE) convolve<PIXELS>(rows, filter, y, x, padded(s.hidden) + c, second);
#pragma GCC unroll 8
        for (int p = 0; p < PIXELS; ++p) {
            if (gate != GATED_DEPTHWISE) second[p] = read(value + size_t(2 * p) * s.hidden + c, left);
            if (gate == FEATURE_REFINEMENT) second[p] = gelu(second[p]);
            write(out + size_t(p) * s.hidden + c, (gate == LINEAR ? first[p] : gelu(first[p])) * second[p], left);
        }
    }
}

template <typename T>
void forward(const Shape& s, Gate gate, const void* expanded, const float* weights, const float* biases, void* out,
             int threads) {
    const Groups groups{gate == GATED_DEPTHWISE ? 2 : 1, s.hidden};
    const int columns = Rows::fitting(s.width, groups), stride = 2 * s.hidden;
    share_rows(s.batch, s.height, threads, [=](int, int image, int top, int bottom) {
        Memory memory(Rows::floats(columns, groups) + Filter::floats(groups));
        const Filter filter(memory, groups, weights, biases);
        const Rows rows(memory, columns, groups);
        const T* from = (const T*)expanded + size_t(image) * s.height * s.width * stride;
        T* to = (T*)out + size_t(image) * s.height * s.width * s.hidden;
        for (int left = 0; left < s.width; left += columns) {
            const int count = std::min(columns, s.width - left);
            for (int y = top - 1; y <= bottom; ++y) {
                if (gate == FEATURE_REFINEMENT)
                    rows.fill(groups, from, s.height, s.width, stride, y, left, count, [](Vec v) { return gelu(v); });
                else
                    rows.fill(groups, from, s.height, s.width, stride, y, left, count, [](Vec v) { return v; });
                if (y <= top) continue;
                for (int x = 0; x < count;) {
                    const size_t place = size_t(y - 1) * s.width + left + x;
                    const bool four = x + 4 <= count;
                    const auto some = four ? pass_gate<4, T> : pass_gate<1, T>;
                    some(s, gate, rows, filter, from + place * stride + s.hidden, to + place * s.hidden, y - 1, x);
                    x += four ? 4 : 1;
                }
            }
        }
    });
}

// Gradients of row y of the convolution's result, and of the second half of the expansion there
template <typename T>
void gate_gradients(const Shape& s, const T* from, const T* grad, const Ring& gates, const Filter& filter, int y,
                    float* out, T* grad_expanded) {
    const int channels = s.channels();
    if (y < 0 || y >= s.height) {
        std::fill(out, out + s.row(), 0.0f);
        return;
    }
    const float* const rows[3] = {gates.row(y - 1), gates.row(y), gates.row(y + 1)};
    for (int x = 0; x < s.width; ++x) {
        const size_t place = size_t(y) * s.width + x;
        for (int c = 0; c < s.hidden; c += LANES) {
            const int left = s.hidden - c;
            const Vec mixed = convolved(rows, filter.weight, channels, x, c, false) + load(filter.bias + c);
            const Vec value = read(from + (2 * place + 1) * s.hidden + c, left);
            const Vec up = read(grad + place * s.hidden + c, left);
            const Normal of_mixed(mixed), of_value(value);
            store(out + size_t(x + 1) * channels + c,
                  up * value * of_value.below * (of_mixed.below + mixed * of_mixed.density));
            if (grad_expanded)
                write(grad_expanded + (2 * place + 1) * s.hidden + c,
                      up * mixed * of_mixed.below * (of_value.below + value * of_value.density), left);
        }
    }
}

// Rows [top, bottom) of one image
template <typename T>
void backward_some(const Shape& s, const T* expanded, const float* weights, const float* biases, const T* grads,
                   T* grad_expanded, float* weight_sums, float* bias_sums, int image, int top, int bottom) {
    const int channels = s.channels();
    Memory memory(7 * s.row() + Filter::floats(s.groups()));
    const Ring gates(memory, s, 4), mixed(memory, s, 3);
    const Filter filter(memory, s.groups(), weights, biases);
    const size_t start = size_t(image) * s.height * s.width * s.hidden;
    const T *from = expanded + 2 * start, *grad = grads + start;
    T* to = grad_expanded + 2 * start;
    for (int y = top - 2; y < top; ++y) gate_row(s, from, y, gates.row(y));
    for (int y = top - 1; y <= bottom; ++y) {
        gate_row(s, from, y + 1, gates.row(y + 1));
        const bool own = y >= top && y < bottom;
        gate_gradients(s, from, grad, gates, filter, y, mixed.row(y), own ? to : nullptr);
        if (own)
            for (int c = 0; c < s.hidden; c += LANES) {
                Vec sums[TAPS] = {}, bias{};
                for (int x = 0; x < s.width; ++x) {
                    const Vec up = load(mixed.row(y) + size_t(x + 1) * channels + c);
                    bias += up;
#pragma GCC unroll 9
                    for (int tap = 0; tap < TAPS; ++tap)
                        sums[tap] += up * load(gates.row(y + tap / 3 - 1) + size_t(x + tap % 3) * channels + c);
                }
                store(bias_sums + c, load(bias_sums + c) + bias);
                for (int tap = 0; tap < TAPS; ++tap) {
                    float* sum = weight_sums + tap * channels + c;
                    store(sum, load(sum) + sums[tap]);
                }
            }
        if (y <= top) continue;
        const float* const rows[3] = {mixed.row(y - 2), mixed.row(y - 1), mixed.row(y)};
        for (int x = 0; x < s.width; ++x) {
            const size_t at = 2 * (size_t(y - 1) * s.width + x) * s.hidden;
            for (int c = 0; c < s.hidden; c += LANES) {
                const Vec before = read(from + at + c, s.hidden - c);
                const Normal of_gate(before);
                const Vec up = convolved(rows, filter.weight, channels, x, c, true);
                write(to + at + c, up * (of_gate.below + before * of_gate.density), s.hidden - c);
            }
        }
    }
}

template <typename T>
void backward(const Shape& s, const void* expanded, const float* weights, const float* biases, const void* grads,
              void* grad_expanded, float* grad_weights, float* grad_biases, int threads) {
    const int channels = s.channels();
    const size_t size = size_t(TAPS + 1) * channels;
    Memory shares(size * threads);
    float* sums = shares.take(size * threads);
    share_rows(s.batch, s.height, threads, [=](int thread, int image, int top, int bottom) {
        float* own = sums + size * thread;
        backward_some(s, (const T*)expanded, weights, biases, (const T*)grads, (T*)grad_expanded, own,
                      own + TAPS * channels, image, top, bottom);
    });
    for (int t = 0; t < threads; ++t)
        for (int c = 0; c < s.hidden; ++c) {
            for (int tap = 0; tap < TAPS; ++tap) grad_weights[c * TAPS + tap] += sums[size * t + tap * channels + c];
            grad_biases[c] += sums[size * t + TAPS * channels + c];
        }
}

}  // namespace

extern "C" {

void depthwise_gate_forward(const int32_t* shape, int64_t gate, int64_t half, const void* expanded,
                            const float* weights, const float* biases, void* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3]};
    (half ? forward<BFloat16> : forward<float>)(s, Gate(gate), expanded, weights, biases, out, threads);
}

// Of feature refinement, whatever the gate
void depthwise_gate_backward(const int32_t* shape, int64_t gate, int64_t half, const void* expanded, const float* weights,
                             const float* biases, const void* grads, void* grad_expanded, float* grad_weights,
                             float* grad_biases, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3]};
    (half ? backward<BFloat16> : backward<float>)(s, expanded, weights, biases, grads, grad_expanded, grad_weights,
                                                  grad_biases, threads);
}
}
