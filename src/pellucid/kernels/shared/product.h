// Products of small matrices in scratch memory.

#pragma once

#include "simd.h"

// Rows of a block, two vectors wide, that stays in registers: of AVX2's sixteen, four hold what comes in
constexpr int ROWS = LANES == 16 ? 8 : 6;

// c[m][n] = sum over k of a[m * a_row + k * a_column] * b[k][n]; m in SOME, n in LANES * WIDE
template <int WIDE, int SOME>
inline void product_block(int depth, const float* a, int a_row, int a_column, const float* b, int b_row, float* c,
                          int c_row) {
    Vec sum[SOME][WIDE] = {};
    for (int k = 0; k < depth; ++k, a += a_column, b += b_row) {
        Vec right[WIDE];
#pragma GCC unroll 2
        for (int n = 0; n < WIDE; ++n) right[n] = load(b + n * LANES);
#pragma GCC unroll 8
        for (int m = 0; m < SOME; ++m)
#pragma GCC unroll 2
            for (int n = 0; n < WIDE; ++n) sum[m][n] += a[m * a_row] * right[n];
    }
#pragma GCC unroll 8
    for (int m = 0; m < SOME; ++m)
#pragma GCC unroll 2
        for (int n = 0; n < WIDE; ++n) store(c + m * c_row + n * LANES, sum[m][n]);
}

// Columns of a product, as many as a block is wide; rows are even in number
template <int WIDE>
inline void product_columns(int rows, int depth, const float* a, int a_row, int a_column, const float* b, int b_row,
                            float* c, int c_row) {
    for (int m = 0; m < rows;) {
        const bool many = m + ROWS <= rows;
        const auto block = many ? product_block<WIDE, ROWS> : product_block<WIDE, 2>;
        block(depth, a + m * a_row, a_row, a_column, b, b_row, c + m * c_row, c_row);
        m += many ? ROWS : 2;
    }
}

// (rows x depth) times (depth x columns); a may be read along either axis, rows of c lie c_row apart. Rows and columns
// are multiples of PAD
inline void product(int rows, int columns, int depth, const float* a, int a_row, int a_column, const float* b, float* c,
                    int c_row) {
    for (int n = 0; n < columns;) {
        const bool wide = n + 2 * LANES <= columns;
        const auto some = wide ? product_columns<2> : product_columns<1>;
        some(rows, depth, a, a_row, a_column, b + n, columns, c + n, c_row);
        n += wide ? 2 * LANES : LANES;
    }
}
