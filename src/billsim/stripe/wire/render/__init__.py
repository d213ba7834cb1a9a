"""Lean objects as the API writes them: every field of the kind, derived from the account where the simulation does not keep it.

`render(thing, view)` is one object, `included(thing, name, view)` a field that is only there when `expand` asks for it (`INCLUDABLE` names them),
`render_event` an event, `list_object` a page, `deleted` what a deletion answers; `find` looks an id up, as what is to be expanded is looked up.
"""

from __future__ import annotations

from billsim.stripe.wire.render.base import Include, Rendered, Renderer, View
from billsim.stripe.wire.render.table import INCLUDABLE, RENDERERS, deleted, find, included, list_object, render, render_event

__all__ = [
    "INCLUDABLE",
    "RENDERERS",
    "Include",
    "Rendered",
    "Renderer",
    "View",
    "deleted",
    "find",
    "included",
    "list_object",
    "render",
    "render_event",
]
