"""Figures of workers: each slot shows its last whole copy, and a page has the sum."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from key_broker_service.metrics import Metrics
from key_broker_service.worker_figures import FigureBoard, Figures, added

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES: Figures = {"a": [("a_total", {}, 1.0)]}
MORE: Figures = {"a": [("a_total", {}, 2.0)], "b": [("b_total", {"path": "x"}, 3.0)]}


@pytest.fixture
def board() -> Iterator[FigureBoard]:
    with closing(FigureBoard(3)) as made:
        yield made


def test_a_slot_shows_what_was_published_last(board: FigureBoard) -> None:
    assert board.figures(0) == {}
    for figures in (SAMPLES, MORE, SAMPLES):
        board.publish(0, figures)
        assert board.figures(0) == figures
    board.publish(2, MORE)
    assert list(board.others(1)) == [SAMPLES, MORE]


@pytest.mark.parametrize("cut", [0, 5, 12, 30])
def test_a_copy_that_was_not_written_to_its_end_leaves_the_one_before(board: FigureBoard, cut: int) -> None:
    board.publish(0, SAMPLES)
    board.publish(0, MORE)
    newest = board._slots[0][1] if b"path" in os.pread(board._slots[0][1], 1000, 0) else board._slots[0][0]
    os.ftruncate(newest, cut)
    assert board.figures(0) == SAMPLES
    board.publish(0, MORE)
    assert board.figures(0) == MORE


def test_figures_are_added_sample_by_sample() -> None:
    assert added([SAMPLES, MORE, {}]) == {"a": [("a_total", {}, 3.0)], "b": [("b_total", {"path": "x"}, 3.0)]}
    assert added([MORE, {"b": [("b_total", {"path": "y"}, 1.0)]}])["b"] == [
        ("b_total", {"path": "x"}, 3.0),
        ("b_total", {"path": "y"}, 1.0),
    ]


def page(metrics: Metrics, *, resource_names: bool = True) -> list[str]:
    return metrics.render(resource_names=resource_names).decode().splitlines()


def test_a_page_has_the_sum_over_all_workers(board: FigureBoard) -> None:
    first, second = Metrics("1.0", board, 0), Metrics("1.0", board, 1)
    for metrics, times in ((first, 2), (second, 3)):
        metrics.http_requests.inc(times)
        metrics.http_duration.observe(0.002)
        metrics.resource_reads.count(f"default/key/{times}")
        metrics.resource_reads.count("default/key/both")
        metrics.publish()
    text = page(first)
    assert sorted(text) == sorted(page(second))
    assert "kbs_http_requests_total 5.0" in text
    assert 'kbs_http_request_duration_seconds_bucket{le="0.005"} 2.0' in text
    assert 'kbs_resource_reads_total{resource_path="default/key/both"} 2.0' in text
    assert 'kbs_resource_reads_total{resource_path="default/key/3"} 1.0' in text
    assert 'kbs_build_info{build_date="unknown",git_hash="unknown",version="1.0"} 1.0' in text
    assert 'kbs_resource_reads_total{resource_path="*"} 4.0' in page(first, resource_names=False)


def test_the_successor_of_a_worker_goes_on_from_its_figures(board: FigureBoard) -> None:
    dead = Metrics("1.0", board, 0)
    dead.http_requests.inc(7)
    dead.http_active.inc()
    dead.publish()
    successor = Metrics("1.0", board, 0)
    successor.http_requests.inc()
    assert {"kbs_http_requests_total 8.0", "kbs_http_active_connections 0.0"} <= set(page(successor))
    successor.publish()
    other = page(Metrics("1.0", board, 1))
    assert {"kbs_http_requests_total 8.0", "kbs_http_active_connections 0.0"} <= set(other)


def test_figures_that_did_not_change_are_not_written_again(board: FigureBoard) -> None:
    metrics = Metrics("1.0", board, 0)
    metrics.publish()
    before = [os.pread(copy, 8, 0) for copy in board._slots[0]]
    metrics.publish()
    assert [os.pread(copy, 8, 0) for copy in board._slots[0]] == before
    metrics.auth_requests.inc()
    metrics.publish()
    assert [os.pread(copy, 8, 0) for copy in board._slots[0]] != before
