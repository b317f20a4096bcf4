// Attention inside windows, forward and backward, that never leaves the cache: one window and head at a time,
// its queries, keys, values and scores in a few dozen kilobytes, whatever the size of the image.
//
// More than 300 lines: three passes share the reading of windows.
// op.py says what is computed and checks what it passes; this file only computes.

#include <vector>

#include "shared/linear.h"
#include "shared/norm.h"
#include "shared/product.h"

namespace {

constexpr float HIDDEN = -1e30f;  // the logit of a key that is no pixel: its weight is exactly 0
constexpr float OTHER_REGION = -100.0f;  // Swin's value, as in blocks/window.py

struct Shape {
    int batch, height, width, heads, head_dim, window, shift;

    int tokens() const { return window * window; }
    int padded_tokens() const { return padded(tokens()); }
    int padded_dim() const { return padded(head_dim); }
    int window_rows() const { return (height + window - 1) / window; }
    int window_columns() const { return (width + window - 1) / window; }
    int64_t windows() const { return int64_t(batch) * window_rows() * window_columns(); }
};

// The tokens of one window of the image, padded to whole windows and rolled by -shift
struct Window {
    std::vector<int64_t> pixel;  // its place in the batch, or -1 where the image has none
    std::vector<int> region;     // tokens of different regions were brought together by the roll
    bool mixed;

    explicit Window(const Shape& s) : pixel(s.padded_tokens(), -1), region(s.padded_tokens(), 0), mixed(false) {}

    void move_to(const Shape& s, int64_t index) {
        const int columns = s.window_columns(), rows = s.window_rows(), side = s.window;
        const int column = index % columns, row = index / columns % rows;
        const int64_t image = index / columns / rows;
        const int padded_height = rows * side, padded_width = columns * side;
        mixed = s.shift && (row == rows - 1 || column == columns - 1);
        for (int i = 0; i < side; ++i)
            for (int j = 0; j < side; ++j) {
                const int rolled_y = row * side + i, rolled_x = column * side + j;
                const int y = (rolled_y + s.shift) % padded_height, x = (rolled_x + s.shift) % padded_width;
                const bool inside = y < s.height && x < s.width;
                pixel[i * side + j] = inside ? (image * s.height + y) * s.width + x : -1;
                region[i * side + j] = (rolled_y >= padded_height - s.shift) * 2 + (rolled_x >= padded_width - s.shift);
            }
    }
};

// Scratch for one window and head, each matrix row by row
struct Scratch {
    int tokens, dim;  // padded
    Memory memory;
    float *q, *k, *v, *k_t, *v_t, *logits, *dense, *weights, *out, *grad;

    explicit Scratch(const Shape& s)
        : tokens(s.padded_tokens()), dim(s.padded_dim()), memory(size_t(tokens) * (7 * dim + 3 * tokens)) {
        for (float** part : {&q, &k, &v, &k_t, &v_t, &out, &grad}) *part = memory.take(size_t(tokens) * dim);
        for (float** part : {&logits, &dense, &weights}) *part = memory.take(size_t(tokens) * tokens);
    }
};

// One head of the window's tokens, times a factor; zeros where there is no pixel
template <typename T>
void gather(const Shape& s, const Window& window, const T* image, int channels, int first, float factor, float* out) {
    const int dim = s.padded_dim();
    for (int t = 0; t < s.tokens(); ++t) {
        float* row = out + t * dim;
        if (window.pixel[t] < 0) {
            std::fill(row, row + dim, 0.0f);
            continue;
        }
        const T* from = image + window.pixel[t] * channels + first;
        for (int c = 0; c < s.head_dim; c += LANES) store(row + c, read(from + c, s.head_dim - c) * factor);
    }
}

template <typename T>
void scatter(const Shape& s, const Window& window, const float* rows, float factor, int channels, int first, T* image) {
    const int dim = s.padded_dim();
    for (int t = 0; t < s.tokens(); ++t)
        if (window.pixel[t] >= 0) {
            T* to = image + window.pixel[t] * channels + first;
            for (int c = 0; c < s.head_dim; c += LANES) write(to + c, load(rows + t * dim + c) * factor, s.head_dim - c);
        }
}

// Rows and columns are multiples of PAD
void transpose(int rows, int columns, const float* from, float* to) {
    for (int r = 0; r < rows; r += LANES)
        for (int c = 0; c < columns; c += LANES) {
            Vec block[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) block[i] = load(from + (r + i) * columns + c);
            transpose_block(block);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; ++i) store(to + (c + i) * rows + r, block[i]);
        }
}

