"""Timings that a person asks for with `segue bench`; no test depends on one."""
