"""What a component raises on purpose."""

from __future__ import annotations


class RetryLater(Exception):
    """The account kept moving under every try: the message is to be delivered again, after its back-off.

    `retry` tells whoever runs components that repeating is the cure, so that this is no finding.
    """

    retry = True

    def __init__(self, component: str, account: str, tries: int) -> None:
        super().__init__(component, account, tries)

    def __str__(self) -> str:
        component, account, tries = self.args
        return f"{component}: {account} did not come to rest within {tries} tries"
