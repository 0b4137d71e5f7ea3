"""Benchmarks: one file for each claim, `bench_<what>.py`, run in turn by `make bench`.

A benchmark is a module with `main(seconds: float) -> list[Ratio]`. It measures for about `seconds` each thing that it
compares, prints one table (`measure.table`), and returns the ratios that it was asked to hold; `python -m tests.bench`
names those that were missed and exits non-zero. Wherever a ratio is claimed, the thing and its reference run
alternately within the same minute (`measure.alternate`), so that a busy machine slows both; absolute figures are
printed, never judged.

For example:

    def main(seconds: float) -> list[Ratio]:
        ours, reference = alternate(call_ours, call_reference, seconds=seconds)
        table("ttRPC, 1 KiB, sequential", [("ours", ours.text), ("grpc.aio", reference.text)])
        return [Ratio.at_least("ttRPC calls/s against grpc.aio", ours.per_second / reference.per_second, 2.0)]
"""
