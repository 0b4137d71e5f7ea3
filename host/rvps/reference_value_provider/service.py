"""The reference value provider: registers what extractors find, answers what policies ask for.

Registering: a message is refused as a whole, before anything is stored, if one of its values or names is. Values are
replaced by name. What is written then is written at once; if the store fails meanwhile, part of it may be there, and
sending the message again is what mends that.

Asking: a value that is missing, or has expired, is not there (`MISSING`); upstream serves expired values. Each answer
is read from the store, which other processes may write to; only the parsing of bytes seen before is spared.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final

from attestack_common.clock import Clock, system_clock
from attestack_common.logs import get_logger
from trustee_core.storage.rules import shown

from reference_value_provider.errors import PayloadError, SampleRefusedError, UnknownExtractorError
from reference_value_provider.extractors import registry
from reference_value_provider.messages import Message
from reference_value_provider.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trustee_core.storage.contract import KeyValueStore

    from reference_value_provider.extractors.contract import Extractor

NAMESPACE: Final = "reference_value"
"""The namespace of the store, as upstream names it."""
MAX_VALUES: Final = 4096
"""Values in one message."""
MAX_DEPTH: Final = 32
"""How deep arrays and objects in a value may be nested."""

_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1
_MAX_REMEMBERED: Final = 1024
_MAX_REMEMBERED_SIZE: Final = 4096
_LOG: Final = get_logger("rvps")


class Missing:
    """The answer for an id that has no value. There is one: `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()


class ReferenceValueProvider:
    """The reference values of one store.

    `allow_sample` says whether the sample extractor may be used: only if whoever sends messages is an authenticated
    administrator, or on this machine, or the operator has set `insecure_sample_reference_values`.
    """

    def __init__(
        self,
        store: KeyValueStore,
        *,
        allow_sample: bool,
        clock: Clock = system_clock,
        extractors: Mapping[str, Extractor] | None = None,
    ) -> None:
        self._store = store
        self._allow_sample = allow_sample
        self._clock = clock
        self._extractors = registry.installed() if extractors is None else extractors
        self._remembered: dict[str, tuple[bytes, Record]] = {}

    async def register(self, message: bytes | str) -> list[str]:
        """Register what a message holds; return the names, in the message's order.

        Raises:
            RegistrationError: the message is refused. Nothing was stored.
            KeyRefusedError: the store cannot keep one of the names. Nothing was stored.
            StorageError: the store failed.
        """
        values = self._extract(Message.parse(message))
        _check(values)
        for name in values:
            self._store.check_key(name)
        now = self._clock()
        records = [Record.new(name, value, now) for name, value in values.items()]
        writes = (self._store.put(record.name, record.to_json()) for record in records)
        failures = [failure for failure in await asyncio.gather(*writes, return_exceptions=True) if failure is not None]
        if failures:
            raise failures[0]
        _LOG.info("reference values registered", count=len(records))
        return [record.name for record in records]

    async def query(self, reference_value_id: str) -> Any:  # noqa: ANN401  # any JSON value
        """Return a value, or MISSING. Raises RecordError, StorageError."""
        data = await self._store.get(reference_value_id)
        if data is None:
            return MISSING
        record = self._parsed(reference_value_id, data)
        if record.expired(self._clock()):
            _LOG.warning("a reference value has expired", id=reference_value_id, expiration=record.expiration)
            return MISSING
        return record.value

    async def query_many(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return the values of those ids that have one. Raises RecordError, StorageError."""
        answers = {reference_value_id: await self.query(reference_value_id) for reference_value_id in ids}
        return {reference_value_id: value for reference_value_id, value in answers.items() if value is not MISSING}

    def _extract(self, message: Message) -> Mapping[str, Any]:
        extractor = self._extractors.get(message.type)
        if extractor is None:
            raise UnknownExtractorError(
                f"Could not find extractor for {shown(message.type)}",
                advice=f"use one of {', '.join(sorted(self._extractors))}",
            )
        if extractor.believes_anyone and not self._allow_sample:
            raise refused_sample(extractor)
        return extractor.extract(message.payload)

    def _parsed(self, reference_value_id: str, data: bytes) -> Record:
        known = self._remembered.get(reference_value_id)
        if known is not None and known[0] == data:
            return known[1]
        record = Record.parse(data)
        if len(data) <= _MAX_REMEMBERED_SIZE:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[reference_value_id] = (data, record)
        return record


def refused_sample(extractor: Extractor) -> SampleRefusedError:
    """Return the refusal of an extractor that believes anyone, where anyone could have sent the message."""
    return SampleRefusedError(
        f"the {extractor.type} extractor believes whatever it is sent, and anyone could have sent this",
        advice="register as an authenticated administrator or on loopback, "
        "or set insecure_sample_reference_values = true",
    )


def _check(values: Mapping[str, Any]) -> None:
    """Raise PayloadError if there are too many values, or one that other readers would not read alike."""
    if len(values) > MAX_VALUES:
        raise PayloadError(
            f"the payload has {len(values)} values", code="RVPS-VALUES", advice=f"send at most {MAX_VALUES} at once"
        )
    for name, value in values.items():
        reason = _reason_against(value)
        if reason is not None:
            raise PayloadError(
                f"the value {shown(name)} {reason}", code="RVPS-VALUE", advice="send it as a text, or less nested"
            )


def _reason_against(value: Any) -> str | None:  # noqa: ANN401  # any JSON value
    layer, depth = [value], 0
    while layer:
        inner: list[Any] = []
        for each in layer:
            if isinstance(each, dict | list):
                if depth == MAX_DEPTH:
                    return f"is nested deeper than {MAX_DEPTH}"
                inner += each.values() if isinstance(each, dict) else each
            elif isinstance(each, int) and not _SMALLEST <= each <= _LARGEST:
                return "holds an integer beyond 64 bits"
            elif isinstance(each, float) and not math.isfinite(each):
                return "holds a number that is not finite"
        layer, depth = inner, depth + 1
    return None
