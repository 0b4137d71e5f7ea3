"""A30: keys that lead out of their namespace, or that two readers could take for one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from trustee_core.storage.contract import KeyRefusedError, StorageError

from tests.unit.trustee_core.storage.conftest import KINDS, FakeClock, opener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trustee_core.storage.contract import StorageBackend


Place = tuple[str, str]
"""A namespace and a key in it."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture
async def backend(kind: str, tmp_path: Path) -> AsyncIterator[StorageBackend]:
    (tmp_path / "store").mkdir()
    opened = opener(kind, tmp_path / "store", FakeClock())()
    yield opened
    await opened.close()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "key",
    [
        "..",
        "../other/secret",
        "../../outside",
        "a/../../other/secret",
        "a/..",
        "./a",
        "/etc/passwd",
        "//etc/passwd",
        "a//b",
        "a/",
        "a/b\0.rego",
        "\0",
        "",
        "rvps:///../../outside",
        "../x.rego",
    ],
)
async def test_a30_a_key_cannot_leave_its_namespace(backend: StorageBackend, tmp_path: Path, key: str) -> None:
    (tmp_path / "outside").write_bytes(b"untouched")
    await backend.namespace("other").put("secret", b"secret")
    store = backend.namespace("repository")
    for write in (store.put(key, b"x"), store.put_if_absent(key, b"x"), store.compare_and_set(key, b"secret", b"x")):
        with pytest.raises(KeyRefusedError) as caught:
            await write
        assert caught.value.code == "STORAGE-KEY"
    assert await store.get(key) is None
    assert await store.delete(key) is False
    assert await backend.namespace("other").get("secret") == b"secret"
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert {name for name in files(tmp_path) if not name.startswith("store/")} == {"outside"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/b", "a\\x2Fb"),
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("a/b", "a\\b"),
        ("a/b", "a\u2215b"),
        ("key", "KEY"),
        ("key", "key "),
        ("key", "key\n"),
        ("caf\u00e9", "cafe\u0301"),
        ("a.b", "a..b"),
        ("a-b", "a_b"),
    ],
)
async def test_a30_two_keys_are_never_one(backend: StorageBackend, kind: str, first: str, second: str) -> None:
    store = backend.namespace("repository")
    written = {}
    for key in (first, second):
        try:
            await store.put(key, key.encode())
        except KeyRefusedError as error:
            assert error.code == "STORAGE-KEY"  # noqa: PT017  # LocalFs refuses most characters
        else:
            written[key] = key.encode()
    assert len(written) == 2 or kind == "local_fs"
    for key in (first, second):
        assert await store.get(key) == written.get(key)
    assert await store.keys() == sorted(written)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a-b", "c"), ("a_b", "c")),
        (("a.b", "c"), ("a", "b.c")),
        (("repository", "kbs/x"), ("kbs", "x")),
        (("Repository", "x"), ("repository", "x")),
    ],
)
async def test_a30_namespaces_do_not_collide(backend: StorageBackend, first: Place, second: Place) -> None:
    await are_apart(backend, first, second)


@pytest.mark.parametrize("kind", ["memory", "local_fs", "sqlite"])
@pytest.mark.parametrize(
    ("first", "second"), [(("a", "b/c"), ("a/b", "c")), (("a", "b/c/d"), ("a/b/c", "d"))], ids=["near", "far"]
)
async def test_a30_namespaces_within_namespaces_do_not_collide(
    backend: StorageBackend, first: Place, second: Place
) -> None:
    await are_apart(backend, first, second)


async def are_apart(backend: StorageBackend, first: Place, second: Place) -> None:
    for namespace, key in (first, second):
        assert await backend.namespace(namespace).put_if_absent(key, f"{namespace}:{key}".encode()) is True
    for namespace, key in (first, second):
        store = backend.namespace(namespace)
        assert await store.get(key) == f"{namespace}:{key}".encode()
        assert await store.keys() == [key]
    assert await backend.namespace(first[0]).delete(first[1]) is True
    assert await backend.namespace(second[0]).get(second[1]) is not None


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")])
async def test_a30_a_file_of_values_and_a_folder_of_files_do_not_replace_each_other(
    tmp_path: Path, first: str, second: str
) -> None:
    backend = opener("local_json", tmp_path, FakeClock())()
    await backend.namespace(first).put("key", b"first")
    with pytest.raises(StorageError) as caught:
        await backend.namespace(second).put("key", b"second")
    assert caught.value.code == "STORAGE-IO"
    assert await backend.namespace(first).get("key") == b"first"
    assert {name for name in files(tmp_path / "json") if not name.startswith(".attestack/")} == {first}
    await backend.close()


async def test_a30_a_key_cannot_replace_the_folder_of_a_namespace(backend: StorageBackend) -> None:
    inner = backend.namespace("a/b")
    await inner.put("secret", b"secret")
    outer = backend.namespace("a")
    try:
        await outer.put("b", b"x")
    except StorageError as error:
        assert error.code == "STORAGE-IO"  # noqa: PT017  # folders: the name is taken
    assert await inner.get("secret") == b"secret"


@pytest.mark.parametrize("name", ["..", "../other", "a/../b", "/a", "", ".attestack/../x", "a:b", "a\0"])
async def test_a30_a_namespace_cannot_leave_the_store(backend: StorageBackend, tmp_path: Path, name: str) -> None:
    before = files(tmp_path)
    with pytest.raises(KeyRefusedError) as caught:
        backend.namespace(name)
    assert caught.value.code == "STORAGE-NAMESPACE"
    assert files(tmp_path) == before
