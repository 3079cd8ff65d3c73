# SPDX-License-Identifier: MIT
"""Backends in C: the example keeps the contract, broken ones are rejected by name, and none takes the suite along."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.tools import compiler
from hw.virtual_time import VirtualClock
from sim.cli import cli
from tests.marks import VERIFY
from tests.native import BROKEN, EXAMPLE, compile_backend
from tests.pages import compressible_page
from vswap.contract import CHECKS, load_factory, run_check, run_contract
from vswap.contract.abi import HEADER, AbiError, layout
from vswap.contract.abi.backend import NativeQueue
from vswap.contract.abi.library import load_library
from vswap.tiers.base import Usage

DEAF = """
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

static uint32_t deaf(void *backend, uint64_t now, const struct vcram_request *requests, uint32_t count)
{
    sigset_t all;

    (void)backend, (void)now, (void)requests, (void)count;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (volatile int for_ever = 1; for_ever;)
        ;
    return 0;
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops broken;

    broken = ops;
    broken.submit = deaf;
    return &broken;
}
"""
"""It hangs with all signals blocked, so that nobody can ask where it is."""
BELOW_NONE = """
#define vcram_backend good_backend
#include "pool.c"
#undef vcram_backend

static void below_none(void *backend, struct vcram_usage *usage)
{
    pool_usage(backend, usage);
    usage->pages--;
}

const struct vcram_backend_ops *vcram_backend(void)
{
    static struct vcram_backend_ops broken;

    broken = ops;
    broken.usage = below_none;
    return &broken;
}
"""
"""A page too few: of an empty one UINT64_MAX."""

Compile = Callable[[str | Path], Path]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Makes a shared object of a C file, or of C text."""
    folder = tmp_path_factory.mktemp("native")
    made: dict[str | Path, Path] = {}

    def compile_c(source: str | Path) -> Path:
        if source not in made:
            made[source] = compile_backend(source, folder / f"{len(made)}.so")
        return made[source]

    return compile_c


@pytest.fixture
def pool(compiled: Compile) -> Path:
    return compiled(EXAMPLE / "pool.c")


def test_the_example_keeps_the_contract(pool: Path) -> None:
    checks = [identifier for identifier in CHECKS if not identifier.startswith("machine.")]
    report = run_contract(load_factory(str(pool)), only=checks, seeds=2)
    assert report.failed == [] and len(report.passed) > 25


@VERIFY  # the whole machine, on all seeds
def test_the_example_keeps_the_contract_in_a_whole_machine(pool: Path) -> None:
    checks = [identifier for identifier in CHECKS if identifier.startswith("machine.")]
    report = run_contract(load_factory(str(pool)), only=checks)
    assert report.failed == [] and report.passed == checks


@pytest.mark.parametrize(
    ("name", "check", "said"),
    [
        ("spins", "data.round-trip", "it spins: "),
        ("never_completes", "data.round-trip", "it spins: "),
        ("forgets_a_request", "data.takes-pages", "AbiError: poll says that nothing is under way, and never completed"),
        ("crashes", "lifetime.double-free", "the process of the check has ended before the check: SIGSEGV"),
        ("writes_beyond", "data.round-trip", "AbiError: a LOAD wrote beyond the 4096 bytes of its page"),
        ("place_given_twice", "capacity.bounded", "AbiError: a STORE returned the handle 5, which is in use"),
    ],
)
def test_a_broken_one_is_rejected_by_name_and_the_next_check_runs(
    compiled: Compile, name: str, check: str, said: str
) -> None:
    limit_s = 0.7 if said.startswith("it spins") else 60
    factory = load_factory(str(compiled(BROKEN / f"{name}.c")))
    only = [identifier for identifier in CHECKS if not identifier.startswith("machine.")]
    report = run_contract(factory, only=only, stop_at_first=True, limit_s=limit_s)
    assert report.failed == [check]
    assert report.outcomes[-1].reason.startswith(said)
    assert run_contract(factory, only=["capacity.gate"]).outcomes[0].verdict == "not applicable"


def test_each_broken_one_is_tried() -> None:
    assert len(list(BROKEN.glob("*.c"))) == 6


def test_where_it_hangs_is_named(compiled: Compile) -> None:
    factory = load_factory(str(compiled(BROKEN / "spins.c")))
    reason = run_check(CHECKS["data.takes-pages"], factory, 0, limit_s=0.7).reason
    assert "abi/requests.py" in reason and reason.endswith(" in _submit")


