"""Go's containerd/ttrpc as the peer. Where it refuses with other statuses than the Rust crate, they stand here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ttrpc_asyncio import Client, Code, ConnectionClosedError

from tests.interop.driver import LIMIT, SERVICE, TOO_LONG, Failed, Status, wrapped
from tests.interop.our_client_checks import OurClientChecks
from tests.interop.our_server_checks import OurServerChecks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)  # the first test may have to build the peer


@pytest.fixture
def program(go_peer: Path) -> Path:
    return go_peer


class TestOurClient(OurClientChecks):
    unknown_service = Status(Code.UNIMPLEMENTED, "service no.such.Service")
    unknown_method = Status(Code.UNIMPLEMENTED, "method NoSuchMethod")
    broken = Status(Code.UNKNOWN, "broken")
    expired = Status(Code.DEADLINE_EXCEEDED, "context deadline exceeded")
    even_id = Status(Code.INVALID_ARGUMENT, "StreamID must be odd for client initiated streams")
    too_long = Code.RESOURCE_EXHAUSTED

    async def test_an_answer_over_the_limit_ends_the_connection(self, our_client: Client) -> None:
        with pytest.raises(ConnectionClosedError) as caught:
            await our_client.call(SERVICE, "Pattern", wrapped(str(LIMIT).encode()), timeout=60)
        assert caught.value.request_sent
        assert our_client.closed


class TestOurServer(OurServerChecks):
    too_long = Status(
        Code.RESOURCE_EXHAUSTED, f"rpc error: code = ResourceExhausted desc = {TOO_LONG.format(LIMIT + 1)}"
    )
    too_late = Failed("context deadline exceeded")
    cut_off = Failed("ttrpc: closed")
    gone = Failed("ttrpc: closed")
