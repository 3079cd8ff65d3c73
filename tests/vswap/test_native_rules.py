# SPDX-License-Identifier: MIT
"""Rules of vcram_backend.h that a backend in C may break in one function: each is said, whatever number it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native import compile_backend
from vswap.contract import CHECKS, load_factory, run_check, run_contract

ODD = """
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

%s
{
    %s
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops broken;

    broken = ops;
    broken.%s = odd;
    return &broken;
}
"""
"""The example with another function in the place of one of its own."""
HEADS = {
    "create": "static int odd(const struct vcram_config *config, void **backend)",
    "submit": "static uint32_t odd(void *b, uint64_t now, const struct vcram_request *requests, uint32_t count)",
    "poll": "static uint32_t odd(void *b, uint64_t now, struct vcram_completion *done, uint32_t count, uint64_t *next)",
    "free": "static int odd(void *b, uint64_t handle)",
    "reown": "static int odd(void *b, uint64_t handle, uint64_t slot)",
    "usage": "static void odd(void *b, struct vcram_usage *usage)",
    "handles": "static uint64_t odd(void *b, struct vcram_owner *owners, uint64_t count)",
    "reserve": "static int odd(void *b, uint64_t slot, uint32_t count, uint64_t *handle)",
    "destroy": "static void odd(void *b)",
}
POLL = "uint32_t n = pool_poll(b, now, done, count, next); "
USAGE = "pool_usage(b, usage); "
RULES = [
    ("poll", POLL + "if (n) done[n++] = done[0]; return n;", "poll completed a request twice: cookie 0"),
    (
        "poll",
        POLL + "if (n) done[n++].cookie = 12345; return n;",
        "poll completed what was never submitted: cookie 12345",
    ),
    ("poll", POLL + "return n ? UINT32_MAX : 0;", "poll returned 4294967295 completions, 32 were asked for"),
    (
        "poll",
        POLL + "if (n) done[0].result = INT64_MIN; return n;",
        "a STORE completed with -9223372036854775808 (no negative errno value), which it must not",
    ),
    (
        "poll",
        POLL + "if (n && done[0].result) done[0].result = -done[0].result; return n;",
        "a STORE completed with 28 (no negative errno value), which it must not",
    ),
    ("poll", POLL + "if (n) done[0].handle = 3; return n;", "a STORE returned the handle 3, which is in use"),
    ("submit", "return pool_submit(b, now, requests, count) + 1;", "submit took 2 of 1 requests"),
    (
        "create",
        "(void)config, (void)backend; return -2147483647 - 1;",
        "create returned -2147483648 (no negative errno value)",
    ),
    ("free", "pool_free(b, handle); return -ENOENT;", "free of handle 1, which is in use, returned -2"),
    ("reown", "pool_reown(b, handle, slot); return -ENOENT;", "reown of handle 2, which is in use, returned -2"),
    (
        "usage",
        USAGE + "usage->pages = UINT64_C(1) << 35; usage->capacity = VCRAM_UNBOUNDED;",
        "usage says that 34359738368 pages are in use, and there are ",
    ),
    ("usage", USAGE + "usage->capacity = 0;", "usage says that 1 of 0 pages are in use"),
    (
        "usage",
        USAGE + "usage->capacity = 100 + usage->pages;",
        "usage says that the capacity is 101, and it was 100",
    ),
    (
        "handles",
        "(void)b, (void)owners, (void)count; return UINT64_MAX;",
        "handles says that 18446744073709551615 are in use, and there are 1",
    ),
    (
        "handles",
        "uint64_t n = pool_handles(b, owners, count); if (n > 1) owners[1] = owners[0]; return n;",
        "handles does not list each handle in use once: look at handle ",
    ),
    (
        "reserve",
        "int r = pool_reserve(b, slot, count, handle); if (*handle > 1) --*handle; return r;",
        "reserve of 4 gave the handle 1, which is in use",
    ),
]
TRIED = ["data.round-trip", "lifetime.double-free", "lifetime.reown", "capacity.bounded", "writeback.places"]
"""Checks that call every function."""


@pytest.mark.parametrize(("name", "body", "said"), RULES, ids=[said for _, _, said in RULES])
def test_a_rule_that_one_function_breaks_is_said(tmp_path: Path, name: str, body: str, said: str) -> None:
    factory = load_factory(str(compile_backend(ODD % (HEADS[name], body, name), tmp_path / "odd.so")))
    outcome = run_contract(factory, only=TRIED, seeds=1, stop_at_first=True).outcomes[-1]
    assert outcome.verdict == "fail" and outcome.reason.startswith(f"AbiError: {said}")


def test_requests_under_way_may_be_served_until_the_end(tmp_path: Path) -> None:
    """destroy() finds loads under way, and writes to their pages, which the host still keeps."""
    body = (
        "struct pool *pool = b; for (uint32_t i = 0; i < pool->under_way; i++) "
        "if (pool->queue[i].request.op == VCRAM_LOAD) memset(pool->queue[i].request.page, 7, VCRAM_PAGE_BYTES); "
        "pool_destroy(b);"
    )
    factory = load_factory(str(compile_backend(ODD % (HEADS["destroy"], body, "destroy"), tmp_path / "odd.so")))
    assert run_check(CHECKS["concurrency.cancel"], factory, 1).verdict == "pass"