// The weighting: dense * softmax(logits) + sparse * relu(logits)^power
struct Mixture {
    float dense, sparse;
    bool squared;
};

// logits = q k^T + bias, with what may not be seen hidden
void find_logits(const Shape& s, const Window& window, const float* bias, Scratch& x) {
    const int n = x.tokens, tokens = s.tokens();
    transpose(n, x.dim, x.k, x.k_t);
    product(n, n, x.dim, x.q, x.dim, 1, x.k_t, x.logits, n);
    for (int i = 0; i < tokens; ++i)
        for (int j = 0; j < tokens; j += LANES) {
            float* logits = x.logits + i * n + j;
            store(logits, load(logits) + read(bias + i * tokens + j, tokens - j));
        }
    if (window.mixed)
        for (int i = 0; i < tokens; ++i)
            for (int j = 0; j < tokens; ++j)
                x.logits[i * n + j] += window.region[i] != window.region[j] ? OTHER_REGION : 0.0f;
    for (int j = 0; j < n; ++j)
        if (window.pixel[j] < 0)
            for (int i = 0; i < n; ++i) x.logits[i * n + j] = HIDDEN;
}

inline Vec relu(Vec x) { return x < Vec{} ? Vec{} : x; }  // keeps what is undefined

// dense = softmax(logits), by rows; weights = the mixture
void find_weights(const Mixture& mix, Scratch& x) {
    const int n = x.tokens;
    for (int i = 0; i < n; ++i) {
        const float* logits = x.logits + i * n;
        float *dense = x.dense + i * n, *weights = x.weights + i * n;
        Vec highest = load(logits);
        for (int j = LANES; j < n; j += LANES) highest = larger(highest, load(logits + j));
        const float top = across(highest, larger);
        Vec sums{};
        for (int j = 0; j < n; j += LANES) {
            const Vec e = exp(load(logits + j) - top);
            store(dense + j, e);
            sums += e;
        }
        const float scale = 1.0f / total(sums);
        for (int j = 0; j < n; j += LANES) {
            const Vec p = load(dense + j) * scale, positive = relu(load(logits + j));
            store(dense + j, p);
            store(weights + j, mix.dense * p + mix.sparse * (mix.squared ? positive * positive : positive));
        }
    }
}

inline float scale_of(const Shape& s) { return 1.0f / __builtin_sqrtf(s.head_dim); }

// Read one head of a window's queries (scaled), keys and values, and find the weights
template <typename T>
void attend(const Shape& s, const Mixture& mix, const Window& window, const T* q, const T* kv, const float* bias,
            int head, Scratch& x) {
    const int channels = s.heads * s.head_dim, at = head * s.head_dim;
    gather(s, window, q, channels, at, scale_of(s), x.q);
    gather(s, window, kv, 2 * channels, at, 1.0f, x.k);
    gather(s, window, kv, 2 * channels, channels + at, 1.0f, x.v);
    find_logits(s, window, bias + size_t(head) * s.tokens() * s.tokens(), x);
    find_weights(mix, x);
}

template <typename T>
void forward_some(const Shape& s, const Mixture& mix, const T* q, const T* kv, const float* bias, T* out,
                  int64_t first, int64_t last) {
    const int channels = s.heads * s.head_dim;
    Window window(s);
    Scratch x(s);
    for (int64_t index = first; index < last; ++index) {
        window.move_to(s, index);
        for (int head = 0; head < s.heads; ++head) {
            const int at = head * s.head_dim;
            attend(s, mix, window, q, kv, bias, head, x);
            product(x.tokens, x.dim, x.tokens, x.weights, x.tokens, 1, x.v, x.out, x.dim);
            scatter(s, window, x.out, 1.0f, channels, at, out);
        }
    }
}

