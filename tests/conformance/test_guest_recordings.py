"""What our guest sends, on real sockets, is what a stock guest sends: requests and frames byte for byte, header fields
by name. With the recorded key and nonce, sample evidence leaves nothing to chance.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.encoding import b64std_encode
from attestation_protocol.resource_uri import ResourceUri
from attestation_protocol.tee import Tee
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken
from confidential_data_hub.kbc.cc import AgentTokens
from guest_rest_api.backends import Hub
from guest_rest_api.errors import BackendError
from key_broker_client import AttestationToken, HttpTransport, RcarClient, TokenClient, TransportSettings
from ttrpc_asyncio import Address

from tests.conformance.recordings import Step, http_recording, stream
from tests.unit.ttrpc_asyncio.peer import RawPeer, raw_server, some_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

ENDS_WITH = b"\r\n\r\n"


class SampleEvidence:
    """What the stock sample attester gives."""

    async def tee(self) -> Tee:
        return Tee.SAMPLE

    async def evidence(self, data: bytes) -> Any:
        return {"svn": "1", "report_data": b64std_encode(data)}

    async def additional_evidence(self, _: bytes) -> str:
        return ""


class GivenTokens:
    """One token for ever."""

    def __init__(self, token: AttestationToken) -> None:
        self._token = token

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        assert refused is None
        return self._token


@contextlib.asynccontextmanager
async def stock_broker(steps: Iterable[Step]) -> AsyncIterator[tuple[HttpTransport, list[tuple[bytes, bytes]]]]:
    """Answer as recorded, in order; what was asked, head and body."""
    waiting, asked = list(steps), list[tuple[bytes, bytes]]()
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(ENDS_WITH)
                fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:] if line)
                asked.append((head, await reader.readexactly(int(fields.get(b"content-length", b"0")))))
                answer = waiting.pop(0).response
                lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in answer.headers.items)]
                writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        writer.close()
        over.set()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = HttpTransport(TransportSettings(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"))
    try:
        yield transport, asked
    finally:
        await transport.close()
        await over.wait()
        listener.close()


def is_as_recorded(asked: tuple[bytes, bytes], recorded: Step) -> bool:
    head, body = asked
    line, *fields = head.decode().strip().splitlines()
    names = sorted(field.partition(":")[0].lower() for field in fields)
    request = recorded.request
    return (line, names, body) == (
        f"{request.method} {request.target} HTTP/1.1",
        sorted(request.headers.names),
        request.body,
    )


def stock_token() -> AttestationToken:
    recording = http_recording("stock/agent-token")
    text = recording.steps[-1].response.json["token"]
    return AttestationToken(UnverifiedToken.parse(text), TeeKeyPair.from_pem(recording.members["tee_key_pem"].encode()))


async def test_a_handshake_is_byte_for_byte_the_stock_agents() -> None:
    recording = http_recording("stock/agent-token")
    wanted = stock_token()
    async with stock_broker(recording.steps) as (transport, asked):
        token = await RcarClient(transport, SampleEvidence(), key=wanted.key).attest()
    assert all(is_as_recorded(one, step) for one, step in zip(asked, recording.steps, strict=True))
    assert token.token.text == wanted.token.text


async def test_a_request_for_a_resource_is_the_stock_hubs() -> None:
    recording = http_recording("stock/hub-resource")
    async with stock_broker(recording.steps) as (transport, asked):
        client = TokenClient(transport, GivenTokens(stock_token()))
        secret = await client.get_resource(ResourceUri.parse("kbs:///default/key/1"))
    assert is_as_recorded(asked[0], recording.steps[0])
    sent = asked[0][0].decode().partition("authorization: ")[2].partition("\r\n")[0]
    assert sent == recording.steps[0].request.headers.get("authorization")
    assert secret.reveal() == recording.members["secret"].encode()


@contextlib.asynccontextmanager
async def stock_peer(name: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer each frame with what was recorded behind it; the frames that came."""
    chunks = stream(name)
    answers = b"".join(chunk.data for chunk in chunks if chunk.direction == "<")
    came: list[bytes] = []

    async def serve(peer: RawPeer) -> None:
        rest = answers
        while rest:
            came.append(await peer.frame())
            length = 10 + int.from_bytes(rest[:4], "big")
            await peer.send(rest[:length])
            rest = rest[length:]
        await peer.at_end()

    address = some_address()
    async with raw_server(address, serve):
        yield address, came


async def test_the_hubs_call_to_the_agent_is_byte_for_byte_the_stock_hubs() -> None:
    async with stock_peer("stock/hub-to-agent-ttrpc") as (address, came):
        tokens = AgentTokens(address)
        token = await tokens.token()
        await tokens.close()
    assert came == [chunk.data for chunk in stream("stock/hub-to-agent-ttrpc") if chunk.direction == ">"]
    assert token.key.public_key == stock_token().key.public_key
    assert token.token.text == stock_token().token.text


async def test_the_rest_servers_calls_to_the_hub_are_byte_for_byte_the_stock_ones() -> None:
    wanted = [chunk.data for chunk in stream("stock/rest-to-hub-ttrpc") if chunk.direction == ">"]
    paths = [
        "/default/key/1",
        "/default/key/none",
        "/default/key",
        "/",
        "/default/key/1",
        "/a/b/c/d",
        "/%2e%2e/b/c",
        "/default//1",
        "/default/key/1",
        "/default/key/1",
    ]
    async with stock_peer("stock/rest-to-hub-ttrpc") as (address, came):
        hub = Hub(Address.parse(address))
        for path in paths:
            if path == "/default/key/1":
                assert await hub.resource(path) == b"the-secret-bytes"
                continue
            with pytest.raises(BackendError) as caught:
                await hub.resource(path)
            assert caught.value.code == "REST-BACKEND"
        await hub.close()
    assert came == wanted
