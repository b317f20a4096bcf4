// A gated feed-forward network in one pass: each pixel is normalised, a linear layer expands it, the halves pass a
// depthwise 3x3 convolution and a gate, a second linear layer brings them back, and the pixel as it was is added. The
// expansion, several times as large as the image, never leaves the cache.
//
// op.py says what is computed and checks what it passes; this file only computes.

#include <vector>

#include "shared/depthwise.h"
#include "shared/norm.h"

namespace {

struct Shape {
    int batch, height, width, dim, hidden;
    int refined, seen;  // how many of the first channels a 3x3 convolution makes before the expansion, from how many each

    int partial() const { return seen > 1 || refined < dim ? refined : 0; }  // if it is of some channels, together

    int stride() const { return padded(dim); }  // of pixels in scratch
    int patch() const { return padded(TAPS * partial()); }  // of what the refinement sees of each
    Groups expanded() const { return {2, hidden}; }
};

struct Weights {
    Norm norm;
    const float *refine, *expand, *expand_bias, *depthwise, *depthwise_bias, *project, *project_bias;
};

// Weights (out, in, 9) → (out, 9, in), as patches are laid out
std::vector<float> by_taps(const float* weights, int channels) {
    std::vector<float> ordered(size_t(channels) * channels * TAPS);
    for (int o = 0; weights && o < channels; ++o)
        for (int i = 0; i < channels; ++i)
            for (int tap = 0; tap < TAPS; ++tap)
                ordered[(size_t(o) * TAPS + tap) * channels + i] = weights[(size_t(o) * channels + i) * TAPS + tap];
    return ordered;
}

// What goes into the expansion: pixels of a row, normalised, and convolved as far as they are
template <typename T, typename Layer>
class Source {
  public:
    static size_t floats(const Shape& s, int columns) {
        const size_t wide = columns + 2, ring = Rows::floats(columns + 2, {1, s.dim});
        return wide * (s.stride() + s.patch()) + PAD + (s.refined ? ring : 0);
    }

    // One of the convolutions is used, or none
    Source(Memory& from, const Shape& s, const Norm& norm, const Layer& partial, const Filter& depthwise, const T* image,
           int columns)
        : s(s), norm(norm), partial(partial), depthwise(depthwise), image(image),
          pixels(from.take(size_t(columns + 2) * s.stride())),
          patches(from.take(size_t(columns + 2) * s.patch() + PAD)),
          rows(s.refined ? Rows(from, columns + 2, {1, s.dim}) : Rows{}) {}

    // Rows before the first that is asked for, which the convolution sees
    void begin(int y, int left, int count) const {
        if (!s.refined) return;
        normalise(y - 1, left, count);
        normalise(y, left, count);
    }

    // Those pixels of row y, columns left - 1 to left + count, that the image has; rows are asked for in order
    const float* row(int y, int left, int count) const {
        if (s.refined) normalise(y + 1, left, count);
        if (y < 0 || y >= s.height) return pixels;
        const int first = std::max(left - 1, 0), wide = std::min(left + count, s.width - 1) - first + 1;
        if (!s.refined)
            for (int i = 0; i < wide; ++i) norm.apply(at(y, first + i), s.dim, pixel(i));
        else if (s.partial())
            refine_some(y, first, wide, left);
        else
            for (int i = 0; i < wide; ++i)
                for (int c = 0; c < s.dim; c += LANES) {
                    Vec sum[1];
                    convolve<1>(rows, depthwise, y, first + i - left + 1, c, sum);
                    store(pixel(i) + c, sum[0]);
                }
        return pixels;
    }

  private:
    const Shape& s;
    const Norm& norm;
    const Layer& partial;
    const Filter& depthwise;
    const T* image;
    float *pixels, *patches;
    Rows rows;  // with a column more on each side than the expansion's

    float* pixel(int index) const { return pixels + size_t(index) * s.stride(); }
    const T* at(int y, int x) const { return image + (size_t(y) * s.width + x) * s.dim; }
    const float* normalised(int y, int x, int left) const { return rows.row(y) + size_t(x - left + 2) * s.stride(); }

    void normalise(int y, int left, int count) const {
        rows.fill(s.height, s.width, y, left - 1, count + 2, [&](int x, float* to) { norm.apply(at(y, x), s.dim, to); });
    }

