"""`ttrpc-cdh-tool`, `grpc-cdh-tool` and `cdh-oneshot`: what they send, byte for byte, and what they print."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from attestack_common import logs, process
from attestack_common.errors import UsageError
from attestation_protocol.errors import ResourceUriError
from confidential_data_hub.errors import OfflineResourceError
from confidential_data_hub.kbc import offline_fs
from confidential_data_hub.tools import hub_tool, oneshot
from key_broker_client.guest_rpc import GrpcAddress, GuestCallError, serve
from ttrpc_asyncio import Address, Code, Service, StatusError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from attestack_common.secret import Secret
    from ttrpc_asyncio import CallContext

STORAGE = {"volume_type": "block-device", "options": {"a": "b"}, "flags": ["ro"], "mount_point": "/mnt"}
SENT = {
    "get-resource": b"\n\x0ckbs:///a/b/c",
    "unseal-secret": b"\n\x07file \x00\xff",
    "unwrap-key": b"\n\x07file \x00\xff",
    "secure-mount": b'\n\x0cblock-device\x12\x06\n\x01a\x12\x01b\x1a\x02ro"\x04/mnt',
    "pull-image": b"\n\x05image\x12\x06bundle",
}
METHODS = {
    "get-resource": ("api.GetResourceService", "GetResource"),
    "unseal-secret": ("api.SealedSecretService", "UnsealSecret"),
    "unwrap-key": ("keyprovider.KeyProviderService", "UnWrapKey"),
    "secure-mount": ("api.SecureMountService", "SecureMount"),
    "pull-image": ("api.ImagePullService", "PullImage"),
}
PRINTED = {"secure-mount": "mount succeeded!", "pull-image": "Image pulled: x\x01"}
"""The others print base64."""


class StockHub:
    """Answers every call with one field of two bytes, and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []

    def services(self) -> list[Service]:
        return [Service(service, {method: self._handle}) for service, method in METHODS.values()]

    async def _handle(self, payload: bytes, context: CallContext) -> bytes:
        self.seen.append((context.service, context.method, payload))
        if payload.endswith(b"refused"):
            raise StatusError(
                Code.INTERNAL, "[CDH] [ERROR]: Get Resource failed", code="POLICY-DENY", advice="ask them"
            )
        return b"\n\x02x\x01"


@contextlib.asynccontextmanager
async def listening(hub: StockHub, folder: Path, transport: str) -> AsyncIterator[str]:
    async with contextlib.AsyncExitStack() as running:
        if transport == "unix":
            where = Address.parse(f"unix://{folder / 'cdh.sock'}")
            await serve(running, where, hub.services())
            yield str(where)
        else:
            server: Any = await serve(running, GrpcAddress("127.0.0.1:0"), hub.services())
            yield f"http://{server.address}"


def flags(command: str, folder: Path) -> list[str]:
    (folder / "storage.json").write_text(json.dumps(STORAGE))
    (folder / "file").write_bytes(b"file \x00\xff")
    return {
        "get-resource": ["-r", "kbs:///a/b/c"],
        "unseal-secret": ["-s", str(folder / "file")],
        "unwrap-key": ["-a", str(folder / "file")],
        "secure-mount": ["-s", str(folder / "storage.json")],
        "pull-image": ["-i", "image", "-b", "bundle"],
    }[command]


async def tool(address: str, *arguments: str) -> None:
    await hub_tool.run(hub_tool.parser().parse_args(["-s", address, *arguments]))


@pytest.mark.parametrize("transport", ["unix", "grpc"])
@pytest.mark.parametrize("command", SENT)
async def test_a_command_is_one_call(
    tmp_path: Path, transport: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = StockHub()
    async with listening(hub, tmp_path, transport) as address:
        await tool(address, command, *flags(command, tmp_path))
    assert hub.seen == [(*METHODS[command], SENT[command])]
    assert capsys.readouterr().out == PRINTED.get(command, "eAE=") + "\n"


@pytest.mark.parametrize("transport", ["unix", "grpc"])
async def test_a_refusal_is_shown_with_its_code(tmp_path: Path, transport: str) -> None:
    async with listening(StockHub(), tmp_path, transport) as address:
        with pytest.raises(GuestCallError) as caught:
            await tool(address, "get-resource", "-r", "refused")
    error = caught.value
    expected = ("[CDH] [ERROR]: Get Resource failed", "POLICY-DENY", "ask them")
    assert (error.message, error.code, error.advice) == expected


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"volume_type":1}', json.dumps(STORAGE | {"flags": [1]}), json.dumps(STORAGE)[:-1]]
)
async def test_a_storage_file_of_another_form_is_not_sent(tmp_path: Path, text: str) -> None:
    hub = StockHub()
    (tmp_path / "bad.json").write_text(text)
    async with listening(hub, tmp_path, "unix") as address:
        with pytest.raises(UsageError) as caught:
            await tool(address, "secure-mount", "-s", str(tmp_path / "bad.json"))
    assert (caught.value.code, hub.seen) == ("TOOL-STORAGE", [])


async def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError):
        await tool("unix://@nobody", "-t", "0", "get-resource", "-r", "x")


@pytest.fixture
def on_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's configuration that reads resources from one file."""
    resources = tmp_path / "resources.json"
    resources.write_text('{"default/key/1":"c2VjcmV0"}')
    monkeypatch.setenv("OFFLINE_FS_KBC_EXTRA_FILE_PATH", str(resources))
    monkeypatch.setattr(logs, "configure", lambda _: None)  # the tests' own log stays as it is
    config = tmp_path / "cdh.toml"
    config.write_text('[kbc]\nname = "offline_fs_kbc"\n')
    return config


async def fetch(config: Path, uri: str, *more: str) -> None:
    await oneshot.run(oneshot.parser().parse_args(["-c", str(config), *more, "get-resource", "-r", uri]))


async def test_a_resource_is_fetched_without_a_daemon(on_files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fetch(on_files, "kbs:///default/key/1")
    assert capsys.readouterr().out == "c2VjcmV0\n"


async def test_it_is_tried_as_often_as_is_said(on_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def nothing(_: object) -> dict[str, Secret]:
        reads.append(1)
        return {}

    monkeypatch.setattr(offline_fs, "read_resources", nothing)
    with pytest.raises(OfflineResourceError):
        await fetch(on_files, "kbs:///default/key/1", "--retry", "2")
    assert len(reads) == 3
    with pytest.raises(UsageError):
        await fetch(on_files, "kbs:///default/key/1", "--retry", "-1")
    with pytest.raises(ResourceUriError):
        await fetch(on_files, "http://x")
    assert len(reads) == 3


def test_the_programs_differ_in_their_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(hub_tool, "run", lambda arguments: seen.append(arguments.socket))
    monkeypatch.setattr(process, "run", lambda main: main())
    monkeypatch.setattr(process, "harden", lambda: None)
    hub_tool.main(["get-resource", "-r", "x"])
    hub_tool.main_grpc(["get-resource", "-r", "x"])
    assert seen == ["unix:///run/confidential-containers/cdh.sock", "http://127.0.0.1:50000"]
    monkeypatch.setattr(oneshot, "run", lambda arguments: seen.append(arguments.command))
    oneshot.main(["get-resource", "-r", "x"])
    assert seen[2:] == ["get-resource"]
