"""The metrics page: upstream's families, bounded paths, and no names for strangers."""

from __future__ import annotations

import re

from key_broker_service.instruments import MAX_NAMES
from key_broker_service.metrics import Metrics

from tests.conformance.recordings import http_recording

RECORDED = http_recording("kbs/metrics").steps[0].response.body.decode()


def types(page: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))


def page(metrics: Metrics, *, resource_names: bool = True) -> str:
    return metrics.render(resource_names=resource_names).decode()


def test_the_families_are_those_of_the_stock_broker_by_name_and_type_in_the_same_order() -> None:
    metrics = Metrics("1.0")
    for counter in (metrics.resource_reads, metrics.resource_writes, metrics.resource_deletes):
        counter.count("default/key/1")
    metrics.attestation_successes.count("sample")
    metrics.attestation_failures.count("sample")
    assert list(types(page(metrics)).items()) == list(types(RECORDED).items())


def test_families_with_labels_appear_with_their_first_use() -> None:
    assert "kbs_resource_reads_total" not in types(page(Metrics("1.0")))
    assert "kbs_attestation_failures_total" not in types(page(Metrics("1.0")))


def test_buckets_are_those_of_the_stock_broker() -> None:
    def buckets(text: str) -> set[tuple[str, float]]:
        return {
            (name, float(bound)) for name, bound in re.findall(r'^(\w+)_bucket\{le="([^"]+)"\}', text, re.MULTILINE)
        }

    assert buckets(page(Metrics("1.0"))) == buckets(RECORDED)


def test_there_are_no_series_of_creation_or_process() -> None:
    assert re.findall(r"^(\w*created\w*|process_\w*|python_\w*)", page(Metrics("1.0")), re.MULTILINE) == []


def test_build_info_names_version_and_commit() -> None:
    assert 'git_hash="c0ffee",version="1.2.3"} 1.0' in page(Metrics("1.2.3", commit="c0ffee"))
    assert 'kbs_build_info{build_date="unknown",git_hash="unknown",version="1.2.3"} 1.0' in page(Metrics("1.2.3"))


def test_a34_the_paths_of_resources_are_bounded() -> None:
    metrics = Metrics("1.0")
    for number in range(MAX_NAMES + 5):
        metrics.resource_reads.count(f"a/b/{number}")
    metrics.resource_reads.count("a/b/0")
    text = page(metrics)
    assert text.count("kbs_resource_reads_total{") == MAX_NAMES + 1
    assert 'kbs_resource_reads_total{resource_path="other"} 5.0' in text
    assert 'kbs_resource_reads_total{resource_path="a/b/0"} 2.0' in text


def test_a34_strangers_see_the_sum_and_no_names() -> None:
    metrics = Metrics("1.0")
    for path in ("secret/name/1", "secret/name/2", "secret/name/2"):
        metrics.resource_reads.count(path)
    text = page(metrics, resource_names=False)
    assert 'kbs_resource_reads_total{resource_path="*"} 3.0' in text
    assert "secret" not in text
