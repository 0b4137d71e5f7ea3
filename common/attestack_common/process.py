"""The process around a service: hardened at its start, ended by signals in bounded time, its mistakes said in one line.

    harden()              no core dumps, no attaching of debuggers by the same user, files private to their owner
    report(error)         what ended the program, in a line
    run(main)             the event loop (uvloop where it is installed) until `main` ends or a signal comes
    ensure_runtime_dir()  the directory of a socket

SIGINT, SIGTERM and SIGHUP cancel `main`, which then has ten seconds to clean up; a second signal, or the end of the ten
seconds, ends the process at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from attestack_common.errors import AttestackError, ConfigError, code_and_advice
from attestack_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

GRACE_SECONDS: Final = 10.0
"""How long a cancelled `main` and the threads it started may take."""

_LOG: Final = get_logger("process")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h
_SHARED_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def harden() -> None:
    """Keep the process's memory out of core dumps and other processes, its files to their owner (umask 077)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    with contextlib.suppress(ImportError, OSError, AttributeError):  # not Linux, or a Python without ctypes
        import ctypes  # noqa: PLC0415  # only this function needs it

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def run(main: Callable[[], Coroutine[Any, Any, int | None]]) -> NoReturn:
    """Run a service to its end, then leave with the status that `main` returns (None: 0).

    One of our errors is printed with what to do; of any other the kind and place are logged; the status is 1.
    A signal is a proper end: the status is 0 when `main` has cleaned up in time.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            status = runner.run(_until_signal(main))
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the last one to see it
        status = report(error)
    sys.exit(status)


def ensure_runtime_dir(path: str | os.PathLike[str]) -> Path:
    """Make a directory for sockets, mode 0700, with its parents. Raises ConfigError.

    One that exists must not be writable by others, unless it is sticky: nobody else may replace our socket.
    """
    directory = Path(path)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = directory.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{directory}: cannot be made: {error.strerror}", code="RUNTIME-DIR") from None
    if mode & _SHARED_WRITE and not mode & stat.S_ISVTX:
        raise ConfigError(
            f"{directory}: others can write to it",
            code="RUNTIME-DIR",
            advice=f"chmod go-w {directory}, or choose another directory for the socket",
        )
    return directory


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  # an extra; asyncio's own loop does as well
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _until_signal(main: Callable[[], Coroutine[Any, Any, int | None]]) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main())
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        if received:
            os._exit(1)
        received.append(number)
        _LOG.info("ending", signal=number.name)
        _end_in(GRACE_SECONDS)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)
    try:
        return await task or 0
    except asyncio.CancelledError:
        if received:
            return 0
        raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _end_in(seconds: float) -> None:
    """End the process in any case: a thread that does not end would hold up the interpreter's own end for ever."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def report(error: BaseException) -> int:
    """Say what ended the program, as `run` does, and return its status."""
    code, advice = code_and_advice(error)
    if isinstance(error, AttestackError):
        text = error.diagnostics()
    elif code != "INTERNAL":
        text = f"{error}\n  {advice}" if advice else str(error)
    else:
        _LOG.error("ended by an unexpected error", error=error)
        return 1
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
    return 1
