"""The agent's tokens: one handshake for all who wait, one token until it nears its end, never a refused one again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from attestack_common.logs.lines import FIELDS, TextFormatter
from attestation_agent.config import CocoAsTokenConfig, KbsTokenConfig
from attestation_agent.errors import TokenUnavailableError
from attestation_agent.tokens import CocoAsTokens, KbsTokens, Tokens, over_http
from attestation_protocol.encoding import b64url_encode
from attestation_protocol.tee_key import TeeKeyAlgorithm
from key_broker_client import AttestationToken
from key_broker_client.errors import HandshakeRefusedError
from key_broker_client.transport import Answer

from tests.unit.key_broker_client.broker import Broker, SampleEvidence, refusal, token_text

AUTH, ATTEST = "POST /kbs/v0/auth", "POST /kbs/v0/attest"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


class Issuer(Broker):
    """Issues tokens that end 300 s after the time of the clock that it is given."""

    clock = Clock()

    async def send(self, method: str, path: str, **rest: Any) -> Answer:
        answer = await super().send(method, path, **rest)
        await asyncio.sleep(0)
        if path == "/kbs/v0/attest" and answer.status == 200:
            now = self.clock.now
            text = token_text(iat=now, exp=now + 300, serial=len(self.seen))
            return Answer(200, json.dumps({"token": text}).encode())
        return answer


def tokens(issuer: Issuer, **settings: Any) -> KbsTokens:
    issuer.clock = Clock()
    config = KbsTokenConfig(url="http://127.0.0.1:1", **settings)
    return KbsTokens(config, SampleEvidence(), clock=issuer.clock, transport=lambda _: issuer)


async def test_a_token_is_kept_until_it_nears_its_end() -> None:
    issuer = Issuer()
    kept = tokens(issuer)
    first = await kept.token()
    issuer.clock.now += 269
    assert await kept.token() is first
    issuer.clock.now += 1
    assert await kept.token() is not first
    assert issuer.requests == [AUTH, ATTEST] * 2


async def test_all_who_wait_share_one_handshake() -> None:
    issuer = Issuer()
    got = await asyncio.gather(*(tokens_.token() for tokens_ in [tokens(issuer)] * 30))
    assert len(set(map(id, got))) == 1
    assert issuer.requests == [AUTH, ATTEST]


async def test_one_who_leaves_does_not_end_it_for_the_others() -> None:
    issuer = Issuer()
    kept = tokens(issuer)
    leaver, stayer = asyncio.create_task(kept.token()), asyncio.create_task(kept.token())
    await asyncio.sleep(0)
    leaver.cancel()
    assert (await stayer).token.claims["exp"] == 1300.0
    assert issuer.requests == [AUTH, ATTEST]


async def test_a_refused_token_is_never_given_again() -> None:
    issuer = Issuer()
    kept = tokens(issuer)
    first = await kept.token()
    second = await kept.token(refused=first.fingerprint)
    assert second.fingerprint != first.fingerprint
    assert await kept.token(refused=first.fingerprint) is second


async def test_each_handshake_has_a_new_key_of_the_configured_kind() -> None:
    issuer = Issuer()
    kept = tokens(issuer, token_cache=False, tee_key_algorithm=TeeKeyAlgorithm.EC_P521)
    first, second = await kept.token(), await kept.token()
    assert first.key.public_key != second.key.public_key
    assert first.key.public_key.to_jwk()["crv"] == "P-521"
    assert issuer.requests == [AUTH, ATTEST] * 2


async def test_without_the_cache_nobody_shares_a_token() -> None:
    issuer = Issuer()
    kept = tokens(issuer, token_cache=False)
    got = await asyncio.gather(*(kept.token() for _ in range(3)))
    assert len({token.key.public_key for token in got}) == 3
    assert issuer.requests.count(ATTEST) == 3


async def test_a35_the_log_names_a_token_without_being_one(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        config = KbsTokenConfig(url="http://name:password@127.0.0.1:1")
        token = await KbsTokens(config, SampleEvidence(), transport=lambda _: Issuer()).token()
    (record,) = [record for record in caplog.records if record.name == "aa.tokens"]
    fields = getattr(record, FIELDS)
    assert fields["token"] == token.fingerprint[:16]
    assert fields["broker"] == "http://127.0.0.1:1"
    assert token.token.text not in repr(fields)


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("http://127.0.0.1:1", []),
        ("https://kbs.example", []),
        ("http://n:p@kbs.example", ["the broker is reached without TLS broker=http://kbs.example"]),
    ],
)
def test_a10_a_broker_that_is_reached_without_tls_is_warned_of(
    caplog: pytest.LogCaptureFixture, url: str, lines: list[str]
) -> None:
    over_http(KbsTokenConfig(url=url))
    assert [TextFormatter().format(record).partition(": ")[2] for record in caplog.records] == lines


async def test_closing_ends_what_is_under_way_and_the_connections() -> None:
    issuer = Issuer()
    kept = tokens(issuer)
    waiter = asyncio.create_task(kept.token())
    await asyncio.sleep(0)
    await kept.close()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert issuer.closed == 1


async def test_a_failed_handshake_is_everyones_and_is_not_kept() -> None:
    issuer = Issuer(answers={ATTEST: [refusal("AttestationError", "no [SNP-DEBUG]")]})
    kept = tokens(issuer)
    results = await asyncio.gather(*(kept.token() for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {HandshakeRefusedError}
    assert (await kept.token()).token.claims["exp"] == 1300.0


async def test_tokens_by_kind() -> None:
    document = await Tokens(tokens(Issuer())).token("kbs")
    assert list(json.loads(document)) == ["token", "tee_keypair"]
    assert AttestationToken.parse(document).key.to_pem().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    for kind in ("coco_as", "nosuch", ""):
        with pytest.raises(TokenUnavailableError) as caught:
            await Tokens(tokens(Issuer())).token(kind)
        assert caught.value.code == "AGENT-TOKEN"
    with pytest.raises(TokenUnavailableError):
        await Tokens(None).token("kbs")


class AttestationService:
    """Answers each request with what waits, and keeps what it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.waiting = list(answers)
        self.seen: list[tuple[str, str, bytes | None, dict[str, str]]] = []
        self.closed = 0

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Any = None) -> Answer:
        self.seen.append((method, path, body, dict(headers)))
        return self.waiting.pop(0)

    async def close(self) -> None:
        self.closed += 1


