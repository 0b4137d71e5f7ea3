"""What the stock agent and data hub send to a broker is served by `kbs`, header fields and all, and answered alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.conformance import wire_table
from tests.conformance.kbs_replay import Replay
from tests.conformance.recordings import Recording, http_recording
from tests.conformance.test_kbs_recordings import SECRET, differences
from tests.integration.independent_rcar_client import Guest, new_key
from tests.integration.kbs_config import Kbs, policy_document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENT: Final = http_recording("stock/agent-token")
HUB: Final = [http_recording(f"stock/{name}") for name in ("hub-resource", "hub-missing-resource", "hub-dotdot")]


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """A broker with the secret of the recordings."""
    folder: Path = tmp_path_factory.mktemp("kbs")
    with Kbs(folder, storage="Memory") as kbs:
        operator = Guest(kbs.url, new_key("P-256"))
        assert operator.send("POST", "/kbs/v0/resource/default/key/1", SECRET.encode()).status == 200
        assert operator.send("POST", "/kbs/v0/resource-policy", policy_document()).status == 200
        operator.close()
        yield Replay(kbs.port)


def compare(replay: Replay, case: Recording) -> None:
    found = ["; ".join(differences(step.response, replay.ask(step), case)) for step in case.steps]
    for number, (step, difference) in enumerate(zip(case.steps, found, strict=True)):
        wire_table.add(f"stock/{case.name}", number, "our server", str(step), difference=difference)
    assert found == [""] * len(case.steps)


def test_the_stock_agent_gets_its_token(replay: Replay) -> None:
    compare(replay, AGENT)


@pytest.mark.parametrize("case", HUB, ids=lambda case: case.name)
def test_the_stock_hub_gets_its_resource_or_the_recorded_refusal(replay: Replay, case: Recording) -> None:
    compare(replay, AGENT)
    fresh = next(iter(replay.tokens.values()))
    for step in case.steps:  # each had a token of its own; all were of the same handshake's form
        replay.tokens[(step.request.headers.get("authorization") or "").removeprefix("Bearer ")] = fresh
    compare(replay, case)
