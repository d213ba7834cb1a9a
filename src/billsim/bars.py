"""Progress bars on standard error, for commands that run worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from billsim.explore.fuzz import Progress as CampaignProgress
    from billsim.run import Progress


class Bars:
    """Progress bars on standard error, one a run; none unless it is wanted."""

    def __init__(self, wanted: bool) -> None:
        self._progress: Any = None
        if wanted:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

            from billsim import summary

            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.fields[done]}"))
            self._progress = Progress(*columns, console=summary.console(stderr=True), transient=True)

    def __enter__(self) -> Bars:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def add(self, name: str) -> Callable[[Progress], None] | None:
        """A bar for one run, moved by what the run reports; None where there are no bars."""
        if not self._progress:
            return None
        from billsim.core.guard import outside

        bar = self._progress.add_task(name, total=1000, done="")

        def moved(to: Progress) -> None:
            part = 1000 * (to.now_ms - to.start_ms) // max(1, to.end_ms - to.start_ms)
            with outside():
                self._progress.update(bar, completed=part, done=f"{to.phase}, {to.stripe_events} Stripe events")

        return moved

    def campaign(self, name: str, runs: int | None) -> Callable[[CampaignProgress], None] | None:
        """A bar for a campaign of so many runs (None: any number), and another for the stories that are made of what it found."""
        if not self._progress:
            return None
        bar = self._progress.add_task(name, total=runs, done="")
        stories = self._progress.add_task("shrinking", total=None, done="", visible=False)

        def moved(to: CampaignProgress) -> None:
            self._progress.update(bar, completed=to.runs, done=f"{to.runs:,} runs, {to.failing:,} failing, {to.distinct} distinct")
            if to.to_shrink:
                self._progress.update(stories, completed=to.shrunk, total=to.to_shrink, visible=True, done=f"{to.shrunk} of {to.to_shrink} stories")

        return moved

    def count(self, name: str, total: int) -> Callable[[str], None]:
        """A bar for so many things, moved by one when one is done, of which it is told the name."""
        if not self._progress:
            return lambda _name: None
        bar = self._progress.add_task(name, total=total, done="")
        return lambda done: self._progress.update(bar, advance=1, done=done)

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """A bar for as long as something is done that does not tell how far it is."""
        if not self._progress:
            yield
            return
        bar = self._progress.add_task(name, total=None, done="")
        try:
            yield
        finally:
            self._progress.remove_task(bar)

    def planned(self, name: str, what: str) -> Callable[[int, int], None] | None:
        """A bar of so many things done, of so many that there are to do."""
        if not self._progress:
            return None
        bar = self._progress.add_task(name, total=None, done="")

        def moved(done: int, planned: int) -> None:
            self._progress.update(bar, completed=done, total=planned, done=f"{done:,} of {planned:,} {what}")

        return moved

    def searched(self, name: str) -> Callable[[str], None] | None:
        """A bar for something of which nobody knows how much there is, and that runs under the guard; it is told how far that is."""
        if not self._progress:
            return None
        from billsim.core.guard import outside

        bar = self._progress.add_task(name, total=None, done="")

        def moved(done: str) -> None:
            with outside():
                self._progress.update(bar, done=done)

        return moved
