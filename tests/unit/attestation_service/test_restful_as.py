"""The command line of `restful-as`: upstream's flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation_service.restful_as import parser


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
