// SPDX-License-Identifier: MIT
// A drill: the media under pages on the node fails, sector by sector, while the kernel demotes to it and a program reads.
//
//     media NODE
//
//   unwritable   writes of a sector are refused while pages are demoted to it: no page may be lost
//   flipped      one bit of a page's first beat flips: it has to be corrected
//   damaged      two bits of it flip: that page is lost, and no other
//   unreadable   reads of a page's first sector are refused: the same
//   late         reads are answered too late: the load fails in time, though the device has the page still
//
// Whoever reads a lost page has to get a SIGBUS with its address; its poison has to be in the list that the kernel reads, and
// its event among the records that the kernel fetched; and nothing else may be there. Needs `vcram cxl --faults`.
//
// Lines that begin with @ are figures: a name and a number.

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>

#include "device.h"
#include "pages.h"

enum { FIRST = 256, BAD_SECTORS = 6, BETWEEN = 32, PAGES = FIRST + BAD_SECTORS * BETWEEN, AHEAD = 40, EACH = 8, FEW = 2, SOME = 256 };
enum { MEDIA_TIME_LIMIT = 0x68, BITS_CORRECTED = 0xd4, SECTORS_RETIRED = 0xcc, MEDIA_TIMEOUTS = 0xc8 };
enum { GET_HEALTH = 0x4200, GET_CAPACITY = 0xc000, GET_PAGE_STATE = 0xc001 };
enum { LZ4 = 3, RAW = 4, CACHED = 1 };
static const char LIST[] = "/sys/bus/cxl/devices/mem0/trigger_poison_list";
static const char TRACE[] = "/sys/kernel/tracing/trace";

typedef enum { WHOLE, FLIPPED, DAMAGED, UNREADABLE, LATE } Fault;

typedef struct {
    Fault fault;
    bool lost;
    uint32_t sector, poisoned, logged;  // of these two: records that name it
    uint64_t dpa;
} Page;

static Page pages[PAGES];
static unsigned char *memory;
static uint32_t sector_bytes, wrong_records;
static sigjmp_buf hit;
static volatile uintptr_t hit_address;
static volatile int hit_code;

static unsigned char *at(unsigned number)
{
    return memory + (size_t)number * PAGE;
}

static void store(unsigned number)
{
    expect(number, 0, at(number));
}

static void run(uint32_t opcode, const uint32_t *in, uint32_t in_words, uint32_t *out, uint32_t out_words)
{
    const uint32_t result = run_command(opcode, in, in_words, out, out_words);
    if (!result) return;
    fprintf(stderr, "media: command %x answers %x\n", opcode, result);
    exit(2);
}

// Where a page is on the device. Returns whether it is on the media and nowhere else.
static bool locate(Page *page)
{
    const uint32_t in[] = {page->dpa, page->dpa >> 32};
    uint32_t out[5];
    run(GET_PAGE_STATE, in, 2, out, 5);
    page->sector = out[4];
    return ((out[0] & 0xff) == LZ4 || (out[0] & 0xff) == RAW) && !(out[0] >> 8 & CACHED);
}

static uint64_t place_of(const Page *page)
{
    return (uint64_t)page->sector * sector_bytes;
}

// Demote pages, until all are on the node.
static void demote(unsigned first, unsigned count, int node)
{
    if (make_cold(at(first), count, node) != count) {
        fprintf(stderr, "media: the pages do not go to the node\n");
        exit(2);
    }
    for (unsigned i = first; i < first + count; i++) pages[i].dpa = device_address(at(i));
}

// Pages are demoted while a sector cannot be written that is one of those used next: sectors that were never used have their
// turn in order.
static void demote_to_bad_sector(unsigned first, int node)
{
    uint32_t last = 0;
    for (unsigned i = 0; i < first; i++) {
        locate(&pages[i]);
        if (pages[i].sector > last) last = pages[i].sector;
    }
    let_media_fail(BAD_WRITE, (uint64_t)(last + AHEAD) * sector_bytes, 0);
    for (unsigned i = first; i < first + BETWEEN; i++) store(i);
    demote(first, BETWEEN, node);
    let_media_work();
}

static void choose_victims(void)
{
    unsigned chosen = 0;
    for (unsigned i = 1; i < PAGES && chosen < 3 * EACH + FEW; i += 7) {
        if (!locate(&pages[i])) continue;
        pages[i].fault = chosen < FEW ? LATE : FLIPPED + chosen % 3;
        chosen++;
    }
    for (unsigned i = 0, bit = 0; i < PAGES; i++) {
        if (pages[i].fault != FLIPPED && pages[i].fault != DAMAGED) continue;
        bit = (bit + 97) % beat_bits();
        flip_bit(place_of(&pages[i]), bit);
        if (pages[i].fault == DAMAGED) flip_bit(place_of(&pages[i]), (bit + 13) % beat_bits());
    }
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    hit_address = (uintptr_t)info->si_addr;
    hit_code = info->si_code;
    siglongjmp(hit, 1);
}

