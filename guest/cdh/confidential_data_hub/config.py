"""The hub's configuration file, and what holds without one.

Without a file (`-c`), the broker is named by `aa_kbc_params`, `<kbc>::<uri>`: the environment's `AA_KBC_PARAMS`, else
the word `agent.aa_kbc_params=` of the kernel's command line. The split is at the first `::`, so that the URI may hold
an IPv6 literal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from attestack_common import config
from attestack_common.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_SOCKET: Final = "unix:///run/confidential-containers/cdh.sock"
DEFAULT_AGENT_SOCKET: Final = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock"
KERNEL_WORD: Final = "agent.aa_kbc_params="
MAX_COMMAND_LINE: Final = 64 * 1024
CC_KBC: Final = "cc_kbc"


class KbcConfig(msgspec.Struct, frozen=True):
    """`[kbc]`: which key broker client, and its broker."""

    name: str
    """`cc_kbc`: resources come from a broker, by attestation."""
    url: str = ""
    """The broker's address."""
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
    socket: str = DEFAULT_SOCKET
    """Where the hub listens: a ttRPC address."""
    aa: AgentConfig = AgentConfig()
    credentials: tuple[CredentialConfig, ...] = ()
    skip_sealed_secret_verification: bool = False
    """Read and not used: this version opens no sealed secrets."""
    log: LogConfig = LogConfig()
    image: dict[str, Any] = {}  # msgspec copies it
    """Settings of the image service; nothing here reads them."""


def load(path: Path, *, strict: bool = False) -> HubConfig:
    """Read a file. Raises ConfigError."""
    return checked(config.load(path, HubConfig, strict=strict), str(path))


def without_file(environment: Mapping[str, str], kernel_command_line: str) -> HubConfig:
    """Make the configuration that holds when there is no file. Raises ConfigError when nothing names a broker."""
    parameters = environment.get("AA_KBC_PARAMS") or _from_kernel(kernel_command_line) or ""
    name, separator, url = parameters.partition("::")
    if not separator:
        raise ConfigError(
            "no configuration: neither -c, AA_KBC_PARAMS nor agent.aa_kbc_params names a key broker",
            code="HUB-KBC",
            advice="give -c FILE with a table [kbc], or AA_KBC_PARAMS=cc_kbc::http://broker:8080",
        )
    return checked(HubConfig(kbc=KbcConfig(name, url)), "aa_kbc_params")


def checked(loaded: HubConfig, source: str) -> HubConfig:
    """Refuse a key broker client that is not offered. Raises ConfigError."""
    if loaded.kbc.name != CC_KBC:
        raise ConfigError(
            f"{source}: kbc.name is {loaded.kbc.name!r:.40}; this version offers cc_kbc",
            code="HUB-KBC",
            advice="set kbc.name to cc_kbc and kbc.url to the broker's URL",
        )
    if not loaded.kbc.url:
        raise ConfigError(f"{source}: kbc.url is empty", code="HUB-KBC", advice="set it to the broker's URL")
    return loaded


def _from_kernel(command_line: str) -> str | None:
    words = command_line[:MAX_COMMAND_LINE].split()
    return next((word.removeprefix(KERNEL_WORD) for word in words if word.startswith(KERNEL_WORD)), None)
