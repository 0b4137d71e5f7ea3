"""The plugin `resource`: who may do what, which names are refused, what lies in the store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_broker_service.metrics import Metrics
from key_broker_service.plugins.contract import PluginError, PluginRequest
from key_broker_service.plugins.resource import ResourcePlugin
from trustee_core.storage.memory import MemoryBackend, MemoryStore

PATH = ("default", "key", "1")


def call(method: str, path: tuple[str, ...] = PATH, body: bytes = b"") -> PluginRequest:
    return PluginRequest(method, path, {}, body)


class Broker:
    def __init__(self) -> None:
        self.store: MemoryStore = MemoryBackend().namespace("repository")
        self.metrics = Metrics("1.0")
        self.plugin = ResourcePlugin(self.store, self.metrics)

    async def code(self, request: PluginRequest) -> str:
        with pytest.raises(PluginError) as caught:
            await self.plugin.handle(request)
        return caught.value.code

    def counted(self, name: str, path: str = "default/key/1") -> float:
        return self.metrics._registry.get_sample_value(name, {"resource_path": path}) or 0


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.mark.parametrize(
    ("method", "admin", "encrypted"),
    [("GET", False, True), ("POST", True, False), ("DELETE", True, False), ("PUT", False, False)],
)
def test_writing_is_for_administrators_and_what_is_read_is_encrypted(
    broker: Broker, method: str, *, admin: bool, encrypted: bool
) -> None:
    assert broker.plugin.needs_admin(call(method)) is admin
    assert broker.plugin.needs_encryption(call(method)) is encrypted


async def test_a_resource_is_what_was_written_last(broker: Broker) -> None:
    for body in (bytes(range(256)), b"", b"last"):
        assert await broker.plugin.handle(call("POST", body=body)) == b""
        assert await broker.plugin.handle(call("GET")) == body
    assert await broker.store.keys() == ["default/key/1"]


async def test_what_is_deleted_is_gone_and_cannot_be_deleted_again(broker: Broker) -> None:
    await broker.plugin.handle(call("POST", body=b"x"))
    assert await broker.plugin.handle(call("DELETE")) == b""
    assert await broker.code(call("GET")) == "RESOURCE-MISSING"
    assert await broker.code(call("DELETE")) == "RESOURCE-MISSING"


async def test_other_methods_do_nothing(broker: Broker) -> None:
    assert await broker.code(call("PUT", body=b"x")) == "RESOURCE-METHOD"
    assert await broker.store.keys() == []


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("",),
        ("a", "b"),
        ("a", "b", "c", "d"),
        ("..", "etc", "passwd"),
        ("a", "..", "c"),
        ("a", "b", "."),
        ("a", "b", ".hidden"),
        ("", "b", "c"),
        ("a", "b", "c\n"),
        ("a", "b", "c\0"),
        ("a", "b", "c d"),
        ("a", "b", "c/d"),
        ("a", "b", "c\\d"),
        ("ü", "b", "c"),
        ("\N{CYRILLIC SMALL LETTER A}", "b", "c"),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}", "b", "c"),
        ("a", "b", "\N{REPLACEMENT CHARACTER}"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a30_a_path_that_is_none_is_refused(broker: Broker, method: str, path: tuple[str, ...]) -> None:
    assert await broker.code(call(method, path, b"x")) == "RESOURCE-PATH"
    assert await broker.store.keys() == []


async def test_a30_names_that_differ_in_case_are_two(broker: Broker) -> None:
    await broker.plugin.handle(call("POST", ("a", "b", "c"), b"1"))
    assert await broker.code(call("GET", ("a", "b", "C"))) == "RESOURCE-MISSING"


@given(st.lists(st.text(max_size=8), max_size=5))
async def test_a24_any_path_is_served_or_refused(path: list[str]) -> None:
    broker = Broker()
    assert await broker.code(call("GET", tuple(path))) in {"RESOURCE-PATH", "RESOURCE-MISSING"}


async def test_attempts_are_counted_whatever_came_of_them(broker: Broker) -> None:
    await broker.plugin.handle(call("POST", body=b"x"))
    await broker.plugin.handle(call("GET"))
    await broker.code(call("GET", ("default", "key", "none")))
    await broker.plugin.handle(call("DELETE"))
    await broker.code(call("DELETE"))
    assert broker.counted("kbs_resource_writes_total") == 1
    assert broker.counted("kbs_resource_reads_total") == 1
    assert broker.counted("kbs_resource_reads_total", "default/key/none") == 1
    assert broker.counted("kbs_resource_deletes_total") == 2


def test_a35_the_body_is_not_shown() -> None:
    assert "secret" not in repr(call("POST", body=b"secret"))
