from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class OlderAttestationRequest(_message.Message):
    __slots__ = ("tee", "evidence", "raw_runtime_data", "structured_runtime_data", "raw_init_data", "structured_init_data", "runtime_data_hash_algorithm", "init_data_hash_algorithm", "policy_ids")
    TEE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    RAW_RUNTIME_DATA_FIELD_NUMBER: _ClassVar[int]
    STRUCTURED_RUNTIME_DATA_FIELD_NUMBER: _ClassVar[int]
    RAW_INIT_DATA_FIELD_NUMBER: _ClassVar[int]
    STRUCTURED_INIT_DATA_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_DATA_HASH_ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    INIT_DATA_HASH_ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    POLICY_IDS_FIELD_NUMBER: _ClassVar[int]
    tee: str
    evidence: str
    raw_runtime_data: str
    structured_runtime_data: str
    raw_init_data: str
    structured_init_data: str
    runtime_data_hash_algorithm: str
    init_data_hash_algorithm: str
    policy_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tee: _Optional[str] = ..., evidence: _Optional[str] = ..., raw_runtime_data: _Optional[str] = ..., structured_runtime_data: _Optional[str] = ..., raw_init_data: _Optional[str] = ..., structured_init_data: _Optional[str] = ..., runtime_data_hash_algorithm: _Optional[str] = ..., init_data_hash_algorithm: _Optional[str] = ..., policy_ids: _Optional[_Iterable[str]] = ...) -> None: ...
