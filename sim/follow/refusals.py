"""System calls that a followed program does not get, and what it gets instead (docs/pager.md, "What is refused").

They let the kernel, or somebody else, reach a page behind the page tables, where the follower cannot see it: a page
that is taken out meanwhile would lose bytes. Each answer is one that programs meet on other systems.
"""

from __future__ import annotations

import errno
import fcntl
import os

from sim.follow.filter import Rule
from sim.follow.policy import Refusal

_O_DIRECT = os.O_DIRECT
_MCL_FUTURE = 2
_MREMAP_DONTUNMAP = 4
_OPEN, _OPENAT, _FCNTL, _MREMAP, _MLOCKALL, _IO_SETUP = 2, 257, 72, 25, 151, 206
_VMSPLICE, _USERFAULTFD, _IO_URING_SETUP, _OPENAT2, _PROCESS_MADVISE = 278, 323, 425, 437, 440

REFUSALS = (
    Refusal(Rule(_OPEN, 1, _O_DIRECT), errno.EINVAL),  # as on a filesystem without direct I/O
    Refusal(Rule(_OPENAT, 2, _O_DIRECT), errno.EINVAL),
    Refusal(Rule(_OPENAT2), errno.ENOSYS),  # its flags cannot be looked at here
    Refusal(Rule(_FCNTL, 2, _O_DIRECT), errno.EINVAL, where=(1, fcntl.F_SETFL)),
    Refusal(Rule(_IO_SETUP), errno.ENOSYS),
    Refusal(Rule(_IO_URING_SETUP), errno.ENOSYS),
    Refusal(Rule(_VMSPLICE), errno.ENOSYS),
    Refusal(Rule(_USERFAULTFD), errno.ENOSYS),
    Refusal(Rule(_PROCESS_MADVISE), errno.ENOSYS),
    Refusal(Rule(_MREMAP, 3, _MREMAP_DONTUNMAP), errno.EINVAL),  # as before Linux 5.7
    Refusal(Rule(_MLOCKALL, 0, _MCL_FUTURE), errno.EPERM),
)