// Gradients of the logits take the place of the logits; what the mixture's factors get is added up
void find_logit_gradients(const Mixture& mix, Scratch& x, const float* weight_gradients, double& dense_gradient,
                          double& sparse_gradient) {
    const int n = x.tokens;
    for (int i = 0; i < n; ++i) {
        float* logits = x.logits + i * n;
        const float *dense = x.dense + i * n, *g = weight_gradients + i * n;
        Vec dots{}, sparse_dots{};
        for (int j = 0; j < n; j += LANES) {
            const Vec positive = relu(load(logits + j));
            dots += load(dense + j) * load(g + j);
            sparse_dots += (mix.squared ? positive * positive : positive) * load(g + j);
        }
        const float dot = total(dots);
        dense_gradient += dot;
        sparse_gradient += total(sparse_dots);
        for (int j = 0; j < n; j += LANES) {
            const Vec logit = load(logits + j), up = load(g + j);
            const Vec slope = mix.squared ? 2.0f * relu(logit) : (logit > Vec{} ? all(1.0f) : Vec{});
            store(logits + j, mix.dense * load(dense + j) * (up - dot) + mix.sparse * slope * up);
        }
    }
}

template <typename T>
void backward_some(const Shape& s, const Mixture& mix, const T* q, const T* kv, const float* bias, const T* grad,
                   T* grad_q, T* grad_kv, float* grad_bias, double* grad_mix, int64_t first, int64_t last) {
    const int channels = s.heads * s.head_dim, tokens = s.tokens();
    Window window(s);
    Scratch x(s);
    for (int64_t index = first; index < last; ++index) {
        window.move_to(s, index);
        for (int head = 0; head < s.heads; ++head) {
            const int at = head * s.head_dim, n = x.tokens;
            attend(s, mix, window, q, kv, bias, head, x);
            gather(s, window, grad, channels, at, 1.0f, x.grad);

            product(n, x.dim, n, x.weights, 1, n, x.grad, x.out, x.dim);  // of v: weights^T grad
            scatter(s, window, x.out, 1.0f, 2 * channels, channels + at, grad_kv);

            transpose(n, x.dim, x.v, x.v_t);
            product(n, n, x.dim, x.grad, x.dim, 1, x.v_t, x.weights, n);  // of the weights: grad v^T
            find_logit_gradients(mix, x, x.weights, grad_mix[0], grad_mix[1]);
            float* bias_sum = grad_bias + size_t(head) * tokens * tokens;
            for (int i = 0; i < tokens; ++i)
                for (int j = 0; j < tokens; j += LANES) {
                    float* sum = bias_sum + i * tokens + j;
                    write(sum, read(sum, tokens - j) + load(x.logits + i * n + j), tokens - j);
                }

            product(n, x.dim, n, x.logits, n, 1, x.k, x.out, x.dim);
            scatter(s, window, x.out, scale_of(s), channels, at, grad_q);
            product(n, x.dim, n, x.logits, 1, n, x.q, x.out, x.dim);
            scatter(s, window, x.out, 1.0f, 2 * channels, at, grad_kv);
        }
    }
}

template <typename T>
void forward(const Shape& s, const Mixture& mix, const void* q, const void* kv, const float* bias, void* out,
             int threads) {
    share(s.windows(), threads, [=](int, int64_t first, int64_t last) {
        forward_some(s, mix, (const T*)q, (const T*)kv, bias, (T*)out, first, last);
    });
}

template <typename T>
void backward(const Shape& s, const Mixture& mix, const void* q, const void* kv, const float* bias, const void* grad,
              void* grad_q, void* grad_kv, float* grad_bias, float* grad_mix, int threads) {
    const size_t size = size_t(s.heads) * s.tokens() * s.tokens();
    std::vector<float> sums(size * threads, 0.0f);
    std::vector<double> mix_sums(2 * threads, 0.0);
    float* all_sums = sums.data();
    double* all_mix_sums = mix_sums.data();
    share(s.windows(), threads, [=](int thread, int64_t first, int64_t last) {
        backward_some(s, mix, (const T*)q, (const T*)kv, bias, (const T*)grad, (T*)grad_q, (T*)grad_kv,
                      all_sums + size * thread, all_mix_sums + 2 * thread, first, last);
    });
    for (int t = 0; t < threads; ++t) {
        for (size_t i = 0; i < size; ++i) grad_bias[i] += sums[size * t + i];
        grad_mix[0] += float(mix_sums[2 * t]);
        grad_mix[1] += float(mix_sums[2 * t + 1]);
    }
}

// A whole branch for a window at a time: normalisation, linear layer, attention, linear layer, and what was there before
template <typename T, typename Layer>
struct Branch {
    const Shape& s;
    const Mixture& mix;
    const Norm& norm;
    const Layer &project_in, &project_out;
    const T* x;
    const float* bias;
    T* out;

