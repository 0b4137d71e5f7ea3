"""A48: what a stranger, or a page in a browser beside the workload, gets out of `api-server-rest`: nothing.

The program as a process, asked byte by byte. What it answers to its own workload is tested elsewhere.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.integration.guest_machine import SECRET, GuestMachine, Trustee
from tests.integration.processes import LOOPBACK, Program, Tcp, free_port, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESOURCE = "/cdh/resource/default/key/1"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestMachine]:
    folder = tmp_path_factory.mktemp("machine")
    with Trustee(folder) as trustee, GuestMachine(folder, trustee.url, one_process=True) as running:
        assert running.get(RESOURCE) == (200, SECRET)
        yield running


def ask(port: int, request: str) -> tuple[int, bytes]:
    """Send a request as it stands, and read the answer to its end."""
    with socket.create_connection((LOOPBACK, port), timeout=20) as peer:
        peer.sendall(request.encode("latin-1"))
        answer = b""
        while chunk := peer.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def get(port: int, target: str = RESOURCE, *fields: str, version: str = "1.1") -> tuple[int, bytes]:
    return ask(port, "\r\n".join([f"GET {target} HTTP/{version}", *fields, "connection: close", "", ""]))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8006",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8006",
        "169.254.169.254",
        "0.0.0.0:8006",
        "[::ffff:127.0.0.1]",
    ],
)
def test_a48_a_name_that_was_made_to_resolve_here_gets_nothing(machine: GuestMachine, host: str) -> None:
    for target in (RESOURCE, "/aa/token?token_type=kbs", "/aa/evidence?runtime_data=x", "/info", "/nothing"):
        status, body = get(machine.rest_port, target, f"host: {host}")
        assert (status, body.endswith(b" [REST-HOST]")) == (403, True)


def test_a48_two_names_are_none_of_ours(machine: GuestMachine) -> None:
    for fields in (("host: localhost", "host: evil.example"), ("host: evil.example", "host: 127.0.0.1")):
        status, body = get(machine.rest_port, RESOURCE, *fields)
        assert status in {400, 403}
        assert SECRET not in body


@pytest.mark.parametrize("target", ["*", f"/{RESOURCE}"])
def test_a48_a_target_of_another_form_gets_nothing(machine: GuestMachine, target: str) -> None:
    status, body = get(machine.rest_port, target, "host: localhost")
    assert (status, body.endswith(b" [REST-ROUTE]")) == (404, True)


def test_a48_a_whole_url_as_target_does_not_stand_for_the_host(machine: GuestMachine) -> None:
    status, body = get(machine.rest_port, f"http://localhost{RESOURCE}", "host: evil.example")
    assert (status, body.endswith(b" [REST-HOST]")) == (403, True)


def test_a48_no_page_of_another_origin_is_let_in(machine: GuestMachine) -> None:
    request = f"GET {RESOURCE} HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n"
    with socket.create_connection((LOOPBACK, machine.rest_port), timeout=20) as peer:
        peer.sendall(request.encode())
        answer = b""
        while chunk := peer.recv(65536):
            answer += chunk
    assert b"access-control-" not in answer.lower()
    status, _ = ask(
        machine.rest_port,
        f"OPTIONS {RESOURCE} HTTP/1.1\r\nhost: evil.example\r\norigin: http://evil.example\r\n"
        "access-control-request-method: GET\r\nconnection: close\r\n\r\n",
    )
    assert status == 403


def test_a48_only_what_was_chosen_is_served(machine: GuestMachine) -> None:
    """Without a choice that is resources: no evidence over data of a stranger's choice, no tokens."""
    port = free_port()
    flags = ("--bind", f"{LOOPBACK}:{port}", "--cdh_addr", f"unix://{machine.hub_socket}")
    with Program("api-server-rest", *flags, ready=Tcp(port)):
        assert get(port, RESOURCE, "host: localhost") == (200, SECRET)
        for target in (
            "/aa/token?token_type=kbs",
            "/aa/evidence?runtime_data=x",
            "/aa/additional-evidence?runtime_data=x",
        ):
            status, body = get(port, target, "host: localhost")
            assert (status, body.endswith(b" [REST-FEATURE]")) == (404, True)


def test_a48_the_hub_cannot_be_asked_for_another_plugin_or_host(machine: GuestMachine) -> None:
    for path in ("../resource-policy", "..%2fresource-policy", "%2e%2e/%2e%2e/healthz", "@evil.example/a/b", "a/b/c#d"):
        status, body = get(machine.rest_port, f"/cdh/resource/{path}", "host: localhost")
        assert status in {400, 500}
        if status == 500:
            assert re.search(rb" \[(RESOURCE-PATH|RESOURCE-URI|RESOURCE-MISSING)\]$", body)


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost:0"])
def test_a48_it_does_not_listen_beyond_loopback(tmp_path: Path, bind: str) -> None:
    done = run("api-server-rest", "--bind", bind, cwd=tmp_path)
    assert done.status == 1
    assert "[REST-BIND]" in done.stderr
