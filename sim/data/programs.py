# SPDX-License-Identifier: MIT
"""Programs to record, of different kinds, at work on made input: a sort, text into tables (awk, perl), a database,
JSON, compilers, a compressor, a shell, interpreters.

`vcram trace build` records them whole on any machine that has them. Some come with the project, in programs/:
`python -m sim.data.programs [NAME]...`, as root, on Debian 12, records these anew. As with orders.trace, environment
and folder are fixed, and nothing may name the machine. These stop after KEPT_EVENTS, so that they stay small: their
headers say so.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sim.capture import CaptureError, CaptureResult, capture
from sim.trace.scrub import ENVIRONMENT, machine_words, this_machine

FOLDER = Path(__file__).with_name("programs")
KEPT_EVENTS = 6_000
_MOST_CONTENTS = 1 << 18  # 1 GiB of memory


@dataclass(frozen=True)
class Program:
    """What is recorded.

    Attributes:
        command: the program and its arguments.
        text: its standard input.
        window: pages open at a time.
        kept: a recording of it comes with the project. None of node, which is too large, or of tclsh, whose pages
            name the kernel.
    """

    command: tuple[str, ...]
    text: str
    window: int = 256
    kept: bool = True


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
_NODE = """
const rows = new Map();
for (let i = 0; i < 20000; i++) rows.set("row " + i, {n: i, tags: [i % 7, i % 11], name: "n" + (i * 7919) % 10007});
let text = ""; for (const row of rows.values()) if (row.n % 3) text += JSON.stringify(row);
let sum = 0; for (let i = 0; i < 20000; i++) sum += rows.get("row " + (i * 7919) % 20000).n;
console.log(text.length, sum);
"""
_TCL = """
for {set i 0} {$i < 30000} {incr i} {
  dict lappend seen [expr {$i * 7919 % 4001}] "line $i"; set at($i) [expr {$i * 31}]
}
set sum 0; dict for {key lines} $seen { incr sum [llength $lines] }
foreach key [lsort [array names at]] { incr sum $at($key) }
puts $sum
"""
_BASH = """
declare -A seen; lines=()
for i in {1..12000}; do seen[$((i * 7919 % 4001))]+="$i,"; lines+=("line $i of the text"); done
for key in "${!seen[@]}"; do lines[0]+=${#seen[$key]}; done; echo ${#lines[0]}
"""
_CPP = """#include <map>
#include <regex>
#include <string>
#include <vector>
template <int N> struct Row { std::map<std::string, std::vector<int>> cells; int sum() const { int s = N;
  for (auto const& c : cells) for (int v : c.second) s += v * N; return s; } };
int main() { std::regex words("([a-z]+)([0-9]*)"); Row<1> a; Row<2> b; Row<3> c;
  a.cells["x"].push_back(1); return std::regex_match("ab1", words) + a.sum() + b.sum() + c.sum(); }
"""
PROGRAMS: dict[str, Program] = {
    "awk": Program(("/usr/bin/awk", _AWK), _lines(20_000, 60_013), window=96),
    "gcc": Program(("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-O2", "-quiet", "-o", "/dev/null", "-"), _functions(120)),
    "perl": Program(("/usr/bin/perl", "-e", _PERL), _lines(9_000, 1_973), window=96),
    "python": Program(("/usr/bin/python3", "-I", "-S", "-"), _PYTHON),
    "sort": Program(("/usr/bin/sort", "-n", "-S", "20M"), _lines(30_000, 60_013)),
    "sqlite": Program(("/usr/bin/sqlite3", ":memory:"), _SQL, window=192),
    "bash": Program(("/bin/bash", "-s"), _BASH),
    "g++": Program(("/usr/bin/g++", "-std=c++17", "-O1", "-S", "-x", "c++", "-", "-o", "/dev/null"), _CPP),
    "jq": Program(
        ("/usr/bin/jq", "[inputs | .k |= (map(. * 3) | sort)] | group_by(.n % 97) | map(length)"),
        "".join(f'{{"n": {i}, "k": [{i % 7}, {i * 7919 % 10007}, {i % 11}]}}\n' for i in range(12_000)),
    ),
    "node": Program(("/usr/bin/node", "-e", _NODE), "", kept=False),
    "tcl": Program(("/usr/bin/tclsh",), _TCL, kept=False),
    "xz": Program(("/usr/bin/xz", "-3", "-c"), _lines(60_000, 60_013)),
}


def record(program: Program, output: Path, max_events: int) -> CaptureResult:
    """Record a program into `output`, up to so many events; what it prints is dropped. Raises CaptureError."""
    output, kept, folder = output.absolute(), (os.dup(0), os.dup(1)), Path.cwd()
    with tempfile.TemporaryFile() as given, Path("/dev/null").open("wb") as nowhere:
        given.write(program.text.encode())
        given.seek(0)
        try:
            os.dup2(given.fileno(), 0)
            os.dup2(nowhere.fileno(), 1)
            os.chdir("/")
            return capture(
                program.command, output, window=program.window, max_events=max_events,
                max_contents=_MOST_CONTENTS, env=ENVIRONMENT,
            )  # fmt: skip
        finally:
            os.chdir(folder)
            for number, copy in enumerate(kept):
                os.dup2(copy, number)
                os.close(copy)


def main() -> None:
    """Record and check the programs that are named, or all that come with the project."""
    for name in sys.argv[1:] or [name for name, program in PROGRAMS.items() if program.kept]:
        output = FOLDER / f"{name}.trace"
        try:
            result = record(PROGRAMS[name], output, KEPT_EVENTS)
        except CaptureError as error:
            sys.exit(f"{name}: {error}")
        names = this_machine()
        if words := [word for word in machine_words(result.trace.contents.tobytes(), names) if word in names]:
            sys.exit(f"{output}: tells of this machine: {', '.join(words)}")
        header = result.trace.header
        print(f"{name}: {header.events:,} events, {header.pages:,} pages, {result.file_bytes:,} bytes")


if __name__ == "__main__":
    main()
