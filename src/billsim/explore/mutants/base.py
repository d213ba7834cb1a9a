"""What a mutant is made of: `recompute`, with a component that does something else where it would have done what a safeguard demands."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from billsim.core.policy import DunningPolicy
from billsim.engine.decide import decide as decide_by_the_rules
from billsim.engine.dunning_brain import Decide
from billsim.engine.recompute import Recompute
from billsim.facade import doors
from billsim.ports import Component, Effect, Engine, Handler, Message, Steps
from billsim.world import World

RECOMPUTE, PIPE, CONSEQUENCES = "recompute", "pipe", "consequences"
CHANGES, FACADE = "changes", "facade"
# What makes a debt of an account, and what is made of it; and the rest of the platform.
DUNNING = (RECOMPUTE, PIPE, CONSEQUENCES)
PARTS = (*DUNNING, CHANGES, FACADE)


class Planted(NamedTuple):
    """A fault that can be planted: the safeguard that is off, in one line, the part that it belongs to, and what makes the engine without it."""

    name: str
    safeguard: str
    part: str
    make: Callable[[DunningPolicy], Mutated]


class Mutated:
    """`recompute`, mutated. `around`: what each component's handler is replaced with, by the component's name. `deaf`: components that do not
    hear of a kind of message. `alter`: what is changed in the world around it.
    """

    name = "mutant"

    def __init__(
        self,
        policy: DunningPolicy,
        *,
        decide: Decide = decide_by_the_rules,
        around: Mapping[str, Callable[[Handler], Handler]] | None = None,
        deaf: Mapping[str, Sequence[str]] | None = None,
        alter: Callable[[World], None] | None = None,
    ) -> None:
        base = Recompute(policy, decide=decide, doors=doors.today(policy))
        self._base: Engine = base
        self._deaf = deaf or {}
        self._alter = alter
        self.components: Mapping[str, Component] = {
            name: replace(part, handle=around[name](part.handle)) if around and name in around else part
            for name, part in base.components.items()
        }

    def wakes(self, message: Message) -> Sequence[str]:
        """As `recompute`, but for what is deaf."""
        deaf = self._deaf.get(message.kind, ())
        return [name for name in self._base.wakes(message) if name not in deaf]

    def alter(self, world: World) -> None:
        """Change the world that has just been made."""
        if self._alter is not None:
            self._alter(world)


# -- components ------------------------------------------------------------------------------------------------------------------------

# What is done in the place of an effect: it yields what is performed instead, and returns what the component is answered.
Instead = Callable[[Any, Message], Generator[Effect, Any, Any]]


class Leave(Exception):
    """The component is to do nothing more, as if it were through."""


def instead(perform: Instead) -> Callable[[Handler], Handler]:
    """Each effect of a component is handed to `perform`."""

    def around(handle: Handler) -> Handler:
        def handled(message: Message) -> Steps:
            steps = handle(message)
            answer: Any = None
            failure: Exception | None = None
            while True:
                try:
                    effect = steps.send(answer) if failure is None else steps.throw(failure)
                except StopIteration:
                    return
                answer, failure = None, None
                try:
                    answer = yield from perform(effect, message)
                except Leave:
                    return
                except Exception as refused:
                    failure = refused

        return handled

    return around


def swapped(change: Callable[[Any, Message], Effect | None]) -> Callable[[Handler], Handler]:
    """Each effect is performed as `change` has it; None: not at all, and the answer is None."""

    def perform(effect: Any, message: Message) -> Generator[Effect, Any, Any]:
        changed = change(effect, message)
        return None if changed is None else (yield changed)

    return instead(perform)


def misheard(change: Callable[[Any, Any, Message], Any]) -> Callable[[Handler], Handler]:
    """Each effect is performed, and its answer is what `change(effect, answer, message)` makes of it."""

    def perform(effect: Any, message: Message) -> Generator[Effect, Any, Any]:
        return change(effect, (yield effect), message)

    return instead(perform)


def deciding(brain: Callable[[Decide], Decide]) -> Callable[[DunningPolicy], Mutated]:
    """A mutant whose every component decides by what `brain` makes of the rules."""
    return lambda policy: Mutated(policy, decide=brain(decide_by_the_rules))


# -- the world around it -----------------------------------------------------------------------------------------------------------------


def replaced(part: Any, method: str, function: Callable[..., Any]) -> Any:
    """Put `function` in the place of a method of one object, and return the method: a mutant breaks in where no door is meant to be."""
    before = getattr(part, method)
    vars(part)[method] = function
    return before
