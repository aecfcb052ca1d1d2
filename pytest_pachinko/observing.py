"""Which frames the runtime refuses, and which handlers it calls: as it happens, not as derived.

While somebody observes, conversations of the runtime are of a class that notes what they do with
each frame, in the trace of their connection. The runtime knows nothing of it: a name of its module
stands for another class meanwhile. Resource classes stay as they are, so that it does not matter
who makes resources, or when.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from typing import NamedTuple
from typing import TYPE_CHECKING
from weakref import ref

from falcon_pachinko import conversation
from falcon_pachinko.conversation import Conversation
from pytest_pachinko.tasks import current_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from falcon_pachinko.dispatch import Dispatch

__all__ = ["Note", "Notes", "observing"]


class Note(NamedTuple):
    """What became of a frame that a resource read.

    Attributes:
        raw: The frame.
        message_type: The type of the message that it held, or None if it was refused.
        handler: The name of the method that was entered with it; None if none was.
        error: What the decoder said, if it was refused.
    """

    raw: str | bytes
    message_type: type | None = None
    handler: str | None = None
    error: str | None = None


class Notes(list[Note]):
    """The notes of a connection, in the order in which its frames were read.

    Attributes:
        resource: The class of the resource that served it.
        refusing: How many invalid frames it deals with at the moment.
        served_by: Refers to that resource for as long as somebody keeps it.
    """

    def __init__(self, resource: Any) -> None:
        super().__init__()
        self.resource: type = type(resource)
        self.served_by: ref[Any] = ref(resource)
        self.refusing = 0


class _Handlers(dict[type, str]):
    """The handlers of a resource class; it notes for which message one is looked for.

    Inside of hooks it is the innermost one too, since only that one knows that nothing has kept a
    message from its handler.
    """

    def __init__(self, handlers: Any, notes: Notes, *, hooked: bool) -> None:
        super().__init__(handlers)
        self.frame: str | bytes = ""
        self._notes = notes
        self._hooked = hooked
        self._name: str | None = None

    def get(self, key: type, default: Any = None) -> Any:
        name = self._name = super().get(key, default)
        self._notes.append(Note(self.frame, key, None if self._hooked else name))
        return name

    def __call__(self, _: object) -> _Handlers:
        return self

    async def __aenter__(self) -> None:
        self._notes[-1] = self._notes[-1]._replace(handler=self._name)

    async def __aexit__(self, *_: object) -> None:
        pass


class _Observed(Conversation):
    """A conversation that notes what it does with each frame."""

    __slots__ = ("_notes",)

    async def _receive(self) -> None:
        self._notes: Notes | None = None
        owner = current_owner()
        if owner is not None and owner.witness is not None:
            self._note_in(owner.witness.trace)
        try:
            await super()._receive()
        finally:
            vars(self._resource).pop("_dispatch", None)

    def _note_in(self, trace: Any) -> None:
        resource: Any = self._resource
        dispatch: Dispatch = type(resource)._dispatch
        decode = dispatch.decode
        notes = self._notes = trace.notes = Notes(resource)
        handlers = _Handlers(dispatch.handlers, notes, hooked=bool(self._hooks))
        if self._hooks:
            self._hooks = [*self._hooks, handlers]

        def noted(frame: str | bytes) -> Any:
            handlers.frame = frame
            return decode(frame)

        # Its own, in front of that of its class.
        resource._dispatch = replace(dispatch, decode=noted, handlers=handlers)

    async def _invalid(self, dispatch: Dispatch, frame: str | bytes, error: Exception) -> None:
        if self._notes is not None:
            self._notes.append(Note(frame, error=str(error)))
            # The runtime tells a broken Struct by the frames of Python below its own, among which
            # that of noted() is none.
            traceback: Any = error.__traceback__
            traceback.tb_next = traceback.tb_next.tb_next
            self._notes.refusing += 1
        await super()._invalid(dispatch, frame, error)
        if self._notes is not None:
            self._notes.refusing -= 1


class _Switch:
    def __init__(self) -> None:
        self._users = 0
        self._lock = threading.Lock()

    def turn(self, by: int) -> None:
        with self._lock:
            self._users += by
            conversation.Conversation = _Observed if self._users else Conversation  # type: ignore[misc]


_switch = _Switch()


@contextmanager
def observing() -> Iterator[None]:
    """Note what resources do with frames, while the block runs.

    Each connection that is accepted meanwhile, in memory or by a ``LiveServer``, has its notes in
    ``trace.notes``, until its end. Blocks may be nested, and end in any order.
    """
    _switch.turn(1)
    try:
        yield
    finally:
        _switch.turn(-1)
