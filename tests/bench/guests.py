"""Guests that go through whole flows, one after the other, each over one connection that it keeps: auth, attest with
sample evidence, one resource.

    python -m tests.bench.guests --port 8080 --pid 4711 --guests 32 --seconds 5

It is a process of its own, beside the server, and waits on all its sockets at once. Bodies are put together from texts
that were made once, and only every `--open`-th JWE is opened: what is measured is the server. Once every guest has
warmed up for a fifth of the time, flows and the server's processor time are counted. The result is one JSON object.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from attestation_protocol.jwe import decrypt
from attestation_protocol.tee_key import TeeKeyPair

from tests.bench.measure import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEPS: Final = ("auth", "attest", "resource")
PATH: Final = "default/key"
"""Below it resources are numbered from 0."""

_AUTH_BODY: Final = (
    b'{"version":"0.4.0","tee":"sample","extra-params":{"supported-hash-algorithms":["sha256","sha384","sha512"]}}'
)
_AUTH: Final = (
    b"POST /kbs/v0/auth HTTP/1.1\r\nhost: kbs\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
    % (
        len(_AUTH_BODY),
        _AUTH_BODY,
    )
)
_WARM_UP: Final = 0.2


@dataclass(slots=True)
class Load:
    """What guests are to do, and what came of it."""

    port: int
    resources: int = 1
    secret: bytes = b""
    open_every: int = 0
    counting: bool = False
    flows: int = 0
    durations: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    numbers: Iterator[int] = field(default_factory=itertools.count)


class Guest:
    """One guest: its key, its connection, and how far it is."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.socket = socket.create_connection(("127.0.0.1", load.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._key = TeeKeyPair.generate()
        members = json.dumps(dict(sorted(self._key.public_key.to_jwk().items())), separators=(",", ":")).encode()
        self._bound = (b'{"additional-evidence":"","nonce":"', b'","tee-pubkey":%b}' % members)
        self._body = (
            b'{"init-data":null,"runtime-data":{"nonce":"',
            b'","tee-pubkey":%b},"tee-evidence":{"primary_evidence":{"svn":"1","report_data":"' % members,
            b'"},"additional_evidence":""}}',
        )
        self._step = 0
        self._sent_at = 0.0
        self._received = b""
        self._cookie = b""

    def start(self) -> None:
        """Begin the next flow."""
        self._send(0, _AUTH)

    def readable(self) -> None:
        """Take what came; when an answer is whole, go on. Raises RuntimeError for an answer that is not 200."""
        data = self._received + self.socket.recv(65536)
        head, end, body = data.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            self._received = data
            return
        self._received = b""
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{STEPS[self._step]}: {body.decode()!r}")
        if self.load.counting:
            self.load.durations[STEPS[self._step]].append(time.perf_counter() - self._sent_at)
        self._go_on(head, body)

    def _go_on(self, head: bytes, body: bytes) -> None:
        if self._step == 0:
            self._cookie = head.partition(b"set-cookie: ")[2].partition(b";")[0]
            self._send(1, self._attestation(json.loads(body)["nonce"].encode()))
        elif self._step == 1:
            self._send(
                2,
                b"GET /kbs/v0/resource/%b/%d HTTP/1.1\r\nhost: kbs\r\ncookie: %b\r\n\r\n"
                % (PATH.encode(), next(self.load.numbers) % self.load.resources, self._cookie),
            )
        else:
            load = self.load
            load.flows += load.counting
            every = load.open_every
            if every and load.flows % every == 0 and decrypt(body, self._key) != load.secret:
                raise RuntimeError("a resource is not the secret that was stored")
            self.start()

    def _attestation(self, nonce: bytes) -> bytes:
        digest = hashlib.sha384(self._bound[0] + nonce + self._bound[1]).digest()
        body = b"%b%b%b%b%b" % (self._body[0], nonce, self._body[1], base64.b64encode(digest), self._body[2])
        head = b"POST /kbs/v0/attest HTTP/1.1\r\nhost: kbs\r\ncookie: %b\r\ncontent-type: application/json"
        return head % self._cookie + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    def _send(self, step: int, request: bytes) -> None:
        self._step = step
        self._sent_at = time.perf_counter()
        self.socket.sendall(request)


def drive(load: Load, guests: int, seconds: float, pid: int) -> Mapping[str, object]:
    """Run guests for a time; return what one run gave. `pid` is the server's."""
    selector = selectors.DefaultSelector()
    everyone = [Guest(load) for _ in range(guests)]
    for guest in everyone:
        selector.register(guest.socket, selectors.EVENT_READ, guest)
        guest.start()
    _serve(selector, _WARM_UP * seconds, 3 * guests)
    load.counting = True
    spent, own, begin = processor_seconds(pid), time.process_time(), time.perf_counter()
    _serve(selector, (1 - _WARM_UP) * seconds, 3 * guests)
    spent, own, elapsed = processor_seconds(pid) - spent, time.process_time() - own, time.perf_counter() - begin
    for guest in everyone:
        guest.socket.close()
    return {
        "flows": load.flows,
        "seconds": elapsed,
        "server_cpu": spent,
        "client_cpu": own,
        "durations": load.durations,
    }


def _serve(selector: selectors.BaseSelector, seconds: float, least: int) -> None:
    """Answer what comes for a time, and at least so many answers."""
    end, answers = time.perf_counter() + seconds, 0
    while time.perf_counter() < end or answers < least:
        for ready, _ in selector.select(5):
            guest: Guest = ready.data
            guest.readable()
            answers += 1


def _length(head: bytes) -> int:
    return int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.guests", description="Drive a broker by guests.")
    parser.add_argument("--port", type=int, required=True, help="of the server, on loopback")
    parser.add_argument("--pid", type=int, required=True, help="of the server, whose processor time is counted")
    parser.add_argument("--guests", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--resources", type=int, default=1, help=f"resources under {PATH}, asked for in turn")
    parser.add_argument("--secret", default="", help="what each of them holds")
    parser.add_argument("--open", type=int, default=0, help="open every n-th answer and compare; 0: none")
    given = parser.parse_args()
    load = Load(given.port, given.resources, given.secret.encode(), given.open)
    json.dump(drive(load, given.guests, given.seconds, given.pid), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
