"""Configuration: upstream's keys and defaults, keys of older releases, and what verifiers are told."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from attestack_common import config as configuration
from attestack_common.errors import ConfigError
from attestation_protocol.tee import Tee
from attestation_service.config import (
    BuiltInRvps,
    RemoteRvps,
    ServiceConfig,
    SignerConfig,
    StandaloneConfig,
    TokenBrokerConfig,
    TokenType,
)
from attestation_service.endorsement_sources import OfflineStore, OnlineSource
from attestation_service.verifier_settings import verifier_settings
from evidence_verifiers import registry
from evidence_verifiers.contract import NoFloors
from evidence_verifiers.errors import VerifierError
from evidence_verifiers.snp import SnpFloors

from tests.conformance.vectors import vector


def decode(document: dict[str, Any], *, strict: bool = False) -> StandaloneConfig:
    return configuration.decode(document, StandaloneConfig, source="as.json", strict=strict)


def test_defaults_are_upstreams() -> None:
    config = StandaloneConfig()
    assert config == decode({})
    assert config.rvps_config == BuiltInRvps()
    assert config.storage_backend.storage_type == "Memory"
    assert not config.insecure_sample_reference_values
    broker = config.attestation_token_broker
    assert broker.duration_min == 5
    assert broker.issuer_name == "CoCo-Attestation-Service"
    assert broker.developer_name == "https://confidentialcontainers.org"
    assert broker.build_name == "attestation-service 0.1.0"
    assert broker.profile_name == "tag:github.com,2024:confidential-containers/Trustee"
    assert broker.signer is None
    assert broker.verbose_token


def test_a_whole_file() -> None:
    config = decode(
        {
            "rvps_config": {"type": "BuiltIn", "storage_type": "local_fs", "extractors": {"swid_extractor": {}}},
            "attestation_token_broker": {
                "type": "Ear",
                "duration_min": "7",
                "signer": {"key_path": "/k", "cert_path": "/c", "cert_url": "https://x"},
                "verbose_token": False,
            },
            "storage_backend": {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": "/d"}}},
        },
        strict=True,
    )
    assert config.rvps_config == BuiltInRvps(storage_type="local_fs", extractors={"swid_extractor": {}})
    assert config.attestation_token_broker.duration_min == 7
    assert config.attestation_token_broker.signer == SignerConfig(
        key_path=Path("/k"), cert_path=Path("/c"), cert_url="https://x"
    )
    assert config.storage_backend.backends == {"local_fs": {"dir_path": "/d"}}


def test_a_remote_provider_is_read() -> None:
    assert decode({"rvps_config": {"type": "GrpcRemote"}}).rvps_config == RemoteRvps(address="127.0.0.1:50003")


@pytest.mark.parametrize(
    ("older", "today"),
    [
        ({"remote_addr": "http://rvps:50003"}, RemoteRvps(address="http://rvps:50003")),
        ({"remote_addr": "http://rvps:50003", "store_type": "LocalFs"}, RemoteRvps(address="http://rvps:50003")),
        ({"remote_addr": ""}, BuiltInRvps()),
    ],
)
def test_the_address_of_a_provider_as_older_releases_wrote_it(older: dict[str, Any], today: object) -> None:
    assert decode({"rvps_config": older}, strict=True).rvps_config == today


def test_an_address_without_a_type_is_not_taken_for_a_provider_in_this_process() -> None:
    with pytest.raises(ConfigError, match=r"rvps_config\.type: wanted one of BuiltIn, GrpcRemote; it is missing"):
        decode({"rvps_config": {"address": "http://rvps:50003"}})


@pytest.mark.parametrize("broker", ["Ear", "ear", {"type": "Ear"}, {"type": "ear"}, {}])
def test_tokens_are_ears_unless_told_otherwise(broker: Any) -> None:
    assert decode({"attestation_token_broker": broker}, strict=True) == decode({})


@pytest.mark.parametrize("broker", ["Simple", "simple", {"type": "Simple"}, {"type": "simple"}])
def test_tokens_of_older_releases_may_be_asked_for(broker: Any) -> None:
    assert decode({"attestation_token_broker": broker}, strict=True).attestation_token_broker == TokenBrokerConfig(
        type=TokenType.SIMPLE
    )


def test_another_kind_of_token_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"attestation_token_broker\.type: wanted one of Ear, Simple"):
        decode({"attestation_token_broker": {"type": "Jwt"}})


@pytest.mark.parametrize("minutes", [0, -5, 60 * 24 * 366 + 1])
def test_a_token_lives_between_a_minute_and_a_year(minutes: int) -> None:
    with pytest.raises(ConfigError, match=r"attestation_token_broker\.duration_min"):
        decode({"attestation_token_broker": {"duration_min": minutes}})


@pytest.mark.parametrize(
    ("document", "key", "advice"),
    [
        ({"attestation_token_broker": {"policy_dir": "/p"}}, "attestation_token_broker.policy_dir", "storage_backend"),
        ({"rvps_config": {"type": "BuiltIn", "store_type": "LocalFs"}}, "rvps_config.store_type", "storage_type"),
        ({"rvps_config": {"type": "BuiltIn", "store_config": {}}}, "rvps_config.store_config", "storage_backend"),
        ({"rvps_config": {"type": "BuiltIn", "storage": {}}}, "rvps_config.storage", "storage_type"),
        ({"rvps_config": {"store_type": "LocalFs", "remote_addr": ""}}, "rvps_config.store_type", "storage_type"),
        ({"rvps_store_type": "LocalFs"}, "rvps_store_type", "storage_type"),
        ({"attestation_token_config": {"duration_min": 5}}, "attestation_token_config", "attestation_token_broker"),
    ],
)
def test_a_key_of_an_older_release_that_would_change_tokens_is_refused(
    document: dict[str, Any], key: str, advice: str
) -> None:
    with pytest.raises(ConfigError, match=key) as caught:
        decode(document)
    assert caught.value.code == "CONFIG-REFUSED-KEY"
    assert advice in caught.value.advice


@pytest.mark.parametrize("key", ["work_dir", "policy_engine"])
def test_a_key_of_an_older_release_that_does_nothing_is_warned_of(key: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert decode({key: "x"}) == StandaloneConfig()
    assert "a key has no effect: data is kept where `storage_backend` says" in caplog.messages
    with pytest.raises(ConfigError, match=key) as caught:
        decode({key: "x"}, strict=True)
    assert caught.value.code == "CONFIG-UNKNOWN-KEY"


@pytest.mark.vectors
@pytest.mark.parametrize("name", ["config", "example1", "example2", "example_with_tpm_verifier"])
def test_published_files_are_read(name: str) -> None:
    document = json.loads(vector(f"configs/as/{name}.json").read_text())
    config = decode(document)
    verifier_settings(config.verifier_config, source=name)
    assert config.attestation_token_broker.duration_min == 5


def test_without_a_table_verifiers_have_their_defaults() -> None:
    settings = verifier_settings({}, source="as.json", strict=True)
    assert settings.floors == {Tee.SNP: SnpFloors(), Tee.SAMPLE: NoFloors(), Tee.SAMPLE_DEVICE: NoFloors()}
    (kds,) = settings.sources["kds"]
    assert kds == OnlineSource("https://kdsintf.amd.com")


def test_a_verifiers_table_sets_its_floors_and_its_sources_in_order() -> None:
    settings = verifier_settings(
        {
            "snp_verifier": {
                "max_vmpl": "1",
                "allow_debug": True,
                "vcek_sources": [
                    {"type": "OfflineStore"},
                    {"type": "KDS", "base_url": "http://cache.example/amd"},
                    {"type": "OfflineStore", "path": "/store"},
                ],
            }
        },
        source="as.json",
        strict=True,
    )
    assert settings.floors[Tee.SNP] == SnpFloors(max_vmpl=1, allow_debug=True)
    assert settings.sources["kds"] == (
        OfflineStore(Path("/opt/confidential-containers/attestation-service/kds-store")),
        OnlineSource("http://cache.example/amd"),
        OfflineStore(Path("/store")),
    )


def test_no_sources_at_all_can_be_asked_for() -> None:
    assert verifier_settings({"snp_verifier": {"vcek_sources": []}}, source="x").sources == {"kds": ()}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"snp_verifier": {"allow_debug": "maybe"}},
            r"verifier_config\.snp_verifier\.allow_debug: wanted true",
        ),
        ({"snp_verifier": {"max_vmpl": 9}}, "snp_verifier.max_vmpl is 9"),
        ({"snp_verifier": {"vcek_sources": [{"type": "Web"}]}}, r"vcek_sources\[0\]\.type: wanted one of KDS, Offline"),
        ({"snp_verifier": {"vcek_sources": [{"type": "KDS", "base_url": "x"}]}}, "not a plain http"),
        ({"snp_verifier": 1}, r"verifier_config\.snp_verifier"),
    ],
)
def test_a_table_that_cannot_be_taken_stops_the_start(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        verifier_settings(table, source="as.json")


def test_unknown_keys_are_named_or_refused(caplog: pytest.LogCaptureFixture) -> None:
    table = {"snp_verifier": {"alow_debug": True}, "nvidia_verifier": {"type": "Remote"}}
    with caplog.at_level(logging.WARNING):
        assert verifier_settings(table, source="as.json").floors[Tee.SNP] == SnpFloors()
    assert "verifier_config.snp_verifier.alow_debug (did you mean allow_debug?)" in caplog.text
    assert "verifier_config.nvidia_verifier" in caplog.text
    with pytest.raises(ConfigError, match="alow_debug"):
        verifier_settings(table, source="as.json", strict=True)


def test_a_verifier_that_does_not_load_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load = registry.verifier_for

    def broken(tee: Tee) -> Any:
        if tee is Tee.SNP:
            raise VerifierError("the verifier for snp does not load")
        return load(tee)

    monkeypatch.setattr(registry, "verifier_for", broken)
    settings = verifier_settings({}, source="as.json")
    assert set(settings.floors) == {Tee.SAMPLE, Tee.SAMPLE_DEVICE}
    assert "a verifier cannot be used" in caplog.messages


def test_the_common_part_has_no_storage_of_its_own() -> None:
    assert "storage_backend" not in ServiceConfig.__struct_fields__
