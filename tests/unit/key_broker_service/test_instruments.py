"""What is counted comes out as the samples that `prometheus_client`'s own instruments have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_broker_service.instruments import MAX_NAMES, OTHER, Counter, Gauge, Histogram, LabelledCounter
from prometheus_client import CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDS = (0.001, 0.5, 1, 32)


def page(fill: Callable[[CollectorRegistry], None]) -> list[str]:
    registry = CollectorRegistry(auto_describe=True)
    fill(registry)
    text = generate_latest(registry).decode()
    families = text.split("# HELP ")
    return [family for family in families if "_created " not in family]


@given(st.lists(st.sampled_from([0, *BOUNDS]) | st.floats(0, 100) | st.integers(0, 100)))
def test_a_histogram(values: list[float]) -> None:
    def ours(registry: CollectorRegistry) -> None:
        histogram = Histogram("size_bytes", "Sizes", BOUNDS, registry)
        for value in values:
            histogram.observe(value)

    def theirs(registry: CollectorRegistry) -> None:
        histogram = prometheus_client.Histogram("size_bytes", "Sizes", buckets=BOUNDS, registry=registry)
        for value in values:
            histogram.observe(value)

    assert page(ours) == page(theirs)
    assert f"size_bytes_count {len(values)}.0" in page(ours)[1]


def test_an_observation_belongs_to_the_bucket_of_a_bound_that_it_reaches() -> None:
    def fill(registry: CollectorRegistry) -> None:
        histogram = Histogram("seconds", "Seconds", (1, 2), registry)
        for value in (1, 1.5, 2, 2.5):
            histogram.observe(value)

    assert page(fill)[1].splitlines()[2:] == [
        'seconds_bucket{le="1.0"} 1.0',
        'seconds_bucket{le="2.0"} 3.0',
        'seconds_bucket{le="+Inf"} 4.0',
        "seconds_count 4.0",
        "seconds_sum 7.0",
    ]


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_counter_and_a_gauge(up: int, down: int) -> None:
    def ours(registry: CollectorRegistry) -> None:
        counter, gauge = Counter("asked", "Asked", registry), Gauge("open", "Open", registry)
        for _ in range(up):
            counter.inc()
            gauge.inc()
        for _ in range(down):
            gauge.dec()

    def theirs(registry: CollectorRegistry) -> None:
        counter = prometheus_client.Counter("asked", "Asked", registry=registry)
        gauge = prometheus_client.Gauge("open", "Open", registry=registry)
        counter.inc(up)
        gauge.set(up - down)

    assert page(ours) == page(theirs)


@given(st.lists(st.text(max_size=5)))
def test_a_counter_for_each_value_of_a_label(values: list[str]) -> None:
    def ours(registry: CollectorRegistry) -> None:
        counter = LabelledCounter("reads", "Reads", "path", registry)
        for value in values:
            counter.count(value)

    def theirs(registry: CollectorRegistry) -> None:
        counter = prometheus_client.Counter("reads", "Reads", ["path"], registry=registry)
        for value in values:
            counter.labels(value).inc()

    assert page(ours) == page(theirs)


def test_a34_values_beyond_the_bound_are_counted_together() -> None:
    registry = CollectorRegistry(auto_describe=True)
    counter = LabelledCounter("reads", "Reads", "path", registry)
    for number in range(MAX_NAMES + 5):
        counter.count(str(number))
    counter.count("0")
    counter.count(OTHER)
    samples = {sample.labels["path"]: sample.value for family in counter.collect() for sample in family.samples}
    assert len(samples) == MAX_NAMES + 1
    assert (samples["0"], samples["1"], samples[OTHER]) == (2.0, 1.0, 6.0)


def test_two_instruments_of_one_name_are_refused() -> None:
    registry = CollectorRegistry(auto_describe=True)
    Counter("asked", "Asked", registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        LabelledCounter("asked", "Asked", "path", registry)
