// SPDX-License-Identifier: GPL-2.0-or-later
// QEMU's structures have no fixed layout: the plugin works with the one build that its headers are of.

#ifndef VCRAM_BUILD_CHECK_H
#define VCRAM_BUILD_CHECK_H

#include "hw/cxl/cxl.h"

// Whether this is that QEMU: its version, and fields from the beginning, the middle and the end of the device's structure
// against what its properties say. Sets an error of one line otherwise.
bool check_build(CXLType3Dev *device, Error **errp);

// The same of what QEMU's own device has made of itself when it was realized.
bool check_realized(CXLType3Dev *device, Error **errp);

#endif
