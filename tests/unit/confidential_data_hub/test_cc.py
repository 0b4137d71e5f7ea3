"""`cc_kbc`: tokens over the agent's socket, resources with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from attestack_common.logs.lines import TextFormatter
from attestation_protocol import jwe
from attestation_protocol.resource_uri import ResourceUri
from confidential_data_hub.config import KbcConfig
from confidential_data_hub.errors import AgentUnavailableError
from confidential_data_hub.kbc import cc
from confidential_data_hub.kbc.cc import AgentTokens, cc_kbc
from key_broker_client.transport import Answer
from ttrpc_asyncio import AddressError

from tests.unit.confidential_data_hub.agent import KEY, Agent, listening, unavailable
from tests.unit.key_broker_client.broker import Broker, refusal
from tests.unit.ttrpc_asyncio.peer import RawPeer, raw_server, some_address

if TYPE_CHECKING:
    from pathlib import Path

URI = ResourceUri.parse("kbs:///default/key/1")
RESOURCE = "GET /kbs/v0/resource/default/key/1"


async def test_a_token_comes_with_its_key_and_the_refused_one_is_named(tmp_path: Path) -> None:
    agent = Agent()
    async with listening(tmp_path, agent) as address:
        tokens = AgentTokens(address)
        first = await tokens.token()
        second = await tokens.token(refused=first.fingerprint)
        await tokens.close()
    assert first.key.public_key == KEY.public_key
    assert second.token.text != first.token.text
    assert agent.refused == [None, first.fingerprint]
    assert agent.kinds == ["kbs", "kbs"]


async def test_an_agents_refusal_is_told_on_with_its_code(tmp_path: Path) -> None:
    agent = Agent()
    agent.error = unavailable()
    async with listening(tmp_path, agent) as address:
        tokens = AgentTokens(address)
        with pytest.raises(AgentUnavailableError) as caught:
            await tokens.token()
        await tokens.close()
    assert (caught.value.code, caught.value.advice) == ("AGENT-TOKEN", "configure it")


async def test_a_stock_agents_refusal_gets_a_code(tmp_path: Path) -> None:
    agent = Agent()
    agent.error = unavailable()
    async with listening(tmp_path, agent, stock=True) as address:
        tokens = AgentTokens(address)
        with pytest.raises(AgentUnavailableError) as caught:
            await tokens.token()
        await tokens.close()
    assert (caught.value.code, caught.value.advice) == ("HUB-AGENT", "the agent's log says why")


async def test_an_agent_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentUnavailableError) as caught:
        await AgentTokens(f"unix://{tmp_path / 'nobody'}").token()
    assert caught.value.code == "HUB-AGENT"
    assert str(tmp_path / "nobody") in caught.value.message
    with pytest.raises(AddressError):
        AgentTokens("aa.sock")


async def test_an_agent_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(peer: RawPeer) -> None:
        await peer.frame()
        await peer.at_end()

    monkeypatch.setattr(cc, "AGENT_SECONDS", 0.05)
    address = some_address()
    async with raw_server(address, silent):
        tokens = AgentTokens(address)
        with pytest.raises(AgentUnavailableError) as caught:
            await tokens.token()
        await tokens.close()
    assert caught.value.code == "HUB-AGENT-TIMEOUT"


async def test_a10_a_broker_that_is_reached_without_tls_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for url in ("http://n:p@kbs.example", "https://kbs.example", "http://localhost:1"):
        await cc_kbc(KbcConfig("cc_kbc", url), AgentTokens("unix://@nobody")).close()
    (record,) = caplog.records
    assert TextFormatter().format(record).endswith("replaced on the way broker=http://kbs.example")


async def test_an_agent_that_is_restarted_is_found_again(tmp_path: Path) -> None:
    agent = Agent()
    tokens = AgentTokens(f"unix://{tmp_path / 'aa.sock'}")
    for _ in range(2):
        async with listening(tmp_path, agent):
            await tokens.token()
    await tokens.close()
    assert len(agent.refused) == 2


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "TOKEN-FORMAT"),
        (b"\xff", "TOKEN-FORMAT"),
        (b'{"token":"a.b.c","tee_keypair":"x"}', "TOKEN-FORMAT"),
        (b'{"token":"e30.e30.","tee_keypair":"x"}', "KEY-FORMAT"),
        (b'{"token":"e30.e30.","token":"e30.e30.","tee_keypair":"x"}', "TOKEN-FORMAT"),
    ],
)
async def test_a24_what_is_no_token_is_refused(tmp_path: Path, document: bytes, code: str) -> None:
    agent = Agent()
    agent.document = document
    async with listening(tmp_path, agent) as address:
        tokens = AgentTokens(address)
        with pytest.raises(AgentUnavailableError) as caught:
            await tokens.token()
        await tokens.close()
    assert caught.value.code == code


async def test_resources_come_with_one_token_until_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sealed() -> Answer:
        return Answer(200, jwe.encrypt(b"secret", KEY.public_key))

    broker = Broker(answers={RESOURCE: [*(sealed() for _ in range(9)), refusal("TokenVerifierError"), sealed()]})
    monkeypatch.setattr(cc, "HttpTransport", lambda _: broker)
    agent = Agent()
    async with listening(tmp_path, agent) as address:
        tokens = AgentTokens(address)
        client = cc_kbc(KbcConfig("cc_kbc", "http://127.0.0.1:1"), tokens)
        secrets = await asyncio.gather(*(client.get_resource(URI) for _ in range(9)))
        assert {secret.reveal() for secret in secrets} == {b"secret"}
        assert len(agent.refused) == 1
        assert (await client.get_resource(URI)).reveal() == b"secret"
        await client.close()
        await tokens.close()
    assert len(agent.refused) == 2
    assert agent.refused[1] is not None
    assert broker.closed == 1
