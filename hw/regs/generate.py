# SPDX-License-Identifier: MIT
"""Generate what follows from hw/regs: `python -m hw.regs.generate` writes, `--check` only compares."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hw.regs import codes, model, replies, tables

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
TARGETS = {
    "cram_codes.vh.jinja": ROOT / "hw" / "rtl" / "cram_codes.vh",
    "cram_counters.vh.jinja": ROOT / "hw" / "rtl" / "cram_counters.vh",
    "cram_decode.vh.jinja": ROOT / "hw" / "rtl" / "cram_decode.vh",
    "cram_read_data.vh.jinja": ROOT / "hw" / "rtl" / "cram_read_data.vh",
    "cram_replies.vh.jinja": ROOT / "hw" / "rtl" / "cram_replies.vh",
    "cram_registers.vh.jinja": ROOT / "hw" / "rtl" / "cram_registers.vh",
    "codes.py.jinja": ROOT / "hw" / "codes.py",
    "registers.py.jinja": ROOT / "hw" / "registers.py",
    "replies.py.jinja": ROOT / "hw" / "replies.py",
    "registers.md.jinja": DOCS / "registers.md",
}


def generate(registers: model.RegisterMap, numbers: codes.Codes, constants: replies.Replies) -> dict[Path, str]:
    """The text of every file that is generated, or has a table that is, by its path. Raises codes.MapError."""
    model.check(registers, numbers)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    texts = {
        path: environment.get_template(name).render(map=registers, codes=numbers, replies=constants)
        for name, path in TARGETS.items()
    }
    documents = [path for path in sorted(DOCS.rglob("*.md")) if path not in texts]
    return texts | tables.fill(documents, tables.tables(registers, numbers, constants))


def stale(texts: dict[Path, str]) -> list[Path]:
    """The files whose content is not `texts`'s."""
    return [path for path, text in texts.items() if not path.exists() or path.read_text() != text]


def main(arguments: list[str] | None = None) -> int:
    """Write what is stale; with `--check` name it and return 1."""
    parser = argparse.ArgumentParser(prog="python -m hw.regs.generate", description="Generate from hw/regs/.")
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale and end with 1")
    check = parser.parse_args(arguments).check
    try:
        registers, numbers = model.read(), codes.read()
        texts = generate(registers, numbers, replies.read(registers, numbers))
    except codes.MapError as error:
        print(error, file=sys.stderr)
        return 1
    for path in stale(texts):
        name = path.relative_to(ROOT)
        if check:
            print(f"{name} is stale: run `make regs`", file=sys.stderr)
        else:
            path.write_text(texts[path])
            print(f"wrote {name}")
    return int(check and bool(stale(texts)))


if __name__ == "__main__":
    sys.exit(main())
