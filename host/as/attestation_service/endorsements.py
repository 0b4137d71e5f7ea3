"""Endorsements: fetched once, and believed only when evidence has been verified with them.

    proven     bytes with which evidence was accepted. What they say was signed by a vendor and its dates are looked at
               in every verification, so they stay, the 1024 used last.
    unproven   bytes with which nothing was accepted yet, and the knowledge that no source has the thing. Both are
               forgotten after 15 seconds: a source that lied once, or an attacker who asks for chips that do not
               exist, spoils nothing, and still cannot make us ask again for each request.

Unproven entries never push out proven ones. Only one fetch of a thing is under way at a time. A source that is busy or
silent is left alone for as long as it says, or 1, 2, 4, ... 60 seconds; meanwhile the other sources and all that is
proven serve on. What cannot be had fails the appraisal: nothing is ever skipped.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from attestack_common.logs import get_logger

from attestation_service.endorsement_sources import SourceFailure
from attestation_service.errors import EndorsementUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evidence_verifiers.contract import EndorsementRequest

    from attestation_service.endorsement_sources import Source

UNPROVEN_SECONDS: Final = 15.0
ENTRIES: Final = 1024
MAX_BACK_OFF: Final = 60.0

_log = get_logger(__name__)


@dataclass(slots=True)
class _Place:
    """A source, and until when it is left alone."""

    source: Source
    failures: int = 0
    silent_until: float = 0.0

    def failed(self, failure: SourceFailure, now: float) -> None:
        self.failures += 1
        pause = failure.retry_after if failure.retry_after is not None else 2.0 ** (self.failures - 1)
        self.silent_until = now + min(pause, MAX_BACK_OFF)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a fetch came to: bytes, or none, and then whether every source said that it has none."""

    data: bytes | None
    missing: bool
    expires: float


class Endorsements:
    """Fetches what verifiers need, by kind of source (`EndorsementRequest.source`)."""

    def __init__(
        self, sources: Mapping[str, Sequence[Source]], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = {kind: [_Place(source) for source in listed] for kind, listed in sources.items()}
        self._monotonic = monotonic
        self._proven: OrderedDict[EndorsementRequest, bytes] = OrderedDict()
        self._unproven: OrderedDict[EndorsementRequest, _Outcome] = OrderedDict()
        self._under_way: dict[EndorsementRequest, asyncio.Task[_Outcome]] = {}

    async def fetch(self, requests: Sequence[EndorsementRequest]) -> dict[str, bytes]:
        """Get all that is asked for, by its name. Raises EndorsementUnavailableError."""
        return {request.name: await self._one(request) for request in requests}

    def prove(self, requests: Sequence[EndorsementRequest], used: Mapping[str, bytes]) -> None:
        """Keep what evidence was accepted with."""
        for request in requests:
            self._unproven.pop(request, None)
            self._proven[request] = used[request.name]
            self._proven.move_to_end(request)
        while len(self._proven) > ENTRIES:
            self._proven.popitem(last=False)

    async def close(self) -> None:
        """Stop what is under way, and close the sources."""
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for places in self._places.values():
            for place in places:
                await place.source.close()

    async def _one(self, request: EndorsementRequest) -> bytes:
        proven = self._proven.get(request)
        if proven is not None:
            self._proven.move_to_end(request)
            return proven
        outcome = self._unproven.get(request)
        if outcome is None or outcome.expires <= self._monotonic():
            task = self._under_way.get(request)
            if task is None:
                task = asyncio.create_task(self._ask(request))
                self._under_way[request] = task
                task.add_done_callback(lambda _: self._under_way.pop(request, None))
            outcome = await asyncio.shield(task)
        if outcome.data is None:
            raise _unavailable(request, missing=outcome.missing)
        return outcome.data

    async def _ask(self, request: EndorsementRequest) -> _Outcome:
        missing = True
        for place in self._places.get(request.source, ()):
            if place.silent_until > self._monotonic():
                missing = False
                continue
            try:
                data = await place.source.get(request)
            except SourceFailure as failure:
                missing = False
                if failure.busy:
                    place.failed(failure, self._monotonic())
                _log.warning(
                    "endorsement source failed",
                    source=place.source.name,
                    endorsement=request.name,
                    path=request.path,
                    reason=failure.reason,
                )
                continue
            place.failures = 0
            if data is not None:
                return self._remember(request, data, missing=False)
        return self._remember(request, None, missing=missing)

    def _remember(self, request: EndorsementRequest, data: bytes | None, *, missing: bool) -> _Outcome:
        outcome = _Outcome(data, missing, self._monotonic() + UNPROVEN_SECONDS)
        if data is not None or missing:  # a source that is busy is bounded by its own pause
            self._unproven[request] = outcome
            self._unproven.move_to_end(request)
        while len(self._unproven) > ENTRIES:
            self._unproven.popitem(last=False)
        return outcome


def _unavailable(request: EndorsementRequest, *, missing: bool) -> EndorsementUnavailableError:
    layers = (f"Verifier evaluate failed: Failed to fetch {request.name.upper()} from any configured source",)
    if missing:
        return EndorsementUnavailableError(
            f"no configured source has the endorsement `{request.name}`",
            code="AS-ENDORSEMENT-MISSING",
            advice="check the chip and its TCB, or put the certificate into the offline store",
            layers=layers,
        )
    return EndorsementUnavailableError(
        f"no configured source could be asked for the endorsement `{request.name}`",
        advice="try again later, or configure an offline store; the log names the source and why it failed",
        layers=layers,
    )