def test_one_that_hangs_and_does_not_answer_fails_its_check_without_a_place(compiled: Compile) -> None:
    factory = load_factory(str(compiled(DEAF)))
    outcome = run_check(CHECKS["data.takes-pages"], factory, 0, limit_s=0.7)
    assert outcome.verdict == "fail" and re.fullmatch(r"it spins: .+ in 0\.7 s", outcome.reason)
    assert outcome.details == ""


def test_a_count_that_fell_below_none_is_said_by_the_checks(compiled: Compile) -> None:
    result = CliRunner().invoke(cli, ["contract", str(compiled(BELOW_NONE)), "--check", "accounting.close"])
    assert result.exit_code == 1, result.output
    assert "AbiError: usage says that 18446744073709551615 pages are in use" in result.output


@pytest.mark.parametrize("limit", ["nan", "inf", "0", "-1"])
def test_a_limit_has_to_end(pool: Path, limit: str) -> None:
    result = CliRunner().invoke(cli, ["contract", str(pool), "--check", "data.reuse", "--limit", limit])
    assert result.exit_code == 2 and "Invalid value for '--limit'" in result.output


# The header


def test_the_header_and_the_program_have_the_same_layout(tmp_path: Path) -> None:
    structures = {
        "vcram_request": layout.Request,
        "vcram_completion": layout.Completion,
        "vcram_usage": layout.Room,
        "vcram_owner": layout.Owner,
        "vcram_config": layout.Config,
        "vcram_backend_ops": layout.Ops,
    }
    wanted: dict[str, int] = {}
    for name, structure in structures.items():
        wanted[f"sizeof(struct {name})"] = ctypes.sizeof(structure)
        for field, place in vars(structure).items():
            if hasattr(place, "offset"):
                wanted[f"offsetof(struct {name}, {field})"] = place.offset
    numbers = {"ABI": layout.ABI, "STABLE_WRITES": layout.STABLE_WRITES} | dict(layout.Op.__members__)
    wanted |= {"VCRAM_BACKEND_ABI": numbers.pop("ABI")} | {f"VCRAM_{name}": value for name, value in numbers.items()}
    wanted |= {"VCRAM_MAX_HANDLE": layout.MAX_HANDLE, "VCRAM_NEVER": layout.NEVER, "VCRAM_UNBOUNDED": layout.UNBOUNDED}
    prints = [f'printf("%llu\\n", (unsigned long long)({expression}));' for expression in wanted]
    source = "\n".join(
        ["#include <stddef.h>", "#include <stdio.h>", f'#include "{HEADER}"', "int main(void) {", *prints, "}"]
    )
    program = tmp_path / "layout"
    subprocess.run([compiler(), "-x", "c", "-", "-o", program], input=source, text=True, check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    assert dict(zip(wanted, map(int, printed), strict=True)) == {name: int(value) for name, value in wanted.items()}


@pytest.mark.parametrize("language", [["c", "-std=c11"], ["c++", "-std=c++11"]], ids=lambda language: language[0])
def test_the_header_is_strict_c_and_cpp(language: list[str]) -> None:
    text = f'#include "{HEADER}"\n'
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-"]
    subprocess.run([compiler(), "-x", *language, *strict], input=text, text=True, check=True)


def test_the_command_tells_where_the_header_is() -> None:
    result = CliRunner().invoke(cli, ["contract", "--header"])
    assert (result.exit_code, result.output) == (0, f"{HEADER}\n") and HEADER.is_file()


def test_the_makefile_of_the_example_makes_it_elsewhere(tmp_path: Path) -> None:
    """In folders with a space in their names, too: its own, that of the header and that of the program."""
    folder = tmp_path / "my own"
    shutil.copytree(EXAMPLE, folder / "mine", ignore=shutil.ignore_patterns("*.so"))
    header, vcram = folder / HEADER.name, folder / "vcram"
    shutil.copy(HEADER, header)
    vcram.write_text(f'#!/bin/sh\n[ "$*" = "contract --header" ] && echo "{header}"\n')
    vcram.chmod(0o755)
    subprocess.run(["make", "-C", folder / "mine", f"VCRAM='{vcram}'", f"CC={compiler()} -x c"], check=True)
    assert load_library(folder / "mine" / "pool.so").name == b"pool"


# What is no backend

TABLE = '#include "vcram_backend.h"\nstatic struct vcram_backend_ops ops = {%s};\n' \
    "const struct vcram_backend_ops *vcram_backend(void) { return &ops; }\n"  # fmt: skip
OBJECTS = {
    "int nothing;\n": "it exports no vcram_backend(), see ",
    "#include <stddef.h>\nvoid *vcram_backend(void) { return NULL; }\n": "vcram_backend() returns NULL",
    TABLE % ".abi = 2, .size = sizeof(ops)": "its ABI is 2, this is 1: compile it with ",
    TABLE % ".abi = 1, .size = 24": "its table has 24 bytes, at least ",
    TABLE % ".abi = 1, .size = sizeof(ops)": "it lacks create, destroy, submit, poll, free, reown, usage, handles",
    "__attribute__((constructor)) static void dies(void) { __builtin_trap(); }\n": "has ended before the check: SIG",
}


@pytest.mark.parametrize("text", OBJECTS, ids=list(OBJECTS.values()))
def test_a_shared_object_of_no_use_is_one_line_and_no_failed_checks(compiled: Compile, text: str) -> None:
    result = CliRunner().invoke(cli, ["contract", str(compiled(text))])
    assert (result.exit_code, result.stdout) == (2, "")
    assert OBJECTS[text] in result.stderr and result.stderr.count("\n") == 1


def test_a_file_that_is_no_shared_object_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.so").write_text("text")
    for name, said in {"mine.so": "cannot be loaded: ", "yours.so": "no such file: expected PACKAGE:FACTORY"}.items():
        result = CliRunner().invoke(cli, ["contract", str(tmp_path / name)])
        assert result.exit_code == 2 and said in result.stderr and result.stderr.count("\n") == 1


# Killed tasks


def test_a_page_is_freed_when_the_load_that_a_killed_task_has_left_has_completed(pool: Path, tmp_path: Path) -> None:
    clock = VirtualClock()
    ops = load_library(pool)
    tier = NativeQueue(ops, clock, pages=8, folder=tmp_path)

    async def main() -> None:
        handle = await tier.store(compressible_page(1), 5)
        task = clock.spawn(tier.load(handle))
        await clock.sleep(10)
        task.cancel()
        await clock.sleep(0)
        tier.free(handle)
        assert tier.handles() == {} and tier.usage().pages == 0
        assert tier.requests.late_frees == {handle}
        with pytest.raises(KeyError):
            tier.free(handle)
        with pytest.raises(KeyError):
            tier.reown(handle, 6)
        await tier.flush()
        assert tier.requests.late_frees == set() and tier.requests.under_way == {}
        assert [await tier.store(compressible_page(number), 5) for number in range(8)]

    clock.run(main())
    tier.close()


def test_a_batch_longer_than_the_queue_goes_in_as_it_empties(pool: Path, tmp_path: Path) -> None:
    clock = VirtualClock()
    tier = NativeQueue(load_library(pool), clock, pages=64, folder=tmp_path)
    pages = [compressible_page(number) for number in range(50)]

    async def main() -> None:
        first = tier.reserve(1, len(pages))
        await tier.write(first, pages)
        assert await tier.read(first, len(pages)) == pages

    clock.run(main())
    tier.close()


def test_a_backend_that_cannot_be_made_says_why(pool: Path, tmp_path: Path) -> None:
    with pytest.raises(AbiError, match=r"create returned -12 \(Cannot allocate memory\)"):
        NativeQueue(load_library(pool), VirtualClock(), pages=1 << 48, folder=tmp_path)


def test_what_a_closed_backend_held_is_told_without_it(pool: Path, tmp_path: Path) -> None:
    """A run looks for leaks when its tiers are closed. The backend's memory is gone by then."""
    clock, ops = VirtualClock(), load_library(pool)
    tier = NativeQueue(ops, clock, pages=8, folder=tmp_path)
    handle = clock.run(tier.store(compressible_page(1), 5))
    tier.close()
    for call in ("handles", "usage"):
        setattr(ops, call, layout.CALLS[call]())  # a null pointer: calling it ends the process
    assert tier.handles() == {handle: 5}
    assert tier.usage() == Usage(1, 8)
    tier.close()
