#!/bin/sh
# SPDX-License-Identifier: MIT
# in-group PROGRAM...: runs a program in the group that is reclaimed to the node. Its caller's memory stays in DRAM.
# The dynamic linker would save the vector registers on the stack at the first call of a function. QEMU crashes where that
# is I/O memory, as the node is.
export LD_BIND_NOW=1
echo 0 >/sys/fs/cgroup/cold/cgroup.procs
[ -n "$RECORD" ] && echo "vcram begin $$" >"$RECORD/trace_marker"
exec "$@"
