"""Help for those who write cases: `conformance new`, `new --fill` and `fmt`."""
