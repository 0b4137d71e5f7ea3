"""A folder that a stock broker wrote is served by ours, and what ours writes into it has the stock broker's bytes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conformance import wire_table
from tests.conformance.recordings import WIRE
from tests.unit.key_broker_service.inprocess import Guest, running

if TYPE_CHECKING:
    from pathlib import Path

STOCK: Final = WIRE / "stores" / "localfs"
RESOURCES: Final = ["default/key/1", "default/big/1", "my_repo/resource_type/123abc", "a-b/c.d/e_f"]


def local_fs(folder: Path) -> dict[str, Any]:
    return {"storage_type": "LocalFs", "backends": {"local_fs": {"dir_path": str(folder)}}}


def escaped(path: str) -> str:
    return path.replace("/", "\\x2F")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy of the stock broker's folder."""
    shutil.copytree(STOCK, tmp_path / "store")
    return tmp_path / "store"


async def test_what_a_stock_broker_stored_is_served(store: Path) -> None:
    async with running(storage_backend=local_fs(store)) as broker:
        guest = Guest(broker)
        await guest.token()
        for path in RESOURCES:
            stored = (STOCK / "repository" / escaped(path)).read_bytes()
            assert guest.open(await guest.by_cookie(f"resource/{path}")) == stored
        assert (await broker.ask("GET", "resource-policy")).body == b'["resource-policy"]'
        assert (await broker.ask("GET", "reference-value/svn")).body == b'["1"]'
        assert (await broker.ask("GET", "reference-value/major_version")).body == b"1"


async def test_what_ours_stores_has_the_bytes_of_the_stock_broker(tmp_path: Path) -> None:
    async with running(storage_backend=local_fs(tmp_path)) as broker:
        for path in RESOURCES:
            await broker.set_resource(path, (STOCK / "repository" / escaped(path)).read_bytes())
        await broker.set_policy((STOCK / "kbs" / "resource-policy.rego").read_text())
    for namespace in ("repository", "kbs"):
        ours = {path.name: path.read_bytes() for path in (tmp_path / namespace).iterdir()}
        stock = {path.name: path.read_bytes() for path in (STOCK / namespace).iterdir()}
        assert ours == stock
    wire_table.add("stores/localfs", 0, "our store", "a stock broker's folder: read, and written again alike")


async def test_sessions_of_a_stock_broker_are_left_alone_and_open_nothing(store: Path) -> None:
    before = {path.name: path.read_bytes() for path in (store / "kbs_protocol_session").iterdir()}
    async with running(storage_backend=local_fs(store)) as broker:
        for session in before:
            response = await broker.ask("GET", "resource/default/key/1", cookie=f"kbs-session-id={session}")
            assert (response.status, response.body.endswith(b'[SESSION-UNKNOWN]"}')) == (401, True)
    after = {path.name: path.read_bytes() for path in (store / "kbs_protocol_session").iterdir()}
    assert {name: after[name] for name in before} == before
