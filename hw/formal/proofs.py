# SPDX-License-Identifier: MIT
"""What is proved about the RTL. Each proof is a checker in this folder: the module, a model beside it, assertions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

CHECKERS = Path(__file__).parent


@dataclass(frozen=True)
class Proof:
    """One checker in one configuration.

    Attributes:
        module: what it is about.
        checker: module and file name in this folder.
        claim: what is proved, one line.
        mode: "prove": by induction, for all time; "bmc": for the first `depth` cycles from reset.
        depth: cycles; of "prove" the cycles that an induction step may look back on.
        cover_depth: cycles within which each cover statement must be reached.
        parameters: those of the checker.
        assumes: about the neighbours; empty: nothing but a reset in the first cycle.
        stands_in: checkers' files `free_x` that stand in for a module `x`: more behaviour than it has.
        multiclock: the module has more than rising edges of one clock.
    """

    module: str
    checker: str
    claim: str
    mode: Literal["prove", "bmc"]
    depth: int
    cover_depth: int
    parameters: tuple[tuple[str, int], ...] = ()
    assumes: str = ""
    stands_in: tuple[str, ...] = ()
    multiclock: bool = False

    @property
    def configuration(self) -> str:
        """The parameters, readable; "default" without any."""
        return ", ".join(f"{key} {value}" for key, value in self.parameters) or "default"

    @property
    def name(self) -> str:
        """Unique and fit for a folder."""
        return "-".join([self.checker.removesuffix("_formal"), *(f"{key}_{value}" for key, value in self.parameters)])


def _each(proof: Proof, *configurations: dict[str, int]) -> list[Proof]:
    return [replace(proof, parameters=tuple(configuration.items())) for configuration in configurations]


PROOFS: list[Proof] = [
    *_each(
        Proof(
            "fifo",
            "fifo_formal",
            "every item comes out once, in order, unchanged; full and empty as counted",
            "prove",
            3,
            24,
        ),
        {"WIDTH": 1, "DEPTH": 2},
        {"WIDTH": 4, "DEPTH": 4},
        {"WIDTH": 8, "DEPTH": 8},
    ),
    *_each(
        Proof(
            "ecc_check",
            "ecc_check_formal",
            "one flip of a stored word is corrected; more, as many as told, and one of what it is bound to, are told",
            "bmc",
            1,
            1,
        ),
        {"DATA_BITS": 5, "BOUND_BITS": 2, "LINEAR": 1},
        {"DATA_BITS": 20, "BOUND_BITS": 10, "TOLD": 4},
    ),
    *_each(
        Proof(
            "ecc_ram",
            "ecc_ram_formal",
            "a word is read as stored; one flip is corrected and written back, two to four are told",
            "bmc",
            10,
            12,
            assumes="flips before the first access; one access a cycle, none between a read and its answer",
        ),
        {"DATA_BITS": 4, "ADDRESS_BITS": 1},
    ),
    *_each(
        Proof(
            "sector_allocator",
            "sector_allocator_formal",
            "no sector is handed out twice, none is lost, chains stay as linked; held ones wait for the media",
            "prove",
            3,
            40,
            assumes="POP only while a sector is free; the others only of sectors in use; no bit flips",
            stands_in=("free_ecc_ram",),
        ),
        {"SECTORS": 4, "BITS": 2},
        {"SECTORS": 5, "BITS": 3},
        {"SECTORS": 8, "BITS": 3},
    ),
    *_each(
        Proof(
            "sector_arbiter",
            "sector_arbiter_formal",
            "each user's operation is passed on as asked, its result comes to it once, and to nobody else",
            "prove",
            3,
            12,
            assumes="no operation is taken while one is under way; one result for each",
        ),
        {"USERS": 2},
        {"USERS": 6},
    ),
    *_each(
        Proof(
            "register_bus",
            "register_bus_formal",
            "AXI4-Lite: answers stay until taken, one for each request, none without; passed on is what was asked",
            "prove",
            4,
            12,
            assumes="late data is waited for a bounded time (progress only)",
        ),
        {"LATE": 1},
        {"LATE": 4},
    ),
    Proof(
        "axi_host_write",
        "axi_host_write_formal",
        "AXI4: one response for each burst, after its last beat, its ID, the worst of its beats, stable until taken",
        "prove",
        3,
        14,
        (("PAGE_BITS", 12),),
        "WLAST with the last beat alone",
    ),
    *_each(
        Proof(
            "axi_host_read",
            "axi_host_read_formal",
            "AXI4: as many beats as asked, last one marked, in order within an ID, stable, none without a request",
            "prove",
            3,
            16,
            assumes="addresses within a burst are any (more than there are); one line ready in a cycle",
            stands_in=("free_axi_burst_address",),
        ),
        {"PAGE_BITS": 12, "WAITING": 2},
    ),
    Proof(
        "lz4_decompressor",
        "lz4_decompressor_formal",
        "any input: uses and drops only what has come, completes the page's lines in turn, copies only lines that are "
        "there",
        "prove",
        2,
        24,
        assumes="1 to 64 bytes in a last beat; what history and rotators hold is any",
        stands_in=("free_lz4_decompressor_history", "free_lz4_decompressor_rotator"),
    ),
    *_each(
        Proof(
            "lz4_decompressor",
            "lz4_decompressor_formal",
            "any input: within 9 cycles the parser goes on or a step is merged, the block ends, or the outside is "
            "waited for",
            "prove",
            10,
            24,
            assumes="1 to 64 bytes in a last beat; what history and rotators hold is any",
            stands_in=("free_lz4_decompressor_history", "free_lz4_decompressor_rotator"),
        ),
        {"STUCK": 9},
    ),
    *(
        Proof(
            "page_sequencer",
            "page_sequencer_formal",
            "page states and fences change only as device.md allows; no close that fails loses a page; "
            "all served in turn",
            "bmc",
            depth,
            24,
            (("PAGES", 4), ("PAGE_BITS", 2), *stored),
            "the cache holds a page as long as told; a close yields a resident state; known commands and errors; "
            "an import loses no line of the cache; any flips; STORED: the page is stored from the beginning",
            ("free_page_table",),
        )
        for depth, stored in ((22, ()), (16, (("STORED", 1),)))
    ),
    *_each(
        Proof(
            "page_closer",
            "page_closer_formal",
            "an import takes no line of the cache, nor loses one; the sectors named are those taken, linked in order",
            "prove",
            3,
            24,
            assumes="no start while one runs; 1 to 64 beats of an import; results only of operations taken; any page",
            stands_in=("free_lz4_compressor", "free_page_scan"),
        ),
        {"SECTOR_BYTES": 64},
        {"SECTOR_BYTES": 256},
        {"SECTOR_BYTES": 1024},
    ),
    *_each(
        Proof(
            "event_log",
            "event_log_formal",
            "events leave in order, each once, with the handle they got; only a full log drops one, and counts it",
            "prove",
            3,
            26,
        ),
        {"DEPTH": 2},
        {"DEPTH": 4},
        {"DEPTH": 8},
    ),
    Proof(
        "watermarks",
        "watermarks_formal",
        "four states with hysteresis, of what was judged last; each entry, and leaving low, signalled once",
        "prove",
        4,
        10,
    ),
    *_each(
        Proof(
            "chain_release",
            "chain_release_formal",
            "a chain's sectors go back in order, each after its successor is known; bad ones retired, lost counted",
            "prove",
            3,
            16,
            assumes="results only of operations taken; no start while one runs; 64 sectors at most",
        ),
        {"BITS": 4},
        {"BITS": 14},
    ),
    *_each(
        Proof(
            "media_writer",
            "media_writer_formal",
            "AXI4: one burst for each sector, its beats and no more, stable until taken, within 4 KiB; bad ones named",
            "prove",
            3,
            20,
            assumes="as many beats as a sector has; data held; a response after its burst; 64 sectors at most",
        ),
        {"SECTOR_BYTES": 64},
        {"SECTOR_BYTES": 256},
        {"SECTOR_BYTES": 1024},
    ),
    Proof(
        "media_read_port",
        "media_read_port_formal",
        "AXI4 across resets of either side; as many beats as asked, none of a time before; answered within the limit",
        "prove",
        3,
        16,
        assumes="at most 128 beats waited for; nothing of the media",
    ),
    Proof(
        "media_write_port",
        "media_write_port_formal",
        "AXI4 across resets of either side; bursts finished; one answer each, none of a time before; within the limit",
        "prove",
        3,
        16,
        assumes="addresses held until taken, after the beats before; the media answers bursts after their beats",
    ),
    *_each(
        Proof(
            "media_reads",
            "media_reads_formal",
            "every beat goes to the reader that asked, once, in order; none waits for another; room for all asked",
            "prove",
            3,
            24,
            assumes="bursts of ROOM beats at most; only beats that are owed",
        ),
        {"ROOM": 2},
    ),
    *_each(
        Proof(
            "chain_reader",
            "chain_reader_formal",
            "AXI4: a page's sectors in order, each once, stable; beats checked in place, none shown after a bad one",
            "prove",
            3,
            24,
            assumes="one page at a time; results only of operations taken, beats only of bursts taken; any check",
            stands_in=("free_ecc_check",),
        ),
        {"SECTOR_BYTES": 64},
        {"SECTOR_BYTES": 256},
        {"SECTOR_BYTES": 1024},
    ),
]


def table() -> str:
    """The table of docs/formal.md: a line for each claim, with its configurations."""
    claims: dict[tuple[str, str, str], list[Proof]] = {}
    for proof in PROOFS:
        how = f"induction over {proof.depth}" if proof.mode == "prove" else f"first {proof.depth} cycles"
        claims.setdefault((proof.module, proof.claim, how), []).append(proof)
    lines = ["| module | proved | how | configurations | assumed |", "| --- | --- | --- | --- | --- |"]
    for (module, claim, how), proofs in claims.items():
        configurations = "; ".join(proof.configuration for proof in proofs)
        lines.append(f"| `{module}` | {claim} | {how} | {configurations} | {proofs[0].assumes or 'nothing'} |")
    return "\n".join(lines)
