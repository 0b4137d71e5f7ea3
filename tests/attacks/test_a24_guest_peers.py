"""A24: whatever a broker, an agent or a workload sends, the guest's programs answer it with one of their own errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.http_server import Request
from attestation_protocol.errors import ErrorInformation, ProtocolError
from attestation_protocol.resource_uri import ResourceUri
from guest_rest_api.routes import Routes
from hypothesis import given
from hypothesis import strategies as st
from key_broker_client import AttestationToken, HttpTransport, RcarClient, TokenClient, TransportSettings
from key_broker_client.errors import BrokerError
from key_broker_client.transport import Answer

from tests.unit.key_broker_client.broker import Broker, SampleEvidence, token_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from attestation_protocol.tee_key import TeeKeyPair

URI = ResourceUri.parse("kbs:///default/key/1")
STATUSES = st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 413, 431, 500, 503])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("nonce", "extra-params", "token", "type", "detail", "protected", "encrypted_key", "iv", "tag", "ciphertext")
MEMBERS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))
BODIES = st.binary(max_size=60) | MEMBERS.map(lambda value: json.dumps(value).encode())
COOKIES = st.lists(st.text(st.characters(max_codepoint=255), max_size=30), max_size=2).map(tuple)
ANSWERS = st.builds(Answer, STATUSES, BODIES, COOKIES)


class AnyBroker(Broker):
    """Gives these answers, in turn."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__()
        self._answers = answers

    async def send(self, *_: Any, **__: Any) -> Answer:
        self._answers.append(self._answers.pop(0))
        return self._answers[-1]


class Tokens:
    """One token for ever."""

    def __init__(self, key: TeeKeyPair) -> None:
        self._key = key

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        document = {"token": token_text(exp=4_000_000_000, refused=refused), "tee_keypair": self._key.to_pem().decode()}
        return AttestationToken.parse(json.dumps(document).encode())


@given(st.lists(ANSWERS, min_size=1, max_size=4))
async def test_a24_any_answers_to_a_handshake_are_a_token_or_our_error(answers: list[Answer]) -> None:
    with contextlib.suppress(BrokerError):
        await RcarClient(AnyBroker(answers), SampleEvidence(), pause=0).get_resource(URI)


@given(st.lists(ANSWERS, min_size=1, max_size=3))
async def test_a24_any_answers_for_a_resource_are_a_secret_or_our_error(answers: list[Answer]) -> None:
    client = RcarClient(AnyBroker(answers), SampleEvidence())
    with contextlib.suppress(BrokerError):
        await TokenClient(AnyBroker(answers), Tokens(client._key)).get_resource(URI)


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a24_any_document_of_an_agent_is_a_token_or_our_error(document: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        AttestationToken.parse(document)


def head(*fields: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"", b""])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 -1 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        head(b"content-length: -1"),
        head(b"content-length: 5", b"content-length: 6") + b"12345",
        head(b"content-length: 5"),
        head(b"transfer-encoding: chunked") + b"zz\r\n",
        head(b"transfer-encoding: chunked", b"content-length: 1") + b"fffffffffffffffffffff\r\n",
        head(b"content-encoding: gzip", b"content-length: 3") + b"abc",
        head(b"set-cookie: kbs-session-id=\xff\x00", b"content-length: 0"),
        head(b"x: " + b"y" * 200_000),
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:40]),
)
async def test_a24_bytes_that_are_no_http_are_our_error(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    http = HttpTransport(TransportSettings(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", timeout=2))
    with pytest.raises(BrokerError) as caught:
        await RcarClient(http, SampleEvidence(), pause=0).attest()
    await http.close()
    listener.close()
    assert caught.value.code.startswith("BROKER-")


def test_a24_an_error_document_cannot_break_what_it_is_passed_on_in() -> None:
    """Half of a surrogate pair would have no encoding on the way to the workload."""
    with pytest.raises(ProtocolError) as caught:
        ErrorInformation.parse(b'{"type":"x","detail":"y (\\ud800) [CODE]"}')
    assert caught.value.code == "ERROR-DOCUMENT"


class Nothing:
    """Agent and hub that have nothing to say."""

    def __getattr__(self, _: str) -> Callable[..., Any]:
        async def nothing(*_: object) -> bytes:
            return b""

        return nothing


@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "", "\x00"]),
    st.binary(max_size=60)
    | st.sampled_from([b"/aa/evidence?runtime_data=", b"/aa/token?", b"/aa/aael", b"/cdh/resource/"]),
    st.binary(max_size=20),
    st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    st.none() | st.sampled_from(["localhost", "127.0.0.1:1"]) | st.text(max_size=20),
)
async def test_a24_any_request_gets_an_answer_of_the_recorded_statuses(
    method: str, target: bytes, more: bytes, body: bytes, host: str | None
) -> None:
    nothing: Any = Nothing()
    headers = {} if host is None else {"host": host}
    request = Request(method, target + more, headers=headers, body=body, client_host="127.0.0.1")
    answer = await Routes(agent=nothing, hub=nothing, feature="all", version="v")(request)
    assert answer.status in {200, 400, 403, 404, 405, 500}
    assert answer.status == 200 or answer.body.endswith(b"]")
