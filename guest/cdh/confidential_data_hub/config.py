"""The hub's configuration: a file, what holds without one, and what environment and kernel add to both.

Without a file (`-c`), the broker is named by `aa_kbc_params` (`key_broker_client.kbc_parameters`); where nothing names
one, resources come from files (`offline_fs_kbc`). In both cases:

    AA_KBC_PARAMS                 names the broker, over the file's [kbc]
    AA_SOCKET                     the agent's socket, over the file's aa.aa_socket
    KBS_CERT                      root certificates, where the file has no kbc.kbs_cert
    cdh.kbs_resources=            a word of the kernel's command line: more [[credentials]], each `<uri>::<path>`, with
                                  commas between; entries without `::` are dropped
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from attestack_common import config
from attestack_common.errors import ConfigError
from attestack_common.logs import get_logger
from key_broker_client import CC_KBC, KbcParameters, kernel_word
from key_broker_client.kbc_parameters import VARIABLE, WORD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_SOCKET: Final = "unix:///run/confidential-containers/cdh.sock"
DEFAULT_GRPC_ADDRESS: Final = "127.0.0.1:50000"
DEFAULT_AGENT_SOCKET: Final = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock"
OFFLINE_FS_KBC: Final = "offline_fs_kbc"
"""The key broker client that reads files of this machine."""
KERNEL_CREDENTIALS: Final = "cdh.kbs_resources="

_log = get_logger("cdh.config")


class KbcConfig(msgspec.Struct, frozen=True):
    """`[kbc]`: which key broker client, and its broker."""

    name: str
    """`cc_kbc`: resources come from a broker, by attestation. `offline_fs_kbc`: from files of this machine."""
    url: str = ""
    """The broker's address; not used by `offline_fs_kbc`."""
    kbs_cert: str | None = None
    """Root certificates in PEM, trusted beside the platform's. Empty: none."""


class AgentConfig(msgspec.Struct, frozen=True):
    """`[aa]`: where the Attestation Agent listens."""

    aa_socket: str = DEFAULT_AGENT_SOCKET
    """A ttRPC address."""


class CredentialConfig(msgspec.Struct, frozen=True):
    """`[[credentials]]`: a resource that is written to a file at start."""

    resource_uri: str
    """The resource, `kbs:///repository/type/tag`."""
    path: str
    """The file, below `/run/confidential-containers/cdh/kbs`."""


class LogConfig(msgspec.Struct, frozen=True):
    """`[log]`: what is logged."""

    level: str = "info"
    """A filter as `RUST_LOG` takes it, which wins over this."""


class HubConfig(msgspec.Struct, frozen=True):
    """The whole file."""

    kbc: KbcConfig
    socket: str = ""
    """Where the hub listens: a unix socket for ttRPC, or `127.0.0.1:port` for gRPC.

    Empty: `unix:///run/confidential-containers/cdh.sock`; with `grpc-cdh`, `127.0.0.1:50000`.
    """
    aa: AgentConfig = AgentConfig()
    credentials: tuple[CredentialConfig, ...] = ()
    skip_sealed_secret_verification: bool = False
    """Read and not used: this version opens no sealed secrets."""
    log: LogConfig = LogConfig()
    image: dict[str, Any] = {}  # msgspec copies it
    """Settings of the image service; nothing here reads them."""


def load(
    path: Path,
    environment: Mapping[str, str],
    command_line: str,
    *,
    strict: bool = False,
    default_socket: str = DEFAULT_SOCKET,
) -> HubConfig:
    """Read a file, and what environment and kernel command line add to it. Raises ConfigError."""
    loaded = config.load(path, HubConfig, strict=strict)
    loaded = msgspec.structs.replace(loaded, socket=loaded.socket or default_socket)
    named = KbcParameters.parse(environment.get("AA_KBC_PARAMS", ""))
    if named is not None and (named.kbc, named.url) != (loaded.kbc.name, loaded.kbc.url):
        _log.info("the environment names another broker than the file", variable="AA_KBC_PARAMS", file=path)
        kbc = msgspec.structs.replace(loaded.kbc, name=named.kbc, url=named.url)
        loaded = msgspec.structs.replace(loaded, kbc=kbc)
    return _checked(_completed(loaded, environment, command_line), str(path))


def without_file(
    environment: Mapping[str, str], command_line: str, *, default_socket: str = DEFAULT_SOCKET
) -> HubConfig:
    """Make the configuration that holds when there is no file. Raises ConfigError."""
    named = KbcParameters.find(environment, command_line)
    if named is None and (environment.get(VARIABLE) or kernel_word(command_line, WORD)):
        raise ConfigError(
            "aa_kbc_params is not of the form <kbc>::<url>",
            code="HUB-KBC",
            advice="write for example cc_kbc::http://broker:8080, or leave it out for offline_fs_kbc",
        )
    kbc = KbcConfig(OFFLINE_FS_KBC) if named is None else KbcConfig(named.kbc, named.url)
    loaded = HubConfig(kbc=kbc, socket=default_socket)
    return _checked(_completed(loaded, environment, command_line), "aa_kbc_params")


def _completed(loaded: HubConfig, environment: Mapping[str, str], command_line: str) -> HubConfig:
    entries = (kernel_word(command_line, KERNEL_CREDENTIALS) or "").split(",")
    parts = (entry.rpartition("::") for entry in entries)
    credentials = (CredentialConfig(uri, path) for uri, separator, path in parts if separator)
    return msgspec.structs.replace(
        loaded,
        aa=AgentConfig(environment.get("AA_SOCKET") or loaded.aa.aa_socket),
        kbc=msgspec.structs.replace(loaded.kbc, kbs_cert=loaded.kbc.kbs_cert or environment.get("KBS_CERT")),
        credentials=(*loaded.credentials, *credentials),
    )


def _checked(loaded: HubConfig, source: str) -> HubConfig:
    """Refuse a key broker client that is not offered. Raises ConfigError."""
    if loaded.kbc.name not in {CC_KBC, OFFLINE_FS_KBC}:
        raise ConfigError(
            f"{source}: kbc.name is {loaded.kbc.name!r:.40}; this version offers cc_kbc and offline_fs_kbc",
            code="HUB-KBC",
            advice="set kbc.name to cc_kbc and kbc.url to the broker's URL",
        )
    if loaded.kbc.name == CC_KBC and not loaded.kbc.url:
        raise ConfigError(f"{source}: kbc.url is empty", code="HUB-KBC", advice="set it to the broker's URL")
    return loaded
