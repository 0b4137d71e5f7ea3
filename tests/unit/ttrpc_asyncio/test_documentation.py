"""The code on docs/ttrpc.md runs as it stands, on another address."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest
from ttrpc_asyncio import Client, Code, StatusError

from tests.unit.ttrpc_asyncio.peer import some_address

PAGE: Final = Path(__file__).parents[3] / "docs" / "ttrpc.md"


async def test_the_page_s_code_serves_and_calls() -> None:
    address = some_address()
    text = PAGE.read_text().replace("unix:///run/agent.sock", address).replace("asyncio.run(main())", "")
    serve, call = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(serve, names)  # noqa: S102  # our own page
    exec(f"async def called():\n{textwrap.indent(call, '    ')}\n    return answer", names)  # noqa: S102  # the same
    serving = asyncio.create_task(names["main"]())
    await asyncio.sleep(0)
    answer = await names["called"]()
    assert answer.tee == "sample"
    async with await Client.connect(address) as client:
        with pytest.raises(StatusError) as caught:
            await client.call("attestation_agent.AttestationAgentService", "GetToken", b"", timeout=20)
    assert (caught.value.status, caught.value.message) == (Code.INTERNAL, "no token can be had")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
