"""A team's own platform, as far as it differs from the one that ships: values of the dunning policy, names of tables, columns and statuses, and
how long its program may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from billsim.core.policy import DunningPolicy
from billsim.core.remediation import RemediationPolicy


class Names(msgspec.Struct, frozen=True):
    """What a platform calls things, by billsim's own names; what is not named keeps its name.

    `statuses`: the dunning statuses. `tables`: the stores. `columns`: the fields of a store's rows, by store.
    """

    statuses: dict[str, str] = {}
    tables: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}


class ProgramLimits(msgspec.Struct, frozen=True):
    """What an engine that is a program of its own may take: measured milliseconds for its greeting and for each answer, bytes for a line.

    `restarts`: how often it is started again after it has misbehaved, before it is given up.
    """

    start_ms: int = 10_000
    answer_ms: int = 10_000
    line_bytes: int = 16 * 1024 * 1024
    restarts: int = 2


class Platform(msgspec.Struct, frozen=True):
    """What a policy file (`source`) says. `policy` holds the fields of `DunningPolicy` that differ from its defaults, `remediation` its rules, where
    they are told.
    """

    policy: dict[str, Any] = {}
    names: Names = Names()
    program: ProgramLimits = ProgramLimits()
    source: str = ""
    remediation: RemediationPolicy | None = None

    def dunning(self, max_attempts: int) -> DunningPolicy:
        """The policy, for a Stripe account whose retry schedule makes `max_attempts`, unless the platform names another limit."""
        return msgspec.convert({"max_attempts": max_attempts, **self.policy}, DunningPolicy)


def reversed_names(names: Mapping[str, str]) -> dict[str, str]:
    """From the platform's names to billsim's."""
    return {theirs: ours for ours, theirs in names.items()}
