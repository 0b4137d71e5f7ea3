"""The `attestack` program, `kbs-client` and `trustee`."""
