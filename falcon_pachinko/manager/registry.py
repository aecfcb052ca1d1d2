"""The connections of this process, by id and by what they have in common.

Synchronous, and nothing is shared with other processes: what a connection belongs to dies
with the process that holds it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import TypeVar

from falcon_pachinko.errors import DuplicateConnectionError
from falcon_pachinko.errors import UnknownConnectionError
from falcon_pachinko.manager.targets import check_labels
from falcon_pachinko.manager.targets import check_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from falcon_pachinko.manager.targets import LabelValue

__all__ = ["Membership", "Registry"]

_NO_LABELS: Mapping[str, LabelValue] = MappingProxyType({})

_Key = TypeVar("_Key")


class Registry:
    """Members by id, room, user and label.

    Attributes:
        everybody: All members by id, in the order of their arrival.
        rooms: Members by room; a room without members is not there.
        users: Members by user.
        labels: Members by label and its value.
    """

    __slots__ = ("everybody", "labels", "rooms", "users")

    def __init__(self) -> None:
        self.everybody: dict[str, Membership] = {}
        self.rooms: dict[str, dict[Membership, None]] = {}
        self.users: dict[str, dict[Membership, None]] = {}
        self.labels: dict[tuple[str, LabelValue], dict[Membership, None]] = {}

    def add(self, member: Membership) -> None:
        """Add a member, with all that it belongs to.

        Raises:
            DuplicateConnectionError: There is one of that id.
        """
        if member.id in self.everybody:
            raise DuplicateConnectionError(f"There is a connection {member.id!r} already.")
        self.everybody[member.id] = member
        for room in member._rooms:  # noqa: SLF001
            _enter(self.rooms, room, member)
        if member.user is not None:
            _enter(self.users, member.user, member)
        for item in member.labels.items():
            _enter(self.labels, item, member)

    def remove(self, member: Membership) -> None:
        """Remove a member; it costs what it belongs to, and not how many others there are.

        Raises:
            UnknownConnectionError: It is not here.
        """
        if self.everybody.get(member.id) is not member:
            raise UnknownConnectionError(f"There is no connection {member.id!r}.")
        del self.everybody[member.id]
        for room in member._rooms:  # noqa: SLF001
            _exit(self.rooms, room, member)
        if member.user is not None:
            _exit(self.users, member.user, member)
        for item in member.labels.items():
            _exit(self.labels, item, member)

    def find(self, connection_id: str) -> Membership:
        """Return the member of an id.

        Raises:
            UnknownConnectionError: There is none.
        """
        # Whatever was given as an id, it is nobody's.
        member = self.everybody.get(connection_id) if isinstance(connection_id, str) else None
        if member is None:
            raise UnknownConnectionError(
                f"There is no connection {connection_id!r} among the {len(self.everybody)} of "
                "this process.\nHint: it may have ended, or be another process's."
            )
        return member


class Membership:
    """What one connection belongs to.

    It may be told before the connection is registered, and read after it has ended.

    Attributes:
        id: Unique among all processes.
    """

    __slots__ = ("__weakref__", "_labels", "_registry", "_rooms", "_state", "_user", "id")

    def __init__(self, registry: Registry, connection_id: str) -> None:
        self.id = connection_id
        self._registry = registry
        self._rooms: set[str] = set()
        self._user: str | None = None
        self._labels = _NO_LABELS
        self._state = "new"

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms that it is in."""
        return frozenset(self._rooms)

    def is_in(self, room: str) -> bool:
        """Return whether it is in a room."""
        return room in self._rooms

    @property
    def user(self) -> str | None:
        """The user that it is bound to, or None."""
        return self._user

    @property
    def labels(self) -> Mapping[str, LabelValue]:
        """What it is tagged with; read-only."""
        return self._labels

    def join(self, *rooms: str) -> None:
        """Enter rooms; those that it is in already do not matter.

        Raises:
            TargetError: A name is no text.
            UnknownConnectionError: The connection has ended.
        """
        for room in rooms:
            check_text(room, "The name of a room")
        if self._is_indexed():
            for room in rooms:
                _enter(self._registry.rooms, room, self)
        self._rooms.update(rooms)

    def leave(self, *rooms: str) -> None:
        """Leave rooms; those that it is not in do not matter.

        Raises:
            TargetError: A name is no text.
            UnknownConnectionError: The connection has ended.
        """
        for room in rooms:
            check_text(room, "The name of a room")
        if self._is_indexed():
            for room in self._rooms.intersection(rooms):
                _exit(self._registry.rooms, room, self)
        self._rooms.difference_update(rooms)

    def bind_user(self, user: str | None) -> None:
        """Say whose connection it is, in the place of what was said before; None: nobody's.

        Raises:
            TargetError: The name is no text.
            UnknownConnectionError: The connection has ended.
        """
        if user is not None:
            check_text(user, "The name of a user")
        if self._is_indexed():
            users = self._registry.users
            if self._user is not None:
                _exit(users, self._user, self)
            if user is not None:
                _enter(users, user, self)
        self._user = user

    def tag(self, /, **labels: LabelValue | None) -> None:
        """Set labels; None takes one away.

        Raises:
            TargetError: A value is neither text nor a whole number.
            UnknownConnectionError: The connection has ended.
        """
        kept = {key: value for key, value in labels.items() if value is not None}
        check_labels(kept)
        after = {key: value for key, value in self._labels.items() if key not in labels} | kept
        if self._is_indexed():
            index = self._registry.labels
            for item in self._labels.items() - after.items():
                _exit(index, item, self)
            for item in after.items() - self._labels.items():
                _enter(index, item, self)
        self._labels = MappingProxyType(after)

    def register(self) -> None:
        """Let it be found.

        Raises:
            DuplicateConnectionError: There is one of that id.
        """
        self._registry.add(self)
        self._state = "here"

    def unregister(self) -> None:
        """Let it not be found any more; what it belonged to can still be read."""
        if self._state == "here":
            self._registry.remove(self)
        self._state = "ended"

    def _is_indexed(self) -> bool:
        if self._state == "ended":
            raise UnknownConnectionError(
                f"The connection {self.id!r} has ended: it cannot join or leave anything."
            )
        return self._state == "here"


def _enter(index: dict[_Key, dict[Membership, None]], key: _Key, member: Membership) -> None:
    group = index.get(key)
    if group is None:
        group = index[key] = {}
    group[member] = None


def _exit(index: dict[_Key, dict[Membership, None]], key: _Key, member: Membership) -> None:
    group = index[key]
    del group[member]
    if not group:
        del index[key]
