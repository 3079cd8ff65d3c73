// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu/osdep.h"
#include "build_check.h"

#include "hw/core/cpu.h"
#include "accel/tcg/cpu-ops.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-control.h"
#include "system/hostmem.h"

static const int64_t MAJOR = 10, MINOR = 0, MICRO = 2;
enum { QEMU_VECTORS = 8, QEMU_BLOCK_BYTES = 4096 };

static bool refuse(const char *what, Error **errp)
{
    error_setg(errp, "the plugin is made for another build of QEMU: %s", what);
    return false;
}

bool check_build(CXLType3Dev *device, Error **errp)
{
    Object *object = OBJECT(device);
    VersionInfo *version = qmp_query_version(NULL);
    const bool same = version->qemu->major == MAJOR && version->qemu->minor == MINOR && version->qemu->micro == MICRO;
    qapi_free_VersionInfo(version);
    if (!same) {
        return refuse("it needs 10.0.2", errp);
    }
    const uint64_t serial = device->sn, probe = 0x5643524153455249;
    object_property_set_uint(object, "sn", probe, &error_abort);
    const bool front = device->sn == probe;
    object_property_set_uint(object, "sn", serial, &error_abort);
    object_property_set_uint(object, "num-dc-regions", 5, &error_abort);
    const bool back = device->dc.num_regions == 5;
    object_property_set_uint(object, "num-dc-regions", 0, &error_abort);
    g_autofree char *width = object_property_get_str(object, "x-width", &error_abort);
    const bool middle = device->width == QEMU_PCI_EXP_LNK_X16 && g_str_equal(width, "16");
    if (!front || !middle || !back || device->dc.num_regions) {
        return refuse("CXLType3Dev differs", errp);
    }
    const CPUClass *cpu = CPU_GET_CLASS(first_cpu);
    if (!cpu->tcg_ops || cpu->tcg_ops->do_transaction_failed || !cpu->tcg_ops->initialize) {
        return refuse("TCGCPUOps differs, or this is not TCG", errp);
    }
    return true;
}

bool check_realized(CXLType3Dev *device, Error **errp)
{
    PCIDevice *pci = PCI_DEVICE(device);
    const PCIIORegion *component = &pci->io_regions[CXL_COMPONENT_REG_BAR_IDX];
    const PCIIORegion *block = &pci->io_regions[CXL_DEVICE_REG_BAR_IDX];
    if (component->memory != &device->cxl_cstate.crb.component_registers
        || block->memory != &device->cxl_dstate.device_registers || block->size != QEMU_BLOCK_BYTES
        || memory_region_size(block->memory) != QEMU_BLOCK_BYTES || pci->msix_entries_nr != QEMU_VECTORS) {
        return refuse("PCIDevice differs", errp);
    }
    if (device->cxl_dstate.vmem_size != device->hostvmem->size) {
        return refuse("CXLDeviceState differs", errp);
    }
    return true;
}
