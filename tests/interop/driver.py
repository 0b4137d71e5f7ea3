"""Run a peer program, as the server or as the client of a test. The lines that it takes are described in README.md."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import PIPE
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from google.protobuf.wrappers_pb2 import BytesValue
from ttrpc_asyncio import Detail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

SERVICE: Final = "interop.Peer"
SECONDS: Final = 60.0

LIMIT: Final = 4 * 1024 * 1024
LARGEST: Final = LIMIT - len(b"\x0a\x0cinterop.Peer\x12\x04Echo") - 2 * 5
"""The size of a payload whose request has just 4 MiB, without time limit and metadata."""
SIZES: Final = (0, 1, 127, 128, 65_536, 1_000_000, LARGEST)
TOO_LONG: Final = "message length {} exceed maximum message size of 4194304"


def pattern(size: int) -> bytes:
    """What `@N` stands for in the lines of a peer: N bytes, each its index modulo 251."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def wrapped(payload: bytes = b"") -> bytes:
    """The message that every method takes and returns: google.protobuf.BytesValue."""
    return BytesValue(value=payload).SerializeToString()


def unwrapped(message: bytes) -> bytes:
    return BytesValue.FromString(message).value


def encode_payload(payload: bytes) -> str:
    if len(payload) > 251 and payload == pattern(len(payload)):
        return f"@{len(payload)}"
    return payload.hex() or "-"


def decode_payload(word: str) -> bytes:
    if word.startswith("@"):
        return pattern(int(word[1:]))
    return b"" if word == "-" else bytes.fromhex(word)


@dataclass(frozen=True, slots=True)
class Status:
    """How a call of a peer ended: answered, with a status that is not OK."""

    code: int
    message: str
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """How a call of a peer ended: without an answer."""

    why: str


@dataclass(slots=True)
class PeerProcess:
    """A peer program that runs. It ends with its standard input."""

    process: asyncio.subprocess.Process
    _commands: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def start(cls, program: Path, mode: str, address: str) -> Self:
        return cls(await asyncio.create_subprocess_exec(program, mode, address, stdin=PIPE, stdout=PIPE, limit=1 << 20))

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            line = await self.process.stdout.readline()
        assert line.endswith(b"\n"), "the peer has ended"
        return line.decode().removesuffix("\n")

    def write(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())

    async def ask(self, command: str) -> str:
        async with self._commands:
            self.write(command)
            return await self.line()

    async def call(
        self,
        method: str,
        payload: bytes = b"",
        *,
        service: str = SERVICE,
        milliseconds: int = 0,
        metadata: Mapping[str, Sequence[str]] | None = None,
    ) -> bytes | Status | Failed:
        """Let the peer call a method; return how that ended."""
        entries = ",".join(f"{key}={value}" for key, values in (metadata or {}).items() for value in values)
        words = ("call", service, method, str(milliseconds), entries or "-", encode_payload(payload))
        return outcome(await self.ask(" ".join(words)))

    async def outcome(self) -> bytes | Status | Failed:
        """Return how the call ends that the last command was about."""
        return outcome(await self.line())

    async def many(self, count: int, method: str) -> int:
        """Let the peer call a method many times at once; return how many calls got their own payload back."""
        return int((await self.ask(f"many {count} {method}")).removeprefix("ok "))

    async def kill(self) -> None:
        """End the program at once, as a crash would."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(SECONDS):
                await self.process.wait()
        finally:
            await self.kill()


def outcome(line: str) -> bytes | Status | Failed:
    kind, _, rest = line.partition(" ")
    if kind == "ok":
        return decode_payload(rest)
    if kind == "failed":
        return Failed(rest)
    assert kind == "status", line
    code, message, *details = rest.split(" ")
    pairs = (detail.rpartition("=") for detail in details)
    return Status(
        int(code), decode_payload(message).decode(), tuple(Detail(url, bytes.fromhex(value)) for url, _, value in pairs)
    )


@contextlib.asynccontextmanager
async def serving(program: Path, address: str) -> AsyncIterator[PeerProcess]:
    """Run a peer as a server, until it listens."""
    peer = await PeerProcess.start(program, "serve", address)
    try:
        assert await peer.line() == "listening"
        yield peer
    finally:
        await peer.stop()


@contextlib.asynccontextmanager
async def calling(program: Path, address: str) -> AsyncIterator[PeerProcess]:
    """Run a peer as a client."""
    peer = await PeerProcess.start(program, "call", address)
    try:
        yield peer
    finally:
        await peer.stop()
