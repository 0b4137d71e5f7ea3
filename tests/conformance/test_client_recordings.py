"""What a stock broker answered is understood by our client: tokens, secrets and refusals, from the recorded bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from attestation_protocol.errors import ErrorInformation, MessageError
from attestation_protocol.jwe import decrypt
from attestation_protocol.rcar import Attestation, Challenge, Request, Response
from attestation_protocol.resource_uri import ResourceUri
from attestation_protocol.tee_key import TeeKeyPair
from key_broker_client import RcarClient, TokenClient
from key_broker_client.errors import BrokerRefusedError, HandshakeRefusedError, ResourceUnavailableError
from key_broker_client.tokens import AttestationToken
from key_broker_client.transport import Answer

from tests.conformance import wire_table
from tests.conformance.recordings import Recording, Step, http_recording, http_recordings
from tests.unit.key_broker_client.broker import SampleEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping

HANDSHAKES: Final = ["kbs/flow-rsa", "kbs/flow-p-256", "kbs/flow-p-521", "stock/agent-token"]
ALL: Final = [(folder, case) for folder in ("kbs", "stock", "passport", "remote") for case in http_recordings(folder)]


class StockBroker:
    """Gives the recorded answers, in their order, to requests of the recorded method and path."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.waiting = list(steps)
        self.sent: list[tuple[Step, bytes, Mapping[str, str]]] = []

    async def send(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str]) -> Answer:
        step = next(step for step in self.waiting if (step.request.method, step.request.target) == (method, path))
        self.waiting.remove(step)
        self.sent.append((step, body or b"", headers))
        response = step.response
        return Answer(response.status, response.body, tuple(response.headers.all("set-cookie")))

    async def close(self) -> None:
        pass


class Tokens:
    def __init__(self, token: AttestationToken) -> None:
        self.got = token
        self.asked = 0

    async def token(self, *, refused: str | None = None) -> AttestationToken:
        assert refused is None
        self.asked += 1
        return self.got


def key_of(case: Recording) -> TeeKeyPair:
    return TeeKeyPair.from_pem(case.members["tee_key_pem"].encode())


def recorded_token(case: Recording) -> AttestationToken:
    """The token that the case's requests carry."""
    bearer = next(step.request.headers.get("authorization") for step in case.steps)
    assert bearer is not None
    document = {"token": bearer.removeprefix("Bearer "), "tee_keypair": case.members["tee_key_pem"]}
    return AttestationToken.parse(json.dumps(document).encode())


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_a_handshake_with_the_stock_broker(name: str) -> None:
    case = http_recording(name)
    broker = StockBroker(case.steps)
    token = await RcarClient(broker, SampleEvidence(), key=key_of(case)).attest()
    assert token.token.claims["iss"] == "CoCo-Attestation-Service"
    (_, auth, _), (attest, body, headers) = broker.sent
    assert Request.parse(auth) == Request.parse(case.steps[0].request.body)
    ours, theirs = Attestation.parse(body), Attestation.parse(attest.request.body)
    assert ours == theirs  # same nonce and key, so the evidence carries the same report data
    assert headers["cookie"] == attest.request.headers.get("cookie")


@pytest.mark.parametrize("name", HANDSHAKES[:3])
async def test_a_secret_of_the_stock_broker_opens(name: str) -> None:
    case = http_recording(name)
    client = RcarClient(StockBroker(case.steps), SampleEvidence(), key=key_of(case))
    await client.attest()
    secret = await client.get_resource(ResourceUri.parse("kbs:///default/key/1"))
    assert secret.reveal() == case.members["secret"].encode()
    with pytest.raises(ResourceUnavailableError):
        await client.get_resource(ResourceUri.parse("kbs:///default/key/none"))


def hub(case: Recording, broker: StockBroker) -> tuple[TokenClient, Tokens]:
    """Our hub's client, with the token that the stock hub had, a second after it was issued."""
    tokens = Tokens(recorded_token(case))
    now = datetime.fromtimestamp(tokens.got.token.claims["iat"] + 1, UTC)
    return TokenClient(broker, tokens, clock=lambda: now), tokens


async def test_the_hub_gets_what_the_stock_hub_got() -> None:
    case = http_recording("stock/hub-resource")
    broker = StockBroker(case.steps)
    client, _ = hub(case, broker)
    secret = await client.get_resource(ResourceUri.parse("kbs:///default/key/1"))
    assert secret.reveal() == case.members["secret"].encode()


async def test_the_hub_asks_once_where_the_stock_hub_asks_three_times() -> None:
    case = http_recording("stock/hub-missing-resource")
    assert [step.request.target for step in case.steps] == ["/kbs/v0/resource/default/key/none"] * 3
    broker = StockBroker(case.steps)
    client, tokens = hub(http_recording("stock/hub-resource"), broker)
    with pytest.raises(ResourceUnavailableError):
        await client.get_resource(ResourceUri.parse("kbs:///default/key/none"))
    assert (len(broker.sent), tokens.asked) == (1, 1)


@pytest.mark.parametrize(("folder", "case"), ALL, ids=lambda value: getattr(value, "name", value))
def test_every_answer_of_a_stock_broker_is_understood(folder: str, case: Recording) -> None:
    for number, step in enumerate(case.steps):
        understood(step, case)
        wire_table.add(f"{folder}/{case.name}", number, "our client", str(step))


def understood(step: Step, case: Recording) -> None:
    """Read an answer as the client would that had asked."""
    response, target = step.response, step.request.target
    if response.status in {401, 404} and response.body:
        document = ErrorInformation.parse(response.body)
        assert document.to_json() == response.body
        assert document.code is None
    elif response.status == 200 and target == "/kbs/v0/auth":
        assert Challenge.parse(response.body).to_json() == response.body
    elif response.status == 200 and target == "/kbs/v0/attest":
        assert Response.parse(response.body).to_json() == response.body
    elif response.status == 200 and b'"encrypted_key"' in response.body and "tee_key_pem" in case.members:
        assert decrypt(response.body, key_of(case))


async def test_a_refused_handshake_keeps_what_the_stock_broker_said() -> None:
    case = http_recording("kbs/attest-refused")
    refused = next(step for step in case.steps if step.response.status == 401)
    auth = http_recording("kbs/auth").steps[0]
    broker = StockBroker((auth, refused))
    with pytest.raises(HandshakeRefusedError) as caught:
        await RcarClient(broker, SampleEvidence(), pause=0).attest()
    assert caught.value.information.detail == "Attestation error: RCAR handshake Attest failed"
    assert isinstance(caught.value, BrokerRefusedError)


def test_a_body_that_is_no_document_is_not_taken_for_one() -> None:
    step = http_recording("kbs/body-limits").steps[0]
    assert step.request.method == "POST"
    with pytest.raises(MessageError):
        ErrorInformation.parse(b"payload reached size limit")
