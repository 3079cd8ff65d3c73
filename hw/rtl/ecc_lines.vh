// SPDX-License-Identifier: MIT
// The code of 64-byte lines in cache and media: extended BCH over GF(2^10), distance 8 (docs/device/integrity.md).
localparam LINE_CHECK_BITS = 31;
localparam [30:0] LINE_POLYNOMIAL = 31'h71FB3335;  // without its highest term
localparam LINE_BOUND_BITS = 30;  // 24 of the page, 6 of the line or of the beat in the stored page
