"""Performs the effects that components yield: tasks, gathers, and the runtime itself."""

from billsim.runtime.perform import Runtime
from billsim.runtime.task import Task

__all__ = ["Runtime", "Task"]
