"""Listening and connecting sockets.

A unix socket appears under its name only when it can be connected to: it is bound under another name in the same
directory, given its mode, listened on, and then renamed. Kata's agent takes the existence of the path for readiness.

vsock is unknown to event loops. uvloop takes any socket that is not a unix one for TCP, and sets TCP's options, which
the kernel refuses; so vsock sockets are handed to event loops as unix ones. To the kernel they stay what they are.

What is in the way: a socket that nobody listens on is replaced; one that is served is left alone and refused; anything
that is not a socket is left alone and refused. On stop the path is removed if it is still ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ttrpc_asyncio.errors import AddressError

if TYPE_CHECKING:
    from ttrpc_asyncio.address import Address

BACKLOG: Final = 128
QUEUE_SECONDS: Final = 0.01
"""How long a client waits before it knocks again at a server whose queue is full."""
_ATTEMPTS: Final = 16
_LONGEST_NAME: Final = 16


@dataclass(slots=True)
class SocketFile:
    """A unix socket in the file system, under its temporary name until `publish`."""

    path: Path
    temporary: Path
    identity: tuple[int, int]

    @classmethod
    def bind(cls, sock: socket.socket, path: Path, mode: int | None) -> Self:
        """Bind under another name in the same directory; `mode` None leaves the permissions to the umask."""
        _refuse_what_is_in_the_way(path)
        temporary = _bind_nearby(sock, path)
        if mode is not None:
            temporary.chmod(mode)
        return cls(path, temporary, _identity(temporary))

    def publish(self) -> None:
        """Give the socket its name, in place of one that nobody listens on."""
        self.temporary.rename(self.path)

    def remove(self) -> None:
        """Remove the socket from the file system, unless another one has taken its place."""
        for path in (self.temporary, self.path):
            with contextlib.suppress(FileNotFoundError):
                if _identity(path) == self.identity:
                    path.unlink()


def open_listener(address: Address, mode: int | None) -> tuple[socket.socket, SocketFile | None]:
    """Return a bound socket, and its file if it has one. Raises AddressError."""
    sock: socket.socket | None = None
    try:
        family, name = address.for_socket()
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(0)
        if address.is_file:
            return sock, SocketFile.bind(sock, Path(address.host), mode)
        if address.scheme == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(name)
        if address.scheme == "vsock":
            sock = _as_unix(sock)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise listen_error(address, error) from None
    except AddressError:
        if sock is not None:
            sock.close()
        raise
    return sock, None


async def open_connection(address: Address) -> socket.socket:
    """Return a socket that is connected. Sets no time limit of its own. Raises OSError."""
    family, name = address.for_socket()
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        if address.scheme == "unix":
            await _connect_unix(sock, name)
        elif address.scheme == "vsock":
            await _connect_vsock(sock, name)
        else:
            await asyncio.get_running_loop().sock_connect(sock, name)
    except BaseException:
        sock.close()
        raise
    return _as_unix(sock) if address.scheme == "vsock" else sock


def _as_unix(sock: socket.socket) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=sock.detach())


async def _connect_unix(sock: socket.socket, name: str | tuple[str | int, int]) -> None:
    """Connect at once, or when the server's queue has room: the event loop takes a full queue for a connection."""
    while (failure := sock.connect_ex(name)) == errno.EAGAIN:  # noqa: ASYNC110  # no event says that there is room
        await asyncio.sleep(QUEUE_SECONDS)
    if failure:
        raise OSError(failure, os.strerror(failure))


async def _connect_vsock(sock: socket.socket, name: str | tuple[str | int, int]) -> None:
    """Connect without the event loop's help: uvloop would look the context id up in the DNS."""
    failure = sock.connect_ex(name)
    if failure == errno.EINPROGRESS:
        loop = asyncio.get_running_loop()
        settled = asyncio.Event()
        loop.add_writer(sock, settled.set)
        try:
            await settled.wait()
        finally:
            loop.remove_writer(sock)
        failure = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failure:
        raise OSError(failure, os.strerror(failure))


def listen_error(address: Address, error: OSError) -> AddressError:
    """Say why an address cannot be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return AddressError(
            f"cannot listen on {address}: something listens there already",
            code="TTRPC-ADDRESS-IN-USE",
            advice="stop the other server or choose another address",
        )
    advice = {
        errno.ENOENT: "create the directory first",
        errno.EACCES: "give this process the right to write there",
        errno.EADDRNOTAVAIL: "use an address of this machine",
    }
    return AddressError(
        f"cannot listen on {address}: {error.strerror}",
        code="TTRPC-LISTEN",
        advice=advice.get(error.errno or 0, "choose another address"),
    )


def _refuse_what_is_in_the_way(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise AddressError(
            f"cannot listen on {path}: what is there is not a socket",
            code="TTRPC-ADDRESS-NOT-A-SOCKET",
            advice="remove it or choose another address",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        if probe.connect_ex(str(path)) not in {errno.ECONNREFUSED, errno.ENOENT}:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _bind_nearby(sock: socket.socket, path: Path) -> Path:
    """Bind under a random name, no longer than the name that is wanted: a path of a socket must be short."""
    length = min(len(os.fsencode(path.name)), _LONGEST_NAME)
    for _ in range(_ATTEMPTS):
        temporary = path.with_name(secrets.token_hex(_LONGEST_NAME // 2)[:length])
        try:
            sock.bind(str(temporary))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return temporary
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
