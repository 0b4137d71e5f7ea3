"""The configuration: upstream's keys and defaults, both spellings, and what stops the start."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common.errors import ConfigError
from key_broker_service.config import BuiltInService, GrpcService, HttpServer, KbsConfig, is_loopback, load

if TYPE_CHECKING:
    from pathlib import Path

LEAST = '[http_server]\ninsecure_http = true\n[admin]\nauthorization_mode = "DenyAll"\n'


def written(folder: Path, text: str, name: str = "kbs.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refusal(path: Path, *, strict: bool = False) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, strict=strict)
    assert caught.value.message.startswith(str(path))
    return caught.value


def test_the_least_configuration_has_upstreams_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, LEAST), strict=True)
    assert config.http_server == HttpServer(insecure_http=True)
    assert config.http_server.sockets == ["127.0.0.1:8080"]
    assert config.http_server.payload_request_size == 2
    assert config.http_server.tls_profile == "intermediate"
    assert config.attestation_service == BuiltInService()
    assert config.attestation_service.timeout == 5
    assert config.storage_backend.storage_type == "Memory"
    assert (config.session_storage_type, config.plugins) == (None, [])
    assert not config.insecure_sample_evidence
    assert not config.insecure_sample_reference_values
    assert not config.insecure_metrics_resource_names


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "http_server: is missing"),
        ("[http_server]\n", "admin: is missing"),
        ("[http_server]\n[admin]\n", "admin.authorization_mode: is missing"),
        ('[http_server]\n[admin]\nauthorization_mode = "DenyAll"\n', "http_server.certificate: is missing"),
        (LEAST.replace("insecure_http = true", 'certificate = "c.pem"'), "http_server.private_key: is missing"),
        (LEAST.replace("DenyAll", "denyall"), "admin.authorization_mode: wanted one of"),
        (LEAST.replace("true", "[]", 1), "http_server.insecure_http: wanted true or false"),
        (LEAST + "[attestation_service]\n", "attestation_service.type: wanted one of"),
        (LEAST + '[attestation_service]\ntype = "coco_as_builtin"\ntimeout = 0\n', "attestation_service.timeout"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path: Path, text: str, key: str) -> None:
    assert key in refusal(written(tmp_path, text)).message


@pytest.mark.parametrize("kind", ["coco_as_grpc", "CoCoASGrpc"])
def test_the_remote_service_has_both_spellings(tmp_path: Path, kind: str) -> None:
    text = f'{LEAST}[attestation_service]\ntype = "{kind}"\n'
    assert load(written(tmp_path, text), strict=True).attestation_service == GrpcService()
    text += 'as_addr = "http://as:50004"\npool_size = "200"\ntimeout = 7\n'
    chosen = GrpcService(as_addr="http://as:50004", pool_size=200, timeout=7)
    assert load(written(tmp_path, text), strict=True).attestation_service == chosen


@pytest.mark.parametrize("size", [0, -1, 10_001])
def test_the_calls_to_a_remote_service_are_bounded(tmp_path: Path, size: int) -> None:
    text = f'{LEAST}[attestation_service]\ntype = "coco_as_grpc"\npool_size = {size}\n'
    assert "attestation_service.pool_size" in refusal(written(tmp_path, text)).message


@pytest.mark.parametrize("kind", ["intel_ta", "IntelTA"])
def test_services_of_later_versions_stop_with_a_sentence(tmp_path: Path, kind: str) -> None:
    keys = 'base_url = "a"\napi_key = "b"\ncerts_file = "c"\n'
    error = refusal(written(tmp_path, f'{LEAST}[attestation_service]\ntype = "{kind}"\n{keys}'), strict=True)
    assert error.code == "CONFIG-UNSUPPORTED"
    assert "is not offered by this version" in error.message
    assert "coco_as_builtin" in error.advice


def test_a35_the_key_of_a_service_is_not_shown(tmp_path: Path) -> None:
    text = f'{LEAST}[attestation_service]\ntype = "intel_ta"\nbase_url = "a"\napi_key = "tBfd5"\ncerts_file = "c"\n'
    assert "tBfd5" not in refusal(written(tmp_path, text)).diagnostics()


@pytest.mark.parametrize("kind", ["coco_as_builtin", "CoCoASBuiltIn"])
def test_the_built_in_service_has_both_spellings(tmp_path: Path, kind: str) -> None:
    text = f'{LEAST}[attestation_service]\ntype = "{kind}"\ntimeout = 7\nstorage_type = "Memory"\n'
    config = load(written(tmp_path, text), strict=True)
    assert config.attestation_service == BuiltInService(timeout=7, storage_type="Memory")


def test_a33_an_unknown_key_of_admin_stops_the_start(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, f'{LEAST}authorisation = "x"\n'))
    assert error.code == "CONFIG-UNKNOWN-KEY"
    assert "admin.authorisation (did you mean authorization?)" in error.message


def test_other_unknown_keys_are_named_and_stop_only_a_strict_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, f'policy_engine = "x"\n{LEAST}')
    with caplog.at_level(logging.WARNING):
        assert isinstance(load(path), KbsConfig)
    assert "policy_engine" in caplog.text
    assert refusal(path, strict=True).code == "CONFIG-UNKNOWN-KEY"


@pytest.mark.parametrize(
    "text",
    [
        'http_server: {insecure_http: true, sockets: ["127.0.0.1:1"]}\nadmin: {authorization_mode: DenyAll}\n',
        (
            '{"http_server": {"insecure_http": true, "sockets": ["127.0.0.1:1"]},'
            ' "admin": {"authorization_mode": "DenyAll"}}'
        ),
    ],
)
def test_other_formats_are_told_by_the_name(tmp_path: Path, text: str) -> None:
    name = "kbs.json" if text.startswith("{") else "kbs.yaml"
    assert load(written(tmp_path, text, name)).http_server.sockets == ["127.0.0.1:1"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104  # what is looked at
        ("::", False),
        ("10.0.0.1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback_is_an_address_of_this_machine_alone(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("sockets", "expected"),
    [
        (["127.0.0.1:8080"], True),
        (["127.0.0.1:8080", "[::1]:8080"], True),
        (["127.0.0.1:8080", "0.0.0.0:8080"], False),
        (["[::]:8080"], False),
        (["localhost:8080"], False),
    ],
)
def test_a_broker_is_on_loopback_if_all_its_sockets_are(sockets: Any, *, expected: bool) -> None:
    assert HttpServer(sockets=sockets).on_loopback is expected
