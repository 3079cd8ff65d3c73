# SPDX-License-Identifier: MIT
"""Run the tests on mutants: the benches that can see a module, the cheapest first, up to the first to fail.

These are the benches of tests/hw and the driver's contract, as tests/driver/test_over_rtl.py runs it.

A mutant is killed when a bench fails on it, ends the simulation or does not come to an end. What a bench says about a
mutant is kept, and asked again only if the RTL, the bench or the files it shares have changed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from hw.build import Build, build
from hw.ecc import LINE_BITS
from hw.links.cocotb import BENCH_SOURCES
from hw.parameters import DeviceParameters
from hw.simulate import simulate
from hw.sources import ROOT
from tests.campaigns.mutation.netlist import VARIABLE, Module, Mutant, MutationError, Netlist, wrapper
from tests.hw.test_ecc import LINE_BOUND_BITS, LINES, settings

# The device of most chapters in tests/hw/test_cram_device.py: corners are near.
DEVICE = DeviceParameters(perceived_pages=128, media_bytes=64 << 10, cache_pages=4)


@dataclass(frozen=True)
class Killer:
    """A bench to run on mutants.

    Attributes:
        bench: `tests/hw/bench_<bench>.py`, or the dotted name of a module of cocotb tests.
        top: the module of hw/rtl it is written for; it sees mutants in this one and in all below.
        settings: environment variables besides those that give the parameters.
        around: the module of hw/bench that holds `top`, with the same parameters; none if empty.
    """

    bench: str
    top: str
    settings: tuple[tuple[str, str], ...] = ()
    around: str = ""

    @property
    def module(self) -> str:
        """The cocotb tests, for Python's import."""
        return self.bench if "." in self.bench else f"tests.hw.bench_{self.bench}"

    def environment(self, module: Module) -> dict[str, str]:
        """What the bench reads: the parameters of its top module and of the device, and its settings."""
        device = {"DEVICE": json.dumps(asdict(DEVICE))}
        values = DEVICE.verilog() | dict(module.parameters)
        return {key: str(value) for key, value in values.items()} | device | dict(self.settings)

    @property
    def digest(self) -> str:
        """Of all that decides what it says about a mutant, but the RTL."""
        called = repr((self.bench, self.top, self.settings, self.around))
        digest = hashlib.sha256(called.replace(str(ROOT), "").encode())  # the same in every clone
        own = _source(self.module)
        named = {own.parent / name for _, value in self.settings for name in shlex.split(value) if name.endswith(".py")}
        for path in sorted(_with_imports({own, *named, *own.parent.glob("conftest.py")})):
            lines = path.read_bytes().splitlines(keepends=True)
            text = b"".join(line for line in lines if not line.startswith(b"# SPDX-"))  # a licence decides nothing
            digest.update(text + b"\0")
        return digest.hexdigest()[:10]


def _source(module: str) -> Path:
    """The file of a module of this repository."""
    return ROOT / Path(*module.split(".")).with_suffix(".py")


