// Linear layers at every pixel of some columns of a row, for what follows them in the cache.

#pragma once

#include <type_traits>
#include <vector>

#include "simd.h"

#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__linux__)
#define PELLUCID_TILES
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Channels in groups, each padded to whole vectors: halves of an expansion, heads of queries, keys and values
struct Groups {
    int count, size;

    int channels() const { return count * size; }
    int padded_size() const { return padded(size); }
    int padded_channels() const { return count * padded_size(); }
};

// Weights in panels of two vectors of channels, each (depth, 2 LANES): what a block of pixels reads from end to end
class Linear {
  public:
    struct Scope {
        Scope() {}
    };

    static size_t floats(int depth, const Groups& g) { return size_t(depth + 1) * g.padded_channels(); }

    // Weights are (channels, depth); there may be no biases
    Linear(Memory& from, int depth, const Groups& g, const float* weights, const float* biases)
        : depth(depth), channels(g.padded_channels()), panels(from.take(size_t(depth) * channels)),
          bias(from.take(channels)) {
        for (int group = 0; group < g.count; ++group)
            for (int c = 0; c < g.size; ++c) {
                const int channel = group * g.size + c, place = group * g.padded_size() + c;
                const int first = place / PANEL * PANEL, wide = std::min(PANEL, channels - first);
                if (biases) bias[place] = biases[channel];
                for (int k = 0; k < depth; ++k)
                    panels[size_t(first) * depth + size_t(k) * wide + place - first] = weights[size_t(channel) * depth + k];
            }
    }

    // Give finish(pixel, channel, LANES results) for pixels whose inputs lie ``stride`` apart
    template <typename Finish>
    void apply(const float* x, size_t stride, int pixels, Finish finish) const {
        for (int c = 0; c < channels; c += PANEL) {
            const float* panel = panels + size_t(c) * depth;
            if (c + PANEL <= channels)
                apply_panel<2>(x, stride, pixels, c, panel, finish);
            else
                apply_panel<1>(x, stride, pixels, c, panel, finish);
        }
    }

  private:
    static constexpr int PANEL = 2 * LANES, PIXELS = LANES == 16 ? 8 : 6;  // of as many registers as ``product.h``
    int depth, channels;  // of outputs, padded
    float *panels, *bias;

    template <int WIDE, typename Finish>
    void apply_panel(const float* x, size_t stride, int pixels, int c, const float* panel, Finish& finish) const {
        int p = 0;
        for (; p + PIXELS <= pixels; p += PIXELS) block<PIXELS, WIDE>(x, stride, p, c, panel, finish);
        for (; p + 2 <= pixels; p += 2) block<2, WIDE>(x, stride, p, c, panel, finish);
        if (p < pixels) block<1, WIDE>(x, stride, p, c, panel, finish);
    }

    template <int SOME, int WIDE, typename Finish>
    inline void block(const float* x, size_t stride, int first, int c, const float* panel, Finish& finish) const {
        Vec sums[SOME][WIDE] = {};
        const float* from = x + first * stride;
        for (int k = 0; k < depth; ++k, panel += WIDE * LANES) {
            Vec right[WIDE];
#pragma GCC unroll 2
            for (int n = 0; n < WIDE; ++n) right[n] = load(panel + n * LANES);
#pragma GCC unroll 8
            for (int p = 0; p < SOME; ++p)
#pragma GCC unroll 2
                for (int n = 0; n < WIDE; ++n) sums[p][n] += from[p * stride + k] * right[n];
        }
#pragma GCC unroll 8
        for (int p = 0; p < SOME; ++p)
#pragma GCC unroll 2
            for (int n = 0; n < WIDE; ++n) finish(first + p, c + n * LANES, sums[p][n] + load(bias + c + n * LANES));
    }
};

#ifdef PELLUCID_TILES
// The system lends the registers for tiles to those who ask
inline bool has_tiles() {
    constexpr int ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18;
    static const bool granted = syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
    return granted;
}

// Tiles as TileLinear uses them, on this thread, for as long as this lives
struct Tiles {
    Tiles() {
        struct alignas(64) {
            uint8_t palette = 1, start_row = 0, reserved[14] = {};
            uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
            uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
        } config;
        _tile_loadconfig(&config);
    }
    ~Tiles() { _tile_release(); }
};

// As Linear, on AMX: 32 pixels by 32 channels at a time. Inputs and weights are rounded to bfloat16 or, if SPLIT, taken
// apart into sums of two, of whose four products the three larger ones are added up: (x + dx)(w + dw) = dx w + x w +
// x dw. That keeps 16 bits, of float's 24 (Henry et al., "Leveraging the bfloat16 artificial intelligence datatype for
// higher-precision computations", 2019)
template <bool SPLIT>
class TileLinear {
  public:
    using Scope = Tiles;

    static size_t floats(int depth, const Groups& g) {
        const size_t channels = rounded(g.padded_channels());
        return channels * rounded(depth) * PARTS / 2 + channels;
    }

