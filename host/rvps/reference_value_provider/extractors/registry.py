"""Extractors by the type that messages name: entry points of `attestack.reference_value_extractors`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from reference_value_provider.errors import ExtractorLoadError
from reference_value_provider.extractors.contract import Extractor

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP: Final = "attestack.reference_value_extractors"


def installed() -> Mapping[str, Extractor]:
    """Load all extractors. Raises ExtractorLoadError."""
    extractors = {}
    for entry in entry_points(group=GROUP):
        try:
            extractor = entry.load()
        except (ImportError, AttributeError) as error:
            raise ExtractorLoadError(
                f"the extractor {entry.name} does not load: {error}", advice=f"install what {entry.module} needs"
            ) from error
        if not isinstance(extractor, Extractor) or extractor.type != entry.name:
            raise ExtractorLoadError(f"the entry point {entry.value} is not the extractor {entry.name}")
        extractors[entry.name] = extractor
    return extractors
