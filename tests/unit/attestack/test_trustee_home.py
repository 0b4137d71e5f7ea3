"""The home of `trustee`: what is kept, what is made anew, and who may write to it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attestack.admin_tokens import find_admin_token
from attestack.trustee_home import Home, generate_admin_key
from attestack_common.config import decode
from attestack_common.errors import ConfigError
from key_broker_service import config as broker_config

from tests.unit.attestack.conftest import put

NOW = datetime(2026, 11, 25, tzinfo=UTC)


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
    assert generate_admin_key(user / "admin.pem") == user / "admin.pub"
    assert generate_admin_key(user / "x.pub") == user / "x.pub.pub"
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


def test_the_public_half_is_made_again_and_must_be_of_the_key(user: Path) -> None:
    home = Home.open(user / "home")
    home.admin_key()
    public = home.admin_public_key_path.read_bytes()
    home.admin_public_key_path.unlink()
    home.admin_key()
    assert home.admin_public_key_path.read_bytes() == public
    home.admin_key_path.unlink()
    generate_admin_key(user / "other")
    (user / "other").rename(home.admin_key_path)
    with pytest.raises(ConfigError) as caught:
        home.admin_key()
    assert caught.value.code == "TRUSTEE-KEY"
    assert "key.pub" in caught.value.message


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a35_a_home_that_others_can_write_to_is_refused(user: Path, mode: int) -> None:
    (user / "home").mkdir()
    (user / "home").chmod(mode)
    with pytest.raises(ConfigError) as caught:
        Home.open(user / "home")
    assert caught.value.code == "TRUSTEE-HOME"
    (user / "home").chmod(0o755)
    assert Home.open(user / "home").path == user / "home"


def test_what_cannot_be_written_is_one_of_our_errors(user: Path) -> None:
    home = Home.open(user / "home")
    (home.path / "admin-token").mkdir()
    with pytest.raises(ConfigError) as caught:
        home.write_admin_token(NOW)
    assert caught.value.code == "TRUSTEE-WRITE"
    with pytest.raises(ConfigError):
        generate_admin_key(put(user / "file", "") / "key")


def test_the_users_copy_of_the_token_is_left_out_where_it_cannot_be_written(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attestack.trustee_home.ROOT_HOME", user / "opt")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    put(user / ".trustee", "a file")
    assert Home.open(None).write_admin_token(NOW) == [user / "opt/admin-token"]


def test_a_user_without_a_home_has_to_name_one(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    with pytest.raises(ConfigError) as caught:
        Home.open(None)
    assert caught.value.code == "TRUSTEE-HOME"
    assert Home.open(user / "home").write_admin_token(NOW) == [user / "home/admin-token"]


def test_without_a_file_all_is_below_the_home(user: Path) -> None:
    home = Home.open(user / "ho me#%20")
    home.admin_key()
    document = home.default_document("127.0.0.1:1")
    config = broker_config.checked(decode(document, broker_config.KbsConfig, source="x", strict=True), source="x")
    assert config.http_server.sockets == ["127.0.0.1:1"]
    assert config.http_server.insecure_http
    bearer_jwt = config.admin.authentication.bearer_jwt
    assert bearer_jwt is not None
    (provider,) = bearer_jwt.identity_providers
    assert Path(str(provider.public_key_uri)).read_bytes() == home.admin_public_key_path.read_bytes()
    assert document["storage_backend"]["backends"]["sqlite"]["path"] == str(home.path / "attestack.sqlite")
    assert document["attestation_service"]["attestation_token_broker"]["signer"]["key_path"] == str(
        home.token_key_path()
    )


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