// Whether a page is what was stored. One whose reading is a SIGBUS is lost: nobody is told something wrong.
static bool is_right(unsigned number, unsigned *wrong_signals)
{
    static unsigned char right[PAGE];
    Page *page = &pages[number];
    if (page->lost) return true;
    if (sigsetjmp(hit, 1)) {
        page->lost = true;
        *wrong_signals += hit_address / PAGE != (uintptr_t)at(number) / PAGE || hit_code != BUS_MCEERR_AR;
        return true;
    }
    expect(number, 0, right);
    return memcmp(at(number), right, PAGE) == 0;
}

// What the kernel has told of: its list of poison, and events of lost pages.
static void read_records(void)
{
    char line[1024];
    FILE *trace = fopen(TRACE, "r");
    if (!trace) fail(TRACE);
    while (fgets(line, sizeof line, trace)) {
        const bool listed = strstr(line, " cxl_poison: ") && strstr(line, "trace_type=List");
        const bool logged = strstr(line, " cxl_general_media: ") && strstr(line, "UNCORRECTABLE");
        const char *dpa = strstr(line, " dpa=");
        if (!dpa || (!listed && !logged)) continue;
        const uint64_t address = strtoull(dpa + strlen(" dpa="), NULL, 16) / PAGE * PAGE;
        Page *page = pages;
        while (page < pages + PAGES && page->dpa != address) page++;
        if (page == pages + PAGES || !page->lost || page->fault == LATE) {
            wrong_records++;
        } else {
            page->poisoned += listed, page->logged += logged;
        }
    }
    fclose(trace);
}

int main(int count, char **words)
{
    if (count != 2) return fprintf(stderr, "media NODE\n"), 2;
    const int node = atoi(words[1]);
    const struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    unsigned bad = 0, checked = 0, wrong_signals = 0, lost = 0, faults[LATE + 1] = {0}, as_told = 0, unlisted = 0, unlogged = 0;
    uint32_t capacity[6], health[5];
    open_device();
    if (!beat_bits()) return fprintf(stderr, "media: the guest cannot let the media fail; give vcram cxl --faults\n"), 2;
    run(GET_CAPACITY, NULL, 0, capacity, 6);
    sector_bytes = capacity[4];
    load_corpus("/pages");
    if (mlockall(MCL_CURRENT)) fail("memory");  // the program itself stays in DRAM
    sigaction(SIGBUS, &action, NULL);
    memory = anonymous(PAGES);

    for (unsigned i = 0; i < FIRST; i++) store(i);
    demote(0, FIRST, node);
    const uint32_t retired_before = register_at(SECTORS_RETIRED);
    for (unsigned first = FIRST; first < PAGES; first += BETWEEN) demote_to_bad_sector(first, node);
    const uint32_t unwritable = register_at(SECTORS_RETIRED) - retired_before;

    choose_victims();
    const uint32_t corrected_before = register_at(BITS_CORRECTED);
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < PAGES; i++, checked++) {
            const Fault fault = pass ? WHOLE : pages[i].fault;
            if (fault == UNREADABLE) let_media_fail(BAD_READ, place_of(&pages[i]), 0);
            if (fault == LATE) let_media_fail(0, 0, register_at(MEDIA_TIME_LIMIT) + SOME);
            bad += !is_right(i, &wrong_signals);
            if (fault == UNREADABLE || fault == LATE) let_media_work();
        }
    }
    const uint32_t corrected = register_at(BITS_CORRECTED) - corrected_before;

    sleep(1);  // for records that are still under way
    write_file(LIST, "1");
    read_records();
    run(GET_HEALTH, NULL, 0, health, 5);
    for (const Page *page = pages; page < pages + PAGES; page++) {
        faults[page->fault]++;
        lost += page->lost;
        as_told += page->lost == (page->fault >= DAMAGED);
        unlisted += page->lost && page->fault != LATE && page->poisoned != 1;
        unlogged += page->lost && page->fault != LATE && page->logged != 1;
    }
    const uint32_t retired = register_at(SECTORS_RETIRED) - retired_before;
    printf("@media.pages %u\n@media.checked %u\n@media.bad %u\n", PAGES, checked, bad);
    printf("@media.unwritable %u\n@media.flipped %u\n@media.corrected %u\n", unwritable, faults[FLIPPED], corrected);
    printf("@media.damaged %u\n@media.unreadable %u\n@media.late %u\n", faults[DAMAGED], faults[UNREADABLE], faults[LATE]);
    printf("@media.lost %u\n@media.wrong_signals %u\n@media.unlisted %u\n", lost, wrong_signals, unlisted);
    printf("@media.unlogged %u\n@media.wrong_records %u\n@media.retired %u\n", unlogged, wrong_records, retired);
    printf("@media.maintenance %u\n@media.timeouts %u\n", health[0] & 1, register_at(MEDIA_TIMEOUTS));
    return !(!bad && !wrong_signals && !unlisted && !unlogged && !wrong_records && as_told == PAGES && (health[0] & 1)
             && unwritable == BAD_SECTORS && corrected >= faults[FLIPPED]
             && retired == BAD_SECTORS + faults[DAMAGED] + faults[UNREADABLE]);
}
