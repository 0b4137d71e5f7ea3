"""The service put together: its key, its stores, and what stops the start."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from attestack_common.grpc_edge import GrpcServer
from attestation_service.assembly import create, standalone
from attestation_service.config import (
    BuiltInRvps,
    RemoteRvps,
    ServiceConfig,
    SignerConfig,
    StandaloneConfig,
    StorageConfig,
    TokenBrokerConfig,
)
from attestation_service.errors import AttestationPolicyError, ReferenceValueError
from reference_value_provider import client
from reference_value_provider.grpc_service import reference_value_service
from reference_value_provider.service import ReferenceValueProvider
from trustee_core.policy.regorus import RegorusEngine
from trustee_core.storage.contract import StorageError
from trustee_core.storage.memory import MemoryBackend

from tests.conformance.test_as_recordings import make_signer
from tests.integration.processes import free_port
from tests.unit.attestation_service.service_bench import NOW, sample

if TYPE_CHECKING:
    from pathlib import Path

    from attestation_service.decisions import DecisionRecord

WARNING_OF_THE_KEY = "others may read the key that signs tokens: chmod 600"
POLICY = base64.urlsafe_b64encode(b"package policy\ntrust_claims := {}\n").rstrip(b"=").decode()
MESSAGE = json.dumps({"version": "0.1.0", "type": "sample", "payload": base64.b64encode(b'{"svn":["9"]}').decode()})


async def test_a_service_on_open_storage_leaves_it_open() -> None:
    storage = MemoryBackend()
    records: list[DecisionRecord] = []
    service = await create(ServiceConfig(), storage, source="test", clock=lambda: NOW, record=records.append)
    await service.evaluate([sample()])
    await service.close()
    assert [record.decided_at for record in records] == [NOW]
    assert await storage.namespace("attestation_service_policy").keys("default_cpu") == ["default_cpu.rego"]


async def test_a_service_ends_its_own_policy_engine_and_no_other() -> None:
    mine = RegorusEngine()
    for engine, code in ((None, "POLICY-PROCESS"), (mine, "")):
        service = await create(ServiceConfig(), MemoryBackend(), source="test", engine=engine)
        await service.set_policy("p_cpu", POLICY)
        await service.close()
        refusal = ""
        try:
            await service.set_policy("p_cpu", POLICY)
        except AttestationPolicyError as error:
            refusal = error.code
        assert refusal == code
    await mine.close()


async def test_the_configured_key_signs(tmp_path: Path) -> None:
    make_signer(tmp_path / "key", tmp_path / "chain")
    signer = SignerConfig(key_path=tmp_path / "key", cert_path=tmp_path / "chain", cert_url="https://as.example")
    config = ServiceConfig(attestation_token_broker=TokenBrokerConfig(signer=signer))
    first = await create(config, MemoryBackend(), source="test")
    second = await create(config, MemoryBackend(), source="test")
    assert first.signing_jwk == second.signing_jwk
    assert len(first.signing_jwk["x5c"]) == 2
    assert first.signing_jwk["x5u"] == "https://as.example"
    assert "x5c" not in (await create(ServiceConfig(), MemoryBackend(), source="test")).signing_jwk


@pytest.mark.parametrize(
    ("mode", "said"), [(0o600, []), *((mode, [WARNING_OF_THE_KEY]) for mode in (0o640, 0o604, 0o620))]
)
async def test_a_key_that_others_may_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, said: list[str]
) -> None:
    make_signer(tmp_path / "key", tmp_path / "chain")
    (tmp_path / "key").chmod(mode)
    broker = TokenBrokerConfig(signer=SignerConfig(key_path=tmp_path / "key"))
    with caplog.at_level(logging.WARNING, "as"):
        await create(ServiceConfig(attestation_token_broker=broker), MemoryBackend(), source="test")
    assert caplog.messages == said


async def test_a_key_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    broker = TokenBrokerConfig(signer=SignerConfig(key_path=tmp_path / "nosuch"))
    with pytest.raises(ConfigError, match=r"attestation_token_broker\.signer\.key_path: .*nosuch") as caught:
        await create(ServiceConfig(attestation_token_broker=broker), MemoryBackend(), source="test")
    assert caught.value.code == "FILE-READ"


async def test_a_remote_provider_has_to_be_there_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.2)
    nobody = ServiceConfig(rvps_config=RemoteRvps(address=f"127.0.0.1:{free_port()}"))
    with pytest.raises(ConfigError, match=r"as\.json: rvps_config\.address: the RVPS http://127.* cannot be") as caught:
        await create(nobody, MemoryBackend(), source="as.json")
    assert caught.value.code == "RVPS-UNREACHABLE"


async def test_an_address_that_is_none_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"as\.json: rvps_config\.address: 'ftp://rvps' is not") as caught:
        await create(ServiceConfig(rvps_config=RemoteRvps(address="ftp://rvps")), MemoryBackend(), source="as.json")
    assert caught.value.code == "GRPC-ADDRESS"


async def test_reference_values_come_from_a_remote_provider() -> None:
    provider = ReferenceValueProvider(MemoryBackend().namespace("reference_value"), allow_sample=True)
    async with GrpcServer([reference_value_service(provider)], address="127.0.0.1:0") as rvps:
        config = ServiceConfig(rvps_config=RemoteRvps(address=rvps.address))
        service = await create(config, MemoryBackend(), source="test", allow_sample_reference_values=True)
        await service.register_reference_value(MESSAGE)
        assert await provider.query("svn") == ["9"]
        assert await service.query_reference_value("svn") == ["9"]
        await service.close()
        strict = await create(config, MemoryBackend(), source="test")
        with pytest.raises(ReferenceValueError) as caught:
            await strict.register_reference_value(MESSAGE)
        assert caught.value.code == "RVPS-SAMPLE-REFUSED"
        await strict.close()


async def test_reference_values_may_have_a_store_of_their_own(tmp_path: Path) -> None:
    backends = {"local_fs": {"dir_path": str(tmp_path)}}
    config = ServiceConfig(rvps_config=BuiltInRvps(storage_type="LocalFs"))
    storage = MemoryBackend()
    service = await create(config, storage, source="test", backends=backends, allow_sample_reference_values=True)
    await service.register_reference_value(MESSAGE)
    await service.close()
    assert (tmp_path / "reference_value" / "svn").is_file()
    assert await storage.namespace("reference_value").keys() == []


async def test_a_standalone_service_opens_and_closes_what_its_file_names(tmp_path: Path) -> None:
    backends = {"local_fs": {"dir_path": str(tmp_path)}}
    config = StandaloneConfig(storage_backend=StorageConfig(storage_type="LocalFs", backends=backends))
    async with standalone(config, source="test") as service:
        assert await service.policies() == ["default_cpu", "default_gpu", "default_ppcie", "default_switch"]
    assert (tmp_path / "attestation_service_policy" / "default_cpu.rego").is_file()
    with pytest.raises(AttestationPolicyError) as caught:
        await service.policies()
    assert caught.value.code == "STORAGE-CLOSED"


async def test_a_store_that_fails_refuses_policies_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryBackend()
    service = await create(ServiceConfig(), storage, source="test")

    async def failing(*_: object, **__: object) -> None:
        raise StorageError("the disk is full", code="STORAGE-IO", advice="make room")

    store = type(storage.namespace("attestation_service_policy"))
    monkeypatch.setattr(store, "put", failing)
    monkeypatch.setattr(store, "get", failing)
    for call in (service.set_policy("x_cpu", "cGFja2FnZSBwb2xpY3k"), service.evaluate([sample()])):
        with pytest.raises(AttestationPolicyError, match="the disk is full") as caught:
            await call
        assert (caught.value.code, caught.value.advice) == ("STORAGE-IO", "make room")
