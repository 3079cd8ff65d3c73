# SPDX-License-Identifier: MIT
"""Proofs: the quick ones hold, each is refuted for a module broken on purpose, and docs/formal.md lists them all.

`make formal` runs all of them.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hw.formal.proofs import CHECKERS, PROOFS, Proof, table
from hw.formal.run import prepare, prove
from hw.sources import ROOT, RTL
from tests.marks import VERIFY

QUICK = {
    "fifo-WIDTH_4-DEPTH_4",
    "sector_allocator-SECTORS_4-BITS_2",
    "ecc_check-DATA_BITS_5-BOUND_BITS_2-LINEAR_1",
    "ecc_ram-DATA_BITS_4-ADDRESS_BITS_1",
    "register_bus-LATE_1",
    "axi_host_write-PAGE_BITS_12",
    "watermarks",
    "event_log-DEPTH_4",
    "media_read_port",
    "media_reads-ROOM_2",
    "sector_arbiter-USERS_2",
    "media_write_port",
}

# module: a line and what it is turned into
BROKEN = {
    "fifo": ("if (out_valid_o && out_ready_i) head_q <= head_q + 1'b1;", "if (out_ready_i) head_q <= head_q + 1'b1;"),
    "sector_allocator": (
        "if (busy_q && there && pop_list_q) head_q <= successor;",
        "if (busy_q && there) head_q <= successor;",
    ),
    "ecc_check": ("valid_i ? check ^ check_i :", "valid_i ? check & check_i :"),
    "ecc_ram": ("scrub_q <= corrected_o && !read_i && !write_i;", "scrub_q <= corrected_o;"),
    "register_bus": ("if (s_axil_wready) {write_strobe_q", "if (s_axil_wvalid) {write_strobe_q"),
    "watermarks": ("low_o ? sectors < recovered_mark_o || sectors < low_mark_o", "low_o ? sectors < recovered_mark_o"),
    "event_log": ("if (event_valid_i && !push) overflow_q", "if (event_valid_i && count_q == FULL) overflow_q"),
    "media_reads": (".out_ready_i(beat && last),", ".out_ready_i(beat),"),
    "sector_arbiter": ("if (op_valid_o && op_ready_i) owner_q", "if (op_valid_o) owner_q"),
    "media_read_port": (".leave_i(forget_i || give_up)", ".leave_i(forget_i)"),
    "media_write_port": ("drain_q      <= 1'b1;", "drain_q      <= 1'b0;"),
    "axi_host_write": ("if (answer > response_q) response_q <= answer;", "response_q <= answer;"),
}


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    prepare()


def _quick() -> list[Proof]:
    return [proof for proof in PROOFS if proof.name in QUICK]


@pytest.mark.parametrize("proof", _quick(), ids=lambda proof: proof.name)
def test_the_rtl_is_proved(proof: Proof, tmp_path: Path) -> None:
    outcome = prove(proof, work=tmp_path / "a folder")
    assert outcome.good, outcome.detail
    assert outcome.covers == (CHECKERS / f"{proof.checker}.v").read_text().count("cover (")


@VERIFY
@pytest.mark.parametrize("proof", _quick(), ids=lambda proof: proof.name)
def test_a_broken_copy_is_refuted(proof: Proof, tmp_path: Path) -> None:
    rtl = tmp_path / "rtl"
    shutil.copytree(RTL, rtl)
    source = rtl / f"{proof.module}.v"
    right, wrong = BROKEN[proof.module]
    text = source.read_text()
    assert text.count(right) == 1
    source.write_text(text.replace(right, wrong))
    bounded = replace(proof, mode="bmc", depth=proof.cover_depth)  # from reset: a counterexample that does occur
    outcome = prove(bounded, rtl, tmp_path / "work")
    assert not prove(proof, rtl, tmp_path / "inductive").good
    assert outcome.result == "refuted", outcome


def test_the_document_lists_the_proofs() -> None:
    document = (ROOT / "docs" / "formal.md").read_text()
    assert document.endswith(f"-->\n{table()}\n"), "make it again: python -m hw.formal --table"


def test_every_checker_is_used_and_every_proof_has_a_name_of_its_own() -> None:
    used = {name for proof in PROOFS for name in (proof.checker, *proof.stands_in)}
    assert used == {path.stem for path in CHECKERS.glob("*.v")}
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)
