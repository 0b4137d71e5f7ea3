"""`kbs` with several workers: one broker to its guests, whichever of its processes answers, and whichever dies."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.independent_rcar_client import Guest, new_key
from tests.integration.kbs_config import Kbs, policy_document
from tests.integration.processes import Program, Tcp, free_port, run

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = b"of all workers"
PATH: Final = "default/key/1"
WORKERS: Final = 3
SECONDS: Final = 30
TWO_WORKERS: Final = """
[http_server]
insecure_http = true
worker_count = 2
sockets = ["{address}"]
[admin]
authorization_mode = "DenyAll"
[storage_backend]
storage_type = "LocalFs"
[storage_backend.backends.local_fs]
dir_path = "{store}"
"""


def children(pid: int) -> list[int]:
    """The processes that this one started, by the kernel's list."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def workers_of(kbs: Kbs, *, without: int = 0) -> list[int]:
    """Wait until all workers are there and serve; return their process ids."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = children(kbs.program.pid)
        if len(found) == WORKERS and without not in found:
            return found
        time.sleep(0.02)
    raise AssertionError(kbs.program.describe())


def ended(pid: int) -> bool:
    """Whether a process is gone, or waits for whoever has to bury it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_for(what: str, pids: list[int]) -> None:
    deadline = time.monotonic() + SECONDS
    while not all(ended(pid) for pid in pids):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def on_new_connection(kbs: Kbs, guest: Guest) -> Guest:
    guest.close()
    return Guest(kbs.url, guest.key)


@pytest.fixture(params=["LocalFs", "Sqlite"])
def kbs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kbs]:
    with Kbs(tmp_path, storage=request.param, http_server=f"worker_count = {WORKERS}") as started:
        yield started


def test_sessions_and_tokens_of_one_worker_count_at_all(kbs: Kbs) -> None:
    workers_of(kbs)
    guest = Guest(kbs.url, new_key("P-256"))
    assert guest.send("POST", f"/kbs/v0/resource/{PATH}", SECRET).status == 200
    assert guest.send("POST", "/kbs/v0/resource-policy", policy_document()).status == 200
    for _ in range(8):
        guest = on_new_connection(kbs, guest)
        challenge = guest.auth()
        guest = on_new_connection(kbs, guest)
        token = guest.token(challenge)
        guest = on_new_connection(kbs, guest)
        assert guest.open(guest.resource(PATH, Authorization=f"Bearer {token}")) == SECRET
        guest = on_new_connection(kbs, guest)
        assert guest.open(guest.resource(PATH, Cookie=challenge.cookie)) == SECRET
    guest.close()


def test_metrics_are_the_sum_and_outlive_a_worker(kbs: Kbs) -> None:
    workers_of(kbs)
    guest = Guest(kbs.url, new_key("P-256"))
    for _ in range(12):
        guest = on_new_connection(kbs, guest)
        guest.auth()
    wanted = b"kbs_auth_requests_total 12.0\n"
    deadline = time.monotonic() + SECONDS
    while wanted not in guest.send("GET", "/metrics").body:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    killed = children(kbs.program.pid)[0]
    os.kill(killed, signal.SIGKILL)
    workers_of(kbs, without=killed)
    guest = on_new_connection(kbs, guest)
    while wanted not in guest.send("GET", "/metrics").body:  # what the one that answers has not published yet
        assert time.monotonic() < deadline + SECONDS
        time.sleep(0.1)
    guest.close()


def test_a_worker_that_dies_is_replaced_and_its_sessions_go_on(kbs: Kbs) -> None:
    first = workers_of(kbs)
    guest = Guest(kbs.url, new_key("P-256"))
    challenge = guest.auth()
    for pid in first:
        os.kill(pid, signal.SIGKILL)
        second = workers_of(kbs, without=pid)
    guest = on_new_connection(kbs, guest)
    assert guest.attest(challenge).status == 200
    guest.close()
    assert set(first).isdisjoint(second)
    assert kbs.program.log.count("a worker ended and is replaced") == WORKERS


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with Kbs(tmp_path, http_server=f"worker_count = {WORKERS}") as kbs:
        workers = workers_of(kbs)
        assert kbs.program.stop(number) == 0
        assert [pid for pid in workers if not ended(pid)] == []
        with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", kbs.port), timeout=5):
            pass


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    with Kbs(tmp_path, http_server=f"worker_count = {WORKERS}") as kbs:
        workers = workers_of(kbs)
        wait_until_all_listen(kbs)
        kbs.program.stop(signal.SIGKILL)
        wait_for("workers live on without their parent", workers)


def wait_until_all_listen(kbs: Kbs) -> None:
    deadline = time.monotonic() + SECONDS
    while kbs.program.log.count(" listening ") < WORKERS:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_stops_one_worker_stops_the_start_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "kbs.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = TWO_WORKERS.replace("{store}", str(tmp_path))
        path.write_text(text.replace("{address}", address))
        done = run("kbs", "-c", path)
        assert (done.status, f"cannot listen on {address}" in done.stderr) == (1, True)
    path.write_text(text.replace("{address}", "127.0.0.1:0") + '[[plugins]]\nname = "unheard-of"\n')
    done = run("kbs", "-c", path)
    assert (done.status, done.stderr.count("unheard-of")) == (1, 1)
    assert "replaced" not in done.stderr


def test_memory_means_one_process(tmp_path: Path) -> None:
    with Kbs(tmp_path, storage="Memory", http_server="worker_count = 8") as kbs:
        assert children(kbs.program.pid) == []
        assert "one process serves: what is in memory cannot be shared" in kbs.program.log


def test_trustee_serves_with_workers_too(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "kbs.toml"
    text = TWO_WORKERS.replace("{store}", str(tmp_path / "store")).replace("{address}", f"127.0.0.1:{port}")
    config.write_text(text)
    flags = ("--home", tmp_path / "home", "run", "--allow-all", "--config-file", config)
    with Program("trustee", *flags, ready=Tcp(port)) as program:
        deadline = time.monotonic() + SECONDS
        while len(children(program.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert program.stop() == 0


def test_a_second_signal_ends_workers_that_do_not(tmp_path: Path) -> None:
    with Kbs(tmp_path, http_server=f"worker_count = {WORKERS}") as kbs:
        workers = workers_of(kbs)
        wait_until_all_listen(kbs)
        os.kill(workers[0], signal.SIGSTOP)
        os.kill(kbs.program.pid, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS
        while "kbs.workers: ending" not in kbs.program.log:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert kbs.program.stop(signal.SIGTERM) == 1
        assert [pid for pid in workers if not ended(pid)] == []


def test_a_port_that_workers_serve_is_taken_for_others(tmp_path: Path) -> None:
    with Kbs(tmp_path, http_server=f"worker_count = {WORKERS}") as kbs:
        text = TWO_WORKERS.replace("{store}", str(tmp_path / "other")).replace("{address}", f"127.0.0.1:{kbs.port}")
        (tmp_path / "other.toml").write_text(text)
        done = run("kbs", "-c", tmp_path / "other.toml")
        assert (done.status, "[LISTEN]" in done.stderr) == (1, True)
