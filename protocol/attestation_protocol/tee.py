"""The TEEs by the names that they have on the wire (kbs-types), and the classes that submodules are named after."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from attestation_protocol.errors import UnknownTeeError


class Tee(StrEnum):
    """A TEE, by its wire name. Names are case-sensitive."""

    AZ_SNP_VTPM = "az-snp-vtpm"
    AZ_TDX_VTPM = "az-tdx-vtpm"
    CCA = "cca"
    CSV = "csv"
    HYGON_DCU = "hygondcu"
    NVIDIA = "nvidia"
    NVIDIA_DPU = "nvidia-dpu"
    SAMPLE = "sample"
    SAMPLE_DEVICE = "sampledevice"
    SE = "se"
    SGX = "sgx"
    SNP = "snp"
    TDX = "tdx"
    TPM = "tpm"

    __hash__ = str.__hash__
    """A member equals its name, and is found by it; the hash of `Enum` is of another text, and written in Python."""

    @classmethod
    def parse(cls, name: object) -> Self:
        """Read a wire name; `nvidiadpu`, which some peers send, is the DPU too. Raises UnknownTeeError."""
        try:
            return cls("nvidia-dpu" if name == "nvidiadpu" else str(name))
        except ValueError:
            known = ", ".join(cls)
            raise UnknownTeeError(f"unknown TEE {name!r:.40}; known: {known}") from None

    @property
    def is_sample(self) -> bool:
        """Whether its evidence proves nothing: it exists so that the flow can be tried without hardware."""
        return self in {Tee.SAMPLE, Tee.SAMPLE_DEVICE}
