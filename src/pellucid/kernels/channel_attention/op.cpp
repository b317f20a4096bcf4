// The products of channels that transposed attention needs, in one pass: rows of queries, keys and values, or of what
// a linear layer makes them of, pass their depthwise 3x3 convolution in the cache; of queries and keys only the
// products and squared lengths leave it.
//
// op.py says what is computed and checks what it passes; this file only computes.

#include <vector>

#include "shared/depthwise.h"
#include "shared/norm.h"
#include "shared/product.h"

namespace {

struct Shape {
    int batch, height, width, heads, head_dim;

    int dim() const { return heads * head_dim; }
    int padded_head() const { return padded(head_dim); }
    int padded_dim() const { return heads * padded_head(); }
    Groups groups() const { return {3 * heads, head_dim}; }
};

// Sums over the pixels of an image: products (heads, padded, padded), then squared lengths of queries and keys
struct Sums {
    double *products, *lengths;

    static size_t size(const Shape& s) { return size_t(s.padded_dim()) * (s.padded_head() + 2); }
    Sums(const Shape& s, double* memory)
        : products(memory), lengths(memory + size_t(s.padded_dim()) * s.padded_head()) {}
};

// Convolve PIXELS pixels: queries and keys to rows of scratch, values to the image
template <int PIXELS, typename T>
inline void convolve_some(const Shape& s, const Rows& rows, const Filter& filter, int y, int x, float* queries_keys,
                          T* values) {
    const int wide = 2 * s.padded_dim();
    for (int c = 0; c < 3 * s.padded_dim(); c += LANES) {
        Vec sums[PIXELS];
        convolve<PIXELS>(rows, filter, y, x, c, sums);
        if (c < wide) {
#pragma GCC unroll 8
            for (int p = 0; p < PIXELS; ++p) store(queries_keys + size_t(p) * wide + c, sums[p]);
            continue;
        }
        const int head = (c - wide) / s.padded_head(), inside = (c - wide) % s.padded_head();
        if (inside >= s.head_dim) continue;
#pragma GCC unroll 8
        for (int p = 0; p < PIXELS; ++p)
            write(values + size_t(p) * s.dim() + head * s.head_dim + inside, sums[p], s.head_dim - inside);
    }
}

// c[m][n] += sum over pixels of q[m] k[n], for one head
inline void add_products(const Shape& s, int pixels, const float* q, const float* k, int stride, double* to) {
    const int size = s.padded_head();
    constexpr int SOME = 8;  // divides what heads are padded to
    alignas(64) float block[SOME * 2 * LANES];
    for (int m = 0; m < s.head_dim; m += SOME)
        for (int n = 0; n < size;) {
            const bool wide = n + 2 * LANES <= size;
            const int columns = wide ? 2 * LANES : LANES;
            (wide ? product_block<2, SOME> : product_block<1, SOME>)(pixels, q + m, 1, stride, k + n, stride, block, columns);
            for (int i = 0; i < SOME; ++i)
                for (int j = 0; j < columns; ++j) to[size_t(m + i) * size + n + j] += block[i * columns + j];
            n += columns;
        }
}

inline void add_lengths(int channels, int pixels, const float* rows, double* to) {
    for (int c = 0; c < channels; c += LANES) {
        Vec sum{};
        for (int x = 0; x < pixels; ++x) {
            const Vec value = load(rows + size_t(x) * channels + c);
            sum += value * value;
        }
        for (int l = 0; l < LANES; ++l) to[c + l] += sum[l];
    }
}

// ``make(rows, pixels, image, y, left, count)`` makes a row of queries, keys and values; ``pixels`` is scratch for it
template <typename T, typename Make>
void sum_rows(const Shape& s, const float* weights, const float* biases, T* values, const Sums& sums, int image,
              int top, int bottom, Make make) {
    const Groups groups = s.groups();
    const int columns = Rows::fitting(s.width, groups), wide = 2 * s.padded_dim();
    Memory memory(Rows::floats(columns, groups) + Filter::floats(groups) + size_t(columns) * wide +
                  size_t(columns + 2) * padded(s.dim()));
    const Filter filter(memory, groups, weights, biases);
    const Rows rows(memory, columns, groups);
    float *queries_keys = memory.take(size_t(columns) * wide), *pixels = memory.take(size_t(columns + 2) * padded(s.dim()));
    T* to = values + size_t(image) * s.height * s.width * s.dim();
    for (int left = 0; left < s.width; left += columns) {
        const int count = std::min(columns, s.width - left);
        for (int y = top - 1; y <= bottom; ++y) {
            make(rows, pixels, image, y, left, count);
            if (y <= top) continue;
            for (int x = 0; x < count;) {
                const bool four = x + 4 <= count;
                const auto some = four ? convolve_some<4, T> : convolve_some<1, T>;
                some(s, rows, filter, y - 1, x, queries_keys + size_t(x) * wide,
                     to + (size_t(y - 1) * s.width + left + x) * s.dim());
                x += four ? 4 : 1;
            }
            for (int head = 0; head < s.heads; ++head) {
                const float* q = queries_keys + head * s.padded_head();
                add_products(s, count, q, q + s.padded_dim(), wide,
                             sums.products + size_t(head) * s.padded_head() * s.padded_head());
            }
            add_lengths(wide, count, queries_keys, sums.lengths);
        }
    }
}

struct Results {
    float *products, *lengths;
};

template <typename T, typename Make>
void products(const Shape& s, const float* weights, const float* biases, T* values, Results results, int threads,
              Make make) {
    const size_t size = Sums::size(s);
    for (int image = 0; image < s.batch; ++image) {
        std::vector<double> memory(size * threads, 0.0);
        double* all = memory.data();
        share(s.height, threads, [=](int thread, int64_t first, int64_t last) {
            sum_rows(s, weights, biases, values, Sums(s, all + size * thread), image, int(first), int(last), make);
        });
        for (int t = 1; t < threads; ++t)
            for (size_t i = 0; i < size; ++i) all[i] += all[size * t + i];
        const Sums sums(s, all);
        for (int head = 0; head < s.heads; ++head)
            for (int i = 0; i < s.head_dim; ++i) {
                const size_t row = size_t(head) * s.padded_head() + i;
                for (int j = 0; j < s.head_dim; ++j) *results.products++ = float(sums.products[row * s.padded_head() + j]);
            }
        for (int group = 0; group < 2 * s.heads; ++group)
            for (int i = 0; i < s.head_dim; ++i) *results.lengths++ = float(sums.lengths[group * s.padded_head() + i]);
    }
}

template <typename T>
void products_of(const Shape& s, const void* qkv, const float* weights, const float* biases, void* values,
                 Results results, int threads) {
    const int stride = 3 * s.dim();
    const auto make = [=](const Rows& rows, float*, int image, int y, int left, int count) {
        const T* from = (const T*)qkv + size_t(image) * s.height * s.width * stride;
        rows.fill(s.groups(), from, s.height, s.width, stride, y, left, count, [](Vec v) { return v; });
    };
    products(s, weights, biases, (T*)values, results, threads, make);
}

template <typename Layer, typename T>
void products_of_linear(const Shape& s, const Norm& norm, const T* x, const float* linear, const float* linear_biases,
                        const float* weights, const float* biases, T* values, Results results, int threads) {
    Memory packed(Layer::floats(s.dim(), s.groups()));
    const Layer layer(packed, s.dim(), s.groups(), linear, linear_biases);
    const int stride = padded(s.dim());
    const auto make = [&](const Rows& rows, float* pixels, int image, int y, int left, int count) {
        const int first = std::max(left - 1, 0), last = std::min(left + count, s.width - 1);
        for (int column = first; y >= 0 && y < s.height && column <= last; ++column)
            norm.apply(x + ((size_t(image) * s.height + y) * s.width + column) * s.dim(), s.dim(),
                       pixels + size_t(column - first) * stride);
        const typename Layer::Scope scope;
        rows.fill(layer, pixels, stride, s.height, s.width, y, left, count, [](Vec v) { return v; });
    };
    products(s, weights, biases, values, results, threads, make);
}

}  // namespace

extern "C" {

void channel_attention_products(const int32_t* shape, int64_t half, const void* qkv, const float* weights,
                                const float* biases, void* values, float* results, float* lengths, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4]};
    const auto run = half ? products_of<BFloat16> : products_of<float>;
    run(s, qkv, weights, biases, values, {results, lengths}, threads);
}

void channel_attention_project_products(const int32_t* shape, const float* norm, const float* norm_biases, float eps,
                                        int64_t numbers, const void* x, const float* linear, const float* linear_biases,
                                        const float* weights, const float* biases, void* values, float* results,
                                        float* lengths, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4]};
    const Norm before{norm, norm_biases, eps};
    with_linear(Numbers(numbers), [&](auto* layer, auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        products_of_linear<std::remove_pointer_t<decltype(layer)>>(s, before, (const T*)x, linear, linear_biases, weights,
                                                                   biases, (T*)values, {results, lengths}, int(threads));
    });
}
}
