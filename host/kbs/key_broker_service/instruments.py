"""What a broker counts with: plain numbers, which `prometheus_client` collects as families when a page is asked for.

Only the event loop's thread counts and collects, so nothing is locked; a request pays for additions alone. The samples
are those that `prometheus_client`'s own counters, gauges and histograms have, but for the `_created` series.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

MAX_NAMES: Final = 1000
"""Values of a label that one family counts by name."""
OTHER: Final = "other"


class _Number(Collector):
    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._value = 0.0
        registry.register(self)

    def inc(self, amount: float = 1.0) -> None:
        """Add."""
        self._value += amount


class Counter(_Number):
    """A number that rises."""

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        yield CounterMetricFamily(self._name, self._documentation, self._value)


class Gauge(_Number):
    """A number that rises and falls."""

    def dec(self) -> None:
        """Take one away."""
        self._value -= 1.0

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        yield GaugeMetricFamily(self._name, self._documentation, self._value)


class LabelledCounter(Collector):
    """A counter for each value of a label, in the order of their first use, with a bound on them."""

    def __init__(self, name: str, documentation: str, label: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._values: dict[str, float] = {}
        registry.register(self)

    def count(self, value: str) -> None:
        """Count one; as `other` where 1,000 values are known and this is not among them."""
        values = self._values
        if value not in values and len(values) >= MAX_NAMES:
            value = OTHER
        values[value] = values.get(value, 0.0) + 1.0

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        family = CounterMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, count in self._values.items():
            family.add_metric([value], count)
        yield family


class Histogram(Collector):
    """How many observations are at most as large as each bound, and the sum of all."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(bounds)
        self._counts = [0.0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """Count an observation."""
        self._counts[bisect_left(self._bounds, value)] += 1.0
        self._sum += value

    def collect(self) -> Iterator[Metric]:
        """Yield the family."""
        names = map(floatToGoString, (*self._bounds, inf))
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)
