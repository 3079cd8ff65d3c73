# SPDX-License-Identifier: MIT
"""Server: runs nbdkit on a unix socket and answers what its plug-in asks (docs/nbd.md)."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

from hw.tools import ToolError
from hw.virtual_time import VirtualClock
from sim.nbd import plugin
from sim.nbd.disk import Disk, RequestError

REMEDY = "apt-get install nbdkit nbdkit-plugin-python"
_LONGEST = 107  # bytes of a unix socket's path
_LAST_ANSWERS_S = 1.0  # for nbdkit to give the last answers; then it would wait for every client to hang up
_LISTENS_ON = 3  # by the rules of socket activation, which also want the number of the very process
_ACTIVATE = f"""
import os, sys
os.dup2(int(sys.argv[1]), {_LISTENS_ON})
os.environ |= {{"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}}
os.execv(sys.argv[2], sys.argv[2:])
"""


class NbdError(Exception):
    """The disk cannot be served: one line that says why."""


def serve(disk: Disk, clock: VirtualClock, path: Path, ready: Callable[[], None]) -> None:
    """Serve a disk until a signal (SIGINT, SIGTERM, SIGHUP) asks for the end.

    Must be called in the main thread. Only this user can open the socket; it is gone when this returns or raises.

    Args:
        clock: the one that the disk's device lives on.
        path: of the socket.
        ready: called when clients may come.

    Raises:
        hw.tools.ToolError: no nbdkit here.
        NbdError: the path cannot be used, nbdkit has ended.
    """
    program = _find()
    path = path.absolute()
    with _listen(path) as listener, _signals() as asked:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = _start(program, listener, theirs, disk.size)
            said = _Tail(process)
            try:
                ended = _answer(disk, clock, ours, asked, ready)
            finally:
                ours.close()
                _end(process)
            if ended:
                raise NbdError(f"nbdkit has ended: {said.last()}")
        finally:
            path.unlink(missing_ok=True)


def _find() -> str:
    """nbdkit, if it is here with its Python plug-in."""
    program = shutil.which("nbdkit")
    if program is None:
        raise ToolError(f"no nbdkit here: {REMEDY}")
    tried = subprocess.run([program, "python", "--dump-plugin"], capture_output=True, stdin=subprocess.DEVNULL)
    if tried.returncode:
        raise ToolError(f"nbdkit has no Python plug-in here: {REMEDY}")
    return program


def _listen(path: Path) -> socket.socket:
    """A socket at the path. One that is there already, and that nobody listens on any more, is removed."""
    if len(os.fsencode(path)) > _LONGEST:
        raise NbdError(f"{path}: too long for a socket, at most {_LONGEST} bytes: name a shorter one")
    _claim(path)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)  # nobody else may open it, from its first moment
    try:
        listener.bind(str(path))
        listener.listen()
    except OSError as error:
        listener.close()
        raise NbdError(f"{path}: {error.strerror}: name another socket") from error
    finally:
        os.umask(mask)
    return listener


def _claim(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing there, or no such folder, which binding tells
    if not stat.S_ISSOCK(mode):
        raise NbdError(f"{path}: exists and is no socket: name another one")
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise NbdError(f"{path}: {error.strerror}: name another socket") from error
    raise NbdError(f"{path}: in use by another server: name another one")


def _start(program: str, listener: socket.socket, channel: socket.socket, size: int) -> subprocess.Popen[bytes]:
    """nbdkit, listening on a socket that is not of its own making (systemd's socket activation): it would let
    everybody open that."""
    passed = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, _LISTENS_ON + 1)  # not where the listener must be
    try:
        return subprocess.Popen(
            [sys.executable, "-ISc", _ACTIVATE, str(listener.fileno()), program, "--foreground", "python",
             plugin.__file__, f"channel={passed}", f"size={size}"],
            pass_fds=[passed, listener.fileno()], start_new_session=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
    finally:
        os.close(passed)


def _answer(
    disk: Disk, clock: VirtualClock, channel: socket.socket, asked: socket.socket, ready: Callable[[], None]
) -> bool:
    """Answer requests one by one; True if nbdkit has gone, False if a signal came. A request is finished first."""
    while True:
        if asked in select([channel, asked], [], [])[0]:
            return False
        try:
            header = _receive(channel, plugin.REQUEST.size)
            kind, length, offset = plugin.REQUEST.unpack(header)
            if kind == plugin.READY:
                ready()
                continue
            data = _receive(channel, length) if kind == plugin.WRITE else memoryview(b"")
            channel.sendall(_one(disk, clock, kind, length, offset, data))
        except (EOFError, ConnectionError):
            return True


def _one(disk: Disk, clock: VirtualClock, kind: int, length: int, offset: int, data: memoryview) -> bytes:
    """The answer to one request."""
    result = b""
    try:
        if kind == plugin.READ:
            result = clock.run_until(disk.read(offset, length))
        elif kind == plugin.WRITE:
            clock.run_until(disk.write(offset, data))
        elif kind == plugin.ZERO:
            clock.run_until(disk.zero(offset, length))
        elif kind == plugin.TRIM:
            clock.run_until(disk.trim(offset, length))
        elif kind == plugin.FLUSH:
            clock.run_until(disk.flush())
        elif kind == plugin.STATUS:
            extents = disk.extents(offset, length)
            result = plugin.EXTENTS.pack(len(extents)) + b"".join(plugin.EXTENT.pack(*extent) for extent in extents)
        else:
            raise RequestError(errno.EINVAL, f"request {kind}")
    except RequestError as error:
        return plugin.ANSWER.pack(error.number)
    return plugin.ANSWER.pack(0) + result


def _receive(channel: socket.socket, length: int) -> memoryview:
    """Exactly so many bytes. Raises EOFError."""
    whole = memoryview(bytearray(length))
    rest = whole
    while rest:
        got = channel.recv_into(rest)
        if not got:
            raise EOFError
        rest = rest[got:]
    return whole


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that becomes readable when a signal asks for the end; whatever is under way goes on."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    asked, wakes = socket.socketpair()
    with asked, wakes:
        wakes.setblocking(False)
        before_fd = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        try:
            yield asked
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End nbdkit."""
    process.terminate()
    try:
        process.wait(_LAST_ANSWERS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Tail:
    """Reads what a process says, so that it can go on saying it, and keeps the last lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self._stream = process.stderr
        self._lines: deque[str] = deque(maxlen=20)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            for line in self._stream:
                self._lines.append(line.decode(errors="replace").strip())

    def last(self) -> str:
        """The last line that it said before its end."""
        self._thread.join(1)
        return self._lines[-1] if self._lines else "it did not say why"
