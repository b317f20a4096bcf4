// Products of small matrices in scratch memory.

#pragma once

#include "simd.h"

constexpr int ROWS = 8;  // of a block that stays in registers

// c[m][n] = sum over k of a[m * a_row + k * a_column] * b[k][n]; m in ROWS, n in LANES * WIDE
template <int WIDE>
inline void product_block(int depth, const float* a, int a_row, int a_column, const float* b, int b_row, float* c,
                          int c_row) {
    Vec sum[ROWS][WIDE] = {};
    for (int k = 0; k < depth; ++k, a += a_column, b += b_row) {
        Vec right[WIDE];
#pragma GCC unroll 2
        for (int n = 0; n < WIDE; ++n) right[n] = load(b + n * LANES);
#pragma GCC unroll 8
        for (int m = 0; m < ROWS; ++m)
#pragma GCC unroll 2
            for (int n = 0; n < WIDE; ++n) sum[m][n] += a[m * a_row] * right[n];
    }
#pragma GCC unroll 8
    for (int m = 0; m < ROWS; ++m)
#pragma GCC unroll 2
        for (int n = 0; n < WIDE; ++n) store(c + m * c_row + n * LANES, sum[m][n]);
}

// (rows x depth) times (depth x columns); a may be read along either axis, rows of c lie c_row apart
inline void product(int rows, int columns, int depth, const float* a, int a_row, int a_column, const float* b, float* c,
                    int c_row) {
    for (int n = 0; n < columns;) {
        const bool wide = n + 2 * LANES <= columns;
        for (int m = 0; m < rows; m += ROWS) {
            const auto block = wide ? product_block<2> : product_block<1>;
            block(depth, a + m * a_row, a_row, a_column, b + n, columns, c + m * c_row + n, c_row);
        }
        n += wide ? 2 * LANES : LANES;
    }
}
