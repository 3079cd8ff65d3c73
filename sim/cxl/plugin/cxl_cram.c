// SPDX-License-Identifier: GPL-2.0-or-later
// cxl-cram: a CXL memory device for QEMU whose memory and registers are those of a device behind hw/verilated/abi.h.
//
// A plugin of TCG, so QEMU need not be built; it registers a device type derived from QEMU's cxl-type3. QEMU keeps what is
// PCI's and the link's: configuration space, DVSECs, component registers with the HDM decoders, DOE and CDAT, AER, MSI-X.
// The device has the rest:
//   memory   the region behind the HDM decoders
//   BAR 2    the CXL device registers (CXL 3.1, 8.2.8), from BLOCK on in the device's registers, the mailbox included
//   BAR 5    all its registers; the mailbox there is a second one (second.h), and there may be the media's bench (faults.h)
//   MSI-X    vector n is interrupt line n. A message is sent when a line rises, and its status bit is cleared.
// A load that the device refuses is a machine check of that very load. A store that it refuses is no error that a CPU would
// see: the page is made poison (poison.h).

#include "qemu/osdep.h"
#include "accel/tcg/cpu-ops.h"
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "hw/cxl/cxl.h"
#include "hw/pci/msix.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/qemu-plugin.h"
#include "qemu/timer.h"
#include "qom/object_interfaces.h"
#include "system/hostmem.h"
#include "system/system.h"

#include "build_check.h"
#include "figures.h"
#include "library.h"
#include "poison.h"
#include "registers.h"
#include "second.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define TYPE_CXL_CRAM "cxl-cram"
#define TYPE_CRAM_MEMORY "memory-backend-cram"
OBJECT_DECLARE_SIMPLE_TYPE(CxlCram, CXL_CRAM)

enum {
    BLOCK_BAR = CXL_DEVICE_REG_BAR_IDX,
    VECTORS_BAR = 4,
    REGISTERS_BAR = 5,
    VECTORS = 16,
    BLOCK_BYTES = 0x2000,
    REGISTERS_BYTES = 0x4000,
    TICK_NS = 1000000,         // of the guest's time
    LIVE_NS = 500000000,       // of the guest's time, between two figures that are shown while it runs
    TICK_CYCLES = 1000,        // that pass for the device in a tick, while it is busy
    COMMAND_CYCLES = 1000000,  // that a command may take before the guest is asked to poll
};

struct CxlCram {
    CXLType3Dev parent_obj;

    char *library_path, *figures_path, *log_path, *waves_path, *live_path;
    uint64_t seed;

    Library library;
    Mailbox mailbox;
    Second second;
    Poison poison;
    Figures figures;
    MemoryRegion block, registers;
    QEMUTimer *tick, *live;
    Notifier exit;
    bool load_refused;  // by the access that is under way
    FILE *log;          // of the accesses to BAR 2; NULL: none
};

static CxlCram *the_device;  // a machine check has no other way to it
static void (*realize_parent)(PCIDevice *, Error **);
static void (*reset_parent)(DeviceState *);
static TCGCPUOps cpu_ops;

// ---- What follows an access ---------------------------------------------------------------------------------------------

static void send_messages(CxlCram *cram)
{
    uint32_t lines;
    while ((lines = cram->library.device->interrupts)) {
        library_write_register(&cram->library, INTERRUPT_STATUS, lines);
        for (int line = 0; line < VECTORS; line++) {
            if (lines >> line & 1) {
                cram->figures.messages[line]++;
                msix_notify(PCI_DEVICE(cram), line);
            }
        }
    }
}

static void after_access(CxlCram *cram)
{
    poison_retry(&cram->poison, &cram->mailbox, &cram->library);
    if (second_retry(&cram->second, &cram->mailbox, &cram->library)) {
        poison_forgets(&cram->poison);
    }
    send_messages(cram);
    if ((cram->library.device->busy || cram->library.stored.valid || poison_waits(&cram->poison) || cram->second.waits)
        && !timer_pending(cram->tick)) {
        timer_mod(cram->tick, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + TICK_NS);
    }
}

static void tick(void *opaque)
{
    CxlCram *cram = opaque;
    library_settle(&cram->library);
    library_run(&cram->library, TICK_CYCLES);
    after_access(cram);
}

static void store_refused(void *opaque, uint64_t address)
{
    CxlCram *cram = opaque;
    poison_page(&cram->poison, address);
}

// ---- Memory -------------------------------------------------------------------------------------------------------------

