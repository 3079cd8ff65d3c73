# SPDX-License-Identifier: MIT
"""stress-ng's memory stressors, alone and under the pager (docs/pager.md, "Other people's tests").

    python -m tests.campaigns.stress [STRESSOR...]    run them: build/stress.json; an unknown difference fails
    python -m tests.campaigns.stress --record         and keep it in docs/figures/stress.json, and write the table

Needs root and Debian's stress-ng. A stressor that was not named again keeps its record.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hw.places import results_folder
from hw.sources import ROOT

RECORD = ROOT / "docs" / "figures" / "stress.json"
DOCUMENT = ROOT / "docs" / "pager.md"
MARK = "<!-- made by `python -m tests.campaigns.stress --record` -->\n"
LIMIT = "4M"
SECONDS = 4
_LAST_S = 60
_ADDRESS_SPACE = 1 << 30  # some stressors take whatever there is
_MOUNTED = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=1G none "$0" && exec "$@"']

STRESSORS: Mapping[str, tuple[str, ...]] = {
    "bad-altstack": (), "bigheap": (), "brk": (), "clone": (), "dev-shm": (), "env": (), "fault": (),
    "fork": (), "forkheavy": (), "madvise": (), "malloc": ("--malloc-bytes", "16M"), "mcontend": (), "membarrier": (),
    "memcpy": (), "memfd": ("--memfd-bytes", "8M"), "memrate": ("--memrate-bytes", "8M"), "memthrash": (),
    "mincore": (), "mlock": (), "mmap": ("--mmap-bytes", "16M"),
    "mmapaddr": (), "mmapfixed": (), "mmapfork": (), "mmapmany": (), "mprotect": (),
    "mremap": ("--mremap-bytes", "16M"), "msync": ("--msync-bytes", "8M"), "msyncmany": (), "munmap": (), "numa": (),
    "pagemove": ("--pagemove-bytes", "8M"), "pageswap": (), "pkey": (), "prefetch": (), "remap": (), "rmap": (),
    "shm": ("--shm-bytes", "8M"), "shm-sysv": ("--shm-sysv-bytes", "1M"), "sigsegv": (), "stack": (),
    "stackmmap": (), "tlb-shootdown": (), "tmpfs": (), "unshare": (), "userfaultfd": ("--userfaultfd-bytes", "8M"),
    "vfork": (), "vforkmany": (), "vm": ("--vm-bytes", "16M"), "vm-addr": (), "vm-rw": ("--vm-rw-bytes", "2M"),
    "vm-segv": (), "vm-splice": (), "zombie": (),
}  # fmt: skip

REASONS: Mapping[str, str] = {
    "userfaultfd": 'userfaultfd is refused ("What is refused").',
    "vm-segv": "its child asks to be traced by its parent (PTRACE_TRACEME) and then stops itself. It has a tracer, the "
    "pager, and so nobody lets it go on. stress-ng does not look whether that call fails.",
}
"""Why a stressor ends in another way under the pager."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        status: stress-ng's exit status: 0 right, 2 wrong, 3 no room, 4 not to be had here; -1 for a hang.
        operations: "bogo operations" that it did.
        complaints: what it says is wrong, each once.
        figures: the pager's: faults, evictions and so on.
    """

    status: int
    operations: int
    complaints: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """How it ended, in a word or two. A stressor may say that something is wrong and end with 0."""
        if any("No stress workers invoked" in complaint for complaint in self.complaints):
            return "not here"
        words = {0: "complains" if self.complaints else "right", -1: "hangs", 3: "no room", 4: "not here"}
        return words.get(self.status, f"status {self.status}")


@dataclass(frozen=True, slots=True)
class Compared:
    """A stressor's two runs."""

    stressor: str
    options: list[str]
    alone: Ended
    paged: Ended

    @property
    def same(self) -> bool:
        """Whether both ended alike."""
        return self.alone.told == self.paged.told


def compare(stressor: str, seconds: int = SECONDS) -> Compared:
    """Run a stressor alone and under the pager. Raises FileNotFoundError without stress-ng."""
    if shutil.which("stress-ng") is None:
        raise FileNotFoundError("stress-ng is missing: requirements/packages.sh stress-ng")
    options = list(STRESSORS[stressor])
    return Compared(stressor, options, _run(stressor, options, seconds, paged=False),
                    _run(stressor, options, seconds, paged=True))  # fmt: skip


