"""Progress bars on standard error, for commands that run worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
