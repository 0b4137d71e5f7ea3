"""Every fuzz harness is one, and survives its seeds and some thousand mutations of them (atheris does the rest)."""

from __future__ import annotations

import importlib
import random
from typing import TYPE_CHECKING, Final

import pytest

from tests.fuzz.__main__ import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MUTATIONS: Final = 300


def load(name: str) -> tuple[Callable[[bytes], None], Iterable[bytes]]:
    harness = importlib.import_module(f"tests.fuzz.{name}")
    return harness.TARGET, harness.SEEDS()


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Cut, flip, repeat, insert: what a fuzzer does first."""
    changed = bytearray(data)
    at = chance.randrange(len(changed) + 1)
    match chance.randrange(4):
        case 0:
            del changed[at : at + chance.randrange(1, 9)]
        case 1 if at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        case 2:
            changed[at:at] = changed[at : at + chance.randrange(1, 33)]
        case _:
            changed[at:at] = chance.choice([b"\x00", b"\xff", b"..", b"//", b"%2e", b"{", b"[", b'"', b"-1", b"\xc3"])
    return bytes(changed)


@pytest.mark.parametrize("name", names())
def test_seeds_and_mutations_of_them_are_handled(name: str) -> None:
    target, seeds = load(name)
    seeds = list(seeds)
    assert seeds
    target(b"")
    chance = random.Random(name)
    for seed in seeds:
        target(seed)
        data = seed
        for number in range(MUTATIONS):
            data = mutate(seed if number % 8 == 0 else data, chance)
            target(data)
