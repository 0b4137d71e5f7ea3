"""The hub's configuration: the file alone, or what environment and kernel say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from confidential_data_hub import config
from confidential_data_hub.config import DEFAULT_AGENT_SOCKET, DEFAULT_SOCKET, CredentialConfig

if TYPE_CHECKING:
    from pathlib import Path


def load(folder: Path, text: str, *, strict: bool = False) -> config.HubConfig:
    path = folder / "cdh.toml"
    path.write_text(text)
    return config.load(path, strict=strict)


def test_the_defaults_are_the_stock_hubs(tmp_path: Path) -> None:
    loaded = load(tmp_path, '[kbc]\nname = "cc_kbc"\nurl = "http://127.0.0.1:8080"')
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
        ("[kbc]\nname = 'offline_fs_kbc'\nurl = 'null'", "kbc.name"),
        ("[kbc]\nname = 'cc_kbc'", "kbc.url"),
        ("[kbc]\nname = 'cc_kbc'\nurl = 'x'\n[[credentials]]\npath = 'x'", "credentials"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert named in caught.value.message


def test_without_a_file_the_broker_is_elsewhere() -> None:
    assert config.without_file({"AA_KBC_PARAMS": "cc_kbc::http://[::1]:8080"}, "").kbc.url == "http://[::1]:8080"
    kernel = "quiet agent.aa_kbc_params=cc_kbc::http://b:2"
    assert config.without_file({}, kernel).kbc.url == "http://b:2"
    with pytest.raises(ConfigError) as caught:
        config.without_file({}, "quiet")
    assert caught.value.code == "HUB-KBC"
    assert "AA_KBC_PARAMS" in caught.value.advice
