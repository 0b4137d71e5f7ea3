"""The command line of `grpc-as`: upstream's flags, and what is served and said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attestack_common import logs
from attestack_common.errors import UsageError
from attestation_service import grpc_as

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def serving(caplog: pytest.LogCaptureFixture, *argv: str) -> AsyncIterator[None]:
    with caplog.at_level(logging.INFO):
        task = asyncio.create_task(grpc_as.serve(grpc_as.parser().parse_args(argv)))
        async with asyncio.timeout(30):
            while "listening" not in caplog.messages and not task.done():  # noqa: ASYNC110  # a program has no event
                await asyncio.sleep(0.01)
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_all_flags_of_upstream() -> None:
    assert grpc_as.parser().parse_args([]).socket == "127.0.0.1:3000"
    arguments = grpc_as.parser().parse_args(["-c", "as.json", "-s", "0.0.0.0:50004", "-t", "cert.pem", "-k", "key.pem"])
    assert (arguments.config_file, arguments.socket) == (Path("as.json"), "0.0.0.0:50004")
    assert (arguments.https_pubkey_cert, arguments.https_prikey) == (Path("cert.pem"), Path("key.pem"))
    long = ["--config-file", "c", "--socket", "s", "--https-pubkey-cert", "t", "--https-prikey", "k"]
    assert grpc_as.parser().parse_args(long).https_prikey == Path("k")


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda _: None)


async def test_it_serves_on_loopback_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(caplog, "-s", "127.0.0.1:0"):
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_wide_address_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(caplog, "-s", "0.0.0.0:0"):
        assert "whoever reaches this address can replace policies and reference values" in caplog.text


async def test_one_file_of_two_stops_the_start() -> None:
    with pytest.raises(UsageError) as caught:
        await grpc_as.serve(grpc_as.parser().parse_args(["-t", "cert.pem"]))
    assert caught.value.code == "AS-HTTPS"
