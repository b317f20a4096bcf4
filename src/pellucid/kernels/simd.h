// What the kernels beside this file share: vectors of floats, two types of numbers in memory, and threads.
//
// Images are channels-last, float or bfloat16; all arithmetic is float. Undefined values stay undefined.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

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
