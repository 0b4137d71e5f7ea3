"""What a flow through the broker costs: auth, attest with sample evidence, one resource; loopback, memory storage.

The server has one core to itself, its clients another. Informative: the stock broker takes 1.9 ms of processor time for
such a flow on a quiet machine, 24 to 38 times one P-256 signature check of the same machine; compare in those, not in
ms. The last table says where the time goes, by a profile of the same flows within this process.
"""

from __future__ import annotations

import asyncio
import base64
import cProfile
import hashlib
import json
import logging
import os
import pstats
import socket
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attestation_protocol.tee_key import TeeKeyPair
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.bench.measure import Ratio, duration, figures, table
from tests.integration.kbs_config import Kbs, policy_document
from tests.unit.key_broker_service.inprocess import Guest as InProcessGuest
from tests.unit.key_broker_service.inprocess import running

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS: Final = 4
PROFILED: Final = 200
SECRET: Final = b"the-secret-bytes"
AUTH: Final = json.dumps({"version": "0.4.0", "tee": "sample", "extra-params": ""}).encode()
KEY: Final = TeeKeyPair.generate().public_key.to_jwk()
GROUPS: Final = {
    "policy engine": ("trustee_core/policy", "builtins.Engine"),
    "cryptography": ("cryptography", "hmac", "_hashlib", "_sha"),
    "JSON, base64, canonical JSON": ("/json/", "encoding.py", "base64", "binascii", "rfc8785", "canonical_json"),
    "storage": ("trustee_core/storage",),
    "attestation service": ("attestation_service", "evidence_verifiers", "reference_value", "attestation_protocol/ear"),
    "token verification": ("token_trust", "jwt/"),
    "broker": ("key_broker_service", "attestation_protocol", "http_server/messages"),
    "metrics": ("prometheus_client",),
    "event loop": ("asyncio", "selectors"),
}
"""Where a function belongs, by what its file or name contains; what fits nowhere is the interpreter's own."""


@dataclass
class Client:
    """A guest over one connection that it keeps, as cheap as Python makes it."""

    port: int
    steps: dict[str, list[float]] = field(default_factory=lambda: {"auth": [], "attest": [], "resource": []})
    flows: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, head: str, body: bytes = b"") -> tuple[bytes, bytes]:
        """Send one request; return head and body of its answer."""
        self.socket.sendall(f"{head}\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        answer, _, rest = data.partition(b"\r\n\r\n")
        length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(rest) < length:
            rest += self.socket.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(rest.decode())
        return answer, rest

    def timed(self, step: str, head: str, body: bytes = b"") -> tuple[bytes, bytes]:
        begin = time.perf_counter()
        answer = self.ask(head, body)
        self.steps[step].append(time.perf_counter() - begin)
        return answer

    def auth(self) -> tuple[str, str]:
        head, body = self.timed("auth", "POST /kbs/v0/auth HTTP/1.1", AUTH)
        cookie = head.partition(b"set-cookie: ")[2].partition(b";")[0].decode()
        return str(json.loads(body)["nonce"]), cookie

    def flow(self) -> None:
        begin = time.perf_counter()
        nonce, cookie = self.auth()
        self.timed("attest", f"POST /kbs/v0/attest HTTP/1.1\r\ncookie: {cookie}", evidence(nonce))
        self.timed("resource", f"GET /kbs/v0/resource/default/key/1 HTTP/1.1\r\ncookie: {cookie}")
        self.flows.append(time.perf_counter() - begin)


def evidence(nonce: str) -> bytes:
    """The body of `/attest`."""
    bound = {"additional-evidence": "", "nonce": nonce, "tee-pubkey": dict(sorted(KEY.items()))}
    digest = hashlib.sha384(json.dumps(bound, separators=(",", ":")).encode()).digest()
    primary = {"svn": "1", "report_data": base64.b64encode(digest).decode()}
    return json.dumps(
        {
            "runtime-data": {"nonce": nonce, "tee-pubkey": KEY},
            "tee-evidence": {"primary_evidence": primary, "additional_evidence": ""},
        }
    ).encode()


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def repeat(action: Callable[[], object], seconds: float) -> int:
    """Repeat for some time; say how often."""
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end or not count:
        action()
        count += 1
    return count


def signature_check() -> float:
    """Seconds that one P-256 signature check takes on this machine now."""
    key = ec.generate_private_key(ec.SECP256R1())
    signature, public = key.sign(b"data", ec.ECDSA(hashes.SHA256())), key.public_key()
    begin = time.perf_counter()
    count = repeat(lambda: public.verify(signature, b"data", ec.ECDSA(hashes.SHA256())), 0.2)
    return (time.perf_counter() - begin) / count


def profiled() -> Counter[str]:
    """Processor seconds of one flow by what they are spent on, measured under a profiler within this process."""
    profile = cProfile.Profile()

    async def flows() -> None:
        async with running() as broker:
            await broker.ready()
            guest = InProcessGuest(broker)
            await guest.token()
            for _ in range(PROFILED):
                await guest.auth()
                body = json.dumps(guest.evidence()).encode()
                profile.enable()
                await guest.attest(body)
                await guest.by_cookie()
                await guest.auth()
                profile.disable()

    logging.disable(logging.WARNING)
    try:
        asyncio.run(flows())
    finally:
        logging.disable(logging.NOTSET)
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, seconds, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        place = f"{file}:{name}"
        group = next(
            (group for group, marks in GROUPS.items() if any(mark in place for mark in marks)), "built-in functions"
        )
        spent[group] += seconds / PROFILED
    return spent


def main(seconds: float) -> list[Ratio]:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="bench-kbs-") as folder:
        kbs = Kbs(Path(folder), storage="Memory", env={"RUST_LOG": "error"})
        with kbs:
            pid = kbs.program.pid
            os.sched_setaffinity(pid, {cores[0]})
            if len(cores) > 1:
                os.sched_setaffinity(0, set(cores[1:]))
            try:
                rows = measured(kbs, pid, seconds)
            finally:
                os.sched_setaffinity(0, set(cores))
    table("kbs: one flow is auth, attest, resource; server on one core, memory storage", rows)
    spent = profiled()
    total = sum(spent.values())
    table(
        f"kbs: where a flow's time goes, under a profiler ({duration(total)}, HTTP edge not included)",
        [(group, f"{share / total:5.0%}") for group, share in spent.most_common()],
    )
    return []


