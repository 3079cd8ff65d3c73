// SPDX-License-Identifier: MIT
// The code of ecc_ram's words: extended BCH over GF(2^7), distance 6 (docs/device/integrity.md).
localparam WORD_CHECK_BITS = 15;
localparam [14:0] WORD_POLYNOMIAL = 15'h4599;  // without its highest term
