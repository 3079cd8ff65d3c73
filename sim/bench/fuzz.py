# SPDX-License-Identifier: MIT
"""Fuzzed LZ4 streams through the decompressor's RTL and liblz4: same accept or reject, same bytes on accept.

`python -m sim.bench.fuzz` runs 1,000,000 of them (`make fuzz`, `COUNT=`) and writes build/fuzz.json. Streams come from
three sources: blocks of real pages with damage, blocks put together by the grammar with last sequences near the rules
of the page's end (docs/decompressor.md), and noise. A batch of 1,000 streams depends on the seed and
its number alone, so that any part of a campaign can be run again.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import click
import lz4.block
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hw.build import BuildError
from hw.link import PAGE_BYTES
from hw.lz4_block import Lz4Sequence, has_zero_offset, sequence, sequences
from hw.places import results_folder
from hw.tools import ToolError
from hw.verilated.engines import EngineHangError, Engines
from sim.base.interrupts import Interrupted, interruptible
from sim.bench.hardware_pages import bench_pages
from sim.corpus.corpus import CorpusError
from vswap.base.results import write_json

BATCH = 1000
CORPUS_BYTES = 190_000
_PAGES = 100  # of each kind of real pages
_CLASSIFIED = 4  # every how manyth stream is looked at for a new feature, which takes longer than decoding it


class FuzzError(Exception):
    """The decompressor and liblz4 do not agree; the message has the stream."""


def expected(stream: bytes) -> bytes | None:
    """The page of a stream as liblz4 decodes it, None where it rejects it, fills no page, or an offset is 0."""
    try:
        page = bytes(lz4.block.decompress(stream, uncompressed_size=PAGE_BYTES))
    except lz4.block.LZ4BlockError:
        return None
    return page if len(page) == PAGE_BYTES and not has_zero_offset(stream) else None


# ---- streams


def damaged(block: bytes, random: Random) -> bytes:
    """A few bytes changed, cut, inserted or appended; half of the time near the end, where most rules lie."""
    data = bytearray(block)
    for _ in range(random.choice([1, 1, 2, 4])):
        near_end = random.random() < 0.5
        at = max(0, len(data) - random.randint(1, 24)) if near_end else random.randrange(len(data))
        match random.randrange(6):
            case 0:
                data[at] = random.choice([0, 255, random.randrange(256)])
            case 1:
                data[at] ^= 1 << random.randrange(8)
            case 2:
                data[at] = (data[at] + random.choice([1, -1, 16, -16])) % 256
            case 3:
                del data[at : at + random.choice([1, 2, 3, 30, PAGE_BYTES])]
            case 4:
                data[at:at] = random.choice([b"\xff", b"\0", random.randbytes(3), b"\xff" * 20])
            case _:
                data += random.randbytes(random.choice([1, 5, 64]))
        data = data or bytearray(b"\0")
    return bytes(data)


def assembled(random: Random) -> bytes:
    """A block by the grammar: some sequences, a long one to a place near the end, then the rules of the end, just so.

    One block in three or so is well formed.
    """
    out = bytearray()
    position = 0

    def put(literals: int, match: int, offset: int) -> None:
        nonlocal position
        out.extend(sequence(random.randbytes(literals), match, offset))
        position += literals + match

    def some_offset(literals: int) -> int:
        most = position + literals
        return random.choice([1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, most, random.randint(1, max(1, most))])

    def length(longest: int) -> int:
        return random.choice([0, 1, 2, 3, 4, 5, 14, 15, 16, 18, 19, 28, 29, 63, 64, 65, random.randint(0, longest)])

    for _ in range(random.choice([0, 1, 2, 5, 12])):
        literals = max(length(40), 1 if position == 0 else 0)
        put(literals, 4 + length(300), max(1, min(some_offset(literals), position + literals)))
    goal = PAGE_BYTES - random.choice([0, 4, 5, 12, 13, 16, 24, 32, 33, 40, random.randint(0, 80)])
    literals = max(length(20), 1 if position == 0 else 0)
    if goal - position - literals >= 4:
        put(literals, goal - position - literals, max(1, min(some_offset(literals), position + literals)))
    while random.random() < 0.5 and position < PAGE_BYTES:
        literals = random.randint(0, 14)
        put(literals, 4 + random.randint(0, 15), random.choice([8, 8, 16, some_offset(literals)]))
    last = max(0, PAGE_BYTES - position + random.choice([0, 0, 0, 0, 1, -1]))
    out += bytes([min(last, 15) << 4 | random.randrange(16)]) + sequence(random.randbytes(last))[1:]
    match random.randrange(8):
        case 0:  # an offset that reaches too far, or 0, somewhere
            at = random.randrange(len(out))
            out[at : at + 2] = random.choice([b"\0\0", b"\xff\xff", random.randbytes(2)])
        case 1:
            del out[random.randrange(1, len(out) + 1) :]
        case _:
            pass
    return bytes(out or b"\0")


def noise(random: Random) -> bytes:
    """Any bytes; half of the time tokens with short lengths and small offsets are likely."""
    size = random.choice([1, 2, 3, 5, 16, 64, 65, random.randint(1, 300), random.randint(1, 4600)])
    if random.random() < 0.5:
        return random.randbytes(size)
    return bytes(random.choices(b"\0\1\2\4\x08\x10\x11\x1f\x40\xf0\xff", k=size))


def batch(number: int, seed: int, blocks: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """The streams of a batch, each with its source."""
    random = Random(f"{seed}-{number}")
    for _ in range(BATCH):
        match random.randrange(10):
            case 0:
                yield "noise", noise(random)
            case 1 | 2 | 3 | 4:
                yield "grammar", assembled(random)
            case _:
                yield "damaged", damaged(random.choice(blocks), random)


# ---- features


def feature(stream: bytes) -> str:
    """What a stream is an example of: how it ends, and of the sequence it ends at the classes of literals, match and
    offset and the position. The cause is "accepted" exactly for what docs/decompressor.md accepts.
    """
    position = 0
    for found in sequences(stream):
        start = position
        position += found.literals
        cause = _cause(found, start, position)
        if cause:
            literals, match, offset = found.literals, found.match, found.offset
            if not match or position > PAGE_BYTES:  # it has ended before the match: the token alone counts
                match, offset = found.token & 15, 0
            return "; ".join(
                [
                    cause,
                    f"literals {_class(literals, (0, 4, 14, 28, 255))}",
                    f"match {_class(match, (0, 4, 18, 64, 273))}",
                    f"offset {_class(offset, (0, 7, 15, 64, 4095))}",
                    f"position {_class(start, (0, 63, 2048, 4063, 4084, 4091, 4096))}",
                ]
            )
        position += found.match
    raise AssertionError("the last sequence of a block has no match")


def _cause(found: Lz4Sequence, start: int, position: int) -> str:
    """Why a stream ends at a sequence that begins at `start` of the page, its match at `position`; empty if it does
    not."""
    if found.cut in ("at a token", "in literals"):
        return f"ends {found.cut}"
    if position > PAGE_BYTES:
        return "literals exceed the page"
    if found.cut:
        return f"ends {found.cut}"
    if not found.match:
        return "accepted" if position == PAGE_BYTES else "page is short"
    if found.offset == 0:
        return "offset 0"
    if found.offset > position:
        return "offset too far"
    if position > PAGE_BYTES - 12:
        return "match begins late"
    end = position + found.match
    if end <= PAGE_BYTES - 5:
        return ""
    excused = found.token >> 4 < 15 and found.token & 15 < 15 and found.offset >= 8 and start <= PAGE_BYTES - 32
    return "" if excused and end <= PAGE_BYTES else "match ends late"


def _class(value: int, limits: Sequence[int]) -> str:
    return next((f"to {limit}" for limit in limits if value <= limit), "above")


# ---- campaign


@dataclass
class Campaign:
    """What a campaign has seen so far.

    Attributes:
        streams, accepted: per source.
        corpus: per feature the shortest stream.
    """

    engines: Engines
    blocks: Sequence[bytes]
    seed: int
    streams: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    corpus: dict[str, bytes] = field(default_factory=dict)

    def run(self, number: int) -> None:
        """A batch. Raises FuzzError, EngineHangError."""
        for index, (source, stream) in enumerate(batch(number, self.seed, self.blocks)):
            page = judge(self.engines, stream)
            self.streams[source] += 1
            self.accepted[source] += page is not None
            if index % _CLASSIFIED == 0:
                found = feature(stream)
                if found.startswith("accepted") != (page is not None):
                    raise FuzzError(f"docs/decompressor.md says {found!r}, liblz4 otherwise: {stream.hex()}")
                if found not in self.corpus or len(stream) < len(self.corpus[found]):
                    self.corpus[found] = stream


def judge(engines: Engines, stream: bytes) -> bytes | None:
    """The page of a stream, None if it is rejected. Raises FuzzError if the two disagree; EngineHangError."""
    page = expected(stream)
    answer = engines.decompress(stream)
    if (None if answer.malformed else answer.data) != page:
        verdicts = ("rejects" if page is None else "accepts", "rejects" if answer.malformed else "accepts")
        raise FuzzError(f"liblz4 {verdicts[0]}, the RTL {verdicts[1]} (or other bytes): {stream.hex()}")
    return page


def real_blocks(engines: Engines, pages: Sequence[bytes]) -> list[bytes]:
    """Blocks of pages by this compressor, by liblz4 and by its slow modes."""
    blocks = []
    for page in pages:
        blocks.append(engines.compress(page).data)
        blocks.append(lz4.block.compress(page, store_size=False))
        blocks.append(lz4.block.compress(page, mode="high_compression", compression=9, store_size=False))
    return blocks


def write_corpus(corpus: dict[str, bytes], path: Path, most: int = CORPUS_BYTES) -> int:
    """Write streams, one `feature: hex` a line, the short ones first as far as `most` bytes go; returns how many."""
    lines: list[str] = []
    size = 0
    for name, stream in sorted(corpus.items(), key=lambda item: len(item[1])):
        line = f"{name}: {stream.hex()}\n"
        size += len(line)
        if size > most:
            break
        lines.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(sorted(lines)))
    return len(lines)


def read_corpus(path: Path) -> dict[str, bytes]:
    """The streams of a file that `write_corpus` wrote."""
    pairs = (line.rsplit(": ", 1) for line in path.read_text().splitlines())
    return {name: bytes.fromhex(stream) for name, stream in pairs}


@click.command(help="Fuzz the LZ4 decompressor's RTL against liblz4; docs/decompressor.md says what is compared.")
@click.option("--count", type=click.IntRange(1), default=1_000_000, show_default=True, help="Streams, whole thousands.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same streams.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="Batch of 1,000 to begin with.")
def main(count: int, seed: int, first: int) -> None:
    """Run a campaign and write build/fuzz.json."""
    try:
        with interruptible():
            _campaign(count, seed, first)
    except Interrupted:
        sys.exit("fuzz: interrupted; `--first` takes up where the progress was")


def _campaign(count: int, seed: int, first: int) -> None:
    console = Console(stderr=True)
    batches = -(-count // BATCH)
    start = time.monotonic()
    try:
        with console.status("collecting real pages, compiling the engines"):
            pages = [page for kind in bench_pages(_PAGES).values() for page in kind]
            engines = Engines()
            campaign = Campaign(engines, real_blocks(engines, pages), seed)
        console.print(f"seed {seed}, {len(campaign.blocks)} blocks of {len(pages)} real pages to damage")
        columns = (TextColumn("streams / 1000"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            for number in progress.track(range(first, first + batches)):
                campaign.run(number)
    except (BuildError, ToolError, CorpusError, FuzzError, EngineHangError) as error:
        sys.exit(f"fuzz: {error}")
    folder = results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    result, found = folder / "fuzz.json", folder / "fuzz-corpus.txt"
    kept = write_corpus(campaign.corpus, found)
    total, accepted = campaign.streams.total(), campaign.accepted.total()
    row = {
        "streams": total,
        "accepted": accepted,
        "by_source": {name: [campaign.streams[name], campaign.accepted[name]] for name in sorted(campaign.streams)},
        "disagreements": 0,
        "features": len(campaign.corpus),
        "kept": kept,
        "seed": seed,
        "first_batch": first,
        "seconds": round(time.monotonic() - start, 1),
    }
    write_json(result, row)
    print(
        f"{total:,} streams, {accepted:,} accepted by both, the rest rejected by both; {len(campaign.corpus)} features"
    )
    print(f"figures: {result}; streams of each feature: {found}")


if __name__ == "__main__":
    main()
