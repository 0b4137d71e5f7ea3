"""The command line of `kbs`, and how it serves."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError, UsageError
from attestack_common.version import version
from key_broker_service import main, server
from key_broker_service.config import HttpServer

from tests.unit.key_broker_service.inprocess import config

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def arguments(*texts: str) -> argparse.Namespace:
    return main.parser().parse_args(texts)


@pytest.mark.parametrize("flag", ["-c", "--config-file"])
def test_the_configuration_is_named_by_a_flag_or_the_environment(flag: str) -> None:
    environment = {"KBS_CONFIG_FILE": "by-environment.toml"}
    assert main.config_file(arguments(flag, "by-flag.toml"), environment) == "by-flag.toml"
    assert main.config_file(arguments(), environment) == "by-environment.toml"


@pytest.mark.parametrize("environment", [{}, {"KBS_CONFIG_FILE": ""}])
def test_without_a_configuration_it_is_said_what_to_do(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        main.config_file(arguments(), environment)
    assert (caught.value.code, "--config-file" in caught.value.advice) == ("KBS-NO-CONFIG", True)


@pytest.mark.parametrize("flag", ["--socket", "--insecure-http", "--auth-public-key"])
def test_flags_of_the_old_quick_start_are_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments(flag, "x")
    assert caught.value.code == 2
    assert flag in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments("-V")
    assert (caught.value.code, capsys.readouterr().out) == (0, f"kbs {version()}\n")


def test_the_body_limit_is_in_mib() -> None:
    assert server.limits(HttpServer(payload_request_size=3)).body_bytes == 3 * 1024 * 1024


def test_plain_http_has_no_tls() -> None:
    assert server.tls_context(HttpServer(insecure_http=True), source="kbs.toml") is None


def test_tls_that_cannot_be_had_is_named_by_file_and_key(tmp_path: Path) -> None:
    http = HttpServer(certificate=tmp_path / "c.pem", private_key=tmp_path / "k.pem")
    with pytest.raises(ConfigError) as caught:
        server.tls_context(http, source="kbs.toml")
    assert caught.value.message.startswith("kbs.toml: http_server.certificate: ")


def test_tls_follows_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def context(*files: Path, **settings: object) -> ssl.SSLContext:
        seen.update(settings, files=files)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    monkeypatch.setattr("attestack_common.http_server.tls.server_context", context)
    http = HttpServer(
        certificate=tmp_path / "c", private_key=tmp_path / "k", tls_profile="modern", tls_min_version="1.3",
        tls_max_version="1.3", tls_ciphers="TLS_AES_256_GCM_SHA384", tls_groups="X25519",
    )  # fmt: skip
    assert server.tls_context(http, source="kbs.toml") is not None
    assert seen == {
        "files": (tmp_path / "c", tmp_path / "k"), "profile": "modern", "min_version": "1.3", "max_version": "1.3",
        "ciphers": "TLS_AES_256_GCM_SHA384", "groups": "X25519",
    }  # fmt: skip


async def test_serving_ends_when_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()

    async def forever(_server: object) -> None:
        started.set()
        await asyncio.Future()

    monkeypatch.setattr("attestack_common.http_server.Server.serve_forever", forever)
    task = asyncio.create_task(server.serve(config(), source="kbs.toml"))
    await asyncio.wait_for(started.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_program_runs_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, str, bool]] = []

    async def serve(chosen: object, *, source: str, strict: bool) -> None:
        seen.append((chosen, source, strict))

    path = tmp_path / "kbs.toml"
    path.write_text('[http_server]\ninsecure_http = true\n[admin]\nauthorization_mode = "DenyAll"\n')
    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr("attestack_common.process.harden", lambda: None)
    monkeypatch.setattr("attestack_common.logs.configure", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        main.main(["-c", str(path), "--strict-config"])
    assert caught.value.code == 0
    [(chosen, source, strict)] = seen
    assert (chosen.http_server.insecure_http, source, strict) == (True, str(path), True)  # type: ignore[attr-defined]
