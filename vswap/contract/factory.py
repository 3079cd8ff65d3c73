# SPDX-License-Identifier: MIT
"""How a factory is found, and tried once before the checks: what is wrong with it is one line, not fifty failures."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from hw.virtual_time import VirtualClock
from vswap.base.backing import BackingType
from vswap.contract.abi import AbiError, native_factory
from vswap.contract.bench import DEVICE, Backend, Factory, LinkMaker, make_bench
from vswap.contract.limit import LIMIT_S, Killed, Prevented, Stuck, limited
from vswap.tiers.base import Tier, Usage

_EXPECTED = "expected PACKAGE:FACTORY, FILE.py:FACTORY or FILE.so, for example vswap.contract.backends:zswap"
_QUEUE = ("stable_writes", "write", "read")
_WANTED = ("type", *(name for name, value in vars(Tier).items() if callable(value) and not name.startswith("_")))


class SuiteError(Exception):
    """The suite cannot run; one line that names what was given, what is wrong with it, and the remedy.

    Attributes:
        details: the traceback of the module's or the factory's own error; empty where it has none.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


def load_factory(name: str, folder: Path | None = None) -> Factory:
    """The factory that `PACKAGE:FACTORY` names, looked up from the current folder, too, or `FILE.py:FACTORY`, or that
    of the backend in `FILE.so`; before that all are looked for in `folder`. Raises SuiteError."""
    if folder is not None:
        if (folder / name.rpartition(":")[0]).is_file() or (folder / name).is_file():
            name = str(folder / name)
        elif str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    if name.endswith(".so"):
        if not Path(name).is_file():
            raise SuiteError(f"{name}: no such file: {_EXPECTED}")
        return native_factory(Path(name))
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise SuiteError(f"{name}: {_EXPECTED}")
    module = _module(place)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        own = [
            key for key, value in vars(module).items()
            if callable(value) and not key.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]  # fmt: skip
        has = f"it has {', '.join(own)}" if own else "it has none at all"
        raise SuiteError(f"{name}: {place} has no function {attribute}: {has}")
    made: Factory = factory
    return made


def _module(place: str) -> ModuleType:
    """The module in a file or of a name. Raises SuiteError."""
    file = Path(place)
    if file.is_dir():
        raise SuiteError(f"{place}: is a folder: {_EXPECTED}")
    is_file = file.suffix == ".py" or "/" in place or file.is_file()
    if is_file and not file.is_file():
        raise SuiteError(f"{place}: no such file: {_EXPECTED}")
    if is_file and file.suffix != ".py":
        raise SuiteError(f"{place}: is no Python file, its name must end in .py: {_EXPECTED}")
    folder = str(file.absolute().parent if is_file else Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return _import_file(file) if is_file else importlib.import_module(place)
    except (Exception, SystemExit) as error:
        details = "".join(traceback.format_exception(error))
        if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
            raise SuiteError(f"{place}: {error}; name a module that can be imported from here", details) from error
        raise SuiteError(f"{place}: cannot be imported: {_said(error)}: mend it and try again", details) from error


def _import_file(file: Path) -> ModuleType:
    """Import a file as a module of its own name."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[file.stem]
        raise
    return module


def try_factory(name: str, factory: Factory, link: LinkMaker, limit_s: float | None = LIMIT_S) -> None:
    """Make a link, then have the factory make a backend once, and look whether it is one.

    Args:
        name: what the factory is called in an error.
        limit_s: seconds that the factory may take.

    Raises:
        SuiteError: the factory raises, does not end, or returns something else.
        Prevented: there is no process, no folder or not enough memory to try it in.
        DeviceNotFound, hw.build.BuildError, hw.tools.ToolError: there is no device to run the suite with.
    """
    clock = VirtualClock()
    clock.run(link(clock, DEVICE).close())  # compiles what is to be compiled, which is no part of any time limit
    work = partial(_wrong, factory, link)
    try:
        wrong = work() if limit_s is None else limited(work, limit_s)
    except Stuck as stuck:
        raise SuiteError(f"{name}: the factory did not end: {stuck}", stuck.stack) from None
    except Killed as killed:
        raise Prevented(
            f"{name}: the process of the factory was killed: {killed}; free some memory and try again"
        ) from None
    except OSError as error:  # what the factory raises is in what is wrong with it
        raise Prevented(f"{name}: the factory cannot be tried: {error}; mend that and try again") from error
    if wrong is not None:
        raise SuiteError(f"{name}: {wrong[0]}", wrong[1])


def _wrong(factory: Factory, link: LinkMaker) -> tuple[str, str] | None:
    """What is wrong with a factory, and the traceback that belongs to it."""
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        clock = VirtualClock()
        return clock.run(_try(factory, link, clock, Path(folder)))


async def _try(factory: Factory, link: LinkMaker, clock: VirtualClock, folder: Path) -> tuple[str, str] | None:
    connected = link(clock, DEVICE)
    try:
        bench = await make_bench(clock, connected, folder, Random(0), [])
        try:
            made: Any = factory(bench)
        except AbiError as error:
            return error.rule, ""
        except Exception as error:
            details = "".join(traceback.format_exception(error))
            return f"the factory raised {_said(error)}: it must return a Tier or a Backend", details
        tier = made.tier if isinstance(made, Backend) else made
        wrong = no_tier(tier)
        if wrong:
            return wrong, ""
        with suppress(Exception):  # the checks tell, with its traceback
            tier.close()
        return None
    finally:
        await connected.close()


def no_tier(made: Any) -> str:
    """Why what a factory made is no tier; empty where it is one."""
    kind = type(made).__name__
    if lacking := [name for name in _WANTED if not hasattr(made, name)]:
        return f"the factory made {kind}, which lacks {', '.join(lacking)}: it must return a Tier or a Backend"
    if hasattr(made, "reserve") and (lacking := [name for name in _QUEUE if not hasattr(made, name)]):
        return f"the factory made {kind}, which has reserve and lacks {', '.join(lacking)}: a QueuedTier has them all"
    if not isinstance(made.type, BackingType):
        return f"the factory made {kind}, whose type is {made.type!r}: a BackingType is expected"
    for name, wanted in (("usage", Usage), ("handles", dict)):
        try:
            value = getattr(made, name)()
        except Exception:
            continue  # the checks tell, with its traceback
        if not isinstance(value, wanted):
            return f"the factory made {kind}, whose {name}() returned {value!r}: a {wanted.__name__} is expected"
    return ""


def _said(error: BaseException) -> str:
    """Kind, place and message of an error, on one line."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    return f"{place}{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
