"""Addresses that a service listens on, `IP:PORT`, and how many connections the process has room for."""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket

from attestack_common.errors import ConfigError


def bind(address: str) -> socket.socket:
    """Make a listening socket, not blocking; port 0 takes a free port. Raises ConfigError (LISTEN, LISTEN-ADDRESS)."""
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    family = socket.AF_INET6 if bracketed else socket.AF_INET
    try:
        socket.inet_pton(family, host[1:-1] if bracketed else host)
    except OSError:
        host = ""
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004  # the last port
        raise ConfigError(
            f"{address!r} is not an address to listen on",
            code="LISTEN-ADDRESS",
            advice="write IP:PORT, for example 127.0.0.1:8080 or [::1]:8080",
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if bracketed:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host[1:-1] if bracketed else host, int(port)))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise ConfigError(
            f"cannot listen on {address}: {error.strerror}",
            code="LISTEN",
            advice="another program has this port: stop it, or choose another" if taken else "",
        ) from None
    listener.setblocking(False)  # noqa: FBT003  # the name of the method says what it is
    return listener


def name_of(listener: socket.socket) -> str:
    """Return the address of a bound socket, with its real port."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connections(wanted: int, *, descriptors_each: int = 1) -> int:
    """Return how many connections may be open: as wanted, but a quarter of the file descriptors is left alone."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, descriptors * 3 // 4 // descriptors_each))


def is_loopback(address: str) -> bool:
    """Whether an `IP:PORT` is on one of this machine's own addresses; a name is not."""
    try:
        host = ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    mapped = getattr(host, "ipv4_mapped", None)
    return host.is_loopback or (mapped is not None and mapped.is_loopback)
