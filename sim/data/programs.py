# SPDX-License-Identifier: MIT
"""Record the programs of programs/ anew: `python -m sim.data.programs [NAME]...`, as root, on Debian 12.

They are programs of different kinds, at work on made input: a sort, text into tables (awk, perl), a database, JSON, a
compiler. As with orders.trace, environment and folder are fixed, and nothing may name the machine. A recording stops
after MAX_EVENTS, so that it stays small: its header says so.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.capture import CaptureError, CaptureResult, capture
from sim.trace.scrub import ENVIRONMENT, machine_words, this_machine

FOLDER = Path(__file__).with_name("programs")
MAX_EVENTS = 6_000


@dataclass(frozen=True)
class Program:
    """What is recorded.

    Attributes:
        command: the program and its arguments.
        text: its standard input.
        window: pages open at a time.
    """

    command: tuple[str, ...]
    text: str
    window: int = 256


def _lines(count: int, keys: int) -> str:
    return "".join(f"{i * 7919 % keys} line {i}\n" for i in range(count))


def _functions(count: int) -> str:
    return "".join(
        f"struct s{i} {{ int a[{i % 7 + 1}]; struct s{i} *n; }}; "
        f"int f{i}(struct s{i} *p, int k) {{ int t=0; while (p) {{ "
        f"for (int j=0;j<{i % 7 + 1};j++) t+=p->a[j]*k; p=p->n; }} return t%{i + 3}; }}\n"
        for i in range(count)
    )


_AWK = "{n[$1 % 4001]+=$3; s[$1 % 997]=s[$1 % 997] $3} END {for (k in n) t+=n[k]; print t}"
_PERL = (
    'my %h; while (<STDIN>) { my @w = split; $h{$w[0]} .= "$w[2],"; } '
    'my $n=0; for (sort keys %h) { $n += length $h{$_}; } print "$n\\n";'
)
_SQL = """create table t(a,b,c);
with recursive n(i) as (select 1 union all select i+1 from n where i<20000)
insert into t select i, (i*7919)%10007, 'customer '||(i%503) from n;
create index x on t(b);
select c,sum(b) from t where b<5000 group by c order by 2 desc limit 3;
update t set b=b+1 where a%3=0;
select count(*) from t where b>9000;
"""
_PYTHON = """import json
d={}
for i in range(6000):
    d[i]=json.dumps({'n':i,'k':[(i*j)%97 for j in range(20)]})
t=sum(len(json.loads(d[i*7%6000])['k']) for i in range(6000))
print(t)
"""
PROGRAMS: Mapping[str, Program] = {
    "awk": Program(("/usr/bin/awk", _AWK), _lines(20_000, 60_013), window=96),
    "gcc": Program(("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-O2", "-quiet", "-o", "/dev/null", "-"), _functions(120)),
    "perl": Program(("/usr/bin/perl", "-e", _PERL), _lines(9_000, 1_973), window=96),
    "python": Program(("/usr/bin/python3", "-I", "-S", "-"), _PYTHON),
    "sort": Program(("/usr/bin/sort", "-n", "-S", "20M"), _lines(30_000, 60_013)),
    "sqlite": Program(("/usr/bin/sqlite3", ":memory:"), _SQL, window=192),
}


def record(program: Program, output: Path) -> CaptureResult:
    """Record a program into `output`; what it prints is dropped. Raises CaptureError."""
    kept, folder = (os.dup(0), os.dup(1)), Path.cwd()
    with tempfile.TemporaryFile() as given, Path("/dev/null").open("wb") as nowhere:
        given.write(program.text.encode())
        given.seek(0)
        try:
            os.dup2(given.fileno(), 0)
            os.dup2(nowhere.fileno(), 1)
            os.chdir("/")
            return capture(program.command, output, window=program.window, max_events=MAX_EVENTS, env=ENVIRONMENT)
        finally:
            os.chdir(folder)
            for number, copy in enumerate(kept):
                os.dup2(copy, number)
                os.close(copy)


def main() -> None:
    """Record and check the programs that are named, or all."""
    for name in sys.argv[1:] or PROGRAMS:
        output = FOLDER / f"{name}.trace"
        try:
            result = record(PROGRAMS[name], output)
        except CaptureError as error:
            sys.exit(f"{name}: {error}")
        names = this_machine()
        if words := [word for word in machine_words(result.trace.contents.tobytes(), names) if word in names]:
            sys.exit(f"{output}: tells of this machine: {', '.join(words)}")
        header = result.trace.header
        print(f"{name}: {header.events:,} events, {header.pages:,} pages, {result.file_bytes:,} bytes")


if __name__ == "__main__":
    main()
