"""The agent put together: attesters detected, init-data bound, tokens ready. Nothing is listened on here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from attestack_common.logs import get_logger
from key_broker_client import kernel_command_line
from key_broker_client.guest_rpc import GrpcAddress
from tee_attesters import detect, installed_attesters, this_machine

from attestation_agent import config as configuration
from attestation_agent.evidence import AgentEvidence
from attestation_agent.service import agent_service, grpc_agent_service
from attestation_agent.tokens import CocoAsTokens, KbsTokens, Tokens

if TYPE_CHECKING:
    from pathlib import Path

    from key_broker_client.guest_rpc import ServingAddress
    from ttrpc_asyncio import Service

    from attestation_agent.config import AgentConfig
    from attestation_agent.init_data import GivenInitData

DEFAULT_SOCKET: Final = "unix:///run/confidential-containers/attestation-agent/attestation-agent.sock"
DEFAULT_GRPC_ADDRESS: Final = "127.0.0.1:50002"

_log = get_logger("aa")


@dataclass(frozen=True, slots=True)
class Agent:
    """A running agent without its socket: the services to offer, and the tokens for callers in the same process."""

    service: Service
    """As it is offered over ttRPC."""
    grpc_service: Service
    kbs_tokens: KbsTokens | None
    coco_as_tokens: CocoAsTokens | None

    @classmethod
    async def assemble(cls, config: AgentConfig, init_data: GivenInitData | None = None) -> Self:
        """Detect, bind, and make ready. Raises AttesterError or InitDataRefusedError."""
        detected = detect(this_machine(), installed_attesters())
        if detected.tee.is_sample:
            _log.warning(
                "no TEE was found: evidence is sample evidence, which proves nothing and is refused by default"
            )
        evidence = AgentEvidence(detected)
        if init_data is not None and not await evidence.bind_init_data(init_data.digest):
            _log.info("the platform has no field for init-data: its digest is not in the evidence", tee=detected.tee)
        kbs, coco_as = config.token_configs.kbs, config.token_configs.coco_as
        text = init_data.text if init_data is not None else None
        of_kbs = None if kbs is None else KbsTokens(kbs, evidence, init_data=text)
        of_coco_as = None if coco_as is None else CocoAsTokens(coco_as, evidence)
        tokens = Tokens(of_kbs, of_coco_as)
        _log.info("attesters are ready", tee=detected.tee, devices=",".join(detected.devices) or "none")
        return cls(agent_service(evidence, tokens), grpc_agent_service(evidence, tokens), of_kbs, of_coco_as)

    def services_at(self, address: ServingAddress) -> tuple[Service, ...]:
        """Return what is to be offered at an address, as its protocol has it."""
        return (self.grpc_service if isinstance(address, GrpcAddress) else self.service,)

    async def close(self) -> None:
        """End what is under way, and close the connections to the broker."""
        for tokens in (self.kbs_tokens, self.coco_as_tokens):
            if tokens is not None:
                await tokens.close()


def load_config(path: Path | None, *, strict: bool = False) -> AgentConfig:
    """Read the file, or without one what environment and kernel command line say. Raises ConfigError."""
    if path is not None:
        return configuration.load(path, strict=strict)
    return configuration.without_file(os.environ, kernel_command_line())
