"""The agent's configuration file, and where the broker's address comes from without one.

With a file (`-c`), only the file counts. Without one, the broker is named by `aa_kbc_params`
(`key_broker_client.kbc_parameters`); only the kbc `cc_kbc` names one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from attestack_common import config
from attestack_common.errors import ConfigError
from attestation_protocol.tee_key import TeeKeyAlgorithm
from key_broker_client import CC_KBC, KbcParameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class KbsTokenConfig(msgspec.Struct, frozen=True):
    """`[token_configs.kbs]`: the broker that tokens come from."""

    url: str
    """Its address, for example `https://kbs.example:8080`."""
    cert: str | None = None
    """Root certificates in PEM, trusted beside the platform's."""
    tee_key_algorithm: TeeKeyAlgorithm = TeeKeyAlgorithm.EC_P256
    """The kind of key that secrets are encrypted to."""
    token_cache: bool = True
    """Whether a token is handed out again until it nears its end; the stock agent attests anew each time."""


class CocoAsTokenConfig(msgspec.Struct, frozen=True):
    """`[token_configs.coco_as]`: an attestation service that tokens of type `coco_as` come from."""

    url: str
    """The address of its REST server, for example `http://as.example:8080`."""


class TokenConfigs(msgspec.Struct, frozen=True):
    """`[token_configs]`: where tokens come from."""

    kbs: KbsTokenConfig | None = None
    coco_as: CocoAsTokenConfig | None = None


class EventLogConfig(msgspec.Struct, frozen=True):
    """`[eventlog_config]`: the log of runtime measurements."""

    init_pcr: int = 17
    """The register of events that name none."""
    enable_eventlog: bool = False
    """Whether events are logged. Stops the start where no attester extends measurements."""


class LogConfig(msgspec.Struct, frozen=True):
    """`[log]`: what is logged."""

    level: str = "info"
    """A filter as `RUST_LOG` takes it, which wins over this."""


class AgentConfig(msgspec.Struct, frozen=True):
    """The whole file. An empty one is valid."""

    token_configs: TokenConfigs = TokenConfigs()
    eventlog_config: EventLogConfig = EventLogConfig()
    log: LogConfig = LogConfig()


def load(path: Path, *, strict: bool = False) -> AgentConfig:
    """Read a file. Raises ConfigError."""
    loaded = config.load(path, AgentConfig, strict=strict)
    if loaded.eventlog_config.enable_eventlog:
        raise ConfigError(
            f"{path}: eventlog_config.enable_eventlog is set, and no attester of this version extends measurements",
            code="AGENT-EVENT-LOG",
            advice="set it to false: a log that no register backs proves nothing",
        )
    return loaded


def without_file(environment: Mapping[str, str], command_line: str) -> AgentConfig:
    """Make the configuration that holds when there is no file."""
    found = KbcParameters.find(environment, command_line)
    if found is None or found.kbc != CC_KBC or not found.url:
        return AgentConfig()
    return AgentConfig(token_configs=TokenConfigs(kbs=KbsTokenConfig(url=found.url)))
