"""`verifier_config`: for each verifier its floors, and where its endorsements come from.

The table of a verifier is named by its `config_key`; its keys are the fields of the verifier's floors, a dataclass. The
table `snp_verifier` also has `vcek_sources`, in the order in which they are asked:

    {"type": "KDS", "base_url": "https://kdsintf.amd.com"}
    {"type": "OfflineStore", "path": "/opt/confidential-containers/attestation-service/kds-store"}
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

import msgspec
from attestack_common import config as configuration
from attestack_common.logs import get_logger
from attestation_protocol.tee import Tee
from evidence_verifiers import registry
from evidence_verifiers.errors import VerifierError

from attestation_service.endorsement_sources import OfflineStore, OnlineSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evidence_verifiers.contract import Verifier

    from attestation_service.endorsement_sources import Source

_LOG: Final = get_logger("as.config")


class Kds(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="KDS"):
    """AMD's key distribution service, or a cache of it."""

    base_url: str = "https://kdsintf.amd.com"

    def source(self) -> Source:
        """Open it. Raises ConfigError."""
        return OnlineSource(self.base_url)


class KdsStore(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="OfflineStore"):
    """A folder of VCEKs."""

    path: Path = Path("/opt/confidential-containers/attestation-service/kds-store")

    def source(self) -> Source:
        """Open it."""
        return OfflineStore(self.path)


@dataclass(frozen=True, slots=True)
class _SourcesKey:
    """The key of a verifier's table that lists sources, and the kind of source that its requests name."""

    key: str
    kind: str
    type: Any
    default: tuple[Any, ...]


_SOURCES: Final[Mapping[str, _SourcesKey]] = {
    "snp_verifier": _SourcesKey("vcek_sources", "kds", list[Kds | KdsStore], (Kds(),)),
}


@dataclass(frozen=True, slots=True)
class VerifierSettings:
    """What the configuration says about verifiers."""

    floors: Mapping[Tee, Any] = field(default_factory=dict)
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    """By kind, as `EndorsementRequest.source` names it."""


def verifier_settings(table: Mapping[str, Any], *, source: str, strict: bool = False) -> VerifierSettings:
    """Read the table `verifier_config`. `source` names the file, for messages. Raises ConfigError."""
    verifiers = _installed()
    keys = {verifier.config_key: _table_type(verifier) for verifier in verifiers if verifier.config_key}
    whole = msgspec.defstruct("VerifierConfig", [(key, kind | None, None) for key, kind in keys.items()], frozen=True)
    read = configuration.decode(table, whole, source=source, strict=strict, prefix="verifier_config")
    floors, sources = {}, {}
    for verifier in verifiers:
        chosen = getattr(read, verifier.config_key) if verifier.config_key else None
        names = [each.name for each in dataclasses.fields(verifier.floors)]
        floors[verifier.tee] = verifier.floors(**{name: getattr(chosen, name) for name in names if chosen is not None})
    for config_key, listed in _SOURCES.items():
        chosen = getattr(read, config_key, None)
        places = listed.default if chosen is None else getattr(chosen, listed.key)
        sources[listed.kind] = tuple(place.source() for place in places)
    return VerifierSettings(floors, sources)


def _installed() -> list[Verifier[Any, Any]]:
    found = []
    for name in registry.available():
        try:
            found.append(registry.verifier_for(Tee.parse(name)))
        except VerifierError as error:
            _LOG.warning("a verifier cannot be used", tee=name, error=error)
    return found


def _table_type(verifier: Verifier[Any, Any]) -> type[msgspec.Struct]:
    """Make the type of a verifier's table: the fields of its floors, with their defaults, and its sources."""
    hints = get_type_hints(verifier.floors)
    fields = [(each.name, hints[each.name], each.default) for each in dataclasses.fields(verifier.floors)]
    listed = _SOURCES.get(verifier.config_key)
    if listed is not None:
        fields.append((listed.key, listed.type, msgspec.field(default_factory=lambda: list(listed.default))))
    return msgspec.defstruct(verifier.config_key, fields, frozen=True, kw_only=True)
