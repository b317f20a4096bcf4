// What the kernels beside this file share: vectors of floats, two types of numbers in memory, and threads.
//
// Images are channels-last, float or bfloat16; all arithmetic is float. Undefined values stay undefined.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
constexpr int PAD = 16;  // scratch rows come in multiples of this

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef float LooseVec __attribute__((vector_size(LANES * 4), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(LANES * 4)));
#ifdef __AVX512F__
constexpr IntVec LANE{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
constexpr IntVec LANE{0, 1, 2, 3, 4, 5, 6, 7};
#endif
typedef uint32_t WordVec __attribute__((vector_size(LANES * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(LANES * 2), aligned(2)));

struct BFloat16 {
    uint16_t bits;
};

inline int padded(int count) { return (count + PAD - 1) / PAD * PAD; }
inline Vec all(float value) { return value - Vec{}; }

template <typename To, typename From>
inline To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Combine all lanes, by halves
template <int DISTANCE = LANES / 2, typename Operation>
inline float across(Vec v, Operation combine) {
    if constexpr (DISTANCE == 0) {
        return v[0];
    } else {
        return across<DISTANCE / 2>(combine(v, __builtin_shuffle(v, LANE ^ DISTANCE)), combine);
    }
}
inline float total(Vec v) {
    return across(v, [](Vec a, Vec b) { return a + b; });
}
inline Vec larger(Vec a, Vec b) { return b > a ? b : a; }

// From and to scratch memory, which is aligned
inline Vec load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }

// Exchange rows and columns of LANES vectors, by halves
template <int DISTANCE = LANES / 2>
inline void transpose_block(Vec rows[LANES]) {
    const IntVec own = (LANE & DISTANCE) ? LANE + (LANES - DISTANCE) : LANE;
    const IntVec other = (LANE & DISTANCE) ? LANE + LANES : LANE + DISTANCE;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i)
        if (!(i & DISTANCE)) {
            const Vec low = rows[i], high = rows[i + DISTANCE];
            rows[i] = __builtin_shuffle(low, high, own);
            rows[i + DISTANCE] = __builtin_shuffle(low, high, other);
        }
    if constexpr (DISTANCE > 1) transpose_block<DISTANCE / 2>(rows);
}

// From and to images: a whole vector
inline Vec read(const float* p) { return *reinterpret_cast<const LooseVec*>(p); }
inline Vec read(const BFloat16* p) {
    const HalfVec half = *reinterpret_cast<const HalfVec*>(p);
    return same_bits<Vec>(__builtin_convertvector(half, WordVec) << 16);
}
inline void write(float* p, Vec v) { *reinterpret_cast<LooseVec*>(p) = v; }
inline void write(BFloat16* p, Vec v) {
    const WordVec bits = same_bits<WordVec>(v);
    const WordVec nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // ties to even
    const WordVec kept = v == v ? nearest : (nearest & 0) + 0x7fc0;
    *reinterpret_cast<HalfVec*>(p) = __builtin_convertvector(kept, HalfVec);
}

// From and to images: the first ``count`` numbers of a vector, the rest zeros
template <typename T>
inline Vec read(const T* p, int count) {
    if (count >= LANES) return read(p);
    T some[LANES] = {};
    std::memcpy(some, p, count * sizeof(T));
    return read(some);
}
template <typename T>
inline void write(T* p, Vec v, int count) {
    if (count >= LANES) return write(p, v);
    T some[LANES];
    write(some, v);
    std::memcpy(p, some, count * sizeof(T));
}
#ifdef __AVX512F__
template <>
inline Vec read(const float* p, int count) {
    return count >= LANES ? read(p) : same_bits<Vec>(_mm512_maskz_loadu_ps((1u << count) - 1, p));
}
template <>
inline void write(float* p, Vec v, int count) {
    if (count >= LANES) return write(p, v);
    _mm512_mask_storeu_ps(p, (1u << count) - 1, same_bits<__m512>(v));
}
#endif

// e^x to 2 ulp for x <= 0; below -87 it is 0
inline Vec exp(Vec x) {
    const IntVec tiny = x < all(-87.0f);
    x = tiny ? all(-87.0f) : x;
    const Vec magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
    const Vec shifted = x * 1.44269504f + magic;
    const Vec n = shifted - magic;
    const Vec r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
    Vec p = all(1.9875691e-4f);
    for (float c : {1.3981999e-3f, 8.3334519e-3f, 4.1665796e-2f, 1.6666665e-1f, 5.0e-1f, 1.0f, 1.0f}) p = p * r + c;
    const Vec power = same_bits<Vec>((same_bits<IntVec>(shifted) + 127) << 23);  // the low bits of shifted are n
    return tiny ? Vec{} : p * power;
}