    void some(int64_t first, int64_t last) const {
        const int channels = s.heads * s.head_dim, tokens = s.padded_tokens(), part = tokens * s.head_dim;
        const typename Layer::Scope scope;
        Window window(s);
        Scratch scratch(s);
        Memory memory(size_t(tokens) * 5 * channels);
        float* pixels = memory.take(size_t(tokens) * channels);
        float* mixed = memory.take(size_t(tokens) * channels);
        float* parts = memory.take(size_t(tokens) * 3 * channels);  // queries, keys and values of each head by themselves
        for (int64_t index = first; index < last; ++index) {
            window.move_to(s, index);
            for (int t = 0; t < s.tokens(); ++t)
                if (window.pixel[t] >= 0) norm.apply(x + window.pixel[t] * channels, channels, pixels + t * channels);
            project_in.apply(pixels, channels, s.tokens(), [&](int token, int c, Vec v) {
                store(parts + size_t(c / s.head_dim) * part + token * s.head_dim + c % s.head_dim, v);
            });
            for (int head = 0; head < s.heads; ++head) {
                scratch.q = parts + size_t(head) * part;
                scratch.k = parts + size_t(s.heads + head) * part;
                scratch.v = parts + size_t(2 * s.heads + head) * part;
                find_logits(s, window, bias + size_t(head) * s.tokens() * s.tokens(), scratch);
                find_weights(mix, scratch);
                product(tokens, s.head_dim, tokens, scratch.weights, tokens, 1, scratch.v, mixed + head * s.head_dim,
                        channels);
            }
            project_out.apply(mixed, channels, s.tokens(), [&](int token, int c, Vec v) {
                if (window.pixel[token] < 0) return;
                const size_t place = window.pixel[token] * channels + c;
                write(out + place, v + read(x + place));
            });
        }
    }
};

template <typename Layer, typename T>
void add(const Shape& s, const Mixture& mix, const Norm& norm, const T* x, const float* const weights[4],
         const float* bias, T* out, int threads) {
    const int channels = s.heads * s.head_dim;
    const Groups wide{3 * s.heads, s.head_dim}, narrow{1, channels};
    Memory packed(Layer::floats(channels, wide) + Layer::floats(channels, narrow));
    const Layer in(packed, channels, wide, weights[0], weights[1]), to(packed, channels, narrow, weights[2], weights[3]);
    const Branch<T, Layer> branch{s, mix, norm, in, to, x, bias, out};
    share(s.windows(), threads, [&](int, int64_t first, int64_t last) { branch.some(first, last); });
}

}  // namespace

extern "C" {

void window_attention_add(const int32_t* shape, const float* mixture, int64_t squared, const float* norm,
                          const float* norm_bias, float eps, int64_t numbers, const void* x, const float* project_in,
                          const float* project_in_bias, const float* bias, const float* project_out,
                          const float* project_out_bias, void* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6]};
    const Mixture mix{mixture[0], mixture[1], bool(squared)};
    const Norm before{norm, norm_bias, eps};
    const float* const weights[] = {project_in, project_in_bias, project_out, project_out_bias};
    with_linear(Numbers(numbers), [&](auto* layer, auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        using Layer = std::remove_pointer_t<decltype(layer)>;
        add<Layer>(s, mix, before, (const T*)x, weights, bias, (T*)out, int(threads));
    });
}

void window_attention_forward(const int32_t* shape, const float* mixture, int64_t squared, int64_t half, const void* q,
                              const void* kv, const float* bias, void* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6]};
    const Mixture mix{mixture[0], mixture[1], bool(squared)};
    (half ? forward<BFloat16> : forward<float>)(s, mix, q, kv, bias, out, threads);
}

void window_attention_backward(const int32_t* shape, const float* mixture, int64_t squared, int64_t half, const void* q,
                               const void* kv, const float* bias, const void* grad, void* grad_q, void* grad_kv,
                               float* grad_bias, float* grad_mixture, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6]};
    const Mixture mix{mixture[0], mixture[1], bool(squared)};
    (half ? backward<BFloat16> : backward<float>)(s, mix, q, kv, bias, grad, grad_q, grad_kv, grad_bias, grad_mixture,
                                                  threads);
}
}
