"""Fuzz harnesses: one file for each parser of outside bytes, `fuzz_<what>.py`, run by `make fuzz`.

A harness is a module with two names (and, if wanted, a third):

    TARGET   Callable[[bytes], None]: hands the bytes to one parser. It swallows the one error that the parser
             documents; whatever else comes out is a finding. It may assert what must hold of a parsed value
             (encoding it again gives the same bytes, its size is bounded, ...).
    SEEDS    Callable[[], Iterable[bytes]]: a few good inputs to start from, best read from `tests/conformance`.
    MAX_LEN  int, optional: the longest input in bytes, 4096 unless told.

For example, `fuzz_resource_uri.py`:

    def target(data: bytes) -> None:
        try:
            uri = ResourceUri.parse(data.decode("utf-8", "replace"))
        except ResourceUriError:
            return
        assert ResourceUri.parse(str(uri)) == uri


    def seeds() -> Iterable[bytes]:
        return (b"kbs:///default/key/1", b"kbs+sample://[::1]:8080/a?b=c")


    TARGET = target
    SEEDS = seeds

A target is pure and fast: no sockets, no files, no sleep; the same bytes give the same outcome. `make fuzz` runs each
harness in a process of its own under atheris for FUZZ_SECONDS (60), with our packages instrumented; the unit tests run
every harness over its seeds and a few thousand mutations of them without atheris.
"""
