"""The command lines of `rvps` and `rvps-tool`, and what they do in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attestack_common import logs
from attestack_common.errors import AttestackError, UsageError
from reference_value_provider import main, tool
from reference_value_provider.client import RemoteReferenceValues
from reference_value_provider.config import RvpsConfig, RvpsStorage

from tests.unit.reference_value_provider.conftest import message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server on memory."""
    async with main.server(RvpsConfig(), "127.0.0.1:0") as server:
        yield server.address


def test_the_flags_of_the_server_are_upstreams() -> None:
    arguments = main.parser().parse_args([])
    assert (arguments.config, arguments.address) == (None, "127.0.0.1:50003")
    short = main.parser().parse_args(["-c", "a.json", "-a", "0.0.0.0:1"])
    assert (short.config, short.address) == (Path("a.json"), "0.0.0.0:1")
    long = main.parser().parse_args(["--config", "a.json", "--address", "0.0.0.0:1", "--strict-config"])
    assert (long.config, long.address, long.strict_config) == (Path("a.json"), "0.0.0.0:1", True)


def test_the_flags_of_the_tool_are_upstreams() -> None:
    register = tool.parser().parse_args(["register", "-p", "a.json"])
    assert (register.path, register.addr) == (Path("a.json"), "http://127.0.0.1:50003")
    query = tool.parser().parse_args(["query", "-r", "svn", "-a", "http://rvps:1"])
    assert (query.reference_value_id, query.addr) == ("svn", "http://rvps:1")
    assert tool.parser().parse_args(["query", "--reference-value-id", "svn", "--addr", "x"]).addr == "x"


@pytest.mark.parametrize("argv", [[], ["register"], ["query"], ["list"]])
def test_what_the_tool_lacks_is_said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tool.parser().parse_args(argv)
    assert caught.value.code == 2
    assert "rvps-tool" in capsys.readouterr().err


async def test_the_tool_registers_and_asks(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "message.json"
    path.write_text(message({"svn": ["1", "ü"]}))
    await tool.run(tool.parser().parse_args(["register", "-p", str(path), "-a", address]))
    assert capsys.readouterr().out == ""
    await tool.run(tool.parser().parse_args(["query", "-r", "svn", "-a", f"http://{address}"]))
    assert capsys.readouterr().out == '["1","ü"]\n'
    with pytest.raises(AttestackError, match="No reference value found for the given id: none") as caught:
        await tool.run(tool.parser().parse_args(["query", "-r", "none", "-a", address]))
    assert caught.value.code == "RVPS-MISSING"


async def test_the_tool_says_what_is_wrong_with_a_message(address: str, tmp_path: Path) -> None:
    path = tmp_path / "message.json"
    arguments = tool.parser().parse_args(["register", "-p", str(path), "-a", address])
    with pytest.raises(AttestackError) as caught:
        await tool.run(arguments)
    assert caught.value.code == "FILE-READ"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError) as caught:
        await tool.run(arguments)
    assert caught.value.code == "RVPS-MESSAGE"
    path.write_text("")
    with pytest.raises(AttestackError) as caught:
        await tool.run(arguments)
    assert caught.value.code == "RVPS-MESSAGE"


async def test_values_are_kept_where_the_configuration_says(tmp_path: Path) -> None:
    storage = RvpsStorage(storage_type="LocalFs", backends={"local_fs": {"dir_path": str(tmp_path)}})
    async with main.server(RvpsConfig(storage=storage), "127.0.0.1:0") as server:
        values = await RemoteReferenceValues.connect(server.address, allow_sample=True)
        await values.register(message({"svn": ["1"]}))
        await values.close()
    record = json.loads((tmp_path / "reference_value" / "svn").read_bytes())
    assert (record["name"], record["value"]) == ("svn", ["1"])


async def test_a_wide_address_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rvps"):
        async with main.server(RvpsConfig(), "127.0.0.1:0"):
            assert caplog.messages == []
        async with main.server(RvpsConfig(), "0.0.0.0:0"):
            assert "whoever reaches this address can register reference values" in caplog.text


async def test_serving_reads_the_file_and_ends_with_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "configure", lambda _: None)
    path = tmp_path / "rvps.json"
    path.write_text('{"more": 1}')
    arguments = main.parser().parse_args(["-c", str(path), "-a", "127.0.0.1:0"])
    with caplog.at_level(logging.INFO):
        task = asyncio.create_task(main.serve(arguments))
        async with asyncio.timeout(30):
            while "listening" not in caplog.messages:  # noqa: ASYNC110  # a program has no event
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert "unknown key more" in caplog.text
