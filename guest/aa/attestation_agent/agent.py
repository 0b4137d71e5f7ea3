"""The agent put together: attesters detected, init-data bound, tokens ready. Nothing is listened on here."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from attestack_common.logs import get_logger
from key_broker_client import kernel_command_line
from tee_attesters import InitDataMismatchError, detect, installed_attesters, this_machine

from attestation_agent import config as configuration
from attestation_agent.errors import InitDataRefusedError
from attestation_agent.evidence import AgentEvidence
from attestation_agent.service import agent_service
from attestation_agent.tokens import KbsTokens, Tokens

if TYPE_CHECKING:
    from pathlib import Path

    from tee_attesters import Detected
    from ttrpc_asyncio import Service

    from attestation_agent.config import AgentConfig
    from attestation_agent.init_data import GivenInitData

DEFAULT_SOCKET: Final = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock"
BIND_SECONDS: Final = 45.0
"""Seconds that the platform may take to check init-data."""

_log = get_logger("aa")


@dataclass(frozen=True, slots=True)
class Agent:
    """A running agent without its socket: the service to offer, and the tokens for callers in the same process."""

    service: Service
    kbs_tokens: KbsTokens | None

    @classmethod
    async def assemble(cls, config: AgentConfig, init_data: GivenInitData | None = None) -> Self:
        """Detect, bind, and make ready. Raises NoAttesterError or InitDataRefusedError."""
        detected = detect(this_machine(), installed_attesters())
        if detected.tee.is_sample:
            _log.warning(
                "no TEE was found: evidence is sample evidence, which proves nothing and is refused by default"
            )
        if init_data is not None:
            await _bind(detected, init_data)
        evidence = AgentEvidence(detected)
        kbs = config.token_configs.kbs
        text = init_data.text if init_data is not None else None
        tokens = None if kbs is None else KbsTokens(kbs, evidence, init_data=text)
        _log.info("attesters are ready", tee=detected.tee, devices=",".join(detected.devices) or "none")
        return cls(agent_service(evidence, Tokens(tokens)), tokens)

    async def close(self) -> None:
        """End what is under way, and close the connections to the broker."""
        if self.kbs_tokens is not None:
            await self.kbs_tokens.close()


def load_config(path: Path | None, *, strict: bool = False) -> AgentConfig:
    """Read the file, or without one what environment and kernel command line say. Raises ConfigError."""
    if path is not None:
        return configuration.load(path, strict=strict)
    return configuration.without_file(os.environ, kernel_command_line())


async def _bind(detected: Detected, init_data: GivenInitData) -> None:
    try:
        async with asyncio.timeout(BIND_SECONDS):
            bound = await detected.primary.bind_init_data(init_data.digest)
    except InitDataMismatchError as error:
        raise InitDataRefusedError(
            f"the init-data is not what this machine was launched with: {error.message}",
            code="AGENT-INIT-DATA-MISMATCH",
            advice="start the machine with this document, or the agent with the machine's",
        ) from None
    except TimeoutError:
        raise InitDataRefusedError(
            f"{detected.tee} did not check the init-data within {BIND_SECONDS:g} s",
            advice="see the kernel's log for the driver of the platform",
        ) from None
    if not bound:
        _log.info("the platform has no field for init-data: its digest is not bound to the evidence", tee=detected.tee)
