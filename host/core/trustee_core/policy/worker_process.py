"""One policy worker, seen from the service: started, asked with a deadline, ended.

The worker is a new program, not a fork: it holds nothing of the service's memory, files or environment. It leads a
session of its own, so that a signal from the terminal does not reach it.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import Final, NoReturn

from trustee_core.policy.messages import HEADER, MAX_REPLY, READY, MessageError, body_size

START_SECONDS: Final = 10.0
_END_SECONDS: Final = 1.0
_CHUNK: Final = 1 << 16
_MODULE: Final = "trustee_core.policy.worker"


class WorkerTimeoutError(Exception):
    """The worker did not answer in time."""


class WorkerEndedError(Exception):
    """The worker does not start, or ended, or says what makes no sense. The message says which."""


class WorkerProcess:
    """A worker process. It belongs to one thread; others may only `kill` it."""

    def __init__(self) -> None:
        """Start the worker, and wait until it is ready. Raises WorkerEndedError."""
        theirs, ours = _pipes()
        self._requests, self._replies = ours
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # our own module
                [sys.executable, "-P", "-m", _MODULE],
                stdin=theirs[0],
                stdout=theirs[1],
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self.forget()
            raise WorkerEndedError(f"cannot be started: {error.strerror}") from None
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        os.set_blocking(self._requests, False)
        os.set_blocking(self._replies, False)
        self._wait_until_ready()

    def ask(self, request: bytes, seconds: float) -> bytes:
        """Write a frame, return the body of the reply. Raises WorkerTimeoutError, WorkerEndedError: close it then."""
        deadline = time.monotonic() + seconds
        rest = memoryview(request)
        while rest:
            _wait(self._requests, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._requests, rest[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError:
                self._ended()
        header = self._read(HEADER.size, deadline)
        try:
            return self._read(body_size(header, MAX_REPLY), deadline)
        except MessageError as error:
            raise WorkerEndedError(str(error)) from None

    def kill(self) -> None:
        """End the process, from any thread. Who waits for an answer gets WorkerEndedError."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and give its pipes back."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Give the pipes back and leave the process alone: after a fork it is the parent's."""
        os.close(self._requests)
        os.close(self._replies)

    def disown(self) -> None:
        """As `forget`, in a forked child, which must not wait for a process that is not its own."""
        self._process.returncode = 0
        self.forget()

    def _wait_until_ready(self) -> None:
        trouble = "does not start as it should"
        try:
            if self.ask(b"", START_SECONDS) == READY:
                return
        except WorkerTimeoutError:
            trouble = f"was not ready within {START_SECONDS:g} s"
        except WorkerEndedError as error:
            trouble = str(error)
        self.close()
        raise WorkerEndedError(trouble)

    def _read(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            _wait(self._replies, select.POLLIN, deadline)
            try:
                chunk = os.read(self._replies, min(_CHUNK, size - len(data)))
            except BlockingIOError:
                continue
            if not chunk:
                self._ended()
            data += chunk
        return bytes(data)

    def _ended(self) -> NoReturn:
        """Raise WorkerEndedError with the status of a process whose pipe is closed: it has ended, or is about to."""
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            raise WorkerEndedError("does not answer any more") from None
        raise WorkerEndedError(f"ended by signal {-status}" if status < 0 else f"ended with status {status}")


def _environment() -> dict[str, str]:
    """Return what the worker is to know: where our modules are; and that memory is not to be taken in advance.

    The engine's allocator would otherwise begin with 1 GiB, more than the worker may have.
    """
    return {"PYTHONPATH": os.pathsep.join(filter(os.path.isabs, sys.path)), "MIMALLOC_ARENA_RESERVE": "65536"}  # KiB


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the ends of two pipes: what the worker reads and writes; what we write and read.

    Raises WorkerEndedError.
    """
    opened: list[int] = []
    try:
        opened += os.pipe()
        opened += os.pipe()
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise WorkerEndedError(f"cannot be started: {error.strerror}") from None
    their_in, our_out, our_in, their_out = opened
    return (their_in, their_out), (our_out, our_in)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    """Wait until a pipe can be read or written. Raises WorkerTimeoutError."""
    poll = select.poll()
    poll.register(descriptor, event)
    rest = deadline - time.monotonic()
    if rest <= 0 or not poll.poll(rest * 1000):
        raise WorkerTimeoutError
