"""Verifiers by TEE.

A verifier is an entry point of the group `attestack.verifiers`, named as its TEE is on the wire. It is loaded when it
is first asked for: what one TEE needs costs nobody else anything.
"""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from evidence_verifiers.contract import Verifier
from evidence_verifiers.errors import NoVerifierError, VerifierError

if TYPE_CHECKING:
    from attestation_protocol.tee import Tee

GROUP: Final = "attestack.verifiers"


def available() -> tuple[str, ...]:
    """List the TEEs that have a verifier, by their wire names, sorted."""
    return tuple(sorted(_installed()))


@functools.cache
def verifier_for(tee: Tee) -> Verifier[Any, Any]:
    """Load the verifier of a TEE. Raises NoVerifierError; VerifierError when it is there and does not load."""
    entry = _installed().get(tee.value)
    if entry is None:
        raise NoVerifierError(f"no verifier for {tee}", advice=f"there are verifiers for {', '.join(available())}")
    try:
        verifier = entry.load()
    except (ImportError, AttributeError) as error:
        raise VerifierError(
            f"the verifier for {tee} does not load: {error}", advice=f"install what {entry.module} needs"
        ) from error
    if not isinstance(verifier, Verifier) or verifier.tee is not tee:
        raise VerifierError(f"the entry point {entry.value} is not the verifier for {tee}")
    return verifier


@functools.cache
def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
