"""The main job, on this machine, with real processes on loopback: `make demo`."""
