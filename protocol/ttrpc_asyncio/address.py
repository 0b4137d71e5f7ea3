"""Addresses, in the form that the Rust crate reads.

    unix:///run/agent.sock     a unix socket
    unix://@name               an abstract unix socket of Linux: no file, gone with its last descriptor
    vsock://3:1024             a virtual machine (context id 3) or its host, port 1024; context id -1: any
    tcp://127.0.0.1:1024       an IP address, not a name; IPv6 in brackets

The scheme is case-sensitive, and `unix:name` without slashes is none.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from typing import Final, Literal, Self

from ttrpc_asyncio.errors import AddressError

Scheme = Literal["unix", "vsock", "tcp"]

MAX_UNIX_PATH: Final = 107
"""How many bytes the path of a unix socket may have (sockaddr_un of Linux, less the byte that ends it)."""
ANY_CONTEXT: Final = 0xFFFF_FFFF
"""The vsock context id that means any, written -1 in an address."""

_ADVICE: Final = "write unix:///path, unix://@name, vsock://cid:port or tcp://ip:port"
_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_MAX_TCP_PORT: Final = 0xFFFF
_MAX_VSOCK: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. `str` gives the text again."""

    scheme: Scheme
    host: str
    """The path of a unix socket, `@` and the name of an abstract one, the IP address, or the context id."""
    port: int = 0
    """For vsock and tcp. A server that listens on TCP port 0 gets one from the kernel."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. Raises AddressError."""
        scheme, separator, rest = text.partition("://")
        if separator and scheme == "unix":
            return cls("unix", _unix_path(rest))
        if separator and scheme == "vsock":
            return cls("vsock", *_vsock_endpoint(rest))
        if separator and scheme == "tcp":
            return cls("tcp", *_tcp_endpoint(rest))
        raise AddressError(f"{text!r:.120} has no scheme that is known here", advice=_ADVICE)

    @property
    def is_abstract(self) -> bool:
        """Whether it is an abstract unix socket."""
        return self.scheme == "unix" and self.host.startswith("@")

    @property
    def is_file(self) -> bool:
        """Whether it is a unix socket in the file system."""
        return self.scheme == "unix" and not self.host.startswith("@")

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def for_socket(self) -> tuple[socket.AddressFamily, str | tuple[str | int, int]]:
        """Return the family and the address as the functions of `socket` take them."""
        if self.scheme == "unix":
            return socket.AF_UNIX, "\0" + self.host[1:] if self.is_abstract else self.host
        if self.scheme == "vsock":
            cid = ANY_CONTEXT if self.host == "-1" else int(self.host)
            return socket.AF_VSOCK, (cid, self.port)
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET, (self.host, self.port)


def _unix_path(path: str) -> str:
    if not path or path == "@":
        raise AddressError("the address of a unix socket has no path", advice=_ADVICE)
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        size = 0
    if "\0" in path or not size:
        raise AddressError("the path of a unix socket holds a character that no path can have", advice=_ADVICE)
    if size > MAX_UNIX_PATH:
        raise AddressError(
            f"the path of a unix socket has more than {MAX_UNIX_PATH} bytes: {path!r:.140}",
            advice="choose a shorter path",
        )
    return path


def _vsock_endpoint(text: str) -> tuple[str, int]:
    cid, separator, port = text.partition(":")
    if not separator:
        raise AddressError(f"vsock://{text!r:.60} is not a context id and a port", advice=_ADVICE)
    return "-1" if cid == "-1" else str(_number(cid, _MAX_VSOCK)), _number(port, _MAX_VSOCK)


def _tcp_endpoint(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        ip = None
    if not separator or ip is None or bracketed != (ip.version == 6):  # noqa: PLR2004  # IPv6
        raise AddressError(f"tcp://{text!r:.60} is not an IP address and a port", advice=_ADVICE)
    return str(ip), _number(port, _MAX_TCP_PORT)


def _number(text: str, limit: int) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > limit:
        raise AddressError(f"{text!r:.20} is not a number from 0 to {limit}", advice=_ADVICE)
    return int(text)
