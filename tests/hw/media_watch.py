# SPDX-License-Identifier: MIT
"""What a media may expect of the device on `m_axi`, whatever happens to either side (docs/device/media.md)."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

REQUESTS = {
    "ar": ("arid", "araddr", "arlen", "arsize", "arburst"),
    "aw": ("awid", "awaddr", "awlen", "awsize", "awburst"),
    "w": ("wdata", "wstrb", "wlast"),
}
ALL, NONE = (1 << 64) - 1, 0
SIZE_64, INCR = 6, 1


class MediaWatch:
    """Looks at `m_axi` at every edge; `check` raises what it has seen go wrong.

    Rules: a request that was not taken stays as it is; a burst is one of whole lines in ascending order; none goes
    where an earlier write is owed its answer; a beat is shown only after its address was taken; a burst has as many
    beats as its address says, and its last one is marked; a beat has all strobes or none.

    Attributes:
        taken: requests that the media has taken, by channel.
        given: answers that it has given.
        bare: beats without strobe.
        writes_owed, reads_owed: bursts, and beats, that it has not answered.
    """

    def __init__(self, dut: Any) -> None:
        self.taken: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self.bare = 0
        self.writes_owed = self.reads_owed = 0
        self._dut = dut
        self._shown: dict[str, tuple[int, ...]] = {}
        self._bursts: deque[int] = deque()  # beats that are due for each address taken
        self._unanswered: list[tuple[int, int]] = []  # ID and address of the writes that are owed an answer
        self._wrong: list[str] = []
        cocotb.start_soon(self._run())

    def check(self) -> None:
        """Fail if a rule was broken."""
        assert not self._wrong, self._wrong[0]

    def _high(self, name: str) -> bool:
        return str(getattr(self._dut, f"m_axi_{name}").value) == "1"

    async def _run(self) -> None:
        while True:
            await RisingEdge(self._dut.clk_i)
            if not self._high_reset():
                self._forget()
                continue
            due = bool(self._bursts)
            for channel, names in REQUESTS.items():
                self._request(channel, names, due)
            for channel in ("b", "r"):
                if self._high(f"{channel}valid") and self._high(f"{channel}ready"):
                    self.given[channel] += 1
                    self.writes_owed -= channel == "b"
                    self.reads_owed -= channel == "r"
                    if channel == "b":
                        self._answered(int(self._dut.m_axi_bid.value))

    def _high_reset(self) -> bool:
        return str(self._dut.media_rst_ni.value) == "1"

    def _forget(self) -> None:
        self._shown.clear()
        self._bursts.clear()
        self._unanswered.clear()
        self.writes_owed = self.reads_owed = 0

    def _answered(self, id_: int) -> None:
        oldest = next((write for write in self._unanswered if write[0] == id_), None)
        if oldest is None:
            self._wrong.append(f"an answer under ID {id_}, under which none is owed")
        else:
            self._unanswered.remove(oldest)

    def _burst(self, channel: str, address: int, size: int, kind: int) -> None:
        if address % 64 or size != SIZE_64 or kind != INCR:
            self._wrong.append(f"a burst of {channel} at {address:x}, size {size}, kind {kind}: not one of whole lines")
        if address in (write[1] for write in self._unanswered):
            self._wrong.append(f"a burst of {channel} at {address:x}, where a write is owed its answer")

    def _request(self, channel: str, names: tuple[str, ...], due: bool) -> None:
        if not self._high(f"{channel}valid"):
            if channel in self._shown:
                self._wrong.append(f"{channel}valid fell before {channel}ready")
            return
        now = tuple(int(getattr(self._dut, f"m_axi_{name}").value) for name in names)
        if self._shown.get(channel, now) != now:
            self._wrong.append(f"{channel} changed before it was taken")
        self._shown[channel] = now
        if channel == "w":
            if not due:
                self._wrong.append("a beat was shown before its address was taken")
            elif now[2] != (self._bursts[0] == 1):
                self._wrong.append(f"wlast is {now[2]} with {self._bursts[0]} beats due")
            if now[1] not in (ALL, NONE):
                self._wrong.append("some strobes of a beat")
        if not self._high(f"{channel}ready"):
            return
        del self._shown[channel]
        self.taken[channel] += 1
        if channel != "w":
            self._burst(channel, now[1], now[3], now[4])
        if channel == "ar":
            self.reads_owed += now[2] + 1
        elif channel == "aw":
            self.writes_owed += 1
            self._unanswered.append((now[0], now[1]))
            self._bursts.append(now[2] + 1)
        elif due:
            self.bare += now[1] == NONE
            self._bursts[0] -= 1
            if not self._bursts[0]:
                self._bursts.popleft()
