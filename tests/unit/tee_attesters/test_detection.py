"""Which attesters a machine gets, and that an unknown TEE never falls back to sample evidence."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
from attestation_protocol.tee import Tee
from tee_attesters import (
    AttesterKind,
    Machine,
    NoAttesterError,
    detect,
    detection,
    installed_attesters,
    this_machine,
)
from tee_attesters.detection import PLATFORM_MARKS
from tee_attesters.sample import ATTESTER as SAMPLE
from tee_attesters.sample import SampleAttester

if TYPE_CHECKING:
    from pathlib import Path


def machine(root: Path, *paths: str, **environment: str) -> Machine:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return Machine(root, environment)


def kind(tee: Tee, rank: int, *, primary: bool = True, found: bool = True) -> AttesterKind:
    return AttesterKind(tee, primary, rank, lambda _: found, lambda: SampleAttester(str(tee)))


async def test_a_plain_machine_gets_sample_evidence(tmp_path: Path) -> None:
    detected = detect(machine(tmp_path), installed_attesters())
    assert detected.tee is Tee.SAMPLE
    assert detected.devices == {}
    assert await detected.primary.evidence(b"0123456789") == {"svn": "1", "report_data": "MDEyMzQ1Njc4OQ=="}
    assert await detected.primary.evidence(b"") == {"svn": "1", "report_data": ""}
    assert await detected.primary.bind_init_data(b"x" * 48) is False


async def test_the_sample_device_is_there_where_the_environment_asks_for_it(tmp_path: Path) -> None:
    detected = detect(machine(tmp_path, ENABLE_SAMPLE_DEVICE=""), installed_attesters())
    assert list(detected.devices) == [Tee.SAMPLE_DEVICE]
    assert (await detected.devices[Tee.SAMPLE_DEVICE].evidence(b"x"))["svn"] == "2"


@pytest.mark.parametrize(("tee", "mark"), PLATFORM_MARKS.items())
def test_a11_a_tee_without_an_attester_is_an_error_and_not_a_sample(tmp_path: Path, tee: Tee, mark: str) -> None:
    with pytest.raises(NoAttesterError) as caught:
        detect(machine(tmp_path, mark), [SAMPLE])
    assert caught.value.code == "ATTESTER-NONE"
    assert f"kind {tee} " in caught.value.message


async def test_the_lowest_rank_that_finds_its_platform_speaks_for_it(tmp_path: Path) -> None:
    kinds = [
        SAMPLE,
        kind(Tee.TDX, 10, found=False),
        kind(Tee.SNP, 30),
        kind(Tee.CSV, 20),
        kind(Tee.NVIDIA, 0, primary=False),
    ]
    detected = detect(machine(tmp_path, "dev/tdx_guest"), kinds)
    assert detected.tee is Tee.CSV
    assert (await detected.primary.evidence(b""))["svn"] == "csv"
    assert list(detected.devices) == [Tee.NVIDIA]


@pytest.mark.parametrize("value", ["no_such_package:X", "tee_attesters.sample:NOTHING", "tee_attesters.sample:LAST"])
def test_an_attester_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(detection, "entry_points", lambda group: [EntryPoint("odd", value, group)])
    with pytest.raises(NoAttesterError) as caught:
        installed_attesters()
    assert caught.value.code == "ATTESTER-BROKEN"
    assert f"odd does not load ({value})" in caught.value.message


def test_this_machine_is_the_one_that_it_runs_on() -> None:
    assert this_machine().has("proc/self")
    assert not this_machine().has("no/such/path")


def test_nothing_installed_is_said_to_be_nothing(tmp_path: Path) -> None:
    none: list[Any] = []
    with pytest.raises(NoAttesterError) as caught:
        detect(machine(tmp_path), none)
    assert "no attester is installed" in str(caught.value)
