"""What the command lines of both programs have in common, and what stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestack_common.errors import ConfigError, UsageError
from attestation_service.command_line import read_config, tls_context
from attestation_service.config import StandaloneConfig


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
