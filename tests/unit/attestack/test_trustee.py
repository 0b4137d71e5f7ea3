"""The program `trustee`: its verbs, and what it tells the broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from attestack import trustee
from attestack.trustee_home import Home
from attestack_common import logs, process
from attestack_common.errors import ConfigError, UsageError
from key_broker_service import workers
from trustee_core.storage.registry import open_storage

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from key_broker_service.config import KbsConfig


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[KbsConfig, dict[str, Any]]]:
    """What the broker would have been started with."""
    calls: list[tuple[KbsConfig, dict[str, Any]]] = []

    def run(config: KbsConfig, **options: Any) -> int:
        calls.append((config, options))
        return 0

    monkeypatch.setattr(workers, "run", run)
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is
    return calls


def run_arguments(*flags: str) -> argparse.Namespace:
    return trustee.parser().parse_args(["run", *flags])


def test_without_a_file_it_serves_from_its_home(
    user: Path, served: list[tuple[KbsConfig, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert trustee.run(run_arguments(), Home.open(user / "home")) == 0
    ((config, options),) = served
    assert config.http_server.sockets == ["127.0.0.1:8080"]
    assert options == {"source": "the defaults of trustee", "strict": False}
    assert capsys.readouterr().err == (
        f"the administrator's token, valid for a day, is in {user / 'home' / 'admin-token'}\n"
    )


def test_with_a_file_its_paths_are_below_the_home_and_no_token_is_made(
    user: Path, served: list[tuple[KbsConfig, dict[str, Any]]]
) -> None:
    (user / "kbs.toml").write_text(
        '[http_server]\ninsecure_http = true\n[admin]\nauthorization_mode = "DenyAll"\n[storage_backend]\n'
        'storage_type = "LocalFs"\n[storage_backend.backends.local_fs]\n'
        'dir_path = "/opt/confidential-containers/storage"\n'
    )
    trustee.run(run_arguments("--config-file", str(user / "kbs.toml")), Home.open(user / "home"))
    ((config, options),) = served
    assert config.storage_backend.backends["local_fs"]["dir_path"] == str(user / "home/storage")
    assert [plugin["name"] for plugin in config.plugins] == ["resource"]
    assert options["source"] == str(user / "kbs.toml")
    assert not (user / "home/admin-token").exists()


def test_a10_serving_others_without_tls_is_warned_of(
    user: Path, served: list[tuple[KbsConfig, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    trustee.run(run_arguments("--socket", "0.0.0.0:8080"), Home.open(user / "home"))
    assert "no TLS" in capsys.readouterr().err
    assert len(served) == 1


def test_allow_all_is_stored(user: Path, served: list[tuple[KbsConfig, dict[str, Any]]]) -> None:
    trustee.run(run_arguments("--allow-all"), Home.open(user / "home"))
    ((config, _),) = served
    assert asyncio.run(stored_policy(config)) == trustee_policy("allow_all")


async def stored_policy(config: KbsConfig) -> bytes | None:
    storage = open_storage(config.storage_backend.storage_type, config.storage_backend.backends)
    try:
        return await storage.namespace("kbs").get("resource-policy.rego")
    finally:
        await storage.close()


def trustee_policy(name: str) -> bytes:
    from attestack.kbs_client import _named_policy  # noqa: PLC0415  # the policy that the operator would upload

    return _named_policy(name)


def test_allow_all_in_memory_would_be_forgotten(user: Path, served: list[tuple[KbsConfig, dict[str, Any]]]) -> None:
    (user / "kbs.toml").write_text(
        '[http_server]\ninsecure_http = true\n[admin]\nauthorization_mode = "DenyAll"\n'
        '[storage_backend]\nstorage_type = "Memory"\n'
    )
    with pytest.raises(UsageError) as caught:
        trustee.run(run_arguments("--allow-all", "--config-file", str(user / "kbs.toml")), Home.open(user))
    assert caught.value.code == "TRUSTEE-ALLOW-ALL"
    assert served == []


def test_a_file_that_cannot_be_read_is_named(user: Path, served: list[tuple[KbsConfig, dict[str, Any]]]) -> None:
    with pytest.raises(ConfigError) as caught:
        trustee.run(run_arguments("--config-file", "nowhere.toml"), Home.open(user / "home"))
    assert "nowhere.toml" in caught.value.message
    assert served == []


def test_keys_and_tokens_are_made_and_named(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "harden", lambda: None)  # it would harden the tests' own process
    home = ["--home", str(user / "home")]
    assert trustee.main([*home, "keygen"]) == 0
    assert trustee.main([*home, "keygen", "-f", str(user / "other.pem")]) == 0
    assert trustee.main([*home, "admin-token"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {user / 'home/key'} and {user / 'home/key.pub'}",
        f"wrote {user / 'other.pem'} and {user / 'other.pub'}",
        f"wrote {user / 'home/admin-token'}",
    ]
    assert trustee.main([*home, "keygen"]) == 1
    assert "[TRUSTEE-KEY-EXISTS]" in capsys.readouterr().err


def test_run_ends_with_the_services_status(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "harden", lambda: None)

    def run(_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(process, "run", run)
    with pytest.raises(SystemExit) as caught:
        trustee.main(["--home", str(user / "home"), "run"])
    assert caught.value.code == 3
