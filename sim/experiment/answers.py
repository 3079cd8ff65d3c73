# SPDX-License-Identifier: MIT
"""docs/answers.md, the page of plots and the letter, from the recorded tables: no figure in them is typed by hand.

python -m sim.experiment.answers     write them again
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sim.experiment.catalogue import EXPERIMENTS
from sim.experiment.experiment import Experiment, Rows, Summary
from sim.experiment.record import DOCS, RECORDS, page, recorded
from vswap import Costs

Answer = tuple[Experiment, Rows]
"""An experiment with its recorded table."""


def documents(answers: Sequence[Answer]) -> Mapping[str, str]:
    """Path below docs/ -> text."""
    return {
        "answers.md": "\n".join(_document(answers)),
        "answers/letter.md": "\n".join(_letter(answers)),
        "answers/plots.html": page(answers, "Answers: the plots"),
    }


def all_answers(folder: Path = RECORDS) -> list[Answer]:
    """Every experiment with its recorded table. Raises RecordError."""
    return [(experiment, recorded(experiment, folder)) for experiment in EXPERIMENTS.values()]


def write(docs: Path = DOCS) -> None:
    """Write the documents. Raises RecordError, OSError."""
    for name, text in documents(all_answers()).items():
        (docs / name).write_text(text, encoding="utf-8")


def _document(answers: Sequence[Answer]) -> Iterator[str]:
    yield "<!-- made by `python -m sim.experiment.answers` from docs/answers: do not edit -->"
    yield "# Answers"
    yield ""
    yield "What the experiments say to the questions that are open on the list. Every figure is computed from a"
    yield "recorded table; [experiments](experiments.md) says how they are run again. The pictures are in one page,"
    yield "[plots](answers/plots.html), and [a letter](answers/letter.md) says it all shortly."
    yield ""
    yield "Counts, bytes and device cycles come first. A time in ns is of the device at 1 GHz, a link that takes"
    yield f"{Costs().cxl_link} ns for each transfer, there and back, and the software of the cost table, all of which"
    yield "`vcram scenarios --keys` lists with their sources (`[costs]`)."
    for experiment, table in answers:
        verdict = experiment.conclude(table)
        yield ""
        yield f"## {experiment.name}"
        yield f"**{experiment.question}**"
        for sentence in verdict.sentences:
            yield ""
            yield sentence
        for summary in verdict.summaries:
            yield ""
            yield f"{summary.title}:"
            yield ""
            yield from _table(summary)
        yield ""
        yield "What is concluded:"
        yield ""
        yield from _table(Summary("", ("about", "finding"), list(verdict.findings.items())))
        yield ""
        yield "What may not be concluded:"
        yield ""
        yield from (f"- {limit}" for limit in verdict.limits)
        yield ""
        yield f"How it was measured: {experiment.method} Table: [{experiment.name}.csv](answers/{experiment.name}.csv),"
        yield f"{len(table):,} rows."
    yield ""


def _letter(answers: Sequence[Answer]) -> Iterator[str]:
    yield "<!-- made by `python -m sim.experiment.answers` from docs/answers: do not edit -->"
    yield "# Compressed RAM under virtual swap: figures for the open questions"
    yield ""
    yield "Figures of a compressed-RAM device's RTL, or its model, under a model of the swap stack. Counts and"
    yield f"device cycles come first; times assume a cost table, 1 GHz, a link of {Costs().cxl_link} ns. Tables, limits"
    yield "and methods: [answers](../answers.md)."
    for number, (experiment, table) in enumerate(answers, 1):
        yield ""
        yield f"{number}. {experiment.question}"
        verdict = experiment.conclude(table)
        yield f"   {verdict.sentences[verdict.answer]}"
        yield f"   Note: {verdict.limits[0]}"
        yield f"   ([{experiment.name}.csv]({experiment.name}.csv))"
    yield ""


def _table(summary: Summary) -> Iterator[str]:
    for line in (summary.heads, ["---"] * len(summary.heads), *summary.rows):
        yield "| " + " | ".join(line) + " |"


if __name__ == "__main__":
    write()
