# SPDX-License-Identifier: MIT
"""Backends in C for tests: compiled beside the example, whose functions they may take."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hw.sources import ROOT
from hw.tools import compiler
from vswap.contract.abi import HEADER

EXAMPLE = ROOT / "examples" / "backend-c"
BROKEN = ROOT / "tests" / "vswap" / "native"
CHATTY = """
#include <stdio.h>
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

static uint32_t chatty(void *backend, uint64_t now, const struct vcram_request *requests, uint32_t count)
{
    printf("%u requests\\n", count);
    return pool_submit(backend, now, requests, count);
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops noisy;

    noisy = ops;
    noisy.submit = chatty;
    return &noisy;
}
"""
"""It prints what it is asked for, to the standard output of C."""


def compile_backend(source: Path | str, target: Path) -> Path:
    """The shared object `target` of a C file, or of C text."""
    text = f'#include "{source}"\n' if isinstance(source, Path) else source
    c = [compiler(), "-x", "c", "-std=c11", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*c, "-I", HEADER.parent, "-I", EXAMPLE, "-o", target, "-"], input=text, text=True, check=True)
    return target
