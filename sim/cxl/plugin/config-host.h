// SPDX-License-Identifier: MIT
// What QEMU's configure would find, as far as its headers ask, for Debian's build on x86-64. CONFIG_INT128 changes the
// layout of structures.
#define CONFIG_ATOMIC64 1
#define CONFIG_INT128 1
#define CONFIG_IOVEC 1
#define CONFIG_LINUX 1
#define CONFIG_PLUGIN 1
#define CONFIG_POSIX 1
#define CONFIG_TCG 1
