# SPDX-License-Identifier: MIT
"""A script on a running kernel."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable

from tests.campaigns.kerneldiff.contents import KINDS
from tests.campaigns.kerneldiff.guest import Guest, RequestError
from tests.campaigns.kerneldiff.script import Script, Step
from tests.campaigns.kerneldiff.seen import Seen, number_slots

GROUP = "/sys/fs/cgroup/script"
ZSWAP, ZRAM = "/sys/kernel/debug/zswap", "/sys/block/zram0"
PARAMETERS = "/sys/module/zswap/parameters"
BACKING, SPARE = "/dev/vdb", "/dev/vdc"
DEVICES = {"zram": "/dev/zram0", "disk": "/dev/vda"}
DIALS = {
    "zswap.max_pool_percent": f"{PARAMETERS}/max_pool_percent",
    "memory.zswap.writeback": f"{GROUP}/memory.zswap.writeback",
}
ADVICE = {"dontneed": mmap.MADV_DONTNEED, "free": mmap.MADV_FREE, "cold": 20, "pageout": 21}  # linux/mman.h
VMSTAT = ("pswpin", "pswpout", "zswpin", "zswpout", "zswpwb", "swpin_zero", "swpout_zero", "pgmajfault",
          "pglazyfree", "pglazyfreed")  # fmt: skip
ZSWAP_FILES = ("stored_pages", "same_filled_pages", "pool_total_size", "reject_compress_poor", "reject_alloc_fail",
               "written_back_pages", "pool_limit_hit")  # fmt: skip
MM_STAT = ("orig_data_size", "compr_data_size", "mem_used_total", "mem_limit", "mem_used_max", "same_pages",
           "pages_compacted", "huge_pages", "huge_pages_since")  # fmt: skip
BD_STAT = ("bd_count", "bd_reads", "bd_writes")
STAT = ("zswapped", "zswpin", "zswpout", "pglazyfree", "pglazyfreed", "workingset_refault_anon")
RECLAIM_STAT = ("pgactivate", "workingset_activate_anon", "workingset_restore_anon")
LISTS = ("active_anon",)  # which list a page is on shows in no page: it does when reclaim meets the page again
NUMA_STAT = ("anon",)  # swapcached has pages on their way out, until their writeback ends: whenever that is
LRU_GEN = "/sys/kernel/mm/lru_gen/enabled"
EVENTS = {"memory.events": ("oom",), "memory.swap.events": ("max", "fail")}
FEW_PAGES = 32
_BYTES = ("zswapped", *LISTS)
_PRESENT, _SWAPPED, _ONCE = 1 << 63, 1 << 62, 1 << 56  # Documentation/admin-guide/mm/pagemap.rst
_ANON, _SWAPCACHE, _SWAPBACKED, _COMPOUND, _ZERO = 1 << 12, 1 << 13, 1 << 14, 3 << 15, 1 << 24


def prepare(guest: Guest) -> None:
    """What is the same for all scripts."""
    guest.ask("put /sys/fs/cgroup/cgroup.subtree_control +memory")
    guest.ask(f"put {PARAMETERS}/zpool zsmalloc")
    guest.ask(f"put {PARAMETERS}/compressor lz4")
    guest.ask("put /sys/block/vda/queue/rotational 0")
    guest.ask(f"mkswap {SPARE} {FEW_PAGES}")


class KernelRun:
    """One script in a guest; `close` leaves it as it was."""

    def __init__(self, guest: Guest, script: Script) -> None:
        self._guest = guest
        self._device = script.setting("swap")
        self._backing = script.setting("backing") == "on"
        self._mthp = int(script.setting("mthp"))
        ask = guest.ask
        ask(f"mkdir {GROUP}")
        self._switch_zswap("Y" if script.setting("zswap") == "on" else "N")
        ask(f"put /proc/sys/vm/page-cluster {script.setting('page-cluster')}")
        self._shrinker = script.setting("shrinker") == "on"
        self._switch_shrinker("Y")
        if self._device == "zram":
            ask(f"put {ZRAM}/comp_algorithm lz4")
            if self._backing:
                ask(f"put {ZRAM}/backing_dev {BACKING}")
            ask(f"put {ZRAM}/disksize {script.swap_pages * 4096}")
        self._large("always")
        ask(f"mkswap {DEVICES[self._device]} {script.swap_pages - 1}")
        ask(f"swapon {DEVICES[self._device]} 0")
        self._swapping = True
        self._touches = 0
        self._stat = STAT + (RECLAIM_STAT + LISTS if script.reclaims else ())
        ask(f"put {LRU_GEN} {'y' if script.setting('lru') == 'mglru' else 'n'}")
        self._forks = script.forks  # children's own pages would be among the group's
        ask(f"start {GROUP}")
        self._before = self._counters()

    def close(self) -> None:
        """End its tasks, and take its machine down."""
        ask = self._guest.ask
        ask("end")
        if self._swapping:
            ask(f"swapoff {DEVICES[self._device]}")
        if self._mthp:
            self._end_slot_caches()
        if self._device == "zram":
            ask(f"put {ZRAM}/reset 1")
        self._large("never")
        self._switch_shrinker("N")
        ask(f"put {DIALS['zswap.max_pool_percent']} 20")
        ask(f"rmdir {GROUP}")

    def step(self, step: Step) -> Seen:
        """Do one step; what is seen then."""
        result: dict[str, str | int] = {}
        if step.task is None:
            try:
                self._on_machine(step)
            except RequestError as error:
                result["error"] = str(error).rpartition(": ")[2]
        else:
            result = self._on_task(step)
        self._guest.ask("rest")
        if self._mthp:
            self._drain_slot_caches()
        counters = {name: value - self._before.get(name, 0) for name, value in self._counters().items()}
        return Seen(result, self._pages(), counters)

    # Inside

    def _large(self, value: str) -> None:
        if self._mthp:
            size = 4 << self._mthp
            self._guest.ask(f"put /sys/kernel/mm/transparent_hugepage/hugepages-{size}kB/enabled {value}")

    def _drain_batches(self) -> None:
        """What waits in the processor's batches reaches the lists (lru_add_drain_all)."""
        self._guest.ask("put /proc/sys/vm/drop_caches 1")

    def _drain_slot_caches(self) -> None:
        """A processor frees slots of a large device late, some at a time, but all of them for a swapoff of whatever
        device (disable_swap_slots_cache_lock)."""
        self._guest.ask(f"swapon {SPARE} 0")
        self._guest.ask(f"swapoff {SPARE}")

    def _end_slot_caches(self) -> None:
        """Processors set slots aside once they have seen a large device, and free them late, until there are few: a
        page is swapped out to a device of few (check_cache_active)."""
        device = DEVICES[self._device]
        write = f"task 0 write 0 1 {KINDS.index('text')} 1"
        for request in (f"mkswap {device} {FEW_PAGES}", f"swapon {device} 0", f"start {GROUP}", "task 0 map 0 1", write,
                        f"task 0 advise 0 1 {ADVICE['pageout']}", "end", f"swapoff {device}"):  # fmt: skip
            self._guest.ask(request)

    def _switch_zswap(self, value: str) -> None:
        """To write N where it is N sets zswap up: it would count as used, and large swap-ins end with that."""
        path = f"{PARAMETERS}/enabled"
        if self._guest.read(path)[path].strip() != value:
            self._guest.ask(f"put {path} {value}")

    def _switch_shrinker(self, value: str) -> None:
        if self._shrinker:
            self._guest.ask(f"put {PARAMETERS}/shrinker_enabled {value}")

    def _on_machine(self, step: Step) -> None:
        ask = self._guest.ask
        match step.op:
            case "settle":
                ask(f"settle {GROUP}")
            case "swapoff":
                ask(f"swapoff {DEVICES[self._device]}")
                self._drain_batches()
                self._swapping = False
            case "swapon":
                ask(f"swapon {DEVICES[self._device]} 0")
                self._swapping = True
            case "zswap":
                self._switch_zswap("Y" if step.arguments[0] == "on" else "N")
            case "tune":
                ask(f"put {DIALS[step.arguments[0]]} {step.arguments[1]}")
            case "zram":
                work = step.arguments[0]
                ask(f"put {ZRAM}/idle all" if work == "idle" else f"put {ZRAM}/writeback {work.removeprefix('write-')}")
            case "reclaim":
                self._drain_batches()
                ask(f"put {GROUP}/memory.reclaim {step.number(0) * 4096}")
            case "limit":
                name, pages = step.arguments[0], step.number(1)
                if name == "memory.max":  # beyond what the task itself and the kernel's tables for it take
                    pages += self._own_pages()
                ask(f"put {GROUP}/{name} {pages * 4096}")

    def _own_pages(self) -> int:
        """Charged to the group, but no page of the script's. memory.current would count what the processor has charged
        in advance, too."""
        files = self._guest.read(f"{GROUP}/cpu.stat", f"{GROUP}/memory.stat")
        stat = dict(line.split() for line in files[f"{GROUP}/memory.stat"].splitlines())
        charged = sum(int(stat[name]) for name in ("anon", "file", "kernel")) - int(stat.get("zswap", 0))
        present = sum(state.startswith("P") and state != "Pz" for state in self._pages().values())
        return charged // 4096 - present

    def _on_task(self, step: Step) -> dict[str, str | int]:
        task = f"task {step.task}"
        match step.op:
            case "write":
                first, count, kind, seed = step.arguments
                return self._answer(f"{task} write {first} {count} {KINDS.index(kind)} {seed}")
            case "touch":
                self._touches += 1
                return self._answer(f"{task} touch {' '.join(step.arguments)} {self._touches}")
            case "dontneed" | "free" | "cold" | "pageout":
                return self._answer(f"{task} advise {step.arguments[0]} {step.arguments[1]} {ADVICE[step.op]}")
            case "protect":
                pages = " ".join(step.arguments)
                self._answer(f"{task} mprotect {pages} {mmap.PROT_READ}")
                return self._answer(f"{task} mprotect {pages} {mmap.PROT_READ | mmap.PROT_WRITE}")
            case _:
                return self._answer(f"{task} {step.op} {' '.join(step.arguments)}")

    def _answer(self, request: str) -> dict[str, str | int]:
        error, minor, major, crc = map(int, self._guest.ask(request)[0].split())
        what = errno.errorcode[error] if error else "ok"
        return {"error": what, "minor": minor, "major": major, "crc": crc}

    def _pages(self) -> dict[tuple[int, int], str]:
        return number_slots(_page(line) for line in self._guest.ask("pages"))

    def _counters(self) -> dict[str, int]:
        paths = ["/proc/vmstat", f"{GROUP}/cpu.stat", f"{GROUP}/memory.stat", f"{GROUP}/memory.swap.current"]
        paths += [f"{GROUP}/{file}" for file in ("memory.numa_stat", *EVENTS)]
        paths += [f"{ZSWAP}/{name}" for name in ZSWAP_FILES]
        # cpu.stat brings what memory.stat shows up to date
        files = self._guest.read(*paths, f"{ZRAM}/mm_stat", f"{ZRAM}/bd_stat")
        counters = _take("vmstat", files["/proc/vmstat"], VMSTAT)
        counters |= _take("memcg", files[f"{GROUP}/memory.stat"], self._stat)
        for file, names in EVENTS.items():
            counters |= _take(f"memcg.{file.removeprefix('memory.')}", files[f"{GROUP}/{file}"], names)
        if not self._forks:
            text = files[f"{GROUP}/memory.numa_stat"]
            counters |= {f"memcg.numa_stat.{kind}.N0": _of_node(text, kind, "N0") for kind in NUMA_STAT}
        counters["memcg.swap.current"] = int(files[f"{GROUP}/memory.swap.current"] or 0) // 4096
        for name in ZSWAP_FILES:
            if files[f"{ZSWAP}/{name}"]:
                counters[f"zswap.{name}"] = int(files[f"{ZSWAP}/{name}"])
        if self._device == "zram":
            for name, value in zip(MM_STAT, files[f"{ZRAM}/mm_stat"].split(), strict=False):
                counters[f"zram.{name}"] = int(value)
            if self._backing:
                for name, value in zip(BD_STAT, files[f"{ZRAM}/bd_stat"].split(), strict=True):
                    counters[f"zram.{name}"] = int(value)
        return counters


