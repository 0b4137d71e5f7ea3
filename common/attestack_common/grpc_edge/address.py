"""The address of a gRPC peer, as configurations write it.

    127.0.0.1:50003      http://127.0.0.1:50003      http://rvps:50003/      https://as.example:50004
    [::1]:50003          http://[::1]:50003          http://as               (port 80; https: 443)

Without a scheme it is `http`, as in the Rust programs: plain HTTP/2.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from attestack_common.errors import ConfigError

_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_TEXT: Final = re.compile(r"[A-Za-z0-9._:/\[\]-]+", re.ASCII)
_MAX_LENGTH: Final = 1024


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer listens."""

    host: str
    """A name, an IPv4 address, or an IPv6 address without brackets."""
    port: int
    tls: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address. Raises ConfigError (GRPC-ADDRESS)."""
        if len(text) > _MAX_LENGTH or not _TEXT.fullmatch(text):
            raise _refused(text)
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            if parts.scheme not in _PORTS or parts.username is not None or parts.path not in {"", "/"}:
                raise _refused(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _refused(text) from None
        if port == 0 or not (_is_ip(host) or _NAME.fullmatch(host)):
            raise _refused(text)
        return cls(host, _PORTS[parts.scheme] if port is None else port, parts.scheme == "https")

    @property
    def target(self) -> str:
        """The name by which grpcio resolves it."""
        if not _is_ip(self.host):
            return f"dns:///{self.host}:{self.port}"
        return f"ipv6:[{self.host}]:{self.port}" if ":" in self.host else f"ipv4:{self.host}:{self.port}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _refused(text: str) -> ConfigError:
    return ConfigError(
        f"{text!r:.80} is not the address of a gRPC peer",
        code="GRPC-ADDRESS",
        advice="write scheme, host and port alone, for example http://127.0.0.1:50003",
    )
