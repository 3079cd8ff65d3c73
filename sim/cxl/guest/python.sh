#!/bin/sh
# SPDX-License-Identifier: MIT
# python [MODULE...]: tests of CPython's own, in an interpreter whose group is reclaimed to the node. What becomes of each
# test is compared with what became of it in DRAM.
[ $# = 0 ] && set -- test.test_list
interpreter=$(echo /usr/bin/python3.*)

"$interpreter" -B -m unittest -v "$@" 2>/in-dram
in-group "$interpreter" -B -m unittest -v "$@" 2>/in-cold
status=$?
for run in dram cold; do grep ' \.\.\. ' /in-$run >/outcomes-$run; done
tail -n 3 /in-cold
wrong=$(cmp -l /outcomes-dram /outcomes-cold | wc -l)
tests=$(wc -l </outcomes-cold)
echo "@python.tests $tests"
echo "@python.bad $((wrong + ($(wc -l </outcomes-dram) != tests)))"
[ $status = 0 ] && [ "$tests" -gt 0 ]
