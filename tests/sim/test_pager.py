# SPDX-License-Identifier: MIT
"""A program whose memory is paged through the swap system computes what it computes without (docs/pager.md).

Paging needs root; where it is refused, these tests cannot tell anything and say so. CI is root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest

from hw.link import Link, LinkError
from hw.links.model import ModelLink
from hw.virtual_time import VirtualClock
from sim.follow import ptrace
from sim.pager import Device, Outcome, PagerError, page
from sim.scenario.scenario import Scenario, find
from sim.scenario.settings import load, parse
from sim.trace.file import Kind, Trace
from tests.sim.followed import needs_root, pattern, program
from tests.sim.scenes import wait

pytestmark = needs_root

PAGES = 1600
ROOT = Path(__file__).resolve().parent.parent.parent


def run(script: str, limit: int = 400, device: Device = "model") -> Outcome:
    argv = program(PAGES, script)
    scenario = Scenario.load(find("main" if device == "verilated" else "pager"))
    return page(argv, scenario, limit=limit, device=device)


def check(outcome: Outcome) -> None:
    assert outcome.exit_status == 0
    assert outcome.problems == []
    assert outcome.figures.lost == 0


def test_nothing_has_a_name_that_would_be_left_if_it_were_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcome = page(["sh", "-c", f"test -z \"$(ls -A '{tmp_path}')\""], Scenario.load(find("pager")), limit=400)
    check(outcome)


def test_pages_that_were_evicted_come_back_as_they_were() -> None:
    outcome = run("fill(range(PAGES), 1); verify(range(PAGES), 1); fill(range(0, PAGES, 2), 2)\n"
                  "verify(range(0, PAGES, 2), 2); verify(range(1, PAGES, 2), 1)")  # fmt: skip
    check(outcome)
    figures = outcome.figures
    assert min(figures.evictions, figures.soft_faults) > 1000
    assert figures.promotions > 500


def test_its_helper_in_the_program_works_under_the_programs_filter_and_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    step, steps = ptrace.step, count()

    def signalled(tid: int) -> None:
        if not next(steps) % 4:  # one before every step would never let it do anything
            os.kill(tid, signal.SIGUSR1)
        step(tid)

    monkeypatch.setattr(ptrace, "exempt", lambda tid: False)  # as on a kernel without PTRACE_O_SUSPEND_SECCOMP
    monkeypatch.setattr(ptrace, "step", signalled)
    outcome = run("fill(range(PAGES), 1); fill(range(0, PAGES, 2), 2); verify(range(1, PAGES, 2), 1)\n"
                  "verify(range(0, PAGES, 2), 2)")  # fmt: skip
    check(outcome)
    assert min(outcome.figures.evictions, outcome.figures.soft_faults) > 1000


def test_no_more_of_the_program_is_present_than_the_limit_allows() -> None:
    script = """
fill(range(PAGES), 1)
for _ in range(3):
    verify(range(PAGES), 1)
    anonymous, kilobytes = False, 0
    for line in open("/proc/self/smaps"):
        words = line.split()
        if "-" in words[0]:
            anonymous = words[4] == "0"
        elif words[0] == "Anonymous:" and anonymous:
            kilobytes += int(words[1])
    assert 4 * 100 < kilobytes <= 4 * (400 + 16), kilobytes  # what waits for a whole batch to be dropped comes on top
"""
    check(run(script, limit=400))


def test_parent_and_child_keep_their_own_pages_after_a_fork() -> None:
    script = """
fill(range(PAGES), 1)
child = os.fork()
if not child:
    verify(range(PAGES), 1); fill(range(800), 3); verify(range(800), 3); verify(range(800, PAGES), 1); os._exit(7)