def of_service(service: AttestationService) -> Tokens:
    config = CocoAsTokenConfig(url="http://as.example:8080/")
    return Tokens(None, CocoAsTokens(config, SampleEvidence(), transport=lambda _: service))


async def test_a_token_of_an_attestation_service_is_asked_for_as_the_stock_agent_does() -> None:
    text = token_text(exp=4_000_000_000)
    service = AttestationService(Answer(200, text.encode() + b"\n"))
    assert await of_service(service).token("coco_as") == text.encode()
    evidence = b64url_encode(b'{"svn":"1","report_data":""}')
    body = f'{{"verification_requests":[{{"tee":"sample","evidence":"{evidence}"}}],"policy_ids":[]}}'
    assert service.seen == [("POST", "/attestation", body.encode(), {"content-type": "application/json"})]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(200, b'"a.b.c"'), "AGENT-COCO-AS"),
        (Answer(200, b"\xff"), "AGENT-COCO-AS"),
        (Answer(200, b""), "AGENT-COCO-AS"),
        (Answer(404, b"nginx"), "AGENT-COCO-AS"),
        (Answer(500, b"x" * 1_000_000), "AGENT-COCO-AS"),
        (Answer(403, b"no (allow it) [SAMPLE-REFUSED]"), "SAMPLE-REFUSED"),
    ],
)
async def test_what_is_no_token_is_not_handed_out(answer: Answer, code: str) -> None:
    with pytest.raises(TokenUnavailableError) as caught:
        await of_service(AttestationService(answer)).token("coco_as")
    assert caught.value.code == code
    assert caught.value.advice
    assert len(caught.value.message) < 3000


async def test_an_address_may_end_with_a_slash_and_is_left_closed() -> None:
    received = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readuntil(b"\r\n")).decode())
        text = token_text(exp=1).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(text), text))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/as/"
        tokens = CocoAsTokens(CocoAsTokenConfig(url=url), SampleEvidence())
        assert await tokens.token() == token_text(exp=1)
        await tokens.close()
    assert received == ["POST /as/attestation HTTP/1.1\r\n"]
