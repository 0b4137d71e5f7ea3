"""The recorded exchanges with the Rust programs under `wire/`, as typed objects.

    http_recordings("kbs")                 the cases of a folder, in the order in which they were run against one server
    http_recording("kbs/flow-rsa")         one case: requests and answers, byte for byte
    rpc_recording("as/as-grpc")            calls by message: gRPC, or a bare list of captured calls
    ttrpc_recording("guest/aa-rpcs")       calls with their whole ttRPC frames
    stream("stock/hub-to-agent-ttrpc")     what went over one connection, in both directions
    document("guest/unseal")               the JSON itself, for files of another shape

What changes between two recordings (dates, nonces, session ids, keys, signatures) is listed in `wire/README.md`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

WIRE: Final = Path(__file__).parent / "wire"


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in the order of the wire, names as they were sent."""

    items: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """The value of the first field of that name, whatever its case."""
        return next((value for key, value in self.items if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        """All values of that name, whatever its case."""
        return [value for key, value in self.items if key.lower() == name.lower()]

    @property
    def names(self) -> list[str]:
        """The names in lower case, in order."""
        return [key.lower() for key, _ in self.items]


@dataclass(frozen=True, slots=True)
class Request:
    """A recorded HTTP request."""

    method: str
    target: str
    """As on the request line: path and query, not decoded."""
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """The recorded answer."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange."""

    request: Request
    response: Response
    note: str = ""

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.target} -> {self.response.status} {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Recording:
    """A case: exchanges with one server, in order."""

    name: str
    order: int
    """Position among the cases of its folder; 0 where the order does not matter."""
    why: str
    steps: tuple[Step, ...]
    members: dict[str, Any] = field(repr=False)
    """What else the file holds, for example `tee_key_pem` (opens the JWEs) or `secret`."""

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Self:
        """Read one file's JSON."""
        steps = tuple(_step(step) for step in raw["steps"])
        known = {"name", "order", "why", "steps"}
        members = {key: value for key, value in raw.items() if key not in known}
        return cls(raw["name"], raw.get("order", 0), raw.get("why", ""), steps, members)


@dataclass(frozen=True, slots=True)
class Call:
    """One unary call by its messages. `response` is empty where `code` is not 0."""

    method: str
    request: bytes
    code: int
    message: str
    response: bytes
    note: str = ""
    metadata: Headers = field(default=Headers(()))


@dataclass(frozen=True, slots=True)
class FramedCall:
    """One call over ttRPC, by its frames (10-byte header included)."""

    call: Call
    service: str
    request_frame: bytes
    response_frame: bytes | None
    """None where the server did not answer; `connection` then says what it did instead."""
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that one side of a connection sent. `>` is the client."""

    direction: Literal["<", ">"]
    data: bytes


def document(name: str) -> Any:
    """Read the JSON of `wire/<name>.json`."""
    return json.loads((WIRE / f"{name}.json").read_text())


def http_recording(name: str) -> Recording:
    """Read one HTTP case, for example `kbs/flow-rsa`."""
    return Recording.parse(document(name))


def http_recordings(folder: str) -> list[Recording]:
    """Read all HTTP cases of a folder (`kbs`, `as`, `guest`, `stock`, `passport`, `remote`), in their order."""
    documents = [document(f"{folder}/{path.stem}") for path in sorted((WIRE / folder).glob("*.json"))]
    cases = [Recording.parse(raw) for raw in documents if "steps" in raw and "request" in raw["steps"][0]]
    return sorted(cases, key=lambda case: case.order)


def rpc_recording(name: str) -> list[Call]:
    """Read recorded calls: `as/as-grpc`, `as/rvps-grpc`, `remote/kbs-to-as`, `remote/as-to-rvps`."""
    raw = document(name)
    return [_call(step) for step in (raw["steps"] if isinstance(raw, dict) else raw)]


def ttrpc_recording(name: str) -> list[FramedCall]:
    """Read recorded ttRPC calls: `guest/aa-rpcs`, `guest/cdh-rpcs`, `guest/ttrpc-oddities`."""
    return [
        FramedCall(
            Call(
                step["method"],
                _bytes(step["request_payload"]),
                step.get("code", 0),
                step.get("message", ""),
                _bytes(step.get("response_payload", "")),
                step.get("note", ""),
            ),
            step["service"],
            _frame(step["request_frame"]),
            _bytes(step["response_frame"]) if "response_frame" in step else None,
            step.get("connection", ""),
        )
        for step in document(name)["steps"]
    ]


def stream(name: str) -> list[Chunk]:
    """Read what went over one connection: `stock/hub-to-agent-ttrpc`, `stock/rest-to-hub-ttrpc`."""
    return [Chunk(chunk["direction"], _bytes(chunk["bytes_b64"])) for chunk in document(name)["chunks"]]


def _step(raw: dict[str, Any]) -> Step:
    request, response = raw["request"], raw["response"]
    return Step(
        Request(request["method"], request["target"], _headers(request["headers"]), _body(request)),
        Response(response["status"], _headers(response["headers"]), _body(response)),
        raw.get("note", ""),
    )


def _call(raw: dict[str, Any]) -> Call:
    return Call(
        raw["method"],
        _bytes(raw["request_b64"]),
        raw["code"],
        raw.get("message", ""),
        _bytes(raw.get("response_b64", "")),
        raw.get("note", ""),
        _headers(raw.get("metadata", [])),
    )


def _headers(raw: list[list[str]]) -> Headers:
    return Headers(tuple((name, value) for name, value in raw))


def _body(raw: dict[str, Any]) -> bytes:
    """A body is text, base64, or one byte repeated (`body_fill`, `body_length` times)."""
    if "body_b64" in raw:
        return _bytes(raw["body_b64"])
    if "body_fill" in raw:
        filled: bytes = raw["body_fill"].encode() * raw["body_length"]
        return filled
    text: str = raw["body"]
    return text.encode()


def _frame(raw: str | dict[str, Any]) -> bytes:
    """A frame is base64; of an oversize one only the first bytes and the length were kept: the rest is zeros."""
    if isinstance(raw, str):
        return _bytes(raw)
    first = _bytes(raw["first"])
    return first + bytes(raw["length"] - len(first))


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
