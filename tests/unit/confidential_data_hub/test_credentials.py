"""Files from the broker at start: where they may lie, and how they are written."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING

import pytest
from attestack_common.secret import Secret
from confidential_data_hub import credentials
from confidential_data_hub.config import CredentialConfig
from confidential_data_hub.credentials import provision
from confidential_data_hub.errors import AgentUnavailableError, CredentialError

if TYPE_CHECKING:
    from pathlib import Path

    from attestation_protocol.resource_uri import ResourceUri


class Broker:
    """Serves the tag of a resource as its bytes; the tag `none` is not there."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.together = 0

    async def get_resource(self, uri: ResourceUri) -> Secret:
        self.asked.append(str(uri))
        await asyncio.sleep(0)
        self.together = max(self.together, len(self.asked))
        if uri.segments[-1] == "none":
            raise AgentUnavailableError("nothing there", code="TEST")
        return Secret(uri.segments[-1].encode())


def entry(path: Path | str, tag: str = "one") -> CredentialConfig:
    return CredentialConfig(f"kbs:///a/b/{tag}", str(path))


async def test_files_are_fetched_together_and_private(tmp_path: Path) -> None:
    broker = Broker()
    one, two = tmp_path / "one", tmp_path / "deep" / "er" / "two"
    await provision([entry(one), entry(two, "two")], broker, folder=tmp_path)
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
    assert broker.together == 2
    assert [stat.S_IMODE(path.stat().st_mode) for path in (one, two, two.parent)] == [0o600, 0o600, 0o700]


@pytest.mark.parametrize(
    "path", ["{}X/f", "{}/../f", "{}/a/../../f", "{}/./f", "{}/f/.", "/{}/f", "/etc/passwd", "f", "{}", "{}/a\0b", ""]
)
async def test_a30_a_path_elsewhere_is_refused_before_anything_is_fetched(tmp_path: Path, path: str) -> None:
    broker = Broker()
    with pytest.raises(CredentialError) as caught:
        await provision([entry(tmp_path / "ok"), entry(path.format(tmp_path))], broker, folder=tmp_path)
    assert caught.value.code == "HUB-CREDENTIAL-PATH"
    assert broker.asked == []


async def test_one_that_fails_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(CredentialError) as caught:
        await provision([entry(tmp_path / "f", "none")], Broker(), folder=tmp_path)
    assert caught.value.code == "TEST"
    assert "kbs:///a/b/none" in caught.value.message
    with pytest.raises(CredentialError):
        await provision([CredentialConfig("http://x", str(tmp_path / "f"))], Broker(), folder=tmp_path)


async def test_credentials_that_do_not_come_end_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Broker):
        async def get_resource(self, uri: ResourceUri) -> Secret:
            await asyncio.sleep(60)
            return await super().get_resource(uri)

    monkeypatch.setattr(credentials, "FETCH_SECONDS", 0.02)
    with pytest.raises(CredentialError) as caught:
        await provision([entry(tmp_path / "f")], Slow(), folder=tmp_path)
    assert caught.value.code == "HUB-CREDENTIAL"
    assert not (tmp_path / "f").exists()


async def test_a_disk_that_is_full_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(CredentialError) as caught:
        await provision([entry(tmp_path / "f")], Broker(), folder=tmp_path)
    assert caught.value.message.startswith(f"credentials: {tmp_path / 'f'} cannot be written: ")


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CredentialError) as caught:
        await provision([entry(tmp_path / "file" / "below")], Broker(), folder=tmp_path)
    assert str(tmp_path / "file") in caught.value.message
