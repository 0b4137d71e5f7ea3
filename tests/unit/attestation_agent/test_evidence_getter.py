"""`evidence_getter`: the stock program's lines, from each of its sources."""

from __future__ import annotations

import base64
import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from attestack_common import logs, process
from attestack_common.errors import ConfigError
from attestation_agent import evidence_getter
from attestation_protocol.tee import Tee
from tee_attesters import Detected
from tee_attesters.sample import SampleAttester

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    detected = Detected(Tee.SAMPLE, SampleAttester("1"), {Tee.SAMPLE_DEVICE: SampleAttester("2")})
    monkeypatch.setattr(evidence_getter, "detect", lambda *_: detected)
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is


def lines(data: bytes) -> str:
    text = base64.b64encode(data[:64].ljust(64, b"\0")).decode()
    return f'Sample:{{"svn":"1","report_data":"{text}"}}\nSampleDevice:{{"svn":"2","report_data":"{text}"}}\n'


async def get(*flags: str) -> None:
    await evidence_getter.run(evidence_getter.parser().parse_args(flags))


@pytest.mark.parametrize("data", [b"", b"data", b"x" * 64, b"y" * 100, b"\xff\x00"])
async def test_evidence_carries_64_bytes_of_the_data(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_bytes(data)
    await get("file", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    await get("stdio")
    if b"\0" not in data:
        await get("commandline", data.decode("utf-8", "surrogateescape"))
    assert capsys.readouterr().out == lines(data) * (2 if b"\0" in data else 3)


async def test_data_that_is_cut_is_said_to_be(caplog: pytest.LogCaptureFixture) -> None:
    await get("commandline", "x" * 64)
    assert "the data is cut" not in caplog.text
    await get("commandline", "x" * 65)
    assert "the data is cut" in caplog.text


async def test_without_devices_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evidence_getter, "detect", lambda *_: Detected(Tee.SAMPLE, SampleAttester("1"), {}))
    await get("commandline", "x")
    assert capsys.readouterr().out.count("\n") == 1


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        await get("file", str(tmp_path / "nowhere"))
    assert caught.value.code == "FILE-READ"


def test_main_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(process, "run", lambda _: steps.append("run"))
    evidence_getter.main(["stdio"])
    assert steps == ["run"]