fill(range(800, PAGES), 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
verify(range(800), 1); verify(range(800, PAGES), 2)
"""
    outcome = run(script)
    check(outcome)
    assert outcome.figures.copies > 0


def test_what_a_thread_writes_while_another_forks_is_its_parents_alone() -> None:
    script = """
import threading
done = False
def work():
    version = 0
    while not done:
        version += 1
        for page in range(64):
            memory[page * 4096:page * 4096 + 4096] = bytes([version % 251]) * 4096
            assert memory[page * 4096:page * 4096 + 4096] == bytes([version % 251]) * 4096
thread = threading.Thread(target=work); thread.start()
fill(range(64, 300), 1)
for _ in range(8):
    child = os.fork()
    if not child:
        for page in range(64):
            memory[page * 4096] = 255  # a page is one version or the next, and stays so here
        verify(range(64, 300), 1); os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
done = True; thread.join(); verify(range(64, 300), 1)
"""
    check(run(script))


def test_threads_fault_at_once() -> None:
    script = """
import threading
failed = []
def work(part):
    try:
        for version in (1, 2):
            fill(range(part, PAGES, 4), version); verify(range(part, PAGES, 4), version)
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
assert not failed, failed
"""
    check(run(script))


def test_memory_that_is_given_back_moved_or_dropped_is_not_mixed_up() -> None:
    script = """
fill(range(PAGES), 1)
memory.madvise(mmap.MADV_DONTNEED, 0, 50 * 4096)
assert not any(memory[:50 * 4096]); verify(range(50, PAGES), 1)
memory.madvise(mmap.MADV_FREE, 50 * 4096, 50 * 4096)
fill(range(50, 100), 1)
for pages in (1700, 2500, 5000):
    memory.resize(pages * 4096)
    verify(range(50, PAGES), 1)
memory.resize(100 * 4096); verify(range(50, 100), 1)
memory.close()
memory = mmap.mmap(-1, PAGES * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
assert not any(memory[::4096])
"""
    check(run(script))


def test_a_child_gets_zeros_where_the_parent_asked_for_that() -> None:
    script = """
fill(range(200), 1)
memory.madvise(18, 0, 50 * 4096)  # MADV_WIPEONFORK
child = os.fork()
if not child:
    assert not any(memory[:50 * 4096]); verify(range(50, 200), 1); os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
verify(range(200), 1)
"""
    check(run(script))


def test_the_pages_go_through_the_rtl_as_well() -> None:
    outcome = run("fill(range(600), 1); verify(range(600), 1); fill(range(0, 600, 3), 2); verify(range(0, 600, 3), 2)",
                  limit=256, device="verilated")  # fmt: skip
    check(outcome)
    assert outcome.figures.stores > 200
    assert outcome.figures.promotions > 50


def test_system_calls_that_reach_a_page_behind_the_page_tables_are_refused(tmp_path: Path) -> None:
    script = """
import errno
libc = ctypes.CDLL(None, use_errno=True)
try:
    os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_DIRECT)
except OSError as error:
    assert error.errno == errno.EINVAL
else:
    sys.exit("direct I/O was not refused")
for number in (425, 323, 206, 278):  # io_uring_setup, userfaultfd, io_setup, vmsplice
    assert libc.syscall(number, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.ENOSYS, number
"""
    argv = [*program(PAGES, script), str(tmp_path / "file")]
    check(page(argv, Scenario.load(find("pager")), limit=2000))


def test_streams_and_exit_status_pass_through(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run("print('out'); print('err', file=sys.stderr); sys.exit(9)")
    assert outcome.exit_status == 9
    assert capfd.readouterr() == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("argv", "limit", "what"),
    [(["no-such-command-here"], 400, "no such command"), ([], 400, "no command given"), (["true"], 8, "too small")],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(argv: list[str], limit: int, what: str) -> None:
    with pytest.raises(PagerError, match=what):
        page(argv, Scenario.load(find("pager")), limit=limit)


def test_a_memory_node_is_refused_as_a_program_does_not_wait_for_a_migration() -> None:
    scenario = load(find("pager"), [parse("cram.mode=node")])
    with pytest.raises(PagerError, match=r"\[cram\] mode is \"node\", expected \"swap\""):
        page(["true"], scenario, limit=400)


STATIC = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main() {
  enum { N = 800 };
  static unsigned char *block[N];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < N; i++) {
      if (!round) block[i] = (unsigned char *)malloc(5000);
      memset(block[i], (i * 7 + round) % 251, 5000);
    }
    for (int i = 0; i < N; i++)
      for (int j = 0; j < 5000; j += 500)
        if (block[i][j] != (i * 7 + round) % 251) return 1;
  }
  int status = 0;
  pid_t child = vfork();
  if (!child) _exit(3);
  waitpid(child, &status, 0);
  return WEXITSTATUS(status) == 3 ? 0 : 2;
}
"""


def test_a_static_program_with_its_heap_at_the_break_is_paged_too(tmp_path: Path) -> None:
    static = tmp_path / "program"
    subprocess.run(["g++", "-x", "c++", "-O1", "-static", "-o", str(static), "-"], input=STATIC.encode(), check=True)
    outcome = page([str(static)], Scenario.load(find("pager")), limit=256)
    check(outcome)
    assert outcome.figures.evictions > 1000


def test_a_trace_that_was_kept_can_be_replayed(tmp_path: Path) -> None:
    script = """
fill(range(PAGES), 1)
child = os.fork()
if not child:
    verify(range(PAGES), 1); fill(range(300), 3); os._exit(0)
assert os.waitpid(child, 0)[1] == 0
fill(range(0, PAGES, 2), 2); memory.resize((PAGES + 400) * 4096); verify(range(0, PAGES, 2), 2)
"""
    kept = tmp_path / "kept.trace"
    scenario = Scenario.load(find("pager"))
    check(page(program(PAGES, script), scenario, limit=400, trace=kept))
    trace = Trace.load(kept)  # follows every page through the events
    assert trace.header.complete
    assert {Kind.READ, Kind.WRITE, Kind.FORK, Kind.UNMAP, Kind.EXIT} == {event.kind for event in trace}
    contents = {bytes(content) for content in trace.contents}
    for number, version in ((0, 1), (1599, 1), (299, 3), (1598, 2)):
        assert pattern(number, version) in contents


class FailingLink(ModelLink):
    """A device that is gone after some reads."""

    reads = 300

    async def read(self, address: int, length: int) -> bytes:
        self.reads -= 1
        if self.reads < 0:
            raise LinkError("the device was pulled out")
        return await super().read(address, length)


def test_a_page_that_the_device_cannot_give_back_is_a_sigbus() -> None:
    def make(clock: VirtualClock, scenario: Scenario) -> Link:
        return FailingLink(clock, scenario.cram.parameters())

    script = "fill(range(PAGES), 1)\nwhile True: verify(range(PAGES), 1)"
    argv = program(PAGES, script)
    outcome = page(argv, Scenario.load(find("pager")), limit=400, make=make)
    assert outcome.exit_status == 128 + signal.SIGBUS
    assert outcome.figures.lost > 0


WRITER = """
import random
output = open(sys.argv[1], "wb", buffering=0)
fill(range(PAGES), 1)
print("up", flush=True)
while True:
    page = random.randrange(PAGES)
    output.write(memory[page * 4096:page * 4096 + 4096])
    libc.write(output.fileno(), ctypes.c_void_p(base + page * 4096), 4096)
"""


@pytest.mark.parametrize("victim", ["pager", "guardian", "program"])
def test_whoever_is_killed_no_wrong_byte_is_written_and_nothing_is_left(victim: str, tmp_path: Path) -> None:
    """The program writes evicted pages to a file all the time, by the kernel's hand, too."""
    script = "libc = ctypes.CDLL(None); base = ctypes.addressof(ctypes.c_char.from_buffer(memory))\n" + WRITER
    output = tmp_path / "written"
    pager_argv = [sys.executable, "-m", "sim.cli", "pager", "--quiet", "--limit", "400", "--"]
    argv = [*pager_argv, *program(PAGES, script), str(output)]
    pager = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert pager.stdout is not None
    assert pager.stdout.readline() == b"up\n"
    wait(lambda: [1] if output.stat().st_size > 20 * 4096 else [], 120)
    children = [int(pid) for pid in Path(f"/proc/{pager.pid}/task/{pager.pid}/children").read_text().split()]
    (guardian,) = (pid for pid in children if is_fork_of(pid, pager.pid))
    (victim_pid,) = (pid for pid in children if pid != guardian)
    os.kill({"pager": pager.pid, "guardian": guardian, "program": victim_pid}[victim], signal.SIGKILL)
    assert pager.wait(timeout=120) != 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(alive(pid) for pid in [victim_pid, *children]):
        time.sleep(0.02)
    assert not [pid for pid in [victim_pid, *children] if alive(pid)]
    pager.stdout.close()
    data = output.read_bytes()
    pages = {pattern(number, 1) for number in range(PAGES)}
    whole = [data[i : i + 4096] for i in range(0, len(data) - len(data) % 4096, 4096)]
    assert len(whole) > 10
    assert all(content in pages for content in whole)


def is_fork_of(pid: int, parent: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes() == Path(f"/proc/{parent}/cmdline").read_bytes()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
