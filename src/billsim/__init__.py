"""billsim: a deterministic simulation and replay harness for a subscription-billing platform."""

__version__ = "0.1.0"
