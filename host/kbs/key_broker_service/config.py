"""The configuration file of `kbs`: upstream's tables, keys and defaults.

`[http_server]` and `[admin]` must be there. Keys that upstream does not have: `storage_type = "Sqlite"` with its table,
and the switches at the top whose names begin with `insecure_`. Tables of what later versions offer are read, so that
the refusal can name them.

Unknown keys are named in a warning; below `[admin]`, and everywhere with `--strict-config`, they stop the start.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path  # noqa: TC003  # msgspec reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import msgspec
from attestack_common import config as configuration
from attestack_common.errors import ConfigError
from attestack_common.secret import Secret  # noqa: TC002  # msgspec reads the annotations
from attestation_service.config import ServiceConfig, StorageConfig
from trustee_core.token_trust import AdminConfig, TokenTrustConfig

if TYPE_CHECKING:
    import os

CLOSED: Final = ("admin",)
"""Tables in which an unknown key stops the start."""

_LATER: Final = "is not offered by this version"
_MINUTES: Final = msgspec.Meta(ge=1, le=366 * 24 * 60)


class HttpServer(msgspec.Struct, frozen=True, kw_only=True):
    """`[http_server]`: where and how it serves."""

    sockets: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.1:8080"])
    """Addresses to listen on, each `ip:port`."""
    insecure_http: bool = False
    """Whether HTTP is spoken without TLS; otherwise `certificate` and `private_key` are needed."""
    private_key: Path | None = None
    """PEM, without a passphrase."""
    certificate: Path | None = None
    """PEM, the server's certificate first, then its chain."""
    payload_request_size: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """The largest body, in MiB."""
    worker_count: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    """Processes that serve, by default one. With anything stored in memory it is one."""
    tls_profile: str = "intermediate"
    """`intermediate`, `old`, `custom` (TLS 1.2 and 1.3) or `modern` (1.3 alone)."""
    tls_min_version: str | None = None
    """`1.2` or `1.3`."""
    tls_max_version: str | None = None
    """`1.2` or `1.3`."""
    tls_ciphers: str | None = None
    """OpenSSL's names of suites with colons between."""
    tls_groups: str | None = None
    """Names of key exchange groups with colons between; the first that is known is used."""

    @property
    def on_loopback(self) -> bool:
        """Whether all sockets are on loopback addresses."""
        return all(is_loopback(socket.rpartition(":")[0].strip("[]")) for socket in self.sockets)


class BuiltInService(ServiceConfig, frozen=True, kw_only=True, tag_field="type", tag="coco_as_builtin"):
    """`[attestation_service]` in this process."""

    __tags__: ClassVar = ("CoCoASBuiltIn",)

    timeout: Annotated[int, _MINUTES] = 5
    """How long a session lasts, in minutes."""
    storage_type: str | None = None
    """Another backend for attestation policies than the one of `storage_backend.storage_type`, by its name."""


class GrpcService(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="coco_as_grpc"):
    """`[attestation_service]` behind gRPC."""

    __tags__: ClassVar = ("CoCoASGrpc",)

    timeout: Annotated[int, _MINUTES] = 5
    """How long a session lasts, in minutes."""
    as_addr: str = "http://127.0.0.1:50004"
    """Where it listens: `host:port`, or with `http://` or `https://` in front."""
    pool_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """Calls under way at once; they share one connection."""


class IntelTrustAuthority(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="intel_ta"):
    """`[attestation_service]` of Intel."""

    __tags__: ClassVar = ("IntelTA",)

    timeout: Annotated[int, _MINUTES] = 5
    base_url: str
    api_key: Secret
    certs_file: str
    policy_ids: list[str] = []
    allow_unmatched_policy: bool | None = None


class KbsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    http_server: HttpServer
    admin: AdminConfig
    attestation_token: TokenTrustConfig = TokenTrustConfig()
    attestation_service: BuiltInService | GrpcService | IntelTrustAuthority = BuiltInService()
    storage_backend: StorageConfig = StorageConfig()
    session_storage_type: str | None = None
    """Another backend for sessions than the one of `storage_backend.storage_type`, by its name."""
    plugins: list[dict[str, Any]] = []
    """`[[plugins]]` tables: `name` and what that plugin knows; without one there is no plugin."""
    insecure_sample_evidence: bool = False
    """Whether secrets are released on sample evidence, which proves nothing."""
    insecure_sample_reference_values: bool = False
    """Whether the `sample` extractor may be used by callers that nobody authenticated, from beyond loopback."""
    insecure_metrics_resource_names: bool = False
    """Whether `/metrics` shows the names of resources to everyone, not to loopback alone."""
    insecure_rsa1_5: bool = False
    """Whether secrets are encrypted with RSA1_5 for a guest whose key names it."""


def load(path: str | os.PathLike[str], *, strict: bool = False) -> KbsConfig:
    """Read the file. Raises ConfigError that names file and key."""
    return checked(configuration.load(path, KbsConfig, strict=strict, closed=CLOSED), source=str(path))


def checked(config: KbsConfig, *, source: str) -> KbsConfig:
    """Return the configuration if this version offers what it asks for. Raises ConfigError."""
    service = config.attestation_service
    if isinstance(service, IntelTrustAuthority):
        raise ConfigError(
            f"{source}: attestation_service.type: intel_ta {_LATER}",
            code="CONFIG-UNSUPPORTED",
            advice='write type = "coco_as_builtin"; tokens of another issuer are taken by [attestation_token]',
        )
    http = config.http_server
    if not http.insecure_http:
        for key, path in (("certificate", http.certificate), ("private_key", http.private_key)):
            if path is None:
                raise ConfigError(
                    f"{source}: http_server.{key}: is missing",
                    code="CONFIG-VALUE",
                    advice="name a PEM file, or write insecure_http = true where something else speaks TLS",
                )
    return config


def is_loopback(host: str) -> bool:
    """Whether an IP address is one of this machine's own; a name is not."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)
