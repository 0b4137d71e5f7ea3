"""A process that forks while its policy engine has a worker: `python -m tests.unit.trustee_core.policy.forking`.

Parent and child then evaluate on, each with a worker of its own, and the child's end leaves the parent's worker alone.
What each got is a line of standard output.
"""

from __future__ import annotations

import asyncio
import os
import sys

from trustee_core.policy.regorus import RegorusEngine

from tests.unit.trustee_core.policy.endless import WALKING
from tests.unit.trustee_core.policy.evaluation import ALLOW


def evaluate(engine: RegorusEngine, who: str, *, last: bool = False) -> None:
    async def once() -> None:
        evaluation = await engine.evaluate(WALKING, [ALLOW], input_json=b'{"image": "i"}')
        (worker,) = engine._workers._state[0].processes
        sys.stdout.write(f"{who} {evaluation.values[ALLOW]} {worker._process.pid}\n")
        sys.stdout.flush()
        if last:
            await engine.close()

    asyncio.run(once())


def main() -> None:
    engine = RegorusEngine()
    evaluate(engine, "before")
    child = os.fork()
    if child == 0:
        evaluate(engine, "child", last=True)
        sys.exit(7)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    evaluate(engine, "parent", last=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
