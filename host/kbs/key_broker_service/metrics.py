"""What `GET /metrics` shows: upstream's families by name, type and labels, in the Prometheus text format.

Families with labels appear with their first use. There are no `_created` series and no figures about the process. Two
things keep secrets and memory safe, since everyone may read this page and guests choose names:

- at most 1,000 resource paths are counted by name, for each of the three families; the rest is `other`;
- a peer that is not on loopback sees the sum over all paths under `*`, unless the operator opens the names
  (`insecure_metrics_resource_names`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_PATHS: Final = 1000
"""Resource paths that one family counts by name."""
OTHER: Final = "other"
HIDDEN: Final = "*"

_PATH: Final = "resource_path"
_DURATIONS: Final = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.5, 1)
_SIZES: Final = (32, 128, 512, 2048, 8192)


class PathCounter:
    """A counter by resource path, with a bound on the paths."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._counter = Counter(name, documentation, [_PATH], registry=registry)
        self._paths: set[str] = set()

    def count(self, path: str) -> None:
        """Count one attempt on a path."""
        if path not in self._paths:
            if len(self._paths) >= MAX_PATHS:
                path = OTHER
            else:
                self._paths.add(path)
        self._counter.labels(path).inc()


class Metrics:
    """All families of one broker."""

    def __init__(self, version: str) -> None:
        registry = self._registry = CollectorRegistry(auto_describe=True)

        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(name, documentation, labels, registry=registry)

        build = Gauge("kbs_build_info", "KBS build info", ["version", "git_hash", "build_date"], registry=registry)
        build.labels(version, "unknown", "unknown").set(1)
        self.http_requests = counter("kbs_http_requests", "Total HTTP requests count")
        self.http_duration = Histogram(
            "kbs_http_request_duration_seconds",
            "Distribution of request handling duration",
            buckets=_DURATIONS,
            registry=registry,
        )
        self.http_request_size = Histogram(
            "kbs_http_request_size_bytes", "Distribution of request body sizes", buckets=_SIZES, registry=registry
        )
        self.http_response_size = Histogram(
            "kbs_http_response_size_bytes", "Distribution of response body sizes", buckets=_SIZES, registry=registry
        )
        self.http_active = Gauge(
            "kbs_http_active_connections", "Count of HTTP requests being processed at the moment", registry=registry
        )
        self.resource_reads = PathCounter("kbs_resource_reads", "KBS resource read count", registry)
        self.resource_writes = PathCounter("kbs_resource_writes", "KBS resource write count", registry)
        self.resource_deletes = PathCounter("kbs_resource_deletes", "KBS resource delete count", registry)
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
        self.attestation_successes = counter(
            "kbs_attestation_successes", "Total count of attestation successes", "tee_type"
        )
        self.attestation_failures = counter(
            "kbs_attestation_failures", "Total count of attestation failures", "tee_type"
        )

    def render(self, *, resource_names: bool) -> bytes:
        """Return the page; `resource_names` says whether its reader may see the paths of resources."""
        return generate_latest(_Page(self._registry, resource_names=resource_names))


class _Page:
    """A view of a registry: families in the order of their names, without what is empty or not shown."""

    def __init__(self, registry: CollectorRegistry, *, resource_names: bool) -> None:
        self._registry = registry
        self._resource_names = resource_names

    def collect(self) -> Iterator[Metric]:
        """Yield the families that have samples."""
        for family in sorted(self._registry.collect(), key=lambda family: family.name):
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            if not self._resource_names and any(_PATH in sample.labels for sample in family.samples):
                total = sum(sample.value for sample in family.samples)
                family.samples = [Sample(family.samples[0].name, {_PATH: HIDDEN}, total)]
            if family.samples:
                yield family