static MemTxResult memory_read(void *opaque, hwaddr address, uint64_t *data, unsigned size, MemTxAttrs attrs)
{
    CxlCram *cram = opaque;
    bool right = true;
    unsigned done = 0;

    *data = 0;
    while (done < size && right) {  // an access may cross a line
        uint64_t part = 0;
        const unsigned bytes = MIN(size - done, LINE_BYTES - (address + done) % LINE_BYTES);
        right = library_load(&cram->library, address + done, &part, bytes);
        *data |= part << (8 * done);
        done += bytes;
    }
    cram->load_refused = !right;
    after_access(cram);
    return right ? MEMTX_OK : MEMTX_ERROR;
}

static MemTxResult memory_write(void *opaque, hwaddr address, uint64_t data, unsigned size, MemTxAttrs attrs)
{
    CxlCram *cram = opaque;
    unsigned done = 0;

    while (done < size) {
        const unsigned bytes = MIN(size - done, LINE_BYTES - (address + done) % LINE_BYTES);
        library_store(&cram->library, address + done, data >> (8 * done), bytes);
        done += bytes;
    }
    after_access(cram);
    return MEMTX_OK;
}

static const MemoryRegionOps memory_ops = {
    .read_with_attrs = memory_read,
    .write_with_attrs = memory_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
    .impl = {.min_access_size = 1, .max_access_size = 8, .unaligned = true},
};

// ---- Machine checks -----------------------------------------------------------------------------------------------------

typedef struct Monitor Monitor;
typedef struct ArchCPU X86CPU;
void cpu_x86_inject_mce(Monitor *monitor, X86CPU *cpu, int bank, uint64_t status, uint64_t mcg_status, uint64_t addr,
                        uint64_t misc, int flags);

// A data load that consumed what cannot be corrected, and that may be restarted (Intel's SDM, volume 3, 16.9.3.2).
static void transaction_failed(CPUState *cpu, hwaddr physical, vaddr virtual, unsigned size, MMUAccessType access,
                               int mmu_index, MemTxAttrs attrs, MemTxResult response, uintptr_t return_address)
{
    const uint64_t valid = 1ULL << 63, uncorrected = 1ULL << 61, enabled = 1ULL << 60, misc_valid = 1ULL << 59,
                   address_valid = 1ULL << 58, signaled = 1ULL << 56, action_required = 1ULL << 55, data_load = 0x134;
    const uint64_t in_progress = 1 << 2, eip_valid = 1 << 1, rip_valid = 1 << 0;
    const uint64_t physical_page = 2 << 6 | 12;
    const int bank = 9;

    if (!the_device->load_refused) {
        return;  // another device's affair
    }
    the_device->load_refused = false;
    the_device->figures.machine_checks++;
    cpu_x86_inject_mce(NULL, (X86CPU *)cpu, bank,
                       valid | uncorrected | enabled | misc_valid | address_valid | signaled | action_required | data_load,
                       in_progress | eip_valid | rip_valid, physical, physical_page, 0);
    cpu_loop_exit_restore(cpu, return_address);
}

// ---- Registers ----------------------------------------------------------------------------------------------------------

// The two ways to the registers differ in the mailbox.
static uint32_t read_word(CxlCram *cram, bool second, uint32_t offset)
{
    uint32_t word;
    if (second && faults_reads(&cram->library.faults, offset, &word)) {
        return word;
    }
    if (second ? second_reads(&cram->second, offset, &word) : mailbox_shadows(&cram->mailbox, offset, &word)) {
        return word;
    }
    return library_read_register(&cram->library, offset);
}

static void write_word(CxlCram *cram, bool second, uint32_t offset, uint32_t word)
{
    if (second && (second_writes(&cram->second, offset, word)
                   || faults_writes(&cram->library.faults, cram->library.device, offset, word))) {
        return;
    }
    mailbox_guest_writes(&cram->mailbox, offset, word);
    if (offset == MAILBOX_CONTROL && word & MAILBOX_CONTROL_DOORBELL) {
        poison_forgets(&cram->poison);
        cram->figures.commands++;
    }
    library_write_register(&cram->library, offset, word);
    if (offset == MAILBOX_CONTROL) {
        mailbox_wait(&cram->library, COMMAND_CYCLES);
    }
}

static uint64_t read_registers(CxlCram *cram, bool second, uint32_t offset, unsigned size)
{
    uint64_t value = 0;
    library_settle(&cram->library);
    for (unsigned done = 0; done < size;) {
        const uint32_t at = offset + done, shift = at % 4 * 8;
        value |= (uint64_t)(read_word(cram, second, at & ~3u) >> shift) << (8 * done);
        done += 4 - at % 4;
    }
    after_access(cram);
    return size == 8 ? value : value & ((1ULL << (8 * size)) - 1);
}

