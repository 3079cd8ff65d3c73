# SPDX-License-Identifier: MIT
"""System calls that a followed program does not get, and what it gets instead (docs/pager.md, "What is refused").

They let the kernel, a device or somebody else reach a page behind the page tables, where the follower cannot see it: a
page that is taken out meanwhile would lose bytes. Each answer is one that programs meet on other systems.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket

from sim.follow.filter import Rule
from sim.follow.policy import Refusal

_O_DIRECT = os.O_DIRECT
_MREMAP_DONTUNMAP = 4
_OPEN, _IOCTL, _MREMAP, _MADVISE, _SOCKET, _FCNTL, _PRCTL, _IO_SETUP = 2, 16, 25, 28, 41, 72, 157, 206
_OPENAT, _VMSPLICE, _OPEN_BY_HANDLE_AT, _USERFAULTFD, _IO_URING_SETUP, _OPENAT2 = 257, 278, 304, 323, 425, 437
_SECCOMP, _PROCESS_MADVISE = 317, 440
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 8
_MADV_MERGEABLE, _MADV_HWPOISON, _MADV_SOFT_OFFLINE = 12, 100, 101
_PR_SET_MM, _PR_SET_THP_DISABLE, _PR_SET_MEMORY_MERGE = 35, 41, 67
_PR_SET_MM_START_BRK, _PR_SET_MM_BRK, _PR_SET_MM_MAP = 6, 7, 14
_USERFAULTFD_IOC_NEW = 0xAA00
_AF_XDP = 44
_DEVICES_THAT_REACH_MEMORY = (
    0x2285,  # SG_IO
    0xC0484E41, 0x40304E42, 0xC0484E43, 0xC0504E47, 0xC0504E48,  # NVME_IOCTL_*: commands of the program's own
    0x3B71, 0x3B85,  # VFIO_IOMMU_MAP_DMA, IOMMU_IOAS_MAP
    0xC0181B01,  # RDMA_VERBS_IOCTL
)  # fmt: skip

REFUSALS = (
    Refusal(Rule(_OPEN, 1, _O_DIRECT), errno.EINVAL),  # as on a filesystem without direct I/O
    Refusal(Rule(_OPENAT, 2, _O_DIRECT), errno.EINVAL),
    Refusal(Rule(_OPEN_BY_HANDLE_AT, 2, _O_DIRECT), errno.EINVAL),
    Refusal(Rule(_OPENAT2), errno.ENOSYS),  # its flags cannot be looked at here
    Refusal(Rule(_FCNTL, 2, _O_DIRECT), errno.EINVAL, where=(1, fcntl.F_SETFL)),
    Refusal(Rule(_IO_SETUP), errno.ENOSYS),
    Refusal(Rule(_IO_URING_SETUP), errno.ENOSYS),
    Refusal(Rule(_VMSPLICE), errno.ENOSYS),
    Refusal(Rule(_USERFAULTFD), errno.ENOSYS),
    Refusal(Rule(_IOCTL, 1, equal=_USERFAULTFD_IOC_NEW), errno.ENOTTY),  # of /dev/userfaultfd
    Refusal(Rule(_PROCESS_MADVISE), errno.ENOSYS),
    # Who listens may let calls go on which then stop for nobody else; as before Linux 5.0.
    Refusal(Rule(_SECCOMP, 1, _SECCOMP_FILTER_FLAG_NEW_LISTENER), errno.EINVAL, where=(0, _SECCOMP_SET_MODE_FILTER)),
    # The heap would go on elsewhere, unseen; as without CAP_SYS_RESOURCE.
    Refusal(Rule(_PRCTL, 1, equal=_PR_SET_MM_START_BRK), errno.EPERM, where=(0, _PR_SET_MM)),
    Refusal(Rule(_PRCTL, 1, equal=_PR_SET_MM_BRK), errno.EPERM, where=(0, _PR_SET_MM)),
    Refusal(Rule(_PRCTL, 1, equal=_PR_SET_MM_MAP), errno.EPERM, where=(0, _PR_SET_MM)),
    Refusal(Rule(_MREMAP, 3, _MREMAP_DONTUNMAP), errno.EINVAL),  # as before Linux 5.7
    # The kernel puts other pages in their place, without the write protection.
    Refusal(Rule(_MADVISE, 2, equal=_MADV_MERGEABLE), errno.EINVAL),
    Refusal(Rule(_PRCTL, 0, equal=_PR_SET_MEMORY_MERGE), errno.EINVAL),
    # Pages that nobody can read any more.
    Refusal(Rule(_MADVISE, 2, equal=_MADV_HWPOISON), errno.EINVAL),
    Refusal(Rule(_MADVISE, 2, equal=_MADV_SOFT_OFFLINE), errno.EINVAL),
    Refusal(Rule(_PRCTL, 0, equal=_PR_SET_THP_DISABLE), 0),  # huge pages stay off, whatever it says
    # Pages that are written to long after they were named.
    Refusal(Rule(_SOCKET, 0, equal=_AF_XDP), errno.EAFNOSUPPORT),
    Refusal(Rule(_SOCKET, 0, equal=socket.AF_ALG), errno.EAFNOSUPPORT),
    *(Refusal(Rule(_IOCTL, 1, equal=request), errno.ENOTTY) for request in _DEVICES_THAT_REACH_MEMORY),
)
