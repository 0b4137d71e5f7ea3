"""The peers, and both ends of a connection to them. Each test module says which peer is its `program`."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest
from ttrpc_asyncio import Client

from tests.interop.build import GO, RUST, Program
from tests.interop.driver import calling, serving
from tests.interop.our_server import OurServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.interop.driver import PeerProcess


def built(program: Program) -> Path:
    if program.missing:
        pytest.skip(f"the {program.name} peer cannot be built: {program.missing}")
    return program.executable()


@pytest.fixture(scope="session")
def go_peer() -> Path:
    return built(GO)


@pytest.fixture(scope="session")
def rust_peer() -> Path:
    return built(RUST)


@pytest.fixture
def address() -> Iterator[str]:
    """A unix socket in a folder of its own, under a path that is short enough for every peer."""
    with tempfile.TemporaryDirectory(prefix="attestack-") as folder:
        yield f"unix://{folder}/peer.sock"


@pytest.fixture
async def their_server(program: Path, address: str) -> AsyncIterator[PeerProcess]:
    async with serving(program, address) as peer:
        yield peer


@pytest.fixture
async def our_client(their_server: PeerProcess, address: str) -> AsyncIterator[Client]:  # noqa: ARG001  # it listens
    async with await Client.connect(address) as client:
        yield client


@pytest.fixture
async def our_server(address: str) -> AsyncIterator[OurServer]:
    async with OurServer() as ours:
        await ours.server.start(address)
        yield ours


@pytest.fixture
async def their_client(our_server: OurServer, program: Path, address: str) -> AsyncIterator[PeerProcess]:  # noqa: ARG001  # it is called
    async with calling(program, address) as peer:
        yield peer
