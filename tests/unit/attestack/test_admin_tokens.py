"""The administrator's token: where it is looked for, what it says, and that it ends."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from attestack.admin_tokens import LIFETIME, find_admin_token, make_admin_token
from attestack.trustee_home import Home, generate_admin_key
from attestack_common.errors import ConfigError
from attestation_protocol.encoding import b64url_decode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty home, in an empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TRUSTEE_HOME", raising=False)
    return tmp_path


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


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


def test_a_home_keeps_its_keys_and_renews_its_token(user: Path) -> None:
    home = Home.open(user / "home")
    places = home.write_admin_token(NOW)
    assert places == [home.path / "admin-token"]
    key, first = home.admin_key_path.read_bytes(), places[0].read_text()
    token_key = home.token_key_path().read_bytes()
    again = Home.open(user / "home")
    assert again.write_admin_token(NOW.replace(hour=1))[0].read_text() != first
    assert (again.admin_key_path.read_bytes(), again.token_key_path().read_bytes()) == (key, token_key)
    private = [home.path, home.admin_key_path, home.token_key_path(), places[0]]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o700, 0o600, 0o600, 0o600]


def test_a_users_own_home_also_serves_the_client(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attestack.trustee_home.ROOT_HOME", user / "opt")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    home = Home.open(None)
    assert home.path == user / "opt"
    assert home.write_admin_token(NOW) == [user / "opt/admin-token", user / ".trustee/admin-token"]
    assert find_admin_token(None) == (user / "opt/admin-token").read_text().strip()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert Home.open(None).write_admin_token(NOW) == [user / ".trustee/admin-token"]


def test_a_key_is_never_overwritten(user: Path) -> None:
    assert generate_admin_key(user / "key") == user / "key.pub"
    assert (user / "key.pub").read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----\n")
    with pytest.raises(ConfigError) as caught:
        generate_admin_key(user / "key")
    assert caught.value.code == "TRUSTEE-KEY-EXISTS"
    (user / "key").unlink()
    with pytest.raises(ConfigError):
        generate_admin_key(user / "key")


def test_a_key_of_another_kind_is_refused(user: Path) -> None:
    home = Home.open(user / "home")
    home.admin_key_path.write_bytes(home.token_key_path().read_bytes())
    with pytest.raises(ConfigError) as caught:
        home.admin_key()
    assert caught.value.code == "TRUSTEE-KEY"
    home.admin_key_path.write_bytes(b"x")
    with pytest.raises(ConfigError):
        home.admin_key()


def test_a_home_that_cannot_be_made_is_named(user: Path) -> None:
    put(user / "file", "")
    with pytest.raises(ConfigError) as caught:
        Home.open(user / "file" / "home")
    assert caught.value.code == "TRUSTEE-HOME"


def test_a_files_paths_move_below_the_home(user: Path) -> None:
    home = Home.open(user / "home")
    document = home.completed({"a": [{"p": "/opt/confidential-containers/storage/x", "q": "/optical"}], "n": 1})
    assert document["a"] == [{"p": str(home.path / "storage/x"), "q": "/optical"}]
    assert document["plugins"] == [{"name": "resource", "storage_backend_type": "kvstorage"}]
    assert home.completed({"plugins": [{"name": "sample"}]})["plugins"] == [{"name": "sample"}]
