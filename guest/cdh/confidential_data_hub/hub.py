"""The hub put together: the key broker client ready, credentials written. Nothing is listened on here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from attestack_common.logs import get_logger
from key_broker_client import kernel_command_line

from confidential_data_hub import config as configuration
from confidential_data_hub.config import DEFAULT_SOCKET, OFFLINE_FS_KBC
from confidential_data_hub.credentials import provision
from confidential_data_hub.kbc.cc import AgentTokens, cc_kbc
from confidential_data_hub.kbc.offline_fs import offline_fs_kbc
from confidential_data_hub.service import resource_service

if TYPE_CHECKING:
    from pathlib import Path

    from key_broker_client import TokenProvider
    from ttrpc_asyncio import Service

    from confidential_data_hub.config import HubConfig
    from confidential_data_hub.kbc import OwnedKeyBrokerClient

_log = get_logger("cdh")


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub without its socket: the services to offer."""

    services: tuple[Service, ...]
    broker: OwnedKeyBrokerClient
    agent: AgentTokens | None
    """The connection to the agent; None where tokens come from the same process, or none are needed."""

    @classmethod
    async def assemble(cls, config: HubConfig, tokens: TokenProvider | None = None) -> Self:
        """Make ready; tokens come from the agent's socket unless they are given. Raises AttestackError."""
        agent = None
        broker: OwnedKeyBrokerClient
        if config.kbc.name == OFFLINE_FS_KBC:
            broker = offline_fs_kbc()
        else:
            if tokens is None:
                tokens = agent = AgentTokens(config.aa.aa_socket)
            broker = cc_kbc(config.kbc, tokens)
        hub = cls((resource_service(broker),), broker, agent)
        if config.image:
            _log.warning("the table [image] is not used: this version pulls no images")
        if config.credentials:
            try:
                await provision(config.credentials, broker)
            except BaseException:
                await hub.close()
                raise
            _log.info("credentials are written", count=len(config.credentials))
        return hub

    async def close(self) -> None:
        """End what is under way, and close the connections."""
        await self.broker.close()
        if self.agent is not None:
            await self.agent.close()


def load_config(path: Path | None, *, strict: bool = False, default_socket: str = DEFAULT_SOCKET) -> HubConfig:
    """Read the file, or without one what environment and kernel command line say. Raises ConfigError."""
    kernel = kernel_command_line()
    if path is not None:
        return configuration.load(path, os.environ, kernel, strict=strict, default_socket=default_socket)
    return configuration.without_file(os.environ, kernel, default_socket=default_socket)
