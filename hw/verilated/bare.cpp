// SPDX-License-Identifier: MIT
// The fastest that the compiled RTL can be driven: stores and loads pages in a loop without Python.
//
//     bare PAGES_FILE ROUNDS PERCEIVED_PAGES
//
// Each round stores every page of the file, then loads each and compares. Prints "cycles seconds" of the rounds,
// in processor time.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" {
#include "abi.h"
}

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint32_t kBeats = 64;

void run(cram_device *device, uint32_t until) {
    uint32_t reasons = 0;
    while (!(reasons & until)) reasons = cram_advance(device, UINT64_MAX);
}

[[noreturn]] void fail(const char *what, uint64_t page) {
    std::fprintf(stderr, "bare: page %llu: %s\n", static_cast<unsigned long long>(page), what);
    std::exit(1);
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 4) {
        std::fprintf(stderr, "usage: bare PAGES_FILE ROUNDS PERCEIVED_PAGES\n");
        return 2;
    }
    std::ifstream file(arguments[1], std::ios::binary);
    const std::vector<char> content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const uint64_t pages = content.size() / kPage;
    const int rounds = std::atoi(arguments[2]);
    if (pages == 0 || pages > std::strtoull(arguments[3], nullptr, 10)) fail("not that many pages", pages);

    cram_device *device = cram_create(1);
    run(device, CRAM_IDLE);
    const uint64_t cycles = device->cycles;
    const std::clock_t start = std::clock();
    for (int round = 0; round < rounds; ++round) {
        for (uint64_t page = 0; page < pages; ++page) {
            std::memcpy(device->write_data, &content[page * kPage], kPage);
            cram_start_write(device, page * kPage, kBeats);
            run(device, CRAM_WRITE_DONE);
            if (device->write_response != 0) fail("was refused", page);
        }
        for (uint64_t page = 0; page < pages; ++page) {
            cram_start_read(device, page * kPage, kBeats);
            run(device, CRAM_READ_DONE);
            if (device->read_response != 0) fail("was not read", page);
            if (std::memcmp(device->read_data, &content[page * kPage], kPage) != 0) fail("came back different", page);
        }
    }
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("%llu %.6f\n", static_cast<unsigned long long>(device->cycles - cycles), seconds);
    cram_destroy(device);
    return 0;
}
