"""Where endorsements come from: what a source may answer, and what it may not make us do."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestack_common.errors import ConfigError
from attestation_service import endorsement_sources
from attestation_service.endorsement_sources import MAX_ENDORSEMENT, OfflineStore, OnlineSource, SourceFailure
from evidence_verifiers.contract import EndorsementRequest

from tests.unit.attestation_service.kds import Answer, Kds

PATH = "vcek/v1/Milan/c3ff?blSPL=03&teeSPL=00"
REQUEST = EndorsementRequest("vcek", "kds", PATH, ("vcek/c3ff/bl03_tee00_vcek.der", "vcek/c3ff/vcek.der"))


async def asked(answer: Answer) -> bytes | None:
    async with Kds(answer) as kds:
        source = OnlineSource(kds.url + "/")
        try:
            return await source.get(REQUEST)
        finally:
            await source.close()
            assert kds.asked == [f"/{PATH}"]


async def failure(answer: Answer) -> SourceFailure:
    with pytest.raises(SourceFailure) as caught:
        await asked(answer)
    return caught.value


async def test_the_body_of_a_good_answer_is_the_endorsement() -> None:
    assert await asked(Answer(b"\x30\x82der")) == b"\x30\x82der"


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_source_may_not_have_it(status: int) -> None:
    assert await asked(Answer(b"no such chip", status)) is None


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("-1", None), ("tomorrow", None), ("9" * 12, None)])
async def test_a_busy_source_says_for_how_long(header: str, seconds: float | None) -> None:
    error = await failure(Answer(b"", 429, {"retry-after": header}))
    assert (error.busy, error.retry_after) == (True, seconds)


async def test_a_source_that_is_down_is_busy() -> None:
    assert (await failure(Answer(b"", 503))).busy


@pytest.mark.parametrize("status", [204, 401, 403, 500])
async def test_other_statuses_say_nothing_about_the_next_request(status: int) -> None:
    error = await failure(Answer(b"", status))
    assert (error.busy, error.reason) == (False, f"status {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with Kds(Answer(b"\x30forged")) as other:
        error = await failure(Answer(b"", status, {"location": other.url}))
        assert error.reason == f"status {status}"
        assert other.asked == []


async def test_the_largest_endorsement_is_taken_and_one_byte_more_is_not() -> None:
    assert await asked(Answer(b"x" * MAX_ENDORSEMENT)) == b"x" * MAX_ENDORSEMENT
    assert "larger than 65536 bytes" in (await failure(Answer(b"x" * (MAX_ENDORSEMENT + 1)))).reason


async def test_an_endless_answer_is_cut() -> None:
    assert "larger than" in (await failure(Answer(b"x" * 4096, endless=True))).reason


async def test_a_compressed_answer_is_not_inflated() -> None:
    assert "compressed" in (await failure(Answer(b"\x1f\x8b", headers={"content-encoding": "gzip"}))).reason


async def test_an_empty_answer_is_no_endorsement() -> None:
    assert (await failure(Answer(b""))).reason == "the answer is empty"


async def test_a_silent_source_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endorsement_sources, "SECONDS", 0.05)
    error = await failure(Answer(hang=True))
    assert error.busy
    assert error.reason.startswith("no answer: ")


async def test_a_source_that_is_not_there_is_busy() -> None:
    async with Kds() as kds:
        url = kds.url
    source = OnlineSource(url)
    with pytest.raises(SourceFailure) as caught:
        await source.get(REQUEST)
    await source.close()
    assert caught.value.reason == "no answer: ConnectError"


@pytest.mark.parametrize("path", ["", "a b", "a\r\nx: y", "@evil.example/", "a?b?c", "a#b", "ä"])
async def test_a_path_that_is_none_is_never_asked_for(path: str) -> None:
    async with Kds() as kds:
        source = OnlineSource(kds.url)
        with pytest.raises(SourceFailure, match="not one to ask for"):
            await source.get(EndorsementRequest("vcek", "kds", path))
        await source.close()
        assert kds.asked == []


@pytest.mark.parametrize(
    "url",
    ["", "kdsintf.amd.com", "ftp://x", "file:///etc/passwd", "https://", "https://u:p@x", "https://x?a", "https://x#a"],
)
def test_a_base_url_that_is_not_plain_http_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OnlineSource(url)
    assert caught.value.code == "AS-KDS-URL"


def test_sources_have_names_for_the_log() -> None:
    assert OnlineSource("https://kdsintf.amd.com").name == "https://kdsintf.amd.com"
    assert OfflineStore(Path("/store")).name == "/store"


async def test_the_first_offline_path_that_is_there_is_taken(tmp_path: Path) -> None:
    store = OfflineStore(tmp_path)
    assert await store.get(REQUEST) is None
    (tmp_path / "vcek" / "c3ff").mkdir(parents=True)
    (tmp_path / "vcek" / "c3ff" / "vcek.der").write_bytes(b"any TCB")
    assert await store.get(REQUEST) == b"any TCB"
    (tmp_path / "vcek" / "c3ff" / "bl03_tee00_vcek.der").write_bytes(b"this TCB")
    assert await store.get(REQUEST) == b"this TCB"
    await store.close()


async def test_an_offline_file_is_bounded_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (MAX_ENDORSEMENT + 1))
    with pytest.raises(SourceFailure, match="larger than"):
        await OfflineStore(tmp_path).get(EndorsementRequest("vcek", "kds", "p", ("a",)))


async def test_an_offline_file_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(SourceFailure, match="cannot read"):
        await OfflineStore(tmp_path).get(EndorsementRequest("vcek", "kds", "p", ("a",)))


async def test_a_file_in_the_place_of_a_folder_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert await OfflineStore(tmp_path).get(EndorsementRequest("vcek", "kds", "p", ("a/b",))) is None


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../secret", "a//b", ".", "", "a/\0", "a\\b", "a/.b"]
)
async def test_no_offline_path_leaves_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "store" / "a").mkdir(parents=True)
    with pytest.raises(SourceFailure, match="not one to look for"):
        await OfflineStore(tmp_path / "store").get(EndorsementRequest("vcek", "kds", "p", (path,)))
