"""An agent for the hub's tests, on a socket of its own: its tokens are nobody's, its keys are real."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from attestation_protocol.errors import wire_text_of
from attestation_protocol.stubs import attestation_agent_pb2 as pb
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken
from key_broker_client import AttestationToken
from key_broker_client.tokens import REFUSED_TOKEN
from ttrpc_asyncio import CallContext, Code, Server, Service, StatusError

from tests.unit.key_broker_client.broker import token_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = TeeKeyPair.generate()


class Agent:
    """Hands out a new token for each call, and keeps what it was asked."""

    def __init__(self) -> None:
        self.refused: list[str | None] = []
        self.kinds: list[str] = []
        self.document: bytes | None = None
        """What it hands out instead of a token."""
        self.error: StatusError | None = None

    async def get_token(self, request: pb.GetTokenRequest, context: CallContext) -> pb.GetTokenResponse:
        self.kinds.append(request.TokenType)
        self.refused.append(next(iter(context.metadata.get(REFUSED_TOKEN, ())), None))
        if self.error is not None:
            raise self.error
        text = token_text(iat=1, exp=4_000_000_000, serial=len(self.refused))
        token = AttestationToken(UnverifiedToken.parse(text), KEY)
        return pb.GetTokenResponse(Token=token.to_json() if self.document is None else self.document)


def unavailable() -> StatusError:
    text = "[ERROR:attestation-agent] AA-KBC get token failed"
    return StatusError(Code.INTERNAL, text, code="AGENT-TOKEN", advice="configure it")


@contextlib.asynccontextmanager
async def listening(folder: Path, agent: Agent, *, stock: bool = False) -> AsyncIterator[str]:
    """Serve the agent; its address. A stock one puts no codes behind its texts."""
    service = Service.from_descriptor(pb.DESCRIPTOR.services_by_name["AttestationAgentService"], agent)
    async with Server([service], error_text=None if stock else wire_text_of) as server:
        yield str(await server.start(f"unix://{folder / 'aa.sock'}"))
