"""What `GET /metrics` shows: upstream's families by name, type and labels, in the Prometheus text format.

Families with labels appear with their first use. There are no `_created` series and no figures about the process. Two
things keep secrets and memory safe, since everyone may read this page and guests choose names:

- at most 1,000 resource paths are counted by name, for each of the three families; the rest is `other`;
- a peer that is not on loopback sees the sum over all paths under `*`, unless the operator opens the names
  (`insecure_metrics_resource_names`).

With several workers a page has the sum over all of them (`worker_figures`), but for `kbs_build_info`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import prometheus_client
from attestack_common.version import UNKNOWN
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.samples import Sample

from key_broker_service.instruments import Counter, Gauge, Histogram, LabelledCounter
from key_broker_service.worker_figures import added

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from key_broker_service.worker_figures import FigureBoard, Figures

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
HIDDEN: Final = "*"

_PATH: Final = "resource_path"
_BUILD: Final = "kbs_build_info"
_ACTIVE: Final = "kbs_http_active_connections"
_OF_THE_LIVING: Final = (_BUILD, _ACTIVE)
"""Families that a worker does not take over from its predecessor."""
_DURATIONS: Final = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.5, 1)
_SIZES: Final = (32, 128, 512, 2048, 8192)


class Metrics:
    """All families of one broker; with a `board`, those of the worker in `slot`, and the sum over all workers."""

    def __init__(self, version: str, board: FigureBoard | None = None, slot: int = 0, *, commit: str = UNKNOWN) -> None:
        registry = self._registry = CollectorRegistry(auto_describe=True)
        self._board = board
        self._slot = slot
        inherited = {} if board is None else board.figures(slot)
        self._inherited = {family: samples for family, samples in inherited.items() if family not in _OF_THE_LIVING}
        self._published: Figures = {}

        def counter(name: str, documentation: str) -> Counter:
            return Counter(name, documentation, registry)

        def by_path(name: str, documentation: str) -> LabelledCounter:
            return LabelledCounter(name, documentation, _PATH, registry)

        def by_tee(name: str, documentation: str) -> LabelledCounter:
            return LabelledCounter(name, documentation, "tee_type", registry)

        def histogram(name: str, documentation: str, bounds: Sequence[float]) -> Histogram:
            return Histogram(name, documentation, bounds, registry)

        build_labels = ["version", "git_hash", "build_date"]
        build = prometheus_client.Gauge(_BUILD, "KBS build info", build_labels, registry=registry)
        build.labels(version, commit, UNKNOWN).set(1)  # a Python package is not built at a date
        self.http_requests = counter("kbs_http_requests", "Total HTTP requests count")
        self.http_duration = histogram(
            "kbs_http_request_duration_seconds", "Distribution of request handling duration", _DURATIONS
        )
        self.http_request_size = histogram("kbs_http_request_size_bytes", "Distribution of request body sizes", _SIZES)
        self.http_response_size = histogram(
            "kbs_http_response_size_bytes", "Distribution of response body sizes", _SIZES
        )
        self.http_active = Gauge(_ACTIVE, "Count of HTTP requests being processed at the moment", registry)
        self.resource_reads = by_path("kbs_resource_reads", "KBS resource read count")
        self.resource_writes = by_path("kbs_resource_writes", "KBS resource write count")
        self.resource_deletes = by_path("kbs_resource_deletes", "KBS resource delete count")
        self.policy_evaluations = counter("kbs_policy_evaluations", "Total count of KBS policy evaluations")
        self.policy_approvals = counter("kbs_policy_approvals", "Total count of requests approved by KBS policy")
        self.policy_violations = counter("kbs_policy_violations", "Total count of requests denied by KBS policy")
        self.policy_errors = counter("kbs_policy_errors", "Total count of errors during KBS policy evaluation")
        self.auth_requests = counter("kbs_auth_requests", "Total count of auth requests")
        self.auth_successes = counter("kbs_auth_successes", "Total count of auth requests that got a challenge")
        self.auth_errors = counter("kbs_auth_errors", "Total count of errors during auth processing")
        self.attestation_requests = counter("kbs_attestation_requests", "Total count of attestation requests")
        self.attestation_errors = counter(
            "kbs_attestation_errors", "Total count of errors during attestation processing"
        )
        self.attestation_successes = by_tee("kbs_attestation_successes", "Total count of attestation successes")
        self.attestation_failures = by_tee("kbs_attestation_failures", "Total count of attestation failures")

    def render(self, *, resource_names: bool) -> bytes:
        """Return the page; `resource_names` says whether its reader may see the paths of resources."""
        others: list[Figures] = []
        if self._board is not None:
            self.publish()  # what a page has shown is not lost with this worker
            others = [self._inherited, *self._board.others(self._slot)]
        return generate_latest(_Page(self._registry, others, resource_names=resource_names))

    def publish(self) -> None:
        """Show the other workers where this one stands, if that changed."""
        own = {family.name: _figures(family) for family in self._registry.collect()}
        if self._board is not None and own != self._published:
            self._board.publish(self._slot, added([own, self._inherited]))
            self._published = own


class _Page:
    """A view of a registry: families in the order of their names, without what is empty or not shown."""

    def __init__(self, registry: CollectorRegistry, others: Sequence[Figures], *, resource_names: bool) -> None:
        self._registry = registry
        self._others = others
        self._resource_names = resource_names

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have samples."""
        for family in sorted(self._registry.collect(), key=lambda family: family.name):
            figures = _figures(family)
            if self._others and family.name != _BUILD:
                parts = [{family.name: part.get(family.name, [])} for part in self._others]
                figures = added([{family.name: figures}, *parts])[family.name]
            family.samples = [Sample(*sample) for sample in figures]
            if not self._resource_names and any(_PATH in sample.labels for sample in family.samples):
                total = sum(sample.value for sample in family.samples)
                family.samples = [Sample(family.samples[0].name, {_PATH: HIDDEN}, total)]
            if family.samples:
                yield family


def _figures(family: Metric) -> list[tuple[str, dict[str, str], float]]:
    return [(sample.name, dict(sample.labels), float(sample.value)) for sample in family.samples]
