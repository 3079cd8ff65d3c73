# SPDX-License-Identifier: MIT
"""A recorded program runs as it does unrecorded, and the trace shows what it did (docs/trace.md).

Recording needs root; where it is refused, these tests cannot tell anything and say so. CI is root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

from sim.capture import Begin, CaptureError, CaptureResult, Progress, capture
from sim.trace.file import Event, Kind, Trace
from tests.sim.followed import needs_root, pattern, program


def record(tmp_path: Path, script: str, window: int = 384, begin: Begin | None = None, **limits: int) -> CaptureResult:
    output = tmp_path / "program.trace"
    result = capture(
        program(800, script),
        output,
        window=window,
        max_events=limits.get("max_events", 100_000),
        max_contents=limits.get("max_contents", 30_000),
        begin=begin,
    )
    assert list(Trace.load(output)) == list(result.trace)
    assert result.file_bytes == output.stat().st_size
    return result


def histories(trace: Trace) -> defaultdict[bytes, list[Event]]:
    """The reads and writes of each content."""
    found: defaultdict[bytes, list[Event]] = defaultdict(list)
    for event in trace:
        if event.kind in (Kind.READ, Kind.WRITE):
            found[trace.page(event.content)].append(event)
    return found


@needs_root
def test_writes_reads_and_rewrites_show_in_the_order_they_happened(tmp_path: Path) -> None:
    result = record(tmp_path, "fill(range(PAGES), 1); verify(range(PAGES), 1); fill(range(0, PAGES, 2), 2)")
    assert result.exit_status == 0
    order = {event: number for number, event in reversed(list(enumerate(result.trace)))}
    seen = histories(result.trace)
    last_write = -1
    for page in range(800):
        first, *later = seen[pattern(page, 1)]
        assert first.kind is Kind.WRITE
        assert {event.kind for event in later} == {Kind.READ}, "the window of 384 pages has passed over the page"
        assert order[first] > last_write, "pages were first written in order"
        last_write = order[first]
        if page % 2 == 0:
            rewrite = seen[pattern(page, 2)][0]
            assert rewrite.kind is Kind.WRITE
            assert (rewrite.space, rewrite.page) == (first.space, first.page)
            assert order[rewrite] > order[later[0]]


@needs_root
def test_a_page_that_was_never_written_is_a_zero_page(tmp_path: Path) -> None:
    result = record(tmp_path, "assert not any(memory[::4096])")
    zeros = histories(result.trace)[bytes(4096)]
    assert len({event.page for event in zeros}) >= 800
    assert zeros[0].kind is Kind.WRITE


@needs_root
def test_parent_and_child_keep_their_own_pages_after_a_fork(tmp_path: Path) -> None:
    script = """
fill(range(PAGES), 1)
child = os.fork()
if not child:
    verify(range(PAGES), 1); fill(range(400), 3); verify(range(400), 3); verify(range(400, PAGES), 1); os._exit(7)
