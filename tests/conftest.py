"""Settings for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples on every machine, and no failure because a machine is slow.
settings.register_profile("billsim", derandomize=True, deadline=None, database=None)
settings.load_profile("billsim")
