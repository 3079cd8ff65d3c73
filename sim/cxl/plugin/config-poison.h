// SPDX-License-Identifier: MIT
// Names of targets' settings that QEMU forbids in files such as the plugin's; none is used.
