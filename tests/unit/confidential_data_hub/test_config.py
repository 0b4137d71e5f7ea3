"""The hub's configuration: the file alone, or what environment and kernel say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from confidential_data_hub import config
from confidential_data_hub.config import DEFAULT_AGENT_SOCKET, DEFAULT_SOCKET, CredentialConfig

if TYPE_CHECKING:
    from pathlib import Path


FILE = '[kbc]\nname = "cc_kbc"\nurl = "http://127.0.0.1:8080"\n'


def load(
    folder: Path, text: str, *, strict: bool = False, environment: dict[str, str] | None = None, kernel: str = ""
) -> config.HubConfig:
    path = folder / "cdh.toml"
    path.write_text(text)
    return config.load(path, environment or {}, kernel, strict=strict)


def test_the_defaults_are_the_stock_hubs(tmp_path: Path) -> None:
    loaded = load(tmp_path, FILE)
    assert loaded.socket == DEFAULT_SOCKET == "unix:///run/confidential-containers/cdh.sock"
    assert loaded.aa.aa_socket == DEFAULT_AGENT_SOCKET
    assert loaded.credentials == ()


def test_every_key_is_read(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
socket = "unix://@cdh"
[aa]
aa_socket = "unix://@aa"
[kbc]
name = "cc_kbc"
url = "http://127.0.0.1:8080"
kbs_cert = ""
[[credentials]]
path = "/run/confidential-containers/cdh/kbs/a"
resource_uri = "kbs:///default/a/b"
[image]
work_dir = "/run/image-rs"
[log]
level = "debug"
""",
        strict=True,
    )
    assert (loaded.socket, loaded.aa.aa_socket, loaded.log.level) == ("unix://@cdh", "unix://@aa", "debug")
    assert loaded.credentials == (CredentialConfig("kbs:///default/a/b", "/run/confidential-containers/cdh/kbs/a"),)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "kbc"),
        ("[kbc]\nurl = 'x'", "kbc.name"),
        ("[kbc]\nname = 'sample'\nurl = 'null'", "kbc.name"),
        ("[kbc]\nname = 'cc_kbc'", "kbc.url"),
        ("[kbc]\nname = 'cc_kbc'\nurl = 'x'\n[[credentials]]\npath = 'x'", "credentials"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert named in caught.value.message


def test_the_environment_counts_beside_a_file_as_with_the_stock_hub(tmp_path: Path) -> None:
    environment = {"AA_KBC_PARAMS": "cc_kbc::http://other:1", "AA_SOCKET": "unix://@other", "KBS_CERT": "PEM"}
    loaded = load(tmp_path, FILE, environment=environment)
    assert (loaded.kbc.url, loaded.kbc.kbs_cert, loaded.aa.aa_socket) == ("http://other:1", "PEM", "unix://@other")
    loaded = load(tmp_path, FILE + 'kbs_cert = "FILE"\n', environment={"KBS_CERT": "PEM", "AA_SOCKET": ""})
    assert (loaded.kbc.kbs_cert, loaded.aa.aa_socket) == ("FILE", DEFAULT_AGENT_SOCKET)
    offline = FILE.replace("cc_kbc", "offline_fs_kbc")
    assert load(tmp_path, offline, environment={"AA_KBC_PARAMS": "cc_kbc::http://a"}).kbc.name == "cc_kbc"
    assert load(tmp_path, FILE, environment={"AA_KBC_PARAMS": "offline_fs_kbc::"}).kbc.name == "offline_fs_kbc"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, FILE, environment={"AA_KBC_PARAMS": "eaa_kbc::http://a"})
    assert caught.value.code == "HUB-KBC"


def test_the_kernels_credentials_are_added(tmp_path: Path) -> None:
    kernel = "quiet cdh.kbs_resources=kbs:///a/b/c::/run/x,nonsense,kbs://[::1]/d/e/f::/run/y ro"
    wanted = (CredentialConfig("kbs:///a/b/c", "/run/x"), CredentialConfig("kbs://[::1]/d/e/f", "/run/y"))
    in_file = FILE + '[[credentials]]\nresource_uri = "kbs:///g/h/i"\npath = "/run/z"\n'
    assert load(tmp_path, in_file, kernel=kernel).credentials == (CredentialConfig("kbs:///g/h/i", "/run/z"), *wanted)
    assert config.without_file({"AA_KBC_PARAMS": "cc_kbc::http://a"}, kernel).credentials == wanted


def test_without_a_file_the_broker_is_elsewhere() -> None:
    assert config.without_file({"AA_KBC_PARAMS": "cc_kbc::http://[::1]:8080"}, "").kbc.url == "http://[::1]:8080"
    kernel = "quiet agent.aa_kbc_params=cc_kbc::http://b:2"
    assert config.without_file({}, kernel).kbc.url == "http://b:2"


def test_where_nothing_names_a_broker_resources_come_from_files() -> None:
    loaded = config.without_file({}, "quiet")
    assert (loaded.kbc.name, loaded.kbc.url, loaded.socket) == ("offline_fs_kbc", "", DEFAULT_SOCKET)
    assert config.without_file({"AA_KBC_PARAMS": "offline_fs_kbc::null"}, "").kbc.name == "offline_fs_kbc"


@pytest.mark.parametrize(
    ("environment", "kernel"),
    [({"AA_KBC_PARAMS": "http://a"}, ""), ({}, "agent.aa_kbc_params=null"), ({"AA_KBC_PARAMS": "cc_kbc::"}, "")],
)
def test_parameters_that_name_no_broker_are_a_mistake_and_no_offline_hub(
    environment: dict[str, str], kernel: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config.without_file(environment, kernel)
    assert caught.value.code == "HUB-KBC"


def test_grpc_cdh_has_an_address_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cdh.toml"
    path.write_text(FILE)
    assert config.load(path, {}, "", default_socket=config.DEFAULT_GRPC_ADDRESS).socket == "127.0.0.1:50000"
    path.write_text('socket = "unix://@cdh"\n' + FILE)
    assert config.load(path, {}, "", default_socket=config.DEFAULT_GRPC_ADDRESS).socket == "unix://@cdh"
    assert config.without_file({}, "", default_socket=config.DEFAULT_GRPC_ADDRESS).socket == "127.0.0.1:50000"