    // The first channels by a linear layer of what lies around them, the others as they are
    void refine_some(int y, int first, int wide, int left) const {
        const int some = s.partial();
        for (int i = 0; i < wide; ++i) {
            // whole vectors: what is too much of one tap the next one covers
            for (int tap = 0; tap < TAPS; ++tap)
                copy(normalised(y + tap / 3 - 1, first + i + tap % 3 - 1, left), some,
                     patches + size_t(i) * s.patch() + tap * some);
            copy(normalised(y, first + i, left), s.dim, pixel(i));
        }
        partial.apply(patches, s.patch(), wide, [&](int i, int c, Vec v) {
            if (c < some) write(pixel(i) + c, v, some - c);  // padding may be a vector of its own
        });
    }

    static void copy(const float* from, int count, float* to) {
        for (int c = 0; c < count; c += LANES) write(to + c, load(from + c));
    }
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

template <typename Layer, typename T>
void add(const Shape& s, Gate gate, const T* x, const Weights& w, T* out, int threads) {
    const Groups narrow{1, s.dim}, convolved{gate == GATED_DEPTHWISE ? 2 : 1, s.hidden}, first{1, s.partial()};
    const Groups each{1, s.refined && !s.partial() ? s.dim : 0};
    const int columns = Rows::fitting(s.width, s.expanded()), half = padded(s.hidden);
    Memory packed(Layer::floats(TAPS * s.partial(), first) + Filter::floats(each) +
                  Layer::floats(s.dim, s.expanded()) + Layer::floats(s.hidden, narrow));
    const Layer partial(packed, TAPS * s.partial(), first, by_taps(w.refine, s.partial()).data(), nullptr);
    const Filter refine(packed, each, w.refine, nullptr);
    const Layer expand(packed, s.dim, s.expanded(), w.expand, w.expand_bias);
    const Layer project(packed, s.hidden, narrow, w.project, w.project_bias);
    share_rows(s.batch, s.height, threads, [&](int, int image, int top, int bottom) {
        const typename Layer::Scope scope;
        Memory memory(Rows::floats(columns, s.expanded()) + Filter::floats(convolved) + size_t(columns) * half +
                      Source<T, Layer>::floats(s, columns));
        const Filter filter(memory, convolved, w.depthwise, w.depthwise_bias);
        const Rows rows(memory, columns, s.expanded());
        float* gated = memory.take(size_t(columns) * half);
        const size_t start = size_t(image) * s.height * s.width * s.dim;
        const Source<T, Layer> source(memory, s, w.norm, partial, refine, x + start, columns);
        for (int left = 0; left < s.width; left += columns) {
            const int count = std::min(columns, s.width - left);
            source.begin(top - 1, left, count);
            for (int y = top - 1; y <= bottom; ++y) {
                const float* pixels = source.row(y, left, count);
                const auto fill = [&](auto change) {
                    rows.fill(expand, pixels, s.stride(), s.height, s.width, y, left, count, change);
                };
                if (gate == FEATURE_REFINEMENT)
                    fill([](Vec v) { return gelu(v); });
                else
                    fill([](Vec v) { return v; });
                if (y <= top) continue;
                for (int at = 0; at < count;) {
                    const bool four = at + 4 <= count;
                    (four ? pass_gate<4> : pass_gate<1>)(s, gate, rows, filter, y - 1, at, gated + size_t(at) * half);
                    at += four ? 4 : 1;
                }
                const size_t place = start + (size_t(y - 1) * s.width + left) * s.dim;
                project.apply(gated, half, count, [&](int pixel, int c, Vec v) {
                    if (c >= s.dim) return;
                    const size_t at = place + size_t(pixel) * s.dim + c;
                    write(out + at, v + read(x + at, s.dim - c), s.dim - c);
                });
            }
        }
    });
}

}  // namespace

extern "C" {

void gated_feedforward_add(const int32_t* shape, int64_t gate, const float* norm, const float* norm_bias, float eps,
                           int64_t numbers, const void* x, const float* refine, const float* expand, const float* expand_bias,
                           const float* depthwise, const float* depthwise_bias, const float* project,
                           const float* project_bias, void* out, int64_t threads) {
    const Shape s{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6]};
    const Weights w{{norm, norm_bias, eps}, refine, expand, expand_bias, depthwise, depthwise_bias, project,
                    project_bias};
    with_linear(Numbers(numbers), [&](auto* layer, auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        add<std::remove_pointer_t<decltype(layer)>>(s, Gate(gate), (const T*)x, w, (T*)out, int(threads));
    });
}
}
