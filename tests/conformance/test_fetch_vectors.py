"""`make vectors` against servers that are honest, slow, cut short, or lie."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from tests.conformance import fetch_vectors, vector_transfer, vectors
from tests.conformance.fetch_vectors import BASE, Cache, State, VectorsError, check_base, fill, main
from tests.conformance.scripted_server import SILENCE, ScriptedServer, moved, rest_of, whole
from tests.conformance.vector_transfer import Bounds, TransferError, _redirected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conformance.fetch_vectors import Outcome
    from tests.conformance.vectors import Origin

DATA = bytes(range(256)) * 40
NAME = "tpm/evidence.json"
URL = "/owner/name/c0ffee/a%20folder/evidence.json"
QUICK = Bounds(file=30.0, silence=10.0, pause=0.0, attempts=3)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(data: bytes = DATA, path: str = "a folder/evidence.json", **members: Any) -> Origin:
    origin: Any = {"repository": "owner/name", "commit": "c0ffee", "path": path, "sha256": sha256(data)} | members
    return origin  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", {NAME: entry()})


async def filled(cache: Cache, server: ScriptedServer, bounds: Bounds = QUICK, **more: Any) -> list[Outcome]:
    return await fill(cache, server.base, bounds=bounds, **more)


async def only(cache: Cache, server: ScriptedServer, bounds: Bounds = QUICK) -> tuple[State, str]:
    (outcome,) = await filled(cache, server, bounds)
    return outcome.state, outcome.reason


def names(cache: Cache) -> list[str]:
    return sorted(str(path.relative_to(cache.folder)) for path in cache.folder.rglob("*") if path.is_file())


def part_of(cache: Cache, data: bytes) -> None:
    """Leave behind what an earlier run has fetched."""
    path = cache.folder / f"{NAME}.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)


async def test_a_file_is_fetched_checked_and_named(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [whole(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert (cache.folder / NAME).read_bytes() == DATA
    assert names(cache) == [".lock", NAME]
    (request,) = server.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.range is None


async def test_a_file_that_is_there_is_kept_and_not_asked_for(cache: Cache, server: ScriptedServer) -> None:
    (cache.folder / "tpm").mkdir(parents=True)
    (cache.folder / NAME).write_bytes(DATA)
    assert await only(cache, server) == (State.KEPT, "")
    assert server.requests == []


async def test_a_file_that_is_wrong_is_replaced(cache: Cache, server: ScriptedServer) -> None:
    (cache.folder / "tpm").mkdir(parents=True)
    (cache.folder / NAME).write_bytes(b"tampered")
    server.answers[URL] = [whole(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert (cache.folder / NAME).read_bytes() == DATA


@pytest.mark.parametrize("lie", [DATA[:-1], DATA + b"\n", b"", b"<html>not here</html>"], ids=len)
async def test_wrong_bytes_never_get_the_name(cache: Cache, server: ScriptedServer, lie: bytes) -> None:
    server.answers[URL] = [whole(lie)]
    state, reason = await only(cache, server)
    assert state is State.MISSING
    assert reason == f"{server.base}{URL} has SHA-256 {sha256(lie)}, the manifest says {sha256(DATA)}"
    assert names(cache) == [".lock"]
    assert len(server.requests) == 1


async def test_a_transfer_that_was_cut_goes_on_from_there(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [whole(DATA[:100], length=len(DATA)), rest_of(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert (cache.folder / NAME).read_bytes() == DATA
    assert [request.range for request in server.requests] == [None, "bytes=100-"]


async def test_what_was_cut_is_kept_for_the_next_run(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [whole(DATA[:100], length=len(DATA)), whole(b"", status="503 Service Unavailable")]
    state, reason = await only(cache, server)
    assert (state, reason) == (State.MISSING, f"{server.base}{URL} status 503, 3 times")
    assert names(cache) == [".lock", f"{NAME}.part"]
    server.answers[URL] = [rest_of(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert server.requests[-1].range == "bytes=100-"
    assert names(cache) == [".lock", NAME]


async def test_a_server_that_cannot_go_on_sends_it_all_again(cache: Cache, server: ScriptedServer) -> None:
    part_of(cache, DATA[:100])
    server.answers[URL] = [whole(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert server.requests[0].range == "bytes=100-"
    assert (cache.folder / NAME).read_bytes() == DATA


async def test_a_part_that_is_already_whole_gets_its_name(cache: Cache, server: ScriptedServer) -> None:
    part_of(cache, DATA)
    assert await only(cache, server) == (State.FETCHED, "")
    assert server.requests == []


async def test_a_part_of_something_else_is_thrown_away(cache: Cache, server: ScriptedServer) -> None:
    part_of(cache, b"something else")
    server.answers[URL] = [rest_of(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert [request.range for request in server.requests] == ["bytes=14-", None]


@pytest.mark.parametrize(
    "lie",
    [
        whole(DATA[50:], f"content-range: bytes 50-{len(DATA) - 1}/{len(DATA)}", status="206 Partial Content"),
        whole(DATA[100:], status="206 Partial Content"),
        whole(b"", "content-range: bytes */5", status="416 Range Not Satisfiable"),
    ],
    ids=["other range", "no range", "not satisfiable"],
)
async def test_another_part_than_was_asked_for_is_not_used(cache: Cache, server: ScriptedServer, lie: bytes) -> None:
    part_of(cache, DATA[:100])
    server.answers[URL] = [lie, whole(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")
    assert [request.range for request in server.requests] == ["bytes=100-", None]
    assert (cache.folder / NAME).read_bytes() == DATA


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "206 Partial Content", "204 No Content"])
async def test_a_refusal_is_final_and_the_others_are_fetched(
    tmp_path: Path, server: ScriptedServer, status: str
) -> None:
    cache = Cache(tmp_path / "cache", {NAME: entry(), "other": entry(b"other", "other"), "third": entry(b"3", "3")})
    server.answers = {
        URL: [whole(b"" if status.startswith("204") else DATA, status=status)],
        "/owner/name/c0ffee/other": [whole(b"other")],
        "/owner/name/c0ffee/3": [whole(b"3")],
    }
    outcomes = await filled(cache, server)
    assert [outcome.relative for outcome in outcomes] == list(cache.manifest)
    assert [outcome.state for outcome in outcomes] == [State.MISSING, State.FETCHED, State.FETCHED]
    assert outcomes[0].reason == f"{server.base}{URL} status {status[:3]}"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", ["408 Request Timeout", "429 Too Many Requests", "500 Oops", "503 Busy"])
async def test_a_server_that_is_busy_is_asked_again(cache: Cache, server: ScriptedServer, status: str) -> None:
    server.answers[URL] = [whole(b"later", status=status), whole(b"later", status=status), whole(DATA)]
    assert await only(cache, server) == (State.FETCHED, "")


@pytest.mark.parametrize(
    "answer",
    [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n", moved("http://127.0.0.1:x/")],
    ids=["garbage", "half a head", "redirect to no address"],
)
async def test_what_is_no_http_is_given_up(cache: Cache, server: ScriptedServer, answer: bytes) -> None:
    server.answers[URL] = [answer]
    state, reason = await only(cache, server)
    assert state is State.MISSING
    assert reason.endswith(", 3 times")
    assert len(server.requests) == 3


async def test_no_server_at_all_is_given_up(cache: Cache) -> None:
    async with ScriptedServer() as server:
        base = server.base
    (outcome,) = await fill(cache, base, bounds=QUICK)
    assert outcome.state is State.MISSING
    assert outcome.reason.endswith(", 3 times")


async def test_a_server_that_says_nothing_is_given_up(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [SILENCE]
    state, reason = await only(cache, server, Bounds(file=30.0, silence=0.05, pause=0.0, attempts=2))
    assert (state, reason) == (State.MISSING, f"{server.base}{URL} ReadTimeout, 2 times")


async def test_a_file_has_its_time_and_what_came_is_kept(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [whole(DATA[:100], length=len(DATA)), SILENCE]
    state, reason = await only(cache, server, Bounds(file=0.5, silence=10.0, pause=0.0, attempts=3))
    assert state is State.MISSING
    assert reason.startswith(f"{server.base}{URL} took longer than 0.5 s; ")
    assert (cache.folder / f"{NAME}.part").read_bytes() == DATA[:100]


async def test_a_run_has_its_time(tmp_path: Path, server: ScriptedServer) -> None:
    cache = Cache(tmp_path / "cache", {NAME: entry(), "other": entry(b"other", "other")})
    server.answers = {URL: [SILENCE], "/owner/name/c0ffee/other": [whole(b"other")]}
    outcomes = await filled(cache, server, seconds=0.5)
    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [
        (State.MISSING, "the run took longer than 0.5 s"),
        (State.FETCHED, ""),
    ]


async def test_four_files_are_fetched_at_once(tmp_path: Path, server: ScriptedServer) -> None:
    cache = Cache(tmp_path / "cache", {f"f{n}": entry(str(n).encode(), str(n)) for n in range(12)})
    server.answers = {f"/owner/name/c0ffee/{n}": [whole(str(n).encode())] for n in range(12)}
    server.together = asyncio.Barrier(4)
    assert [outcome.state for outcome in await filled(cache, server)] == [State.FETCHED] * 12
    assert server.most_open == 4


async def test_a_redirect_is_followed(cache: Cache, server: ScriptedServer) -> None:
    part_of(cache, DATA[:100])
    server.answers = {URL: [moved("../elsewhere")], "/owner/name/c0ffee/elsewhere": [rest_of(DATA)]}
    assert await only(cache, server) == (State.FETCHED, "")
    assert [request.range for request in server.requests] == ["bytes=100-"] * 2


async def test_a_loop_of_redirects_is_given_up(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [moved(URL)]
    state, reason = await only(cache, server)
    assert (state, reason) == (State.MISSING, f"{server.base}{URL} is redirected more than 5 times")
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://198.51.100.1/x", "is redirected to http://198.51.100.1: neither https, nor http on this machine"),
        ("file:///etc/passwd", "is redirected to file://127.0.0.1: neither https, nor http on this machine"),
        ("ftp://localhost/x", "is redirected to ftp://localhost: neither https, nor http on this machine"),
        ("https://user:word@localhost/", "is redirected to https://localhost: not the address of a server"),
    ],
)
async def test_a_redirect_elsewhere_is_not_followed(
    cache: Cache, server: ScriptedServer, location: str, reason: str
) -> None:
    server.answers[URL] = [moved(location)]
    assert await only(cache, server) == (State.MISSING, f"{server.base}{URL} {reason}")
    assert len(server.requests) == 1


def test_https_leads_to_https_only() -> None:
    source = httpx.URL("https://example.com/x")
    assert _redirected(source, httpx.URL("https://example.org/y")).host == "example.org"
    with pytest.raises(TransferError, match=r"is redirected to http://127\.0\.0\.1: not https"):
        _redirected(source, httpx.URL("http://127.0.0.1/y"))


@pytest.mark.parametrize("kept", [0, 60])
async def test_a_file_that_is_too_large_is_dropped(
    cache: Cache, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(vector_transfer, "MAX_FILE", 100)
    part_of(cache, DATA[:kept])
    server.answers[URL] = [rest_of(DATA)]
    assert await only(cache, server) == (State.MISSING, f"{server.base}{URL} is larger than 100 bytes")
    assert names(cache) == [".lock"]


async def test_another_encoding_is_refused(cache: Cache, server: ScriptedServer) -> None:
    server.answers[URL] = [whole(DATA, "content-encoding: gzip")]
    state, reason = await only(cache, server)
    assert (state, reason) == (
        State.MISSING,
        f"{server.base}{URL} is sent in another encoding than it was asked for",
    )


async def test_a_folder_that_cannot_be_made_is_missing_files(cache: Cache, server: ScriptedServer) -> None:
    cache.folder.mkdir()
    (cache.folder / "tpm").write_bytes(b"")
    server.answers[URL] = [whole(DATA)]
    state, reason = await only(cache, server)
    assert state is State.MISSING
    assert "tpm" in reason


async def test_a_file_in_another_form_is_made(tmp_path: Path, server: ScriptedServer) -> None:
    value = b"-----BEGIN\nCERTIFICATE-----"
    cache = Cache(tmp_path / "cache", {NAME: entry(value, "tests.go", note="a header value, URL-decoded")})
    server.answers["/owner/name/c0ffee/tests.go"] = [
        whole(b'"a%20b"', length=100),
        whole(b'x = "a%20b" + "-----BEGIN%0ACERTIFICATE-----"'),
    ]
    assert await only(cache, server) == (State.MADE, "")
    assert (cache.folder / NAME).read_bytes() == value
    assert names(cache) == [".lock", NAME]


async def test_a_file_in_another_form_is_made_of_the_right_bytes_only(tmp_path: Path, server: ScriptedServer) -> None:
    cache = Cache(tmp_path / "cache", {NAME: entry(b"right", "x", note="a header value, URL-decoded")})
    server.answers["/owner/name/c0ffee/x"] = [whole(b'"%77rong"')]
    state, reason = await only(cache, server)
    assert state is State.MISSING
    assert reason == f"what {server.base}/owner/name/c0ffee/x holds does not give SHA-256 {sha256(b'right')}"
    server.answers["/owner/name/c0ffee/x"] = [whole(b"", status="410 Gone")]
    assert await only(cache, server) == (State.MISSING, f"{server.base}/owner/name/c0ffee/x status 410")
    assert names(cache) == [".lock"]


NOWHERE: Any = {"repository": None, "commit": None, "path": None}


async def test_what_no_repository_has_is_listed_or_copied(tmp_path: Path, server: ScriptedServer) -> None:
    note = "values found by independent code"
    cache = Cache(
        tmp_path / "cache",
        {
            "expected.json": entry(b"{}", note=note, **NOWHERE),
            "the same": entry(DATA, note="equals it", **NOWHERE),
            NAME: entry(),
            "report.bin": entry(b"r", note=f"the report of {NAME} in its binary layout", **NOWHERE),
            "other.bin": entry(b"o", note="the report of no/such in its binary layout", **NOWHERE),
        },
    )
    server.answers[URL] = [whole(DATA)]
    outcomes = await filled(cache, server)
    assert [outcome.state for outcome in outcomes] == [
        State.NOT_PUBLIC,
        State.MADE,
        State.FETCHED,
        State.NOT_PUBLIC,  # what is there is no evidence
        State.NOT_PUBLIC,
    ]
    assert outcomes[0].reason == note
    assert (cache.folder / "the same").read_bytes() == DATA
    assert [outcome.state for outcome in await filled(cache, server)][1] is State.KEPT


async def test_what_is_committed_is_kept(tmp_path: Path, server: ScriptedServer) -> None:
    name = "snp/seed/evidence.json"
    cache = Cache(tmp_path / "cache", {name: vectors.manifest()[name]})
    assert await only(cache, server) == (State.KEPT, "")


async def test_two_runs_do_not_fill_one_folder(cache: Cache, server: ScriptedServer) -> None:
    with cache.locked(), pytest.raises(VectorsError, match="another run fills"):
        await filled(cache, server)
    assert server.requests == []


async def test_a_folder_that_is_none_is_refused(tmp_path: Path, server: ScriptedServer) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VectorsError, match="file"):
        await filled(Cache(tmp_path / "file", {}), server)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b"])
async def test_a_manifest_cannot_lead_out_of_the_folder(tmp_path: Path, server: ScriptedServer, name: str) -> None:
    with pytest.raises(VectorsError, match="the manifest names"):
        await filled(Cache(tmp_path / "cache", {name: entry()}), server)


@pytest.mark.parametrize("base", [BASE, "https://mirror.example/raw/", "http://127.0.0.1:1", "http://[::1]/x"])
def test_a_base_is_https_or_on_this_machine(base: str) -> None:
    check_base(base)


@pytest.mark.parametrize(
    "base",
    ["", "x", "http://example.com", "ftp://localhost", "https://u:p@example.com", "https://", "https://e.com/?a=b",
     "https://e.com/#a", "http://127.0.0.1:x", "http://127.0.0.1.example.com"],
)  # fmt: skip
def test_another_base_is_refused(base: str) -> None:
    with pytest.raises(VectorsError):
        check_base(base)


def test_the_program_says_in_a_line_how_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch_vectors, "fill", functools.partial(fill, bounds=Bounds(pause=0.0, attempts=1)))
    monkeypatch.setattr(vectors, "manifest", lambda: {NAME: entry(), "x": entry(b"", note="found", **NOWHERE)})
    arguments = ["--base", "http://127.0.0.1:1", "--folder", str(tmp_path)]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    missing, listed = printed.out.splitlines()
    assert missing.startswith(f"missing: {NAME}: http://127.0.0.1:1{URL} ")
    assert listed == "in no repository: x: found"
    assert printed.err == (
        f"vectors: not all are there (1 missing, 1 in no repository; {tmp_path}): run it again, it goes on from there\n"
    )
    (tmp_path / "tpm").mkdir()
    (tmp_path / NAME).write_bytes(DATA)
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"vectors: ok (1 kept, 1 in no repository; {tmp_path})"
    assert main(["--base", "http://example.com", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "vectors: http://example.com: neither https, nor http on this machine\n"


def test_the_environment_names_a_mirror_and_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATTESTACK_VECTORS", str(tmp_path / "named"))
    monkeypatch.setenv("ATTESTACK_VECTORS_BASE", "http://example.com")
    assert main([]) == 1
    assert "http://example.com" in capsys.readouterr().err
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert f"default: {tmp_path / 'named'}\n" in capsys.readouterr().out
