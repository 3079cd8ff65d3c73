// SPDX-License-Identifier: MIT
// Generated from hw/regs/cram.rdl by `make regs`; do not edit. To be included among the cases of what a read gives:
// constants, parameters, and the counters of one signal each.
ADDRESS_ID: read_data = VALUE_ID;
ADDRESS_VERSION: read_data = VALUE_VERSION;
ADDRESS_MAILBOX_CAPABILITIES: read_data = VALUE_MAILBOX_CAPABILITIES;
ADDRESS_PERCEIVED_PAGES: read_data = PERCEIVED_PAGES;
ADDRESS_MEDIA_SECTORS: read_data = MEDIA_SECTORS;
ADDRESS_SECTOR_BYTES: read_data = SECTOR_BYTES;
ADDRESS_CACHE_PAGES: read_data = CACHE_PAGES;
ADDRESS_BYTES_PER_CYCLE: read_data = BYTES_PER_CYCLE;
ADDRESS_CLOSED_ZERO: read_data = counters[32 * COUNT_CLOSED_ZERO +: 32];
ADDRESS_CLOSED_SAME: read_data = counters[32 * COUNT_CLOSED_SAME +: 32];
ADDRESS_CLOSED_LZ4: read_data = counters[32 * COUNT_CLOSED_LZ4 +: 32];
ADDRESS_CLOSED_RAW: read_data = counters[32 * COUNT_CLOSED_RAW +: 32];
ADDRESS_PAGES_FILLED: read_data = counters[32 * COUNT_PAGES_FILLED +: 32];
ADDRESS_PAGES_OPENED: read_data = counters[32 * COUNT_PAGES_OPENED +: 32];
ADDRESS_PAGES_TRIMMED: read_data = counters[32 * COUNT_PAGES_TRIMMED +: 32];
ADDRESS_PAGES_POISONED: read_data = counters[32 * COUNT_PAGES_POISONED +: 32];
ADDRESS_LINES_READ: read_data = counters[32 * COUNT_LINES_READ +: 32];
ADDRESS_LINES_WRITTEN: read_data = counters[32 * COUNT_LINES_WRITTEN +: 32];
ADDRESS_LINES_NOT_ADMITTED: read_data = counters[32 * COUNT_LINES_NOT_ADMITTED +: 32];
ADDRESS_LINES_FENCED: read_data = counters[32 * COUNT_LINES_FENCED +: 32];
ADDRESS_PAGES_IMPORTED: read_data = counters[32 * COUNT_PAGES_IMPORTED +: 32];
ADDRESS_MEDIA_TIMEOUTS: read_data = counters[32 * COUNT_MEDIA_TIMEOUTS +: 32];
ADDRESS_SECTORS_RETIRED: read_data = counters[32 * COUNT_SECTORS_RETIRED +: 32];
ADDRESS_LINES_REFUSED: read_data = counters[32 * COUNT_LINES_REFUSED +: 32];
ADDRESS_BITS_CORRECTED: read_data = counters[32 * COUNT_BITS_CORRECTED +: 32];
ADDRESS_PAGES_CLOSED:
    read_data = counters[32 * COUNT_CLOSED_ZERO +: 32]
              + counters[32 * COUNT_CLOSED_SAME +: 32]
              + counters[32 * COUNT_CLOSED_LZ4 +: 32]
              + counters[32 * COUNT_CLOSED_RAW +: 32];
