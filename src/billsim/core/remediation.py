"""The rules of remediation: whom it may touch, how much of the platform in one night, and when it stops by itself. All of it is assumed, but for the
account types and the names of the restrictions and gates.
"""

from __future__ import annotations

import msgspec

OFF, ON, DRY_RUN = MODES = ("off", "on", "dry-run")


class Gate(msgspec.Struct, frozen=True):
    """A gate that is open for every account, or for none, `but` for some."""

    open: bool = True
    but: tuple[str, ...] = ()

    def lets(self, account: str) -> bool:
        """Whether it is open for an account."""
        return self.open != (account in self.but)


class RemediationPolicy(msgspec.Struct, frozen=True):
    """Shares are parts per million of the accounts, percentages of what they are compared with.

    `unsupported_types` block a whole plan; `enterprise_types` are excluded, for contract paths set their state. A change of what a subscription
    bills is not made within `days_before_invoice` of its next invoice. `bad_debt_gate` and `invoice_metadata_gate` are asked for each account.

    What Stripe bills is put right only where it is as wrong `looks_again_after_s` later, and what nobody has bought is ended only once it is
    `youngest_s` old: somebody may be at work on it.

    The valves: at most `most_accounts`, and at most `most_share_ppm` of the population, are attempted in a night; none at all where there are more
    than `jump_percent` of last night's candidates; and no more once over `failures_percent` of the attempts have failed. What is measured as a share
    does not count up to `floor` accounts: a share of few says nothing. `most_zones` is what auto_resync_www sets in a night. `dry_run`: everything
    is planned and nothing is written but the audit. `kill_switch`: nothing is planned either.
    """

    unsupported_types: tuple[str, ...] = ("cloudflare_ent", "msp", "partners_pay_go", "sfcc")
    enterprise_types: tuple[str, ...] = ("jdc", "sfcc", "ibm")
    days_before_invoice: int = 3
    looks_again_after_s: int = 60
    youngest_s: int = 3_600
    bad_debt_gate: Gate = Gate()
    invoice_metadata_gate: Gate = Gate()
    most_accounts: int = 1_000
    most_share_ppm: int = 20_000
    jump_percent: int = 300
    failures_percent: int = 25
    floor: int = 20
    most_zones: int = 1_000
    dry_run: bool = False
    kill_switch: bool = False