// The distribution function of the standard normal to 1e-7 (Abramowitz and Stegun 7.1.26), and its density
struct Normal {
    Vec below, density;

    explicit Normal(Vec x) {
        const Vec size = x < Vec{} ? -x : x, bell = exp(-0.5f * x * x);
        const Vec t = 1.0f / (1.0f + 0.231641888f * size);
        Vec p = all(0.5f * 1.061405429f);
        for (float c : {0.5f * -1.453152027f, 0.5f * 1.421413741f, 0.5f * -0.284496736f, 0.5f * 0.254829592f})
            p = p * t + c;
        const Vec tail = p * t * bell;
        below = x < Vec{} ? tail : 1.0f - tail;
        density = 0.398942280f * bell;
    }
};

#ifdef __AVX512F__
// gelu(x) = relu(x) - h(|x|), h(u) = u (1 - Phi(u)), which is smooth and 0 from 6 on: in 32 pieces, each a polynomial
// through four points, Chebyshev's but in the first, whose coefficients fit into registers. To 7e-7, in a quarter of the
// time of the formula above
struct GeluTable {
    static constexpr int PIECES = 2 * LANES, DEGREE = 3;
    static constexpr float END = 6.0f, PER_UNIT = (PIECES - 0.51f) / END;  // a piece reaches half a unit to each side
    alignas(64) float coefficients[DEGREE + 1][PIECES];

    GeluTable() {
        for (int piece = 0; piece < PIECES; ++piece) {
            double newton[DEGREE + 1], at[DEGREE + 1], power[DEGREE + 1] = {};
            for (int i = 0; i <= DEGREE; ++i) {
                at[i] = piece ? -0.5 * std::cos(M_PI * (i + 0.5) / (DEGREE + 1)) : 0.5 * i / DEGREE;  // 0 stays 0
                const double u = (piece + at[i]) / PER_UNIT;
                newton[i] = 0.5 * u * std::erfc(u / std::sqrt(2.0));
            }
            for (int order = 1; order <= DEGREE; ++order)  // divided differences
                for (int i = DEGREE; i >= order; --i) newton[i] = (newton[i] - newton[i - 1]) / (at[i] - at[i - order]);
            for (int i = DEGREE; i >= 0; --i) {  // Newton's form to powers
                for (int k = DEGREE; k > 0; --k) power[k] = power[k - 1] - at[i] * power[k];
                power[0] = newton[i] - at[i] * power[0];
            }
            for (int k = 0; k <= DEGREE; ++k) coefficients[k][piece] = float(power[k]);
        }
    }

    Vec operator()(Vec x) const {
        const __m512 value = same_bits<__m512>(x), per_unit = _mm512_set1_ps(PER_UNIT);
        const __m512 size = _mm512_min_ps(_mm512_abs_ps(value), _mm512_set1_ps(END));
        const __m512 magic = _mm512_set1_ps(8388608.0f);  // 2^23: adding it rounds, and leaves the piece in the low bits
        const __m512 piece = _mm512_fmadd_ps(size, per_unit, magic);
        const __m512 rest = _mm512_fmsub_ps(size, per_unit, _mm512_sub_ps(piece, magic));
        __m512 h = pick(DEGREE, piece);
        for (int k = DEGREE - 1; k >= 0; --k) h = _mm512_fmadd_ps(h, rest, pick(k, piece));
        return same_bits<Vec>(_mm512_sub_ps(_mm512_max_ps(_mm512_setzero_ps(), value), h));  // what is undefined stays
    }

  private:
    __m512 pick(int power, __m512 piece) const {
        return _mm512_permutex2var_ps(_mm512_load_ps(coefficients[power]), _mm512_castps_si512(piece),
                                      _mm512_load_ps(coefficients[power] + LANES));
    }
};
inline const GeluTable gelu;
#else
inline Vec gelu(Vec x) { return x * Normal(x).below; }
#endif

// Scratch memory, zeroed and aligned
class Memory {
  public:
    explicit Memory(size_t floats) : owned(new float[floats + PAD]()) {
        const auto address = reinterpret_cast<uintptr_t>(owned.get());
        next = owned.get() + (64 - address % 64) % 64 / sizeof(float);
    }
    float* take(size_t floats) {
        float* taken = next;
        next += floats;
        return taken;
    }

  private:
    std::unique_ptr<float[]> owned;
    float* next;
};

// Share [0, count) out among threads, always in the same way: work(thread, first, last)
template <typename Work>
void share(int64_t count, int threads, Work work) {
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, count)));
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int t = 0; t < threads; ++t) work(t, count * t / threads, count * (t + 1) / threads);
}
