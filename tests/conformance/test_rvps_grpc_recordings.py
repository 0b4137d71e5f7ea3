"""What was recorded of the stock `rvps`, replayed against ours: the calls of a client, and those of a stock AS.

A refusal's text must be the recorded one, then at most advice in parentheses and a code in brackets. What differs on
purpose stands in `DIVERGENCES`, and nothing else may.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from attestation_protocol.errors import code_of

from tests.conformance import wire_table
from tests.conformance.grpc_replay import Answer, Client
from tests.conformance.recordings import rpc_recording
from tests.conformance.test_as_recordings import is_with_code
from tests.integration.processes import Program, Tcp, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.recordings import Call

SERVICE: Final = "reference.ReferenceValueProviderService"
RECORDED: Final = rpc_recording("as/rvps-grpc")
FROM_A_STOCK_AS: Final = rpc_recording("remote/as-to-rvps")

NO_ID: Final = (
    "Query reference value: failed to get key `` "
    "(name one value: the map of all values of older versions is not offered) [RVPS-ID]"
)
DIVERGENCES: Final = {8: (NO_ID, "a query without an id")}
"""By position: our text, and the row of docs/differences.d/grpc.md for it."""
CODES: Final = {1: "RVPS-EXTRACTOR", 2: "RVPS-MESSAGE", 3: "RVPS-VERSION", 4: "RVPS-BASE64", 8: "RVPS-ID"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """Every recorded call, in order, of one server on LocalFs as the recorded one was."""
    return replayed(RECORDED, tmp_path_factory.mktemp("rvps"))


def replayed(calls: list[Call], folder: Path) -> list[Answer]:
    config, port = folder / "rvps.json", free_port()
    backends = {"local_fs": {"dir_path": str(folder / "store")}}
    config.write_text(json.dumps({"storage": {"storage_type": "LocalFs", "backends": backends}}))
    with Program("rvps", "-c", config, "-a", f"127.0.0.1:{port}", ready=Tcp(port)), Client(port) as client:
        return [client.replay(SERVICE, call) for call in calls]


@pytest.mark.parametrize("number", range(len(RECORDED)), ids=[f"{call.method}-{call.note}" for call in RECORDED])
def test_rvps_answers_as_recorded(number: int, outcomes: list[Answer]) -> None:
    recorded, fresh = RECORDED[number], outcomes[number]
    assert (fresh.code, fresh.response) == (recorded.code, recorded.response)
    differs, row = DIVERGENCES.get(number, ("", ""))
    what = f"{recorded.method} {recorded.note}"
    wire_table.add("as/rvps-grpc", number, "our server", what, difference=differs, allowed_by=row)
    if number in DIVERGENCES:
        assert fresh.message == DIVERGENCES[number][0]
    else:
        assert recorded.code == 0 or is_with_code(recorded.message, fresh.message), fresh.message


def test_every_refusal_ends_with_its_code(outcomes: list[Answer]) -> None:
    assert {n: code_of(answer.message) for n, answer in enumerate(outcomes) if answer.code} == CODES


def test_a_stock_attestation_service_is_served(tmp_path: Path) -> None:
    fresh = replayed(FROM_A_STOCK_AS, tmp_path)
    assert [(answer.code, answer.response) for answer in fresh] == [
        (call.code, call.response) for call in FROM_A_STOCK_AS
    ]
    for number, call in enumerate(FROM_A_STOCK_AS):
        wire_table.add("remote/as-to-rvps", number, "our server", call.method)


def test_every_divergence_has_its_row(request: pytest.FixtureRequest) -> None:
    rows = (request.config.rootpath / "docs" / "differences.d" / "grpc.md").read_text()
    assert [row for _, row in DIVERGENCES.values() if row not in rows] == []
