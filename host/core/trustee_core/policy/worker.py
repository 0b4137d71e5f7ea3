"""The process that evaluates policies which may take long: `python -m trustee_core.policy.worker`.

It reads requests from standard input and writes replies to standard output, one after the other, until the input ends.
Its parent ends it when it takes too long. Before the first request it gives up

    opening any file or socket    RLIMIT_NOFILE 0: only the two pipes stay
    writing to files, core dumps  RLIMIT_FSIZE 0, RLIMIT_CORE 0
    more than 512 MiB of memory   RLIMIT_DATA: the engine then ends the process
    new processes and rights      RLIMIT_NPROC 0, no_new_privs

and, for each request, more of the processor's time than anyone would wait for: so it ends even without its parent.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import resource
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from trustee_core.policy.compiled import CompiledPolicy, builtins
from trustee_core.policy.contract import UNDEFINED, PolicyError, PolicyEvaluationError
from trustee_core.policy.messages import (
    MAX_REPLY,
    MAX_REQUEST,
    READY,
    MessageError,
    Reply,
    Request,
    decode_request,
    encode,
    failure_of,
    frame,
    read_frame,
)
from trustee_core.policy.placement import why_not_on_a_thread

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_MEMORY: Final = 512 * 1024 * 1024
MAX_POLICIES: Final = 8

_PR_SET_NO_NEW_PRIVS: Final = 38  # linux/prctl.h
_SPARE_SECONDS: Final = 2


def main() -> None:
    """Serve the pipes at standard input and output to their end."""
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as replies:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # nothing that anything prints gets between the replies
            os.dup2(null, descriptor)
        os.close(null)
        builtins()  # what is loaded when it is first used is loaded now
        hashlib.sha384(b"").digest()
        confine()
        serve(requests, replies)


def confine() -> None:
    """Give up, for good, what evaluating takes not."""
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_DATA, MAX_MEMORY),
        (resource.RLIMIT_NOFILE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (most, most))
    with contextlib.suppress(ImportError, OSError, AttributeError):  # not Linux, or a Python without ctypes
        import ctypes  # noqa: PLC0415  # only this function needs it

        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more. Raises MessageError: what comes is not a request."""
    policies: OrderedDict[str, CompiledPolicy] = OrderedDict()
    prints: list[str] = []
    replies.write(frame(READY, MAX_REPLY))
    replies.flush()
    while (body := read_frame(requests, MAX_REQUEST)) is not None:
        request = decode_request(body)
        _limit_time(request.seconds)
        prints.clear()
        try:
            reply = encode(_reply(request, policies, prints))
        except MessageError:
            reply = encode(_failed(PolicyEvaluationError("the policy gives a value beyond all bounds"), prints))
        replies.write(reply)
        replies.flush()


def _reply(request: Request, policies: OrderedDict[str, CompiledPolicy], prints: list[str]) -> Reply:
    before = time.process_time()
    try:
        policy = policies.get(request.policy) or CompiledPolicy(request.policy, say=prints.append)
        policies[request.policy] = policy
        policies.move_to_end(request.policy)
        if len(policies) > MAX_POLICIES:
            policies.popitem(last=False)
        if request.check:
            policy.require_known_functions()
        run = policy.run(request.rules, request.input.encode(), request.data.encode(), request.known)
    except PolicyError as error:
        if error.code == "POLICY-PANIC":
            policies.pop(request.policy, None)
        return _failed(error, prints)
    seconds = time.process_time() - before
    return Reply(
        values={rule: value for rule, value in run.values.items() if value is not UNDEFINED},
        absent=sorted(run.absent),
        missed=list(run.missed),
        reference_values=list(policy.reference_values),
        prints=list(prints),
        seconds=seconds,
        unbounded=why_not_on_a_thread(request.policy, policy) if request.check else "",
    )


def _failed(error: PolicyError, prints: list[str]) -> Reply:
    return Reply(failure=failure_of(error), prints=list(prints))


def _limit_time(seconds: float) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time() + seconds) + _SPARE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main()