fill(range(400, PAGES), 2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
verify(range(400), 1); verify(range(400, PAGES), 2)
"""
    result = record(tmp_path, script)
    assert result.exit_status == 0
    seen = histories(result.trace)
    fork = next(event for event in result.trace if event.kind is Kind.FORK)
    for page in range(0, 800, 40):
        before = seen[pattern(page, 1)][0]
        changed = seen[pattern(page, 3 if page < 400 else 2)][0]
        assert before.space == fork.space
        assert changed.space == (fork.page if page < 400 else fork.space)
        assert changed.page == before.page, "the child has its parent's pages under their numbers"
    assert {event.space for event in result.trace if event.kind is Kind.EXIT} == {fork.space, fork.page}


@needs_root
def test_threads_are_followed_and_joined(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = """
import threading
def work(part):
    for version in (1, 2, 3):
        fill(range(part, PAGES, 4), version); verify(range(part, PAGES, 4), version)
threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print("joined")
"""
    result = record(tmp_path, script)
    assert result.exit_status == 0
    assert capfd.readouterr().out == "joined\n"
    seen = histories(result.trace)
    assert all(seen[pattern(page, 3)] for page in range(800))


@needs_root
def test_memory_that_is_given_back_moved_or_dropped_is_not_mixed_up(tmp_path: Path) -> None:
    script = """
import resource
fill(range(PAGES), 1)
memory.madvise(mmap.MADV_DONTNEED, 0, 50 * 4096)
assert not any(memory[:50 * 4096]); verify(range(50, PAGES), 1)
for size in (900, 1500, 3000):
    memory.resize(size * 4096)
    verify(range(50, PAGES), 1)
memory.resize(100 * 4096); verify(range(50, 100), 1)
memory.close()
memory = mmap.mmap(-1, PAGES * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
assert not any(memory[::4096])
blocks = [os.urandom(1 << 18) for _ in range(8)]
digests = [hashlib.sha256(block).digest() for block in blocks]
grown = bytearray()
for block in blocks: grown += block
assert [hashlib.sha256(grown[i << 18:i + 1 << 18]).digest() for i in range(8)] == digests
"""
    result = record(tmp_path, script)
    assert result.exit_status == 0
    assert sum(event.kind is Kind.UNMAP for event in result.trace) >= 150


@needs_root
def test_streams_and_exit_status_pass_through_and_programs_it_starts_are_followed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = """
import subprocess
done = subprocess.run(["sh", "-c", "echo from below; exit 3"], stdout=subprocess.PIPE)
print(done.stdout.decode().strip(), done.returncode); print("to stderr", file=sys.stderr); sys.exit(9)
"""
    result = record(tmp_path, script)
    assert result.exit_status == 9
    assert capfd.readouterr() == ("from below 3\n", "to stderr\n")
    assert result.trace.header.spaces >= 2
    assert result.trace.header.complete


@needs_root
def test_a_program_that_a_signal_ends_has_its_status(tmp_path: Path) -> None:
    result = record(tmp_path, "fill(range(PAGES), 1); os.kill(os.getpid(), 11)")
    assert result.exit_status == 128 + signal.SIGSEGV
    assert histories(result.trace)[pattern(799, 1)]


@needs_root
@pytest.mark.parametrize("limit", ["max_events", "max_contents"])
def test_at_a_limit_the_recording_ends_and_the_program_goes_on(
    limit: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = """
for version in range(30):
    fill(range(PAGES), version); verify(range(PAGES), version)
child = os.fork()
if not child:
    verify(range(PAGES), 29); os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("whole")
"""
    result = record(tmp_path, script, 384, None, **{limit: 5000})
    assert result.exit_status == 0
    assert capfd.readouterr().out == "whole\n"
    assert not result.trace.header.complete and result.limit == limit
    count = result.trace.header.events if limit == "max_events" else result.trace.header.contents
    assert 5000 <= count < 7000


def group_ends(group: int, seconds: float = 60) -> bool:
    """Whether the last process of a group is gone, once init has had the time to reap it."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@needs_root
def test_progress_is_told(tmp_path: Path) -> None:
    told: list[Progress] = []
    result = capture(["sleep", "2"], tmp_path / "t.trace", progress=told.append)
    assert len(told) >= 2
    assert told[-1].events == result.trace.header.events


@needs_root
@pytest.mark.parametrize("program", ["echo up; sleep 60", "trap '' INT TERM; echo up; while :; do sleep 1; done"])
def test_ctrl_c_ends_the_program_and_leaves_a_whole_trace(program: str, tmp_path: Path) -> None:
    output = tmp_path / "t.trace"
    code = (
        "import sys; from pathlib import Path; from sim.capture import capture; "
        "result = capture(['sh', '-c', sys.argv[2]], Path(sys.argv[1])); sys.exit(result.exit_status)"
    )
    argv = [sys.executable, "-c", code, str(output), program]
    with subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout and recorder.stdout.readline() == b"up\n"
        os.killpg(recorder.pid, signal.SIGINT)
        assert recorder.wait(timeout=60) == 130
    assert not Trace.load(output).header.complete
    assert group_ends(recorder.pid)


def test_without_the_right_to_watch_faults_it_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(CaptureError, match="run as root"):
            capture(["true"], tmp_path / "t.trace")
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@needs_root
def test_what_cannot_be_run_or_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    for argv, output, what in [
        (["no-such-command-here"], tmp_path / "t.trace", "no-such-command-here: no such command"),
        ([str(text)], tmp_path / "t.trace", "text: Permission denied"),
        ([], tmp_path / "t.trace", "no command given"),
        (["true"], tmp_path / "absent" / "t.trace", "no such directory"),
        (["true"], tmp_path, "is a directory"),
    ]:
        with pytest.raises(CaptureError, match=what):
            capture(argv, output)
    with pytest.raises(CaptureError, match="at least 16"):
        capture(["true"], tmp_path / "t.trace", window=4)
    assert list(tmp_path.iterdir()) == [text]


@needs_root
def test_a_file_that_is_no_program_leaves_no_trace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    text.chmod(0o755)
    with pytest.raises(CaptureError, match="nothing was recorded"):
        capture([str(text)], tmp_path / "t.trace")
    assert "Exec format error" in capfd.readouterr().err
    assert not (tmp_path / "t.trace").exists()


@needs_root
def test_time_between_events_is_kept_and_has_what_the_program_waited(tmp_path: Path) -> None:
    result = record(tmp_path, "import time; fill(range(10), 1); time.sleep(0.3); fill(range(500, 510), 1)")
    elapsed = result.trace.elapsed
    assert elapsed is not None and len(elapsed) == result.trace.header.events
    seen = histories(result.trace)
    order = {event: number for number, event in reversed(list(enumerate(result.trace)))}
    before, after = order[seen[pattern(9, 1)][0]], order[seen[pattern(500, 1)][0]]
    assert int(elapsed[before + 1 : after + 1].sum(dtype="int64")) >= 300_000_000


@needs_root
def test_what_a_program_did_before_the_recording_began_shows_as_one_write_a_page(tmp_path: Path) -> None:
    """It sends the signal itself: whoever traces it records it."""
    script = """
import time
fill(range(PAGES), 1); fill(range(PAGES), 2)
recorder = int(open("/proc/self/status").read().split("TracerPid:")[1].split()[0])
os.kill(recorder, 10)
time.sleep(1)
verify(range(PAGES), 2); fill(range(0, PAGES, 2), 3)
child = os.fork()
if not child:
    verify(range(0, PAGES, 2), 3); verify(range(1, PAGES, 2), 2); os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
"""
    result = record(tmp_path, script, begin=Begin(on_signal=signal.SIGUSR1))
    assert result.exit_status == 0
    seen = histories(result.trace)
    assert not any(seen[pattern(page, 1)] for page in range(800)), "that was before"
    for page in range(800):
        assert seen[pattern(page, 2)][0].kind is Kind.WRITE
    assert all(seen[pattern(page, 3)][0].kind is Kind.WRITE for page in range(0, 800, 2))
    assert "It began" in result.trace.header.loss and "one write a page" in result.trace.header.loss


@needs_root
def test_threads_that_run_while_the_recording_begins_lose_nothing(tmp_path: Path) -> None:
    script = """
import threading, time
stop = time.monotonic() + 3
def work(part):
    version = 0
    while time.monotonic() < stop:
        version += 1
        fill(range(part, PAGES, 4), version); verify(range(part, PAGES, 4), version)
threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
"""
    result = record(tmp_path, script, begin=Begin(after_s=1.0))
    assert result.exit_status == 0
    assert result.trace.header.events > 800


@needs_root
def test_a_program_that_ends_before_the_recording_begins_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"true: ended before the recording began \(exit status 0\)"):
        capture(["true"], tmp_path / "t.trace", begin=Begin(after_s=600))
    assert not (tmp_path / "t.trace").exists()
