"""The client that has its tokens from somebody else: one token for many requests, renewed when it has to be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from attestation_protocol import jwe
from attestation_protocol.errors import KeyFormatError, TokenFormatError
from attestation_protocol.resource_uri import ResourceUri
from attestation_protocol.tee_key import TeeKeyPair
from attestation_protocol.token import UnverifiedToken
from key_broker_client import AttestationToken, TokenClient
from key_broker_client.errors import AccessDeniedError, UnauthorizedError
from key_broker_client.transport import Answer

from tests.unit.key_broker_client.broker import Broker, refusal, token_text

URI = ResourceUri.parse("kbs:///default/key/1")
RESOURCE = "GET /kbs/v0/resource/default/key/1"
KEY = TeeKeyPair.generate()


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def a_token(serial: int = 0, *, issued: float = 0, expires: float | None = 300) -> AttestationToken:
    dates = {} if expires is None else {"exp": expires}
    return AttestationToken(UnverifiedToken.parse(token_text(iat=issued, serial=serial, **dates)), KEY)


@dataclass
class Provider:
    """Hands out a new token each time, each valid for 300 s from then."""

    now: float = 0
    takes: float = 0
    given: list[AttestationToken] = field(default_factory=list)
    refused: list[str | None] = field(default_factory=list)

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        self.refused.append(refused)
        await asyncio.sleep(0)
        self.now += self.takes
        self.given.append(a_token(len(self.refused), issued=self.now, expires=self.now + 300))
        return self.given[-1]

    def clock(self) -> datetime:
        return at(self.now)


def sealed() -> Answer:
    return Answer(200, jwe.encrypt(b"secret", KEY.public_key))


def client(broker: Broker, provider: Provider) -> TokenClient:
    return TokenClient(broker, provider, clock=provider.clock)


async def test_one_token_serves_until_it_nears_its_end() -> None:
    provider = Provider()
    broker = Broker(answers={RESOURCE: [sealed() for _ in range(4)]})
    tokens = client(broker, provider)
    for provider.now in (0, 100, 269.9, 270):
        assert (await tokens.get_resource(URI)).reveal() == b"secret"
    bearers = [headers["authorization"] for _, headers, _ in broker.seen]
    assert len(provider.refused) == 2
    assert len(set(bearers[:3])) == 1
    assert bearers[3] != bearers[0]
    assert all(bearer.startswith("Bearer ey") for bearer in bearers)


async def test_many_requests_wait_for_one_token() -> None:
    provider = Provider()
    tokens = client(Broker(answers={RESOURCE: [sealed() for _ in range(50)]}), provider)
    await asyncio.gather(*(tokens.get_resource(URI) for _ in range(50)))
    assert len(provider.refused) == 1


async def test_a_token_that_is_not_taken_is_renewed_at_once_and_named() -> None:
    provider = Provider()
    tokens = client(Broker(answers={RESOURCE: [refusal("TokenVerifierError"), sealed()]}), provider)
    assert (await tokens.get_resource(URI)).reveal() == b"secret"
    assert provider.refused == [None, provider.given[0].fingerprint]
    with pytest.raises(UnauthorizedError):
        await client(Broker(answers={RESOURCE: [refusal("TokenNotFound")] * 3}), provider).get_resource(URI)


async def test_a_denied_resource_costs_one_request() -> None:
    provider = Provider()
    broker = Broker(answers={RESOURCE: [refusal("PolicyDeny")]})
    with pytest.raises(AccessDeniedError) as caught:
        await client(broker, provider).get_resource(URI)
    assert caught.value.code == "ACCESS-DENIED"
    assert broker.requests == [RESOURCE]
    assert len(provider.refused) == 1


async def test_a_denial_on_an_older_token_is_checked_once_with_a_new_one() -> None:
    provider = Provider()
    broker = Broker(answers={RESOURCE: [sealed(), refusal("PolicyDeny"), sealed(), *[refusal("PolicyDeny")] * 2]})
    tokens = client(broker, provider)
    await tokens.get_resource(URI)
    provider.now = 0.5
    assert (await tokens.get_resource(URI)).reveal() == b"secret"
    assert len(provider.refused) == 2
    provider.now = 0.9
    with pytest.raises(AccessDeniedError):
        await tokens.get_resource(URI)
    assert len(provider.refused) == 2


async def test_a_denial_that_is_checked_is_final_however_old_the_new_token_seems() -> None:
    """A guest whose clock is ahead takes every token for an old one."""
    provider = Provider()
    broker = Broker(answers={RESOURCE: [refusal("PolicyDeny") for _ in range(9)]})
    tokens = TokenClient(broker, provider, clock=lambda: at(provider.now + 60))
    with pytest.raises(AccessDeniedError):
        await tokens.get_resource(URI)
    assert broker.requests == [RESOURCE] * 2


async def test_a_denial_on_a_token_that_somebody_else_had_kept_is_checked() -> None:
    provider = Provider(now=100)
    old, broker = a_token(9, issued=80, expires=380), Broker(answers={RESOURCE: [refusal("PolicyDeny"), sealed()]})
    get = provider.token

    async def kept_first(*, refused: str | None = None) -> AttestationToken:
        return old if refused is None else await get(refused=refused)

    provider.token = kept_first  # type: ignore[method-assign]
    assert (await client(broker, provider).get_resource(URI)).reveal() == b"secret"
    assert provider.refused == [old.fingerprint]


async def test_a_token_that_took_long_is_as_fresh_for_all_who_waited() -> None:
    provider = Provider(takes=5)
    broker = Broker(answers={RESOURCE: [refusal("PolicyDeny") for _ in range(9)]})
    tokens = client(broker, provider)
    got = await asyncio.gather(*(tokens.get_resource(URI) for _ in range(4)), return_exceptions=True)
    assert {type(result) for result in got} == {AccessDeniedError}
    assert len(provider.refused) == 1


async def test_closing_closes_the_transport() -> None:
    broker = Broker()
    await client(broker, Provider()).close()
    assert broker.closed == 1


def test_when_a_token_may_be_used() -> None:
    assert a_token().usable_at(at(269.9))
    assert not a_token().usable_at(at(270))
    assert a_token(expires=40).usable_at(at(29.9))
    assert not a_token(expires=40).usable_at(at(30))
    assert not a_token(expires=None).usable_at(at(0))


def test_a_token_comes_back_from_the_agents_document_and_shows_nothing() -> None:
    token = a_token()
    again = AttestationToken.parse(token.to_json())
    assert again.token == token.token
    assert again.key.public_key == KEY.public_key
    assert token.token.text not in repr(token)
    assert "PRIVATE" not in repr(token)


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"token":"a.b.c"}', b'{"token":"x","tee_keypair":"y"}', b'{"token":1,"tee_keypair":"y"}']
)
def test_another_document_is_refused(document: bytes) -> None:
    with pytest.raises(TokenFormatError):
        AttestationToken.parse(document)


def test_a_document_with_another_key_is_refused() -> None:
    with pytest.raises(KeyFormatError):
        AttestationToken.parse(b'{"token":"%s","tee_keypair":"x"}' % token_text().encode())
