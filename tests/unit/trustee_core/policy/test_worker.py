"""The worker: what it answers, and what it gives up before it begins."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time
from typing import Any

import pytest
from trustee_core.policy import worker
from trustee_core.policy.compiled import CompiledPolicy
from trustee_core.policy.contract import PolicyEvaluationError
from trustee_core.policy.messages import (
    MAX_REPLY,
    READY,
    MessageError,
    Reply,
    Request,
    decode_reply,
    encode,
    read_frame,
)
from trustee_core.policy.worker import MAX_MEMORY, serve

from tests.unit.trustee_core.policy.endless import WALKING
from tests.unit.trustee_core.policy.evaluation import ALLOW, HEAD


@pytest.fixture(autouse=True)
def time_limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the worker would have set, were it not in this process."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, value: limits.append((which, value[0])))
    return limits


def replies(*requests: Request) -> list[Reply]:
    output = io.BytesIO()
    serve(io.BytesIO(b"".join(map(encode, requests))), output)
    output.seek(0)
    assert read_frame(output, MAX_REPLY) == READY
    return [decode_reply(body) for body in iter(lambda: read_frame(output, MAX_REPLY), None)]


def asked(policy: str, **members: Any) -> Reply:
    (reply,) = replies(Request(policy=HEAD + policy, rules=[ALLOW, "data.policy.other"], seconds=1, **members))
    return reply


def test_a_reply_has_what_is_defined() -> None:
    reply = asked(
        "allow := [input.a, data.b, query_reference_value(`c`)]", input='{"a": 1}', data='{"b": 2}', known={"c": 3}
    )
    assert (reply.values, reply.absent, reply.missed, reply.reference_values) == (
        {ALLOW: [1, 2, 3]},
        ["data.policy.other"],
        [],
        ["c"],
    )
    assert reply.failure is None
    undefined = asked("allow := query_reference_value(`c`)\nother := null")
    assert (undefined.values, undefined.missed) == ({"data.policy.other": None}, ["c"])


def test_requests_are_answered_in_their_order() -> None:
    texts = [f"{HEAD}allow := input + {number}" for number in range(worker.MAX_POLICIES + 3)] * 2
    requests = [Request(policy=text, rules=[ALLOW], seconds=1, input=str(place)) for place, text in enumerate(texts)]
    assert [reply.values[ALLOW] for reply in replies(*requests)] == [
        place + place % (worker.MAX_POLICIES + 3) for place in range(len(texts))
    ]


@pytest.mark.parametrize(
    ("policy", "check", "code"),
    [
        ("nonsense", False, "POLICY-PARSE"),
        ("query_reference_value(x) := 1", False, "POLICY-REFUSED"),
        ("allow if { input.never; missing(1) }", True, "POLICY-FUNCTION"),
        ("allow := to_number(`a`)", False, "POLICY-EVALUATION"),
    ],
)
def test_an_error_is_a_reply(policy: str, check: bool, code: str) -> None:  # noqa: FBT001
    reply = asked(policy, check=check)
    assert reply.failure is not None
    assert reply.failure.code == code


def test_what_is_printed_is_in_the_reply_of_its_evaluation() -> None:
    texts = ["allow if print(`one`)", "allow := true", "allow if { print(`two`); missing(1) }"]
    printing = [Request(policy=HEAD + text, rules=[ALLOW], seconds=1) for text in texts]
    assert [reply.prints for reply in replies(*printing)] == [[":3: one"], [], [":3: two"]]


def test_an_upload_is_told_why_it_belongs_into_a_worker() -> None:
    assert asked("allow := true", check=True).unbounded == ""
    (reply,) = replies(Request(policy=WALKING, rules=[ALLOW], check=True, seconds=1))
    assert reply.unbounded == "there is no bound for walk"
    assert asked(f"allow := `{'x' * 900}`\n" + f"# {'x' * 1000}\n" * 40, check=True).unbounded.startswith("its text")


def test_a_value_beyond_all_bounds_is_an_error() -> None:
    reply = asked("allow := [input, input, input]", input='"' + "x" * (MAX_REPLY // 2) + '"')
    assert reply.failure is not None
    assert (reply.failure.code, reply.values) == ("POLICY-EVALUATION", {})


def test_a_policy_whose_engine_broke_off_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    class Breaking(CompiledPolicy):
        def __init__(self, text: str, **arguments: Any) -> None:
            texts.append(text)
            super().__init__(text, **arguments)

        def run(self, *_arguments: Any) -> Any:
            raise PolicyEvaluationError("the policy engine broke off", code="POLICY-PANIC")

    monkeypatch.setattr(worker, "CompiledPolicy", Breaking)
    request = Request(policy=HEAD + "allow := true", rules=[ALLOW], seconds=1)
    assert [reply.failure and reply.failure.code for reply in replies(request, request)] == ["POLICY-PANIC"] * 2
    assert len(texts) == 2


def test_what_is_no_request_ends_the_worker() -> None:
    with pytest.raises(MessageError):
        serve(io.BytesIO(b"\0\0\0\2{}"), io.BytesIO())


def test_a31_each_request_limits_the_processor_s_time(
    time_limits: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "process_time", lambda: 10.5)
    asked("allow := true")
    assert time_limits == [(resource.RLIMIT_CPU, 12 + 2)]


def confined(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code behind `confine`."""
    prelude = "import socket, os, trustee_core.policy.worker as w\nw.confine()\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        env={"PYTHONPATH": ":".join(sys.path), "MIMALLOC_ARENA_RESERVE": "65536"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("open('/etc/hostname')", "Too many open files"),
        ("os.open('/dev/null', 0)", "Too many open files"),
        ("socket.socket()", "Too many open files"),
        (f"bytes({MAX_MEMORY})", "MemoryError"),
    ],
)
def test_a31_a_worker_can_open_nothing_and_has_little_memory(code: str, error: str) -> None:
    run = confined(code)
    assert (run.returncode, error in run.stderr) == (1, True)


def test_a_confined_worker_still_evaluates() -> None:
    run = confined(
        "from trustee_core.policy.compiled import CompiledPolicy\n"
        "p = CompiledPolicy('package policy\\nallow := [time.now_ns() > 0, regex.match(`a+`, input)]')\n"
        "print(p.run(['data.policy.allow'], b'\"aa\"', b'', {}).values)\n"
    )
    assert run.stdout == "{'data.policy.allow': [True, True]}\n", run.stderr
