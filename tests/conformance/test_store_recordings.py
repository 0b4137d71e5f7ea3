"""Whole KBSes on the folders that the Rust KBS wrote: what lies there is served, and stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance import wire_table
from tests.conformance.recordings import WIRE
from tests.unit.key_broker_service.inprocess import Guest, running

if TYPE_CHECKING:
    from collections.abc import Iterator

STORES = {"LocalFs": ("localfs", "local_fs", "dir_path"), "LocalJson": ("localjson", "local_json", "file_dir_path")}
"""Type, recorded folder, table and key."""


@pytest.fixture(params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(WIRE / "stores" / STORES[kind][0], tmp_path / "store"))


@pytest.fixture
def storage(kind: str, folder: Path) -> dict[str, Any]:
    _, table, key = STORES[kind]
    return {"storage_type": kind, "backends": {table: {key: str(folder)}}}


def recorded(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files that were recorded, by their path below the folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".attestack" not in path.parts:
            yield str(path.relative_to(folder)), path.read_bytes()


async def test_resources_are_served_under_the_recorded_policy(storage: dict[str, Any]) -> None:
    async with running(storage_backend=storage) as broker:
        guest = Guest(broker)
        await guest.token()
        assert guest.open(await guest.by_cookie()) == b"the-secret-bytes"
        assert guest.open(await guest.by_cookie("resource/my_repo/resource_type/123abc")) == bytes(range(256))
        policies = json.loads((await broker.ask("GET", "resource-policy")).body)
        assert policies == ["resource-policy"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("launch_digest", ["abcde"]),
        ("major_version", 1),
        ("minimum_minor_version", 4),
        ("svn", ["1"]),
    ],
)
async def test_reference_values_are_known(storage: dict[str, Any], name: str, value: Any) -> None:
    async with running(storage_backend=storage) as broker:
        response = await broker.ask("GET", f"reference-value/{name}")
    assert response.status == 200
    assert json.loads(response.body) == value


async def test_reading_changes_nothing_and_writing_adds_to_what_is_there(
    kind: str, folder: Path, storage: dict[str, Any]
) -> None:
    before = dict(recorded(folder))
    async with running(storage_backend=storage) as broker:
        await broker.ask("GET", "reference-value/svn")
        await broker.set_resource("default/key/2", b"ours")
    after = dict(recorded(folder))
    if kind == "LocalFs":
        assert after["repository/default\\x2Fkey\\x2F2"] == b"ours"
        assert before.items() <= after.items()
        return
    assert after["repository"] == before["repository"][:-1] + b',"default/key/2":"b3Vycw=="}'
    ours = {
        "attestation_service_policy": b',"default_',
        "kbs_protocol_session": b',"session-key":"',
        "repository": b",",
    }
    for name, data in before.items():
        assert after[name] == data or after[name].startswith(data[:-1] + ours[name])
    wire_table.add("stores/localjson", 0, "our store", "a stock broker's files: read, kept and added to")
