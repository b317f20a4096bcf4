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
            for (int p = 0; p < pixels;) {
                const bool many = p + PIXELS <= pixels;
                if (c + PANEL <= channels)
                    many ? block<PIXELS, 2>(x, stride, p, c, panel, finish) : block<1, 2>(x, stride, p, c, panel, finish);
                else
                    many ? block<PIXELS, 1>(x, stride, p, c, panel, finish) : block<1, 1>(x, stride, p, c, panel, finish);
                p += many ? PIXELS : 1;
            }
        }
    }

  private:
    static constexpr int PANEL = 2 * LANES, PIXELS = 8;
    int depth, channels;  // of outputs, padded
    float *panels, *bias;

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

// As Linear, with inputs and weights rounded to bfloat16, on AMX: 32 pixels by 32 channels at a time
class TileLinear {
  public:
    using Scope = Tiles;

    static size_t floats(int depth, const Groups& g) {
        const size_t channels = rounded(g.padded_channels());
        return channels * rounded(depth) / 2 + channels;
    }

    TileLinear(Memory& from, int depth, const Groups& g, const float* weights, const float* biases)
        : depth(depth), channels(g.padded_channels()),
          tiles((uint16_t*)from.take(size_t(rounded(channels)) * rounded(depth) / 2)),
          bias(from.take(rounded(channels))) {
        for (int group = 0; group < g.count; ++group)
            for (int c = 0; c < g.size; ++c) {
                const int channel = group * g.size + c, place = group * g.padded_size() + c;
                if (biases) bias[place] = biases[channel];
                for (int k = 0; k < depth; ++k) {
                    const int row = k % SIDE / 2, column = place % (SIDE / 2) * 2 + k % 2;
                    BFloat16 half;
                    write(&half, all(weights[size_t(channel) * depth + k]), 1);
                    tile(k / SIDE, place / (SIDE / 2))[row * SIDE + column] = half.bits;
                }
            }
    }

    template <typename Finish>
    void apply(const float* x, size_t stride, int pixels, Finish finish) const {
        const int deep = rounded(depth), rows = rounded(pixels);
        thread_local std::vector<uint16_t> memory;
        memory.resize(std::max(memory.size(), size_t(rows) * deep + SIDE));
        uint16_t* inputs = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64 / 2;
        for (int p = 0; p < pixels; ++p)
            for (int k = 0; k < deep; k += LANES)
                write((BFloat16*)inputs + size_t(p) * deep + k, k < depth ? read(x + p * stride + k, depth - k) : Vec{});
        alignas(64) float sums[SIDE * SIDE];
        for (int c = 0; c < channels; c += SIDE)
            for (int p = 0; p < pixels; p += SIDE) {
                multiply(inputs + size_t(p) * deep, deep, c / (SIDE / 2), sums);
                for (int i = 0; i < std::min(SIDE, pixels - p); ++i)
                    for (int n = 0; n < SIDE && c + n < channels; n += LANES)
                        finish(p + i, c + n, load(sums + i * SIDE + n) + load(bias + c + n));
            }
    }

  private:
    static constexpr int SIDE = 32;
    int depth, channels;  // of outputs, padded
    uint16_t* tiles;      // 16 rows of pairs of inputs, 16 channels each
    float* bias;

    static int rounded(int count) { return (count + SIDE - 1) / SIDE * SIDE; }
    uint16_t* tile(int deep, int across) const {
        return tiles + (size_t(across) * (rounded(depth) / SIDE) + deep) * SIDE * SIDE / 2;
    }

    void multiply(const uint16_t* inputs, int deep, int across, float* sums) const {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int k = 0; k < deep / SIDE; ++k) {
            _tile_loadd(4, inputs + k * SIDE, deep * 2);
            _tile_loadd(5, inputs + size_t(deep) * SIDE / 2 + k * SIDE, deep * 2);
            _tile_loadd(6, tile(k, across), 64);
            _tile_loadd(7, tile(k, across + 1), 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, sums, SIDE * 4);
        _tile_stored(1, sums + SIDE / 2, SIDE * 4);
        _tile_stored(2, sums + SIDE * SIDE / 2, SIDE * 4);
        _tile_stored(3, sums + SIDE * SIDE / 2 + SIDE / 2, SIDE * 4);
    }
};
#endif

// Call work(kind of linear layer) with the best there is for images of such numbers
template <typename T, typename Work>
void with_linear(Work work) {
#ifdef PELLUCID_TILES
    if (std::is_same_v<T, BFloat16> && has_tiles()) return work((TileLinear*)nullptr);
#endif
    work((Linear*)nullptr);
}
