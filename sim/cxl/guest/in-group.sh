#!/bin/sh
# SPDX-License-Identifier: MIT
# in-group PROGRAM...: runs a program in the group that is reclaimed to the node. Its caller's memory stays in DRAM.
echo 0 >/sys/fs/cgroup/cold/cgroup.procs
[ -n "$RECORD" ] && echo "vcram begin $$" >"$RECORD/trace_marker"
exec "$@"