def run(guest: Guest, script: Script, observe: Callable[[Seen], None]) -> None:
    """Do all steps of a script, and tell what is seen after each. Raises RequestError, GuestError."""
    running = KernelRun(guest, script)
    try:
        for step in script.steps:
            observe(running.step(step))
    finally:
        running.close()


def _take(file: str, text: str, names: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in names:
            found[f"{file}.{name}"] = int(value) // (4096 if name in _BYTES else 1)
    return found


def _of_node(text: str, kind: str, node: str) -> int:
    """Pages of a kind on a node, out of memory.numa_stat: "anon N0=4096 N1=0"."""
    nodes = next(line.split()[1:] for line in text.splitlines() if line.startswith(f"{kind} "))
    return int(dict(entry.split("=") for entry in nodes)[node]) // 4096


def _page(line: str) -> tuple[tuple[int, int], str, object]:
    """A line of the agent's answer to "pages"."""
    task, vpn, entry, flags, cached = line.split()
    pagemap, kpageflags = int(entry, 16), int(flags, 16)
    page = int(task), int(vpn)
    if pagemap & _SWAPPED:
        return page, "Sc" if int(cached) & 1 else "S", pagemap & (1 << 55) - 1
    if kpageflags & _ZERO:
        return page, "Pz", None
    state = "P"
    state += "x" if pagemap & _ONCE else ""
    state += "c" if kpageflags & _SWAPCACHE else ""
    state += "L" if kpageflags & _COMPOUND else ""
    state += "f" if kpageflags & _ANON and not kpageflags & _SWAPBACKED else ""
    return page, state, None
