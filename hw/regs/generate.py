"""Generate the register files from cram.rdl: `python -m hw.regs.generate` writes, `--check` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hw.regs import model

ROOT = Path(__file__).resolve().parent.parent.parent
TARGETS = {
    "cram_registers.vh.jinja": ROOT / "hw" / "rtl" / "cram_registers.vh",
    "registers.py.jinja": ROOT / "driver" / "registers.py",
    "registers.md.jinja": ROOT / "docs" / "registers.md",
}


def generate(registers: model.RegisterMap) -> dict[Path, str]:
    """The text of every generated file, by its path."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return {path: environment.get_template(name).render(map=registers) for name, path in TARGETS.items()}


def stale(texts: dict[Path, str]) -> list[Path]:
    """The files whose content is not `texts`'s."""
    return [path for path, text in texts.items() if not path.exists() or path.read_text() != text]


def main(arguments: list[str]) -> int:
    """Write what is stale; with `--check` name it and return 1."""
    texts = generate(model.read())
    for path in stale(texts):
        name = path.relative_to(ROOT)
        if "--check" in arguments:
            print(f"{name} is stale: run `make regs`", file=sys.stderr)
        else:
            path.write_text(texts[path])
            print(f"wrote {name}")
    return int("--check" in arguments and bool(stale(texts)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
