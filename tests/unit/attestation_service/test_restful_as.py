"""The command line of `restful-as`: upstream's flags, and what stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestack_common.errors import ConfigError, UsageError
from attestation_service.config import StandaloneConfig
from attestation_service.restful_as import is_loopback, parser, read_config, tls_context


def test_the_socket_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args([])
    assert caught.value.code == 2
    assert "-s/--socket" in capsys.readouterr().err


def test_all_flags_of_upstream() -> None:
    files = ["-c", "as.json", "-t", "cert.pem", "-k", "key.pem"]
    origins = ["-r", "http://a,http://b", "-r", "http://c", "http://d"]
    arguments = parser().parse_args(["-s", "127.0.0.1:8080", *files, *origins])
    assert arguments.config_file == Path("as.json")
    assert arguments.socket == "127.0.0.1:8080"
    assert (arguments.https_pubkey_cert, arguments.https_prikey) == (Path("cert.pem"), Path("key.pem"))
    assert arguments.allowed_origin == ["http://a,http://b", "http://c", "http://d"]
    long = ["--config-file", "c", "--socket", "s", "--https-pubkey-cert", "t", "--https-prikey", "k"]
    assert parser().parse_args(long).https_prikey == Path("k")
    assert parser().parse_args(["--socket", "s", "--tls-cert", "t", "--tls-key", "k"]).https_prikey == Path("k")
    assert parser().parse_args(["--socket", "s", "--allowed_origin", "http://a"]).allowed_origin == ["http://a"]


def test_plain_http_needs_neither_file() -> None:
    assert tls_context(None, None) is None


@pytest.mark.parametrize(("certificate", "key"), [(Path("c"), None), (None, Path("k"))])
def test_one_file_of_two_stops_the_start(certificate: Path | None, key: Path | None) -> None:
    with pytest.raises(UsageError) as caught:
        tls_context(certificate, key)
    assert caught.value.code == "AS-HTTPS"


def test_https_files_that_are_not_there_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"command line\.certificate"):
        tls_context(tmp_path / "c", tmp_path / "k")


def test_without_a_file_all_is_default() -> None:
    assert read_config(None) == StandaloneConfig()


def test_a_file_is_read_and_can_be_strict(tmp_path: Path) -> None:
    path = tmp_path / "as.json"
    path.write_text('{"attestation_token_broker":{"duration_min":9},"more":1}')
    assert read_config(path).attestation_token_broker.duration_min == 9
    with pytest.raises(ConfigError, match="more"):
        read_config(path, strict=True)


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "127.9.9.9:1", "[::1]:8080"])
def test_addresses_of_this_machine_alone(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "localhost:80", ""])
def test_addresses_that_others_reach(address: str) -> None:
    assert not is_loopback(address)
