"""The pipeline before and after a plugin: its order, its records, and what each gate refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.tee_key import TeeKeyAlgorithm
from key_broker_service.plugins.contract import PluginError, PluginRequest
from trustee_core.storage.contract import StorageTimeoutError

from tests.unit.key_broker_service.fakes import code, detail, variant
from tests.unit.key_broker_service.inprocess import ALLOW_EVERYTHING, SECRET, Broker, Guest, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from key_broker_service.decisions import DecisionRecord

INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"aa.toml" = "x = 1"\n'


class Probe:
    """A plugin that does what its test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.admin = False
        self.encrypted = False
        self.refusal: Exception | None = None
        self.handled: list[PluginRequest] = []

    def needs_admin(self, request: PluginRequest) -> bool:
        if request.method == "DELETE":
            raise PluginError("nothing is deleted here", code="PROBE-METHOD")
        return self.admin

    def needs_encryption(self, _request: PluginRequest) -> bool:
        return self.encrypted

    async def handle(self, request: PluginRequest) -> bytes:
        self.handled.append(request)
        if self.refusal is not None:
            raise self.refusal
        return b"answer"


class Pipeline:
    """A broker with a probe under `/kbs/v0/probe`, whose decision records are kept."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.probe = Probe()
        self.records: list[DecisionRecord] = []
        broker.api._plugins._plugins = {**broker.api._plugins._plugins, "probe": self.probe}
        broker.api._plugins._record = self.records.append

    @property
    def record(self) -> DecisionRecord:
        return self.records[-1]


@pytest.fixture
async def pipeline() -> AsyncIterator[Pipeline]:
    async with running() as broker:
        await broker.ready()
        await broker.set_policy(ALLOW_EVERYTHING)
        yield Pipeline(broker)


@pytest.mark.parametrize("algorithm", list(TeeKeyAlgorithm))
async def test_a_guest_gets_its_secret_by_cookie_and_by_bearer(algorithm: TeeKeyAlgorithm) -> None:
    async with running() as broker:
        await broker.ready()
        guest = Guest(broker, algorithm)
        token = await guest.token()
        for response in (await guest.by_cookie(), await guest.by_bearer(token)):
            assert guest.open(response) == SECRET
            assert (response.content_type, response.headers) == ("application/json", ())
            assert list(json.loads(response.body)) == ["protected", "encrypted_key", "iv", "ciphertext", "tag"]


async def test_no_two_answers_are_alike(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    assert (await guest.by_cookie()).body != (await guest.by_cookie()).body


async def test_a_guest_without_encryption_gets_the_bytes(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    response = await guest.by_cookie("probe/a%2Fb/c?x=1&x=2")
    assert (response.status, response.body, response.content_type) == (200, b"answer", "text/xml")
    [call] = pipeline.probe.handled
    assert (call.method, call.path, call.query, call.body, call.init_data) == (
        "GET",
        ("a", "b", "c"),
        {"x": "2"},
        b"",
        None,
    )


async def test_a_plugin_is_given_the_init_data_claims(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.auth()
    await guest.attest(guest.evidence() | {"init-data": {"format": "toml", "body": INIT_DATA}})
    await guest.by_cookie("probe/x")
    assert pipeline.probe.handled[0].init_data == {"aa.toml": {"x": 1}}


async def test_an_administrator_passes_without_token_policy_or_encryption(pipeline: Pipeline) -> None:
    pipeline.probe.admin = pipeline.probe.encrypted = True
    await pipeline.broker.set_policy("package policy\nallow := false\n")
    response = await pipeline.broker.ask("POST", "probe/x", b"body")
    assert (response.status, response.body, response.content_type) == (200, b"answer", "text/xml")
    assert pipeline.probe.handled[0].body == b"body"
    assert (pipeline.record.caller, pipeline.record.granted, pipeline.record.path) == ("administrator", True, ("x",))


async def test_an_error_of_the_first_step_comes_before_any_authentication(pipeline: Pipeline) -> None:
    response = await pipeline.broker.ask("DELETE", "probe/x")
    assert (response.status, variant(response), code(response)) == (401, "PluginInternalError", "PROBE-METHOD")
    assert "nothing is deleted" not in detail(response)
    assert (pipeline.record.code, pipeline.record.reason) == ("PROBE-METHOD", "nothing is deleted here")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "TOKEN-MISSING"),
        ({"authorization": "Bearer "}, "TOKEN-MISSING"),
        ({"authorization": "Basic abc"}, "TOKEN-MISSING"),
        ({"cookie": "kbs-session-id=00000000000000000000000000000000"}, "SESSION-UNKNOWN"),
    ],
)
async def test_without_a_token_nothing_is_handled(pipeline: Pipeline, headers: dict[str, str], expected: str) -> None:
    response = await pipeline.broker.ask("GET", "probe/x", **headers)
    assert (response.status, variant(response), code(response)) == (401, "TokenNotFound", expected)
    assert detail(response).startswith("Attestation Token not found (")
    assert pipeline.probe.handled == []
    assert (pipeline.record.caller, pipeline.record.code) == ("guest", expected)


async def test_an_unusable_cookie_falls_back_to_the_bearer_token(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    token = await guest.token()
    waiting = await Guest(pipeline.broker).auth()  # its session has not attested
    for cookie in (waiting.cookie, "kbs-session-id=unknown", "other=1"):
        response = await guest.get("probe/x", cookie=cookie, authorization=f"Bearer {token}")
        assert response.status == 200
        assert pipeline.record.session == ""
    response = await guest.get("probe/x", cookie=waiting.cookie)
    assert (variant(response), code(response)) == ("TokenNotFound", "TOKEN-MISSING")


async def test_the_session_beats_the_bearer_token(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    response = await guest.get("probe/x", cookie=guest.cookie, authorization="Bearer junk")
    assert response.status == 200
    assert len(pipeline.record.session) == 32


async def test_an_ended_session_is_told_and_counted(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    pipeline.broker.now.pass_(minutes=5)
    response = await guest.by_cookie("probe/x")
    assert (variant(response), code(response)) == ("TokenNotFound", "SESSION-EXPIRED")
    assert pipeline.broker.counted("kbs_attestation_errors_total") == 1


async def test_a_token_is_looked_at_before_the_gates(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    head, claims, signature = (await guest.token()).split(".")
    _, other_claims, _ = (await Guest(pipeline.broker).token()).split(".")
    for altered, expected in (
        ("abc", "TOKEN-FORMAT"),
        (f"{head}.{claims}.{signature[:-2]}", "TOKEN-SIGNATURE"),
        (f"{head}.{other_claims}.{signature}", "TOKEN-SIGNATURE"),
    ):
        response = await guest.by_bearer(altered, "probe/x")
        assert (response.status, variant(response), code(response)) == (401, "TokenVerifierError", expected)
    assert pipeline.probe.handled == []


async def test_a_denied_request_has_no_effect_and_a_record(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    await pipeline.broker.set_policy("package policy\nallow := false\n")
    response = await guest.by_cookie("probe/x")
    assert (response.status, variant(response), code(response)) == (401, "PolicyDeny", "POLICY-DENY")
    assert detail(response).startswith("Access denied by policy (")
    assert pipeline.probe.handled == []
    record = pipeline.record
    assert (record.granted, record.key_source, record.submodules) == (False, "own", {"cpu0": "contraindicated"})
    assert "data.policy.allow is False" in record.reason


async def test_a_granted_request_has_a_record_with_its_grounds(pipeline: Pipeline) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    await guest.by_cookie("probe/x")
    record = pipeline.record
    assert (record.granted, record.caller, record.method, record.plugin) == (True, "guest", "GET", "probe")
    assert record.decided_at == pipeline.broker.now()
    assert record.switches == ("insecure_sample_evidence",)
    assert len(record.policy_hash) == 96


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (PluginError("inner text", code="PROBE", advice="do this"), "PROBE"),
        (StorageTimeoutError("inner"), "STORAGE-TIMEOUT"),
    ],
)
async def test_what_a_plugin_refuses_is_an_internal_error(
    pipeline: Pipeline, refusal: Exception, expected: str
) -> None:
    guest = Guest(pipeline.broker)
    await guest.token()
    pipeline.probe.refusal = refusal
    response = await guest.by_cookie("probe/x")
    assert (response.status, variant(response), code(response)) == (401, "PluginInternalError", expected)
    assert "inner" not in detail(response)


async def test_put_asks_for_a_token_and_then_does_nothing(pipeline: Pipeline) -> None:
    response = await pipeline.broker.ask("PUT", "resource/default/key/1", b"other")
    assert (variant(response), code(response)) == ("TokenNotFound", "TOKEN-MISSING")
    guest = Guest(pipeline.broker)
    await guest.token()
    response = await pipeline.broker.ask("PUT", "resource/default/key/1", b"other", cookie=guest.cookie)
    assert (variant(response), code(response)) == ("PluginInternalError", "RESOURCE-METHOD")
    assert guest.open(await guest.by_cookie()) == SECRET


async def test_a_store_that_fails_is_no_session(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise StorageTimeoutError("no answer")

    guest = Guest(pipeline.broker)
    await guest.token()
    monkeypatch.setattr(type(pipeline.broker.api._plugins._gates.sessions), "attested", fail)
    response = await guest.by_cookie("probe/x")
    assert (variant(response), code(response)) == ("TokenNotFound", "STORAGE-TIMEOUT")


@pytest.mark.parametrize(
    ("key", "kind", "expected"),
    [
        ({"kty": "RSA", "alg": "RSA1_5", "n": "eA", "e": "AQAB"}, "JweError", "JWE-KEY"),
        ({"kty": "RSA", "alg": "RSA-OAEP-256", "n": "eA", "e": "AQAB"}, "JweError", "JWE-KEY"),
        ({"kty": "EC", "crv": "P-256", "alg": "ECDH-ES", "x": "eA", "y": "eQ"}, "JweError", "JWE-KEY"),
        ({"kty": "AKP", "alg": "ML-KEM-768+A192KW", "pub": "eA"}, "JweError", "JWE-KEY"),
    ],
)
async def test_a_key_that_nothing_is_encrypted_to_is_refused(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, key: dict[str, str], kind: str, expected: str
) -> None:
    guest = Guest(pipeline.broker)
    public = type("Public", (), {"to_jwk": lambda _: key})()
    monkeypatch.setattr(guest.key, "public_key", public)
    await guest.token()
    response = await guest.by_cookie()
    assert (response.status, variant(response), code(response)) == (401, kind, expected)
