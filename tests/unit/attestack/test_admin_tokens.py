"""The administrator's token: where it is looked for, what it says, and that it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from attestack.admin_tokens import LIFETIME, find_admin_token, make_admin_token
from attestack_common.errors import ConfigError
from attestation_protocol.encoding import b64url_decode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.attestack.conftest import put

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_the_places_are_looked_at_in_order(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_admin_token(None) is None
    put(user / ".trustee/admin-token", " user \n")
    assert find_admin_token(None) == "user"
    put(user / "home/admin-token", "home")
    monkeypatch.setenv("TRUSTEE_HOME", str(user / "home"))
    assert find_admin_token(None) == "home"
    put(user / "work/kbs/config/docker-compose/admin-token", "compose")
    assert find_admin_token(None) == "compose"
    assert find_admin_token(put(user / "flag", "flag\n")) == "flag"


def test_a_user_without_a_home_has_no_token(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert find_admin_token(None) is None
    put(user / "home/admin-token", "home")
    monkeypatch.setenv("TRUSTEE_HOME", str(user / "home"))
    assert find_admin_token(None) == "home"


def test_a_place_that_may_not_be_looked_at_is_named(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_file", denied)
    with pytest.raises(ConfigError) as caught:
        find_admin_token(None)
    assert caught.value.code == "FILE-READ"
    assert user.exists()


def test_nothing_found_is_said_on_standard_error(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_admin_token(None) is None
    output = capsys.readouterr()
    assert output.out == ""
    assert "anonymously" in output.err
    assert user.exists()


def test_a_named_file_must_be_there_and_hold_a_token(user: Path) -> None:
    with pytest.raises(ConfigError):
        find_admin_token(user / "nowhere")
    (user / "binary").write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        find_admin_token(user / "binary")
    assert caught.value.code == "ADMIN-TOKEN"


def test_a33_a_token_names_issuer_audience_and_role_and_ends_after_a_day() -> None:
    key = Ed25519PrivateKey.generate()
    header, claims, signature = make_admin_token(key, NOW).split(".")
    key.public_key().verify(b64url_decode(signature), f"{header}.{claims}".encode())
    assert json.loads(b64url_decode(header)) == {"typ": "JWT", "alg": "EdDSA"}
    issued = int(NOW.timestamp())
    assert json.loads(b64url_decode(claims)) == {
        "iss": "attestack-trustee",
        "aud": "attestack-kbs",
        "role": "admin",
        "iat": issued,
        "nbf": issued,
        "exp": issued + 86400,
    }
    assert LIFETIME == 86400