def measured(kbs: Kbs, pid: int, seconds: float) -> list[tuple[str, str]]:
    operator = Client(kbs.port)
    operator.ask("POST /kbs/v0/resource/default/key/1 HTTP/1.1", SECRET)
    operator.ask("POST /kbs/v0/resource-policy HTTP/1.1", policy_document())
    repeat(operator.flow, 0.1)
    unit = signature_check()

    alone = Client(kbs.port)
    repeat(alone.flow, seconds)

    before = processor_seconds(pid)
    auths = repeat(operator.auth, seconds)
    per_auth = (processor_seconds(pid) - before) / auths
    token_cookie = operator.auth()
    operator.timed("attest", f"POST /kbs/v0/attest HTTP/1.1\r\ncookie: {token_cookie[1]}", evidence(token_cookie[0]))
    resource = f"GET /kbs/v0/resource/default/key/1 HTTP/1.1\r\ncookie: {token_cookie[1]}"
    before = processor_seconds(pid)
    resources = repeat(lambda: operator.ask(resource), seconds)
    per_resource = (processor_seconds(pid) - before) / resources

    clients = [Client(kbs.port) for _ in range(CLIENTS)]
    before, begin = processor_seconds(pid), time.perf_counter()
    threads = [threading.Thread(target=repeat, args=(client.flow, seconds)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed, spent = time.perf_counter() - begin, processor_seconds(pid) - before
    together = figures([taken for client in clients for taken in client.flows])
    flows = len(together.durations)
    for client in (operator, alone, *clients):
        client.socket.close()
    percentiles = f"p50 {duration(together.median)}   p99 {duration(together.percentile(99))}"
    a_flow = spent / flows
    return [
        (f"{CLIENTS} guests at once", f"{flows / elapsed:,.0f} flows/s   {percentiles}"),
        ("processor time of the server", f"{duration(a_flow)} a flow, {a_flow / unit:.0f} signature checks"),
        ("one P-256 signature check here", duration(unit)),
        ("one guest alone", figures(alone.flows).text),
        *((f"  {step}", figures(taken).text) for step, taken in alone.steps.items()),
        ("processor time of auth alone", duration(per_auth)),
        ("processor time of a resource by a known token", duration(per_resource)),
    ]
