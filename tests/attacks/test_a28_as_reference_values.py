"""A28: a writer of reference values chooses the extractor that believes anyone, and overwrites good values."""

from __future__ import annotations

import base64
import json

import pytest
from attestation_service.assembly import create
from attestation_service.config import ServiceConfig
from attestation_service.errors import ReferenceValueError
from trustee_core.storage.memory import MemoryBackend

MESSAGE = json.dumps({"version": "0.1.0", "type": "sample", "payload": base64.b64encode(b'{"svn":["9"]}').decode()})


async def test_a28_the_sample_extractor_is_off_unless_its_caller_is_known() -> None:
    service = await create(ServiceConfig(), MemoryBackend(), source="test")
    with pytest.raises(ReferenceValueError) as caught:
        await service.register_reference_value(MESSAGE)
    assert caught.value.code == "RVPS-SAMPLE-REFUSED"
    assert "insecure_sample_reference_values" in caught.value.advice
    assert await service.query_reference_value("svn") is None
    await service.close()


async def test_a28_where_it_is_on_it_registers() -> None:
    service = await create(ServiceConfig(), MemoryBackend(), source="test", allow_sample_reference_values=True)
    await service.register_reference_value(MESSAGE)
    assert await service.query_reference_value("svn") == ["9"]
    await service.close()
