"""The agent's configuration: the file alone, or what environment and kernel say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attestack_common.errors import ConfigError
from attestation_agent import config
from attestation_agent.config import AgentConfig
from attestation_protocol.tee_key import TeeKeyAlgorithm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


def test_an_empty_file_is_valid(write: Callable[[str, str], Path]) -> None:
    assert config.load(write("a.toml", "")) == AgentConfig()
    assert AgentConfig().log.level == "info"
    assert AgentConfig().eventlog_config.init_pcr == 17


def test_every_key_is_read(write: Callable[[str, str], Path]) -> None:
    text = """
[token_configs.kbs]
url = "https://127.0.0.1:8080/"
cert = "PEM"
tee_key_algorithm = "ECDH-ES+A256KW-P521"
token_cache = "off"
[token_configs.coco_as]
url = "http://127.0.0.1:8000"
[eventlog_config]
init_pcr = "8"
enable_eventlog = false
[log]
level = "warn"
"""
    loaded = config.load(write("a.toml", text))
    kbs = loaded.token_configs.kbs
    assert kbs is not None
    assert (kbs.url, kbs.cert, kbs.token_cache) == ("https://127.0.0.1:8080/", "PEM", False)
    assert kbs.tee_key_algorithm is TeeKeyAlgorithm.EC_P521
    assert loaded.token_configs.coco_as is not None
    assert (loaded.eventlog_config.init_pcr, loaded.log.level) == (8, "warn")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[token_configs.kbs]", "token_configs.kbs"),
        ("[token_configs.kbs]\nurl = []", "url"),
        ('[token_configs.kbs]\nurl = "x"\ntee_key_algorithm = "RSA1_5"', "tee_key_algorithm"),
        ("[eventlog_config]\nenable_eventlog = true", "enable_eventlog"),
        ("= broken", "a.toml"),
    ],
)
def test_a_mistake_is_named(write: Callable[[str, str], Path], text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write("a.toml", text))
    assert named in caught.value.message


def test_unknown_keys_stop_the_start_only_when_asked(write: Callable[[str, str], Path]) -> None:
    path = write("a.json", '{"log": {"levle": "info"}}')
    assert config.load(path) == AgentConfig()
    with pytest.raises(ConfigError) as caught:
        config.load(path, strict=True)
    assert "log.levle" in caught.value.message


@pytest.mark.parametrize(
    ("environment", "kernel", "url"),
    [
        ({"AA_KBC_PARAMS": "cc_kbc::http://a:1"}, "agent.aa_kbc_params=cc_kbc::http://b:2", "http://a:1"),
        ({}, "quiet agent.aa_kbc_params=cc_kbc::http://b:2 ro", "http://b:2"),
        ({"AA_KBC_PARAMS": "cc_kbc::http://[::1]:8080"}, "", "http://[::1]:8080"),
        ({"AA_KBC_PARAMS": "offline_fs_kbc::null"}, "", None),
        ({"AA_KBC_PARAMS": "cc_kbc::"}, "", None),
        ({"AA_KBC_PARAMS": "cc_kbc"}, "", None),
        ({}, "quiet", None),
    ],
)
def test_without_a_file_the_broker_is_named_elsewhere(
    environment: dict[str, str], kernel: str, url: str | None
) -> None:
    kbs = config.without_file(environment, kernel).token_configs.kbs
    assert (kbs and kbs.url) == url
