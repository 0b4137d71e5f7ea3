"""The files of unix sockets: when they appear, what they replace, and what is left alone."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from ttrpc_asyncio import AddressError, Client, Server, Service
from ttrpc_asyncio.sockets import SocketFile

from tests.unit.ttrpc_asyncio.peer import echo, names_in, some_address

if TYPE_CHECKING:
    from pathlib import Path


def server() -> Server:
    return Server([Service("try.Service", {"Echo": echo})], drain_seconds=1)


async def is_served(path: Path) -> bool:
    async with await Client.connect(f"unix://{path}") as client:
        return await client.call("try.Service", "Echo", b"x", timeout=20) == b"x"


async def test_the_path_is_there_while_it_is_served_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    async with server() as one:
        where = await one.start(f"unix://{path}")
        assert str(where) == f"unix://{path}"
        assert names_in(tmp_path) == ["agent.sock"]
        assert await is_served(path)
    assert names_in(tmp_path) == []


async def test_when_the_path_appears_it_can_be_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just before the name is given, the socket takes connections under its temporary name; and its mode is set."""
    seen: list[str] = []
    publish = SocketFile.publish

    def looking(file: SocketFile) -> None:
        assert not file.path.exists()
        assert stat.S_IMODE(file.temporary.stat().st_mode) == 0o600
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(file.temporary))
        seen.append(file.temporary.name)
        publish(file)

    monkeypatch.setattr(SocketFile, "publish", looking)
    async with server() as one:
        await one.start(f"unix://{tmp_path}/s")
    assert len(seen[0]) == 1


@pytest.mark.parametrize(("mode", "permissions"), [(0o600, 0o600), (0o660, 0o660), (None, 0o750)])
async def test_permissions_are_given_or_left_to_the_umask(tmp_path: Path, mode: int | None, permissions: int) -> None:
    before = os.umask(0o027)
    try:
        async with server() as one:
            await one.start(f"unix://{tmp_path}/s", mode=mode)
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == permissions
    finally:
        os.umask(before)


async def test_permissions_are_the_owner_s_unless_told(tmp_path: Path) -> None:
    async with server() as one:
        await one.start(f"unix://{tmp_path}/s")
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


async def test_a_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    async with server() as one:
        await one.start(f"unix://{path}")
        assert await is_served(path)


async def test_a_socket_that_is_served_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with server() as one, server() as two:
        await one.start(f"unix://{path}")
        with pytest.raises(AddressError) as caught:
            await two.start(f"unix://{path}")
        assert caught.value.code == "TTRPC-ADDRESS-IN-USE"
        assert caught.value.message == f"cannot listen on unix://{path}: something listens there already"
        assert await is_served(path)
        assert names_in(tmp_path) == ["s"]


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
async def test_what_is_not_a_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    before = path.lstat()
    with pytest.raises(AddressError) as caught:
        await server().start(f"unix://{path}")
    assert caught.value.code == "TTRPC-ADDRESS-NOT-A-SOCKET"
    assert path.lstat() == before


async def test_stopping_leaves_the_socket_of_a_successor_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with server() as successor:
        async with server() as one:
            await one.start(f"unix://{path}")
            path.unlink()
            await successor.start(f"unix://{path}")
        assert await is_served(path)


async def test_stopping_copes_with_a_socket_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with server() as one:
        await one.start(f"unix://{path}")
        path.unlink()
    assert names_in(tmp_path) == []


async def test_a_path_of_107_bytes_works(tmp_path: Path) -> None:
    path = tmp_path / ("x" * (107 - len(os.fsencode(tmp_path)) - 1))
    async with server() as one:
        await one.start(f"unix://{path}")
        assert await is_served(path)


async def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(AddressError) as caught:
        await server().start(f"unix://{tmp_path}/none/s")
    assert (caught.value.code, caught.value.advice) == ("TTRPC-LISTEN", "create the directory first")


async def test_an_address_of_another_machine() -> None:
    with pytest.raises(AddressError) as caught:
        await server().start("tcp://192.0.2.1:1")
    assert caught.value.advice == "use an address of this machine"


async def test_an_abstract_name_that_is_taken() -> None:
    address = some_address()
    async with server() as one:
        await one.start(address)
        with pytest.raises(AddressError) as caught:
            await server().start(address)
    assert caught.value.code == "TTRPC-ADDRESS-IN-USE"


async def test_a_name_that_cannot_be_given_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_file: SocketFile) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(SocketFile, "publish", failing)
    one = server()
    with pytest.raises(AddressError, match="Operation not permitted"):
        await one.start(f"unix://{tmp_path}/s")
    await one.stop()
    assert names_in(tmp_path) == []


async def test_temporary_names_that_are_taken_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["a", "a", "b", *"c" * 16])
    monkeypatch.setattr("secrets.token_hex", lambda _size: next(names))
    (tmp_path / "a").write_text("in the way")
    async with server() as one:
        await one.start(f"unix://{tmp_path}/s")
        assert names_in(tmp_path) == ["a", "s"]
    (tmp_path / "c").write_text("in the way")
    with pytest.raises(AddressError) as caught:
        await server().start(f"unix://{tmp_path}/s")
    assert caught.value.code == "TTRPC-ADDRESS-IN-USE"


async def test_a_kernel_without_vsock(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_family: int, _kind: int) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", missing)
    with pytest.raises(AddressError, match="vsock://-1:1: Address family not supported"):
        await server().start("vsock://-1:1")


async def test_stopping_twice_and_stopping_what_never_started() -> None:
    one = server()
    await one.stop()
    async with one:
        await one.start(some_address())
        await one.stop()
    await asyncio.wait_for(one.serve_forever(), 20)
