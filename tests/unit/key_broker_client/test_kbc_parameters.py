"""Where a guest without a configuration file learns of its broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from key_broker_client import KbcParameters, kernel_command_line, kernel_word

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "kbc", "url"),
    [
        ("cc_kbc::http://a:1", "cc_kbc", "http://a:1"),
        ("cc_kbc::http://[::1]:8080", "cc_kbc", "http://[::1]:8080"),
        ("offline_fs_kbc::", "offline_fs_kbc", ""),
        ("::", "", ""),
    ],
)
def test_parameters_are_split_at_the_first_separator(text: str, kbc: str, url: str) -> None:
    assert KbcParameters.parse(text) == KbcParameters(kbc, url)


@pytest.mark.parametrize("text", ["", "cc_kbc", "cc_kbc:http://a"])
def test_without_a_separator_there_are_none(text: str) -> None:
    assert KbcParameters.parse(text) is None


@pytest.mark.parametrize(
    ("environment", "kernel", "url"),
    [
        ({"AA_KBC_PARAMS": "cc_kbc::a"}, "agent.aa_kbc_params=cc_kbc::b", "a"),
        ({"AA_KBC_PARAMS": ""}, "ro agent.aa_kbc_params=cc_kbc::b agent.aa_kbc_params=cc_kbc::c", "b"),
        ({}, "xagent.aa_kbc_params=cc_kbc::b", None),
        ({}, "x" * 64 * 1024 + " agent.aa_kbc_params=cc_kbc::b", None),
    ],
)
def test_the_environment_comes_first(environment: dict[str, str], kernel: str, url: str | None) -> None:
    found = KbcParameters.find(environment, kernel)
    assert (found and found.url) == url


def test_the_kernels_command_line(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"a=\xff b=2\n")
    assert kernel_word(kernel_command_line(tmp_path / "cmdline"), "b=") == "2"
    assert kernel_command_line(tmp_path / "nowhere") == ""