static void write_registers(CxlCram *cram, bool second, uint32_t offset, uint64_t value, unsigned size)
{
    library_settle(&cram->library);
    for (unsigned done = 0; done < size;) {
        const uint32_t at = offset + done, shift = at % 4 * 8, bytes = MIN(size - done, 4 - at % 4);
        uint32_t word = value >> (8 * done);
        if (bytes < 4) {  // the interface has no strobes
            const uint32_t mask = ((1u << (8 * bytes)) - 1) << shift;
            word = (read_word(cram, second, at & ~3u) & ~mask) | (word << shift & mask);
        }
        write_word(cram, second, at & ~3u, word);
        done += bytes;
    }
    after_access(cram);
}

static void log_access(CxlCram *cram, char kind, hwaddr address, uint64_t value, unsigned size)
{
    if (cram->log) {
        fprintf(cram->log, "%c %04" PRIx64 " %u %" PRIx64 "\n", kind, (uint64_t)address, size, value);
    }
}

// QEMU's own mailbox is there still, though nobody should have a way to it: it carries out nothing, and that it was asked is
// counted.
static CXLRetCode refuse_command(const struct cxl_cmd *command, uint8_t *in, size_t in_bytes, uint8_t *out,
                                 size_t *out_bytes, CXLCCI *cci)
{
    the_device->figures.qemu_commands++;
    *out_bytes = 0;
    return CXL_MBOX_UNSUPPORTED;
}

// A reset of QEMU's sets the commands up.
static void reset(DeviceState *device)
{
    CXLCCI *cci = &CXL_TYPE3(device)->cci;
    struct cxl_cmd *commands = &cci->cxl_cmd_set[0][0];
    unsigned closed = 0;

    reset_parent(device);
    for (size_t i = 0; i < sizeof cci->cxl_cmd_set / sizeof *commands; i++) {
        if (commands[i].handler) {
            commands[i].handler = refuse_command;
            closed++;
        }
    }
    g_assert(closed);
}

static uint64_t block_read(void *opaque, hwaddr address, unsigned size)
{
    const uint64_t value = read_registers(opaque, false, CXL_BLOCK + address, size);
    log_access(opaque, 'r', address, value, size);
    return value;
}

static void block_write(void *opaque, hwaddr address, uint64_t data, unsigned size)
{
    log_access(opaque, 'w', address, data, size);
    write_registers(opaque, false, CXL_BLOCK + address, data, size);
}

static uint64_t registers_read(void *opaque, hwaddr address, unsigned size)
{
    return read_registers(opaque, true, address, size);
}

static void registers_write(void *opaque, hwaddr address, uint64_t data, unsigned size)
{
    write_registers(opaque, true, address, data, size);
}

static const MemoryRegionOps block_ops = {
    .read = block_read,
    .write = block_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8},
    .impl = {.min_access_size = 1, .max_access_size = 8},
};

static const MemoryRegionOps registers_ops = {
    .read = registers_read,
    .write = registers_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {.min_access_size = 1, .max_access_size = 8},
    .impl = {.min_access_size = 1, .max_access_size = 8},
};

// ---- The device ---------------------------------------------------------------------------------------------------------

static void write_figures(Notifier *notifier, void *data)
{
    CxlCram *cram = container_of(notifier, CxlCram, exit);
    if (cram->log) {
        fclose(cram->log);
    }
    waves_end(&cram->library.waves, cram->library.device);
    if (cram->figures_path) {
        library_settle(&cram->library);
        figures_write(&cram->figures, &cram->library, &cram->poison, &cram->second, cram->figures_path);
    }
}

static void show_figures(void *opaque)
{
    CxlCram *cram = opaque;
    figures_write(&cram->figures, &cram->library, &cram->poison, &cram->second, cram->live_path);
    timer_mod(cram->live, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + LIVE_NS);
}

static void replace_bar(PCIDevice *device, int bar, uint8_t type, MemoryRegion *region)
{
    device->io_regions[bar].size = 0;
    pci_register_bar(device, bar, type, region);
}

static bool make_memory(CxlCram *cram, Error **errp)
{
    cram->library.waves.path = cram->waves_path;
    const char *wrong = library_open(&cram->library, cram->library_path, cram->seed);
    if (wrong) {
        error_setg(errp, "%s", wrong);
        return false;
    }
    cram->library.write_failed = store_refused;
    cram->library.opaque = cram;
    library_run(&cram->library, UINT64_MAX);  // through its reset: it is up long before anybody looks for it
    HostMemoryBackend *memory = MEMORY_BACKEND(object_new(TYPE_CRAM_MEMORY));
    object_property_add_child(OBJECT(cram), "memory", OBJECT(memory));
    memory->size = (uint64_t)library_read_register(&cram->library, PERCEIVED_PAGES) * PAGE_BYTES;
    memory_region_init_io(&memory->mr, OBJECT(memory), &memory_ops, cram, "cram", memory->size);
    CXL_TYPE3(cram)->hostvmem = memory;
    return true;
}

