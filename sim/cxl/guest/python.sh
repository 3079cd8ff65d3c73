#!/bin/sh
# SPDX-License-Identifier: MIT
# python [MODULE...]: tests of CPython's own, in one process whose group is reclaimed to the node.
# shellcheck disable=SC2086
[ $# = 0 ] && set -- test_dict test_deque test_heapq test_bisect test_sort test_ordered_dict
mkdir -p /tmp
cd /tmp || exit
in-group python3 -B -m unittest -q $(printf 'test.%s ' "$@") >/tmp/log 2>&1
status=$?
tail -n 5 /tmp/log
echo "@python.tests $(sed -n 's/^Ran \([0-9]*\) tests* .*/\1/p' /tmp/log)"
echo "@python.bad $(sed -n 's/^FAILED (\(.*\))$/\1/p' /tmp/log | tr -c '0-9\n' ' ' | awk '{for (i = 1; i <= NF; i++) n += $i} END {print n + 0}')"
exit $status
