"""vsock on a kernel that cannot connect a machine to itself: a socket that stands in for one of AF_VSOCK.

`LOOPBACK` says whether the kernel can (CONFIG_VSOCKETS_LOOPBACK, and the module is loaded). Where it cannot, a stand-in
is a unix socket that takes, and tells, context ids and ports: all is tried but what the kernel does itself.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from typing import Any, ClassVar, Final

from tests.unit.ttrpc_asyncio.peer import RawPeer

LOCAL: Final = 1
"""The context id of the machine itself."""
ANY_PORT: Final = 0xFFFF_FFFF

_ports: Final = itertools.count(0x7000_0000)


def _has_loopback() -> bool:
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as sock:
            sock.bind((LOCAL, ANY_PORT))
    except OSError:
        return False
    return True


LOOPBACK: Final = _has_loopback()


class StandIn(socket.socket):
    """A unix socket under the name of a context id and a port.

    As the kernel's sockets do, it keeps its nature when its descriptor is handed over to a socket of another family.
    """

    _handed_over: ClassVar[dict[int, tuple[int, int]]] = {}

    named: tuple[int, int] | None = None
    """Context id and port of this end; None: not a stand-in, but the socket that was asked for."""
    peer: tuple[int, int] = (LOCAL, 0)
    _outcome = 0

    def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        self._family = family
        if family == socket.AF_VSOCK:
            self.named = (LOCAL, 0)
        elif fileno is not None:
            self.named = self._handed_over.pop(fileno, None)
        super().__init__(socket.AF_UNIX if family == socket.AF_VSOCK else family, kind, proto, fileno)

    @property
    def family(self) -> Any:
        return super().family if self._family == -1 else socket.AddressFamily(self._family)

    def detach(self) -> int:
        fd = super().detach()
        if self.named is not None:
            self._handed_over[fd] = self.named
        return fd

    def bind(self, address: Any) -> None:
        if self.named is not None:
            cid, port = address
            self.named = cid, next(_ports) if port == ANY_PORT else port
            address = _path(self.named[1])
        super().bind(address)

    def accept(self) -> tuple[socket.socket, Any]:
        if self.named is None:
            return super().accept()
        fd, _ = self._accept()  # type: ignore[attr-defined]
        taken = type(self)(self.family, self.type, self.proto, fileno=fd)
        taken.named, taken.peer = self.named, (LOCAL, next(_ports))
        return taken, taken.peer

    def connect(self, address: Any) -> None:
        super().connect(address if self.named is None else _path(address[1]))

    def connect_ex(self, address: Any) -> int:
        """Tell the outcome later, as vsock does."""
        if self.named is None:
            return super().connect_ex(address)
        self._outcome = super().connect_ex(_path(address[1]))
        return errno.EINPROGRESS

    def getsockopt(self, level: int, name: int, *size: int) -> Any:
        told = (level, name) == (socket.SOL_SOCKET, socket.SO_ERROR) and self.named is not None
        return self._outcome if told else super().getsockopt(level, name, *size)

    def getsockname(self) -> Any:
        return super().getsockname() if self.named is None else self.named

    def getpeername(self) -> Any:
        return super().getpeername() if self.named is None else self.peer


def _path(port: int) -> str:
    return f"\0attestack-vsock-{port:x}"


async def raw_vsock_peer(port: int) -> RawPeer:
    """Connect to a port of this machine, by hand."""
    kind = socket.socket if LOOPBACK else StandIn
    sock = kind(socket.AF_VSOCK, socket.SOCK_STREAM)
    try:
        sock.connect((LOCAL, port))
        sock.setblocking(False)  # noqa: FBT003
        sock = kind(socket.AF_UNIX, socket.SOCK_STREAM, fileno=sock.detach())  # for uvloop
        return RawPeer(*await asyncio.open_unix_connection(sock=sock))
    except OSError:
        sock.close()
        raise