def _with_imports(files: set[Path]) -> set[Path]:
    """Files of tests, and those of tests that they import."""
    found: set[Path] = set()
    while files:
        found |= files
        names: set[str] = set()
        for node in (node for path in files for node in ast.walk(ast.parse(path.read_text()))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        imported = {_source(name) for name in names if name.startswith("tests.")}
        files = {path for path in imported if path.exists()} - found
    return found


CONTRACT = (
    "probe",
    "pages",
    "mailbox",
    "import",
    "fence",
    "cxl",
    "cxl_host",
    "readers",
    "hot",
    "watermarks",
    "pressure",
    "trim_in_use",
)
"""The driver's tests in tests/driver that run on mutants."""


WHOLE = "cram_device"
CHAPTERS = (
    *("traffic", "bursts", "cache", "states", "signals", "faults", "flips", "reset", "late", "exhaustion", "floods"),
)
BROAD = ("cram_device_traffic", "tests.driver.inside")


def _killers() -> Iterator[Killer]:
    yield Killer("fifo", "fifo")
    yield Killer("page_scan", "page_scan", (("REAL_PAGES", "40"),))
    yield Killer("heat_tracker", "heat_tracker")
    yield Killer("media_writer", "media_writer")
    yield Killer("media_port", "media_port")
    yield Killer("sector_allocator", "sector_allocator", (("ROUNDS", "400"),))
    yield Killer("page_cache", "page_cache", (("ROUNDS", "600"),))
    yield Killer("lz4_compressor", "lz4_compressor", (("EFFORT", "1.0"),))
    yield Killer("lz4_decompressor", "lz4_decompressor", (("EFFORT", "1.0"),))
    yield Killer("ecc", "ecc_check", (("CODE", settings(LINE_BITS, LINE_BOUND_BITS, LINES)),))
    yield Killer("mailbox_health", "mailbox_replies")
    yield Killer("registers", "cram_registers")
    for part in ("protocol", "pages", "reports", "host"):
        yield Killer(f"mailbox_{part}", "cram_registers")
    files = [str(ROOT / f"tests/driver/test_{name}.py") for name in CONTRACT]
    chapters = [  # but media, which takes longer than the others together and has killed none
        Killer(f"cram_device_{chapter}", WHOLE, (("EFFORT", "0.1"),)) for chapter in CHAPTERS
    ]
    yield chapters[0]
    yield Killer("tests.driver.inside", WHOLE, (("VCRAM_TESTS", shlex.join(["-x", *files])),), around="cram_tb")
    yield from chapters[1:]


KILLERS = tuple(_killers())
KNOWN = Path(__file__).parent / "known.jsonl"
ORIGINAL = "original"  # the key of no mutant: what the benches say about the netlist as it is


@dataclass(frozen=True)
class Answer:
    """What a bench says about a mutant.

    Attributes:
        killed: it noticed.
        seconds: wall clock.
        said: how it noticed, one line; empty if it did not.
    """

    killed: bool
    seconds: float
    said: str = ""


@dataclass(frozen=True)
class Verdict:
    """What all benches say about a mutant: the one that noticed, or None, and how; seconds of all of them."""

    mutant: Mutant
    killer: str | None
    said: str
    seconds: float


class Campaign:
    """The benches on one sample of mutants.

    Args:
        netlist: the device.
        mutants: the sample.
        killers: which benches.
        record: file that keeps the answers; one of the netlist's if not given.
        known: file with answers of an earlier run, which is only read.

    Raises:
        MutationError: Yosys refuses.
        hw.build.BuildError, hw.tools.ToolError: a simulation cannot be compiled.
    """

    def __init__(
        self,
        netlist: Netlist,
        mutants: Sequence[Mutant],
        killers: Sequence[Killer] = KILLERS,
        record: Path | None = None,
        known: Path | None = None,
    ) -> None:
        self.netlist = netlist
        self.mutants = mutants
        self.killers = killers
        self._mutated = netlist.mutated(mutants)
        self._record = record or netlist.folder / "answers.jsonl"
        self._known = known
        self._answers: dict[str, Answer] = {}
        self._kills: dict[str, Counter[Killer]] = {}  # of each module: who has killed most goes first
        self._digests = {killer: killer.digest for killer in killers}
        self._below = cache(self._find_below)
        self._built = cache(self._build)
        self.recall()

    def recall(self) -> None:
        """Read the record again: other processes may have added to it."""
        for path in (self._known, self._record):
            if path is not None and path.exists():
                for line in path.read_text().splitlines():
                    key, *answer = json.loads(line)
                    self._answers[key] = Answer(*answer)

    def keep(self, path: Path = KNOWN) -> int:
        """Write what is known about the mutants where `known` finds it: of one that was killed, how, else all there is.
        Returns of how many nothing more is to be asked."""
        lines, decided = [], 0
        for mutant in self.mutants:
            answers = self._known_of(mutant)
            decided += not self.open(mutant)
            kills = [killer for killer, answer in answers.items() if answer.killed]
            for killer in kills[:1] or answers:
                answer = answers[killer]
                line = [self._key(killer, mutant.key), answer.killed, answer.seconds, answer.said[:100]]
                lines.append(json.dumps(line) + "\n")
        path.write_text("".join(lines))
        return decided

    def open(self, mutant: Mutant) -> list[Killer]:
        """The benches that may still have to be asked about a mutant."""
        answers = self._known_of(mutant)
        if any(answer.killed for answer in answers.values()):
            return []
        return [killer for killer in self.asked(mutant) if killer not in answers]

    def sees(self, killer: Killer, mutant: Mutant) -> bool:
        """Whether the mutant is in what the bench tests."""
        return mutant.module.name in self._below(killer.top)

    def judge(self, mutant: Mutant) -> Verdict:
        """Run benches on a mutant until one notices. Raises MutationError if one fails without any mutant as well."""
        seconds = 0.0
        kills = self._kills.setdefault(mutant.module.name, Counter())
        killed_it = {killer for killer, answer in self._known_of(mutant).items() if answer.killed}
        for killer in sorted(self.asked(mutant), key=lambda killer: (killer not in killed_it, -kills[killer])):
            answer = self.ask(killer, mutant)
            seconds += answer.seconds
            if answer.killed:
                kills[killer] += 1
                return Verdict(mutant, killer.bench, answer.said, seconds)
        return Verdict(mutant, None, "", seconds)

    def _known_of(self, mutant: Mutant) -> dict[Killer, Answer]:
        """What is known by now of those that may kill it."""
        keys = {killer: self._key(killer, mutant.key) for killer in self.asked(mutant)}
        return {killer: self._answers[key] for killer, key in keys.items() if key in self._answers}

    def asked(self, mutant: Mutant) -> list[Killer]:
        """The benches that may kill it: all that see it, but for a module with a bench of its own, or in a block with
        one, only the broad ones of those of the whole device; the others tell no more and take minutes."""
        seeing = [killer for killer in self.killers if self.sees(killer, mutant)]
        own = any(killer.top != WHOLE for killer in seeing)
        return [killer for killer in seeing if killer.top != WHOLE or not own or killer.bench in BROAD]

    def ask(self, killer: Killer, mutant: Mutant) -> Answer:
        """What one bench says about a mutant, now or earlier."""
        return self._remembered(killer, mutant.key, mutant.number)

    def limit_s(self, killer: Killer) -> float:
        """How long a bench may take, seconds on the processor: several times what it takes with no mutant, where it has
        to pass."""
        answer = self._remembered(killer, ORIGINAL, 0)
        if answer.killed:
            raise MutationError(f"bench_{killer.bench} fails without a mutant: {answer.said}")
        return 10 + 4 * answer.seconds

    def _remembered(self, killer: Killer, key: str, number: int) -> Answer:
        key = self._key(killer, key)
        if key not in self._answers:
            answer = self._run(killer, number, self.limit_s(killer) if number else 1200)
            if answer.killed and not number:
                return answer  # to be asked again
            self._answers[key] = answer
            with self._record.open("a") as file:
                file.write(json.dumps([key, answer.killed, round(answer.seconds, 1), answer.said]) + "\n")
        return self._answers[key]

    def _key(self, killer: Killer, of: str) -> str:
        return f"{of} {killer.bench} {self._digests[killer]}"

    def _run(self, killer: Killer, number: int, limit_s: float) -> Answer:
        module, built = self._built(killer.top, killer.around)
        settings = killer.environment(module) | {VARIABLE: str(number), "COCOTB_MAX_FAILURES": "1"}
        folder = self._mutated.parent / f"run-{os.getpid()}"
        start = _processor_s()
        try:
            simulate(built, killer.module, environment=settings, timeout_s=limit_s, results=folder)
        except TimeoutError:
            return Answer(True, _processor_s() - start, f"no end within {limit_s:.0f} s")
        except AssertionError as error:
            return Answer(True, _processor_s() - start, _reason(str(error)))
        return Answer(False, _processor_s() - start)

    def _build(self, top: str, around: str) -> tuple[Module, Build]:
        module = self.netlist.module(top)
        parameters: Mapping[str, int] = DEVICE.verilog() if around else module.parameters  # a bench hands on no more
        sources = [*(BENCH_SOURCES if around else ()), self._mutated, wrapper(self._mutated, module)]
        return module, build(around or top, "verilator", parameters, sources, coverage=False)

    def _find_below(self, top: str) -> frozenset[str]:
        """Names of the module that is tested as `top`, and of all below it."""
        modules = {module.name: module for module in self.netlist.modules}
        found = {self.netlist.module(top).name}
        while more := {part for name in found for part in modules[name].parts} - found:
            found |= more
        return frozenset(found)


def _processor_s() -> float:
    """Seconds on the processor of all that this process has started and waited for: what a bench takes, however busy
    the machine is."""
    times = os.times()
    return times.children_user + times.children_system


def _reason(text: str) -> str:
    """The line of a failure that tells most."""
    lines = text.splitlines()
    return (lines[1] if len(lines) > 1 else lines[0])[:200]
