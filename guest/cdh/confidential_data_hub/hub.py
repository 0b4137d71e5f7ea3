"""The hub put together: the key broker client ready, credentials written. Nothing is listened on here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from attestack_common.logs import get_logger

from confidential_data_hub import config as configuration
from confidential_data_hub.credentials import provision
from confidential_data_hub.kbc.cc import AgentTokens, cc_kbc
from confidential_data_hub.service import resource_service

if TYPE_CHECKING:
    from key_broker_client import TokenProvider
    from ttrpc_asyncio import Service

    from confidential_data_hub.config import HubConfig

KERNEL_COMMAND_LINE: Final = Path("/proc/cmdline")

_log = get_logger("cdh")


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub without its socket: the services to offer."""

    services: tuple[Service, ...]

    @classmethod
    async def assemble(cls, config: HubConfig, tokens: TokenProvider | None = None) -> Self:
        """Make ready; tokens come from the agent's socket unless they are given. Raises AttestackError."""
        broker = cc_kbc(config.kbc, tokens or AgentTokens(config.aa.aa_socket))
        if config.image:
            _log.warning("the table [image] is not used: this version pulls no images")
        if config.credentials:
            await provision(config.credentials, broker)
            _log.info("credentials are written", count=len(config.credentials))
        return cls((resource_service(broker),))


def load_config(path: Path | None, *, strict: bool = False) -> HubConfig:
    """Read the file, or without one what environment and kernel command line say. Raises ConfigError."""
    if path is not None:
        return configuration.load(path, strict=strict)
    try:
        command_line = KERNEL_COMMAND_LINE.read_text("utf-8", "replace")
    except OSError:
        command_line = ""
    return configuration.without_file(os.environ, command_line)
