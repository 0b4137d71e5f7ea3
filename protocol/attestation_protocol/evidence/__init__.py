"""Evidence layouts: one module for each TEE, named as its attester and its verifier are.

No I/O, and nothing is authentic here: a parsed object says what the bytes say, a verifier says whether to believe it.
What is not laid out as its specification says raises EvidenceFormatError, whatever the bytes.
"""
