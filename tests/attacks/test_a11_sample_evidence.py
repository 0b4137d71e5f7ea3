"""A11: nothing is released on sample evidence, whole or in part, by cookie or bearer, whatever the policy says."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from attestation_protocol.tee_key import TeeKeyPair
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.key_broker_service.fakes import code, detail, variant
from tests.unit.key_broker_service.inprocess import ALLOW_EVERYTHING, SECRET, Broker, Guest, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from attestack_common.http_server import Response

ANNOTATED = "ear.veraison.annotated-evidence"
CLOSED: dict[str, Any] = {"insecure_sample_evidence": False}


@pytest.fixture
async def broker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    """A broker without the switch, with a secret and a policy that allows all."""
    monkeypatch.delenv("ATTESTACK_INSECURE_SAMPLE_EVIDENCE", raising=False)
    async with running(**CLOSED, attestation_token={"insecure_header_jwk": True}) as started:
        await started.set_resource()
        await started.set_policy(ALLOW_EVERYTHING)
        yield started


def gated(response: Response) -> bool:
    assert SECRET not in response.body
    return (response.status, variant(response), code(response)) == (401, "PolicyDeny", "SAMPLE-EVIDENCE")


def token_of(*evidence: str, guest: Guest, **members: Any) -> str:
    """A token of a trusted issuer over evidence of these TEEs, all affirming."""
    key = {"runtime_data_claims": {"tee-pubkey": guest.key.public_key.to_jwk()}}
    submodules = {
        f"{'cpu' if position == 0 else 'gpu'}{max(0, position - 1)}": {
            "ear.status": "affirming",
            ANNOTATED: {tee: {}} | key,
        }
        for position, tee in enumerate(evidence)
    }
    return sign({"submods": submodules, "exp": int(guest.broker.now().timestamp()) + 300} | members)


def sign(claims: dict[str, Any]) -> str:
    """Sign with a new key, which the token brings along."""
    key = ec.generate_private_key(ec.SECP256R1())
    header = {"jwk": TeeKeyPair(key).public_key.to_jwk() | {"alg": "ES256"}}
    return jwt.encode(claims, key, "ES256", headers=header)


async def test_a11_a_sample_token_gets_nothing_by_cookie_or_bearer(broker: Broker) -> None:
    guest = Guest(broker)
    token = await guest.token()
    for response in (await guest.by_cookie(), await guest.by_bearer(token)):
        assert gated(response)
        assert "insecure_sample_evidence" in detail(response)


async def test_a11_reference_values_that_make_it_affirming_change_nothing(broker: Broker) -> None:
    values = {"launch_digest": ["abcde"], "svn": ["1"], "major_version": 1, "minimum_minor_version": 4}
    payload = base64.b64encode(json.dumps(values).encode()).decode()
    message = {"version": "0.1.0", "type": "sample", "payload": payload}
    assert (await broker.ask("POST", "reference-value", message)).status == 200
    guest = Guest(broker)
    token = await guest.token()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["submods"]["cpu0"]["ear.status"] == "affirming"
    assert gated(await guest.by_cookie())


@pytest.mark.parametrize(
    "evidence", [("sample",), ("snp", "sampledevice"), ("snp", "nvidia", "sampledevice"), ("sample", "nvidia")]
)
async def test_a11_one_sample_among_the_evidence_is_enough(broker: Broker, evidence: tuple[str, ...]) -> None:
    guest = Guest(broker)
    assert gated(await guest.by_bearer(token_of(*evidence, guest=guest)))
    honest = token_of("snp", "nvidia", guest=guest)
    assert guest.open(await guest.by_bearer(honest)) == SECRET


async def test_a11_a_token_of_the_older_form_is_seen_too(broker: Broker) -> None:
    guest = Guest(broker)
    key = {"customized_claims": {"runtime_data": {"tee-pubkey": guest.key.public_key.to_jwk()}}}
    expires = int(broker.now().timestamp()) + 300
    assert gated(await guest.by_bearer(sign({"tee": "sample", "exp": expires} | key)))
    assert guest.open(await guest.by_bearer(sign({"tee": "snp", "exp": expires} | key))) == SECRET


async def test_a11_the_gate_is_before_every_plugin_and_before_the_policy(broker: Broker) -> None:
    class Probe:
        handled = 0

        def needs_admin(self, _request: Any) -> bool:
            return False

        def needs_encryption(self, _request: Any) -> bool:
            return False

        async def handle(self, _request: Any) -> bytes:
            self.handled += 1
            return SECRET

    probe = Probe()
    broker.api._plugins._plugins = {**broker.api._plugins._plugins, "probe": probe}
    guest = Guest(broker)
    await guest.token()
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert gated(await broker.ask(method, "probe/x", cookie=guest.cookie))
    assert probe.handled == 0
    assert broker.counted("kbs_policy_evaluations_total") == 0


async def test_a11_the_gate_refuses_what_exists_and_what_does_not_alike(broker: Broker) -> None:
    guest = Guest(broker)
    await guest.token()
    existing = await guest.by_cookie("resource/default/key/1")
    missing = await guest.by_cookie("resource/default/key/none")
    assert gated(existing)
    assert (existing.body, existing.headers) == (missing.body, missing.headers)


async def test_a11_the_environment_opens_the_gate_and_the_record_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTESTACK_INSECURE_SAMPLE_EVIDENCE", "1")
    async with running(**CLOSED) as broker:
        await broker.ready()
        records: list[Any] = []
        broker.api._plugins._record = records.append
        guest = Guest(broker)
        await guest.token()
        assert guest.open(await guest.by_cookie()) == SECRET
        assert [record.switches for record in records] == [("insecure_sample_evidence",)]
