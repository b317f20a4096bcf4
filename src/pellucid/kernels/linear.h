// Linear layers at every pixel of some columns of a row, for what follows them in the cache.

#pragma once

#include "simd.h"

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
