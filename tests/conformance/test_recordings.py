"""The recordings are whole, and read as they were sent."""

from __future__ import annotations

import pytest

from tests.conformance.recordings import (
    WIRE,
    document,
    http_recording,
    http_recordings,
    rpc_recording,
    stream,
    ttrpc_recording,
)


@pytest.mark.parametrize(
    ("folder", "cases", "steps"),
    [("kbs", 22, 143), ("as", 4, 48), ("guest", 1, 34), ("stock", 4, 9), ("passport", 3, 31), ("remote", 1, 11)],
)
def test_every_http_case_is_read(folder: str, cases: int, steps: int) -> None:
    recordings = http_recordings(folder)
    assert len(recordings) == cases
    assert sum(len(recording.steps) for recording in recordings) == steps


def test_cases_come_in_their_order() -> None:
    recordings = http_recordings("kbs")
    assert [recording.order for recording in recordings] == sorted({recording.order for recording in recordings})
    assert recordings[-1].name == "metrics"


@pytest.mark.parametrize("folder", ["kbs", "as", "guest", "stock", "passport", "remote"])
def test_bodies_have_the_length_that_was_sent(folder: str) -> None:
    for recording in http_recordings(folder):
        for step in recording.steps:
            for message in (step.request, step.response):
                length = message.headers.get("content-length")
                if step.request.method != "HEAD" and length is not None:
                    assert len(message.body) == int(length), (recording.name, step.request.target)


def test_a_body_in_base64_and_a_filled_one_are_expanded() -> None:
    filled, over, zipped, *_ = http_recording("kbs/body-limits").steps
    assert filled.request.body == b" " * 2_097_152
    assert len(over.request.body) == 2_097_153
    assert zipped.request.body.startswith(b"\x1f\x8b")


def test_members_beyond_the_steps_are_kept() -> None:
    recording = http_recording("kbs/flow-p-256")
    assert recording.members["secret"] == "the-secret-bytes"
    assert recording.members["tee_key_pem"].startswith("-----BEGIN PRIVATE KEY-----")


def test_headers_are_found_whatever_their_case() -> None:
    headers = http_recording("kbs/auth").steps[0].response.headers
    assert headers.get("SET-COOKIE") == headers.all("set-cookie")[0]
    assert headers.get("content-type") == "application/json"
    assert headers.get("x-none") is None
    assert "date" in headers.names


def test_json_bodies_are_read() -> None:
    step = http_recording("kbs/auth").steps[0]
    assert step.request.json["tee"] == "sample"
    assert set(step.response.json) == {"nonce", "extra-params"}


@pytest.mark.parametrize(
    ("name", "calls", "failures"),
    [("as/as-grpc", 22, 13), ("as/rvps-grpc", 9, 5), ("remote/kbs-to-as", 8, 2), ("remote/as-to-rvps", 17, 0)],
)
def test_calls_are_read(name: str, calls: int, failures: int) -> None:
    recorded = rpc_recording(name)
    assert len(recorded) == calls
    assert len([call for call in recorded if call.code]) == failures
    assert all(call.response == b"" for call in recorded if call.code)


@pytest.mark.parametrize(
    ("name", "calls"), [("guest/aa-rpcs", 21), ("guest/cdh-rpcs", 16), ("guest/ttrpc-oddities", 5)]
)
def test_frames_carry_their_payloads(name: str, calls: int) -> None:
    recorded = ttrpc_recording(name)
    assert len(recorded) == calls
    for framed in recorded:
        if framed.response_frame is not None:
            assert int.from_bytes(framed.response_frame[:4]) + 10 == len(framed.response_frame)
            assert framed.call.response in framed.response_frame


def test_an_oversize_frame_is_expanded_to_its_length() -> None:
    oversize = next(framed for framed in ttrpc_recording("guest/ttrpc-oddities") if "4 MiB" in framed.call.note)
    assert len(oversize.request_frame) == 4_194_315
    assert int.from_bytes(oversize.request_frame[:4]) == 4_194_305


def test_streams_hold_both_directions() -> None:
    assert [chunk.direction for chunk in stream("stock/hub-to-agent-ttrpc")] == [">", "<"]
    assert {chunk.direction for chunk in stream("stock/rest-to-hub-ttrpc")} == {">", "<"}


def test_other_documents_are_plain_json() -> None:
    assert document("cli-kbs-client")["runs"][0]["exit"] == 0


def test_the_stores_of_the_rust_programs_are_whole() -> None:
    assert len([path for path in (WIRE / "stores").rglob("*") if path.is_file()]) == 17
