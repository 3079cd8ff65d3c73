#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs Debian's packages that are named, as root; anybody else is told how. Called for what is missing.
set -eu
[ $# -gt 0 ] || exit 0

fail() {
    echo "setup: $*" >&2
    exit 1
}

command -v apt-get >/dev/null || fail "please install: $*"
[ "$(id -u)" = 0 ] || fail "please install (as root): apt-get install $*"
echo "setup: installing $*"
log=$(mktemp)
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    >"$log" 2>&1 || { cat "$log" >&2; fail "apt-get could not install $*"; }
rm -f "$log"