def table(rows: Iterable[Compared]) -> str:
    """A line for each stressor."""
    lines = ["| stressor | alone | under the pager | operations | faults | evictions | soft faults | promotions |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in rows:
        figures = [f"{row.paged.figures.get(key, 0):,}" for key in ("faults", "evictions", "soft_faults", "promotions")]
        cells = [f"`{' '.join([row.stressor, *row.options])}`", row.alone.told, row.paged.told,
                 f"{row.paged.operations:,} of {row.alone.operations:,}", *figures]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- `{name}`: {why}" for name, why in REASONS.items())]
    return "\n".join(lines).rstrip() + "\n"


def updated(text: str, rows: Iterable[Compared]) -> str:
    """A document with the table in it; it ends at the next heading."""
    before, mark, rest = text.partition(MARK)
    assert mark, "the document has no place for the table"
    after = rest[rest.index("\n## ") :]
    return before + mark + table(rows) + after


def recorded(file: Path = RECORD) -> list[Compared]:
    """The runs of a record."""
    rows = json.loads(file.read_text()) if file.exists() else []
    return [Compared(row["stressor"], row["options"], Ended(**row["alone"]), Ended(**row["paged"])) for row in rows]


def unexplained(rows: Iterable[Compared]) -> list[str]:
    """Stressors that end in another way under the pager, nobody knows why; and those said to that do not."""
    return [row.stressor for row in rows if row.same == (row.stressor in REASONS)]


def _run(stressor: str, options: list[str], seconds: int, *, paged: bool) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        argv = ["prlimit", f"--as={_ADDRESS_SPACE}", "--core=0", "stress-ng", f"--{stressor}", "1", *options,
                "-t", str(seconds), "--verify", "--metrics-brief", "--no-rand-seed", "--oomable",
                "--temp-path", folder]  # fmt: skip
        if stressor == "tmpfs":  # it looks for one among the mounts
            (Path(folder) / "tmpfs").mkdir()
            argv = [*_MOUNTED, f"{folder}/tmpfs", *argv]
        if paged:
            argv = [sys.executable, "-m", "sim.cli", "pager", "--quiet", "--limit", LIMIT, "--json", str(figures),
                    "--", *argv]  # fmt: skip
        process = subprocess.Popen(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            said, status = process.communicate(timeout=seconds + _LAST_S)[0], process.returncode
        except subprocess.TimeoutExpired:
            process.terminate()
            said, status = process.communicate(timeout=60)[0], -1
        found = re.search(rf"metrc:.* {re.escape(stressor)} +(\d+)", said)
        complaints = re.findall(r"stress-ng: (?:fail|error): +\[\d+\] *(.*)|^(vcram: .*|\w*Error: .*)", said, re.M)
        return Ended(
            status,
            int(found[1]) if found else 0,
            list(dict.fromkeys("".join(each) for each in complaints))[:5],
            json.loads(figures.read_text()) if paged and figures.exists() else {},
        )


def main(arguments: list[str]) -> int:
    """Run all, or those that are named."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.stress",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stressors", nargs="*", metavar="STRESSOR", help=f"of stress-ng: {', '.join(STRESSORS)} (all)")
    parser.add_argument("--record", action="store_true", help="keep the result as the record, and write the table")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.stressors if name not in STRESSORS]:
        parser.error(f"no stressor {unknown[0]!r} here; --help has their names")
    rows = {row.stressor: row for row in recorded()}
    start = time.monotonic()
    for name in options.stressors or STRESSORS:
        row = rows[name] = compare(name)
        print(f"{time.monotonic() - start:6.0f} s {name}: {row.alone.told}, paged {row.paged.told}; "
              f"{row.paged.operations} of {row.alone.operations}; {row.paged.figures.get('faults')} faults "
              f"{'' if row.same else row.paged.complaints}", flush=True)  # fmt: skip
    result = [rows[name] for name in STRESSORS if name in rows]
    file = results_folder() / "stress.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(row) for row in result], indent=1) + "\n")
    if options.record:
        RECORD.write_text(file.read_text())
        DOCUMENT.write_text(updated(DOCUMENT.read_text(), result))
    wrong = unexplained(result)
    if wrong:
        print(f"not as alone, and nobody knows why: {', '.join(wrong)}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
