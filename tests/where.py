# SPDX-License-Identifier: MIT
"""`python -m tests.where`: which tests are in `make verify`, as a table for docs/verification.md; all others are in
`make test`."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterable

import pytest

from hw.sources import ROOT

DOCUMENT = ROOT / "docs" / "verification.md"
BEGIN, END = "<!-- made by `python -m tests.where` -->\n", "<!-- end -->\n"


class _Collected:
    """A plugin of pytest that keeps what was collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def table(items: Iterable[pytest.Item]) -> str:
    """One line for each function that has cases in `make verify`, with those it has in `make test`."""
    functions: dict[tuple[str, str], dict[bool, list[str]]] = {}
    for item in items:
        path, _, rest = item.nodeid.partition("::")
        name, _, case = rest.rpartition("::")[2].partition("[")
        cases = functions.setdefault((path, name), {True: [], False: []})
        cases[item.get_closest_marker("verify") is not None].append(case.removesuffix("]"))
    lines = ["| file | test | in `make verify` | in `make test` |", "| --- | --- | --- | --- |"]
    for (path, name), cases in functions.items():
        if cases[True]:
            kept = ", ".join(f"`{case}`" for case in cases[False]) if len(cases[False]) <= 12 else "the others"
            lines.append(f"| `{path}` | `{name}` | {'the other cases' if kept else 'all'} | {kept or '–'} |")
    return "\n".join(lines) + "\n"


def collect() -> list[pytest.Item]:
    """All tests. Raises RuntimeError if they cannot be collected."""
    collected = _Collected()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], [collected])
    if status != 0:
        raise RuntimeError(said.getvalue())
    return collected.items


def main() -> int:
    """Write the table into the document; with --check only tell whether it is there."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    text = before + BEGIN + table(collect()) + END + after
    if "--check" in sys.argv:
        return int(text != DOCUMENT.read_text())
    DOCUMENT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
