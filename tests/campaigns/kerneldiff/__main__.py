# SPDX-License-Identifier: MIT
"""`make kerneldiff`: the model held against running kernels; writes build/kerneldiff.json (docs/kerneldiff.md).

Exit status: 0 no difference that is not listed; 1 there is one, or no result; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from hw.places import results_folder
from sim.base.interrupts import interruptible
from tests.campaigns.kerneldiff.compare import BEGIN, DOCUMENT, Listed, exceptions, table
from tests.campaigns.kerneldiff.flavours import FLAVOURS
from tests.campaigns.kerneldiff.generate import impossible, random_script, shrink
from tests.campaigns.kerneldiff.guest import KERNELS, Guest, GuestError, RequestError, boot
from tests.campaigns.kerneldiff.judge import Verdict, compare, judge
from tests.campaigns.kerneldiff.script import Script, ScriptError, load, parse

HERE = Path(__file__).parent
RULES, KEPT = HERE / "scripts", HERE / "kept"
SHOWN = 20


def main(arguments: list[str]) -> int:
    """Run it; the exit status."""
    options = options_of(arguments)
    try:
        with interruptible():
            return _run(options)
    except (GuestError, RequestError, ScriptError, OSError, ValueError) as error:
        print(f"kerneldiff: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kerneldiff: interrupted; nothing is left running", file=sys.stderr)
        return 130


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.kerneldiff",
        description="Hold the swap model against running kernels (docs/kerneldiff.md).",
    )
    parser.add_argument("scripts", nargs="*", type=Path, metavar="FILE.script",
                        help="scripts to run (default: all that are kept here, and random ones)")  # fmt: skip
    parser.add_argument("--kernels", type=_kernels, default=list(KERNELS), metavar="VERSION[,VERSION]",
                        help=f"of {', '.join(KERNELS)}; a comma between two (default: both)")  # fmt: skip
    parser.add_argument("--count", type=int, default=300, help="random scripts, where no file is named (300)")
    parser.add_argument("--flavour", choices=FLAVOURS,
                        help="random scripts of this flavour, and no others (default: each has its own)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="seed of the first random script (1)")
    parser.add_argument("--keep", type=int, default=3, help="failing random scripts to shrink and keep (3)")
    parser.add_argument("--exceptions", action="store_true",
                        help="write the table of exceptions into docs/kerneldiff.md, and run nothing")  # fmt: skip
    return parser.parse_args(arguments)


def _kernels(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in KERNELS:
            raise argparse.ArgumentTypeError(f"no kernel {name!r}; expected {' or '.join(KERNELS)}")
    return names


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    listed = exceptions()
    if options.exceptions:
        before, _, _ = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(before + BEGIN + table(listed), encoding="utf-8")
        return 0
    if options.scripts:
        scripts = [written(path) for path in options.scripts]
    else:
        scripts = [] if options.flavour else load(RULES) + load(KEPT)
        seeds = range(options.seed, options.seed + options.count)
        scripts += [random_script(seed, options.flavour) for seed in seeds]
    scripts.sort(key=lambda script: script.setting("zswap") == "on")  # large swap-ins end with the first use of zswap
    verdict = Verdict()
    for profile in options.kernels:
        print(f"booting the kernel of profile {profile}", file=sys.stderr, flush=True)
        with boot(profile) as guest:
            judge(profile, guest, scripts, listed, verdict, partial(_progress, profile, len(scripts)))
            _progress(profile, len(scripts), len(scripts))
            _keep(profile, guest, verdict, listed, options.keep)
    seconds = time.monotonic() - started
    path = results_folder() / "kerneldiff.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures(verdict, listed, seconds), indent=2) + "\n", encoding="utf-8")
    for difference in verdict.unlisted[:SHOWN]:
        print(f"kerneldiff: {difference}", file=sys.stderr)
    if len(verdict.unlisted) > SHOWN:
        print(f"kerneldiff: {len(verdict.unlisted) - SHOWN:,} more, in {path}", file=sys.stderr)
    compared = f"{verdict.scripts:,} scripts, {verdict.steps:,} steps, {verdict.pages:,} pages compared"
    unlisted, known = len(verdict.unlisted), verdict.listed.total()
    print(f"{compared} in {seconds:.0f} s; {unlisted:,} differences that are not listed, {known:,} that are; {path}")
    return bool(verdict.unlisted)


def written(path: Path) -> Script:
    """The script of a file. Raises ScriptError, also for one that cannot be done: there would be nothing to compare."""
    script = parse(path.stem, path.read_text(encoding="utf-8"))
    if not script.steps:
        raise ScriptError(f"{path}: no operation")
    if (number := impossible(script)) is not None:
        step = script.steps[number - 1]
        raise ScriptError(
            f"{path}, step {number}: {step}: it lacks a task that has begun (`fork`) or pages that are mapped (`map`), "
            "or what it makes is there already"
        )
    return script


def figures(verdict: Verdict, listed: list[Listed], seconds: float) -> dict[str, object]:
    """What build/kerneldiff.json holds."""
    return {
        "kernels": verdict.kernels,
        "scripts": verdict.scripts,
        "steps": verdict.steps,
        "pages_compared": verdict.pages,
        "differences": len(verdict.unlisted),
        "seconds": round(seconds),
        "listed": [
            {"name": each.name, "reason": each.reason, "count": verdict.listed[each.name]} for each in listed
        ],
        "unlisted": [asdict(each) for each in verdict.unlisted],
    }  # fmt: skip


def _keep(profile: str, guest: Guest, verdict: Verdict, listed: list[Listed], most: int) -> None:
    """Shrink the first random scripts that failed on this kernel, and keep them for the tests."""

    def fails(script: Script) -> bool:
        found, _ = compare(profile, guest, script, listed)
        return any(not each.listed for each in found)

    failing = [script for at, script in verdict.failing if at == profile and script.about.startswith("Random")]
    for script in failing[:most]:
        print(f"shrinking {script.name}", file=sys.stderr, flush=True)
        small = shrink(script, fails)
        small = replace(small, about=f"Found with the kernel of profile {profile}: {script.name}, shrunk.")
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{profile}-{script.name}.script").write_text(small.text(), encoding="utf-8")


def _progress(profile: str, of: int, done: int) -> None:
    end = "\n" if done == of else ""
    if sys.stderr.isatty() or end or done % 50 == 0:
        start = "\r" if sys.stderr.isatty() else ""
        line = end or ("" if sys.stderr.isatty() else "\n")
        print(f"{start}{profile}: {done} of {of} scripts", end=line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