    TileLinear(Memory& from, int depth, const Groups& g, const float* weights, const float* biases)
        : depth(depth), channels(g.padded_channels()),
          weights((uint16_t*)from.take(size_t(rounded(channels)) * rounded(depth) * PARTS / 2)),
          bias(from.take(rounded(channels))) {
        for (int place = 0; place < channels; place += ROWS) {
            const int group = place / g.padded_size(), first = place % g.padded_size();
            const int channel = group * g.size + first, count = std::min(ROWS, g.size - first);
            if (biases) std::copy(biases + channel, biases + channel + count, bias + place);
            for (int k = 0; k < depth; k += LANES) {
                alignas(64) HalfVec parts[2][ROWS] = {};
                for (int c = 0; c < count; ++c)
                    take_apart(read(weights + size_t(channel + c) * depth + k, depth - k), &parts[0][c], &parts[1][c]);
                for (int part = 0; part < PARTS; ++part)
                    interleave(parts[part], this->weights + tile(place, k, part) + k % SIDE * ROWS);
            }
        }
    }

    template <typename Finish>
    void apply(const float* x, size_t stride, int pixels, Finish finish) const {
        thread_local std::vector<uint16_t> memory;
        memory.resize(std::max(memory.size(), size_t(rounded(pixels)) * rounded(depth) * PARTS + SIDE));
        uint16_t* inputs = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64 / 2;
        for (int p = 0; p < pixels; ++p)
            for (int k = 0; k < rounded(depth); k += LANES) {
                auto* to = (HalfVec*)(inputs + tile(p, k, 0) + p % ROWS * SIDE + k % SIDE);
                take_apart(k < depth ? read(x + p * stride + k, depth - k) : Vec{}, to, to + TILE / LANES);
            }
        alignas(64) float sums[SIDE * SIDE];
        for (int c = 0; c < channels; c += SIDE)
            for (int p = 0; p < pixels; p += SIDE) {
                multiply(inputs + tile(p, 0, 0), weights + tile(c, 0, 0), sums);
                for (int i = 0; i < std::min(SIDE, pixels - p); ++i)
                    for (int n = 0; n < SIDE && c + n < channels; n += LANES)
                        finish(p + i, c + n, load(sums + i * SIDE + n) + load(bias + c + n));
            }
    }

  private:
    static constexpr int SIDE = 32, ROWS = 16, TILE = SIDE * ROWS, PARTS = SPLIT ? 2 : 1;
    int depth, channels;  // of outputs, padded
    uint16_t* weights;    // tiles of 16 rows of pairs of inputs, for 16 channels each
    float* bias;

    static int rounded(int count) { return (count + SIDE - 1) / SIDE * SIDE; }

    // Where the tile of a pixel or channel and an input begins
    size_t tile(int row, int k, int part) const {
        return ((size_t(row / ROWS) * (rounded(depth) / SIDE) + k / SIDE) * PARTS + part) * TILE;
    }

    static void take_apart(Vec v, HalfVec* high, HalfVec* low) {
        const __m256i rounded = same_bits<__m256i>(_mm512_cvtneps_pbh(same_bits<__m512>(v)));
        _mm256_store_si256((__m256i*)high, rounded);
        if (!SPLIT) return;
        const __m512i widened = _mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16);
        const __m512 rest = _mm512_sub_ps(same_bits<__m512>(v), same_bits<__m512>(widened));
        _mm256_store_si256((__m256i*)low, same_bits<__m256i>(_mm512_cvtneps_pbh(rest)));
    }

    // Rows of pairs of inputs, one pair for each channel
    static void interleave(const HalfVec channels[ROWS], uint16_t* to) {
        uint32_t pairs[ROWS][LANES / 2];
        std::memcpy(pairs, channels, sizeof pairs);
        for (int i = 0; i < LANES / 2; ++i)
            for (int c = 0; c < ROWS; ++c) ((uint32_t*)to)[i * ROWS + c] = pairs[c][i];
    }

    void multiply(const uint16_t* inputs, const uint16_t* channels, float* sums) const {
        const size_t below = tile(ROWS, 0, 0);
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int k = 0; k < rounded(depth) / SIDE; ++k, inputs += PARTS * TILE, channels += PARTS * TILE) {
            _tile_loadd(4, inputs + (PARTS - 1) * TILE, SIDE * 2);
            _tile_loadd(5, inputs + (PARTS - 1) * TILE + below, SIDE * 2);
            _tile_loadd(6, channels, SIDE * 2);
            _tile_loadd(7, channels + below, SIDE * 2);
            add_products();
            if (!SPLIT) continue;
            _tile_loadd(4, inputs, SIDE * 2);
            _tile_loadd(5, inputs + below, SIDE * 2);
            add_products();
            _tile_loadd(6, channels + TILE, SIDE * 2);
            _tile_loadd(7, channels + TILE + below, SIDE * 2);
            add_products();
        }
        _tile_stored(0, sums, SIDE * 4);
        _tile_stored(1, sums + ROWS, SIDE * 4);
        _tile_stored(2, sums + SIDE * ROWS, SIDE * 4);
        _tile_stored(3, sums + SIDE * ROWS + ROWS, SIDE * 4);
    }
    static inline void add_products() {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
};
#endif

// What images are made of, and how linear layers may multiply it
enum Numbers { FLOATS, BFLOATS, SPLIT_FLOATS };

// Call work(kind of linear layer, type of numbers) with the best layer there is for images of such numbers
template <typename Work>
void with_linear(Numbers numbers, Work work) {
#ifdef PELLUCID_TILES
    if (numbers == BFLOATS && has_tiles()) return work((TileLinear<false>*)nullptr, (BFloat16*)nullptr);
    if (numbers == SPLIT_FLOATS && has_tiles()) return work((TileLinear<true>*)nullptr, (float*)nullptr);
#endif
    if (numbers == BFLOATS) return work((Linear*)nullptr, (BFloat16*)nullptr);
    work((Linear*)nullptr, (float*)nullptr);
}