static void realize(PCIDevice *device, Error **errp)
{
    ERRP_GUARD();
    CxlCram *cram = CXL_CRAM(device);
    CPUClass *cpu_class = CPU_GET_CLASS(first_cpu);

    if (!cram->library_path || the_device) {
        error_setg(errp, "cxl-cram needs library=FILE, and there can be one of it");
        return;
    }
    if (!check_build(CXL_TYPE3(cram), errp) || !make_memory(cram, errp)) {
        return;
    }
    realize_parent(device, errp);
    if (*errp || !check_realized(CXL_TYPE3(cram), errp)) {
        return;
    }
    memory_region_init_io(&cram->block, OBJECT(cram), &block_ops, cram, "cxl-cram-block", BLOCK_BYTES);
    memory_region_init_io(&cram->registers, OBJECT(cram), &registers_ops, cram, "cxl-cram-registers", REGISTERS_BYTES);
    replace_bar(device, BLOCK_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64, &cram->block);
    pci_register_bar(device, REGISTERS_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY, &cram->registers);

    msix_uninit_exclusive_bar(device);
    object_unparent(OBJECT(&device->msix_exclusive_bar));
    device->io_regions[VECTORS_BAR].size = 0;
    if (msix_init_exclusive_bar(device, VECTORS, VECTORS_BAR, errp)) {
        return;
    }
    for (int vector = 0; vector < VECTORS; vector++) {
        msix_vector_use(device, vector);
    }

    cpu_ops = *cpu_class->tcg_ops;
    cpu_ops.do_transaction_failed = transaction_failed;
    cpu_class->tcg_ops = &cpu_ops;

    cram->log = cram->log_path ? fopen(cram->log_path, "w") : NULL;
    cram->tick = timer_new_ns(QEMU_CLOCK_VIRTUAL, tick, cram);
    if (cram->live_path) {
        cram->live = timer_new_ns(QEMU_CLOCK_VIRTUAL, show_figures, cram);
        show_figures(cram);
    }
    cram->exit.notify = write_figures;
    qemu_add_exit_notifier(&cram->exit);
    the_device = cram;
}

static const Property properties[] = {
    DEFINE_PROP_STRING("library", CxlCram, library_path),
    DEFINE_PROP_STRING("figures", CxlCram, figures_path),
    DEFINE_PROP_STRING("log", CxlCram, log_path),
    DEFINE_PROP_STRING("waves", CxlCram, waves_path),
    DEFINE_PROP_UINT64("waves-from", CxlCram, library.waves.from, 0),
    DEFINE_PROP_UINT64("waves-to", CxlCram, library.waves.to, UINT64_MAX),
    DEFINE_PROP_STRING("live", CxlCram, live_path),
    DEFINE_PROP_BOOL("faults", CxlCram, library.faults.on, false),
    DEFINE_PROP_UINT64("seed", CxlCram, seed, 1),
};

// QEMU saves nothing of the CXL registers of its root port: after a load the decoders would be those after reset, and a guest
// that goes on without its memory is lost. So savevm and migration are refused (docs/cxl.md).
static const VMStateDescription no_snapshot = {.name = TYPE_CXL_CRAM, .unmigratable = true};

static void class_init(ObjectClass *class, void *data)
{
    PCIDeviceClass *pci = PCI_DEVICE_CLASS(class);
    DeviceClass *device = DEVICE_CLASS(class);

    realize_parent = pci->realize;
    pci->realize = realize;
    reset_parent = device->legacy_reset;
    device_class_set_legacy_reset(device, reset);
    device->desc = "CXL memory device with compressed RAM";
    device->hotpluggable = false;
    device->vmsd = &no_snapshot;
    device_class_set_props(device, properties);
}

static const TypeInfo types[] = {
    {
        .name = TYPE_CRAM_MEMORY,
        .parent = TYPE_MEMORY_BACKEND,
        .instance_size = sizeof(HostMemoryBackend),
    },
    {
        .name = TYPE_CXL_CRAM,
        .parent = TYPE_CXL_TYPE3,
        .instance_size = sizeof(CxlCram),
        .class_init = class_init,
    },
};

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        type_register_static(&types[i]);
    }
    return 0;
}
