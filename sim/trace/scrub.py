# SPDX-License-Identifier: MIT
"""Scrub: what in a program's memory would tell of the machine that it ran on (docs/trace.md)."""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
"""All that a program whose memory is kept gets of an environment."""

_OWN = {*ENVIRONMENT, "OPENBLAS_NUM_THREADS", "LC_CTYPE"}  # the last is how the C library spells a locale out
_PLACES = re.compile(
    rb"/(?:root|home|work|tmp|mnt|srv|opt|media)/(?!myimport\.zip)[\w./+-]*"
)  # not zipimport's example
_SECRETS = re.compile(rb"PRIVATE KEY|PASSWORD|TOKEN=|SSH_AUTH|BEGIN RSA", re.IGNORECASE)
_VARIABLE = re.compile(rb"(?<![\x01-\xff])([A-Z_][A-Z0-9_]{2,})=[ -~]+\0")


def machine_words(memory: bytes, names: Iterable[str] = ()) -> list[str]:
    """Text in a program's memory, of one, two or four bytes a character, that tells of its machine, sorted.

    Args:
        memory: bytes of it.
        names: words of this machine to look for, see `this_machine`; beside them folders of users, environment
            variables that are not of ENVIRONMENT, and credentials are found.
    """
    found: set[bytes] = {match[0] for match in _VARIABLE.finditer(memory) if match[1].decode() not in _OWN}
    for text in (memory, memory.replace(b"\0", b"")):  # the second shows wide characters as plain ones
        found |= {match[0] for pattern in (_PLACES, _SECRETS) for match in pattern.finditer(text)}
        for name in names:
            if re.search(rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)", text):
                found.add(name.encode())
    return sorted(word.rstrip(b"\0").decode(errors="replace") for word in found)


def kind_of_machine() -> str:
    """Kernel and processor of this machine, in words that many machines share."""
    return f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}"


def this_machine() -> list[str]:
    """Words that name this machine: its host, kernel, user and folders; no short one, which may be there by chance."""
    system = os.uname()
    folders = (str(Path.cwd()), str(Path.home()), sys.prefix, str(Path(__file__).parent.parent.parent))
    words = (system.nodename, system.release, system.version, getpass.getuser(), *folders)
    return sorted({word for word in words if len(word) > 3} - {"root", "/root", "/usr"})
