"""Whom a message is for: plain values that compose.

``matches`` says what a target means, one member at a time. An index may narrow down who is
looked at (``candidates``), and of those ``among`` takes the ones that are meant, all at once. So
``Room("tea") & ~User("ann")`` looks at the members of one room, whoever else is connected, and
takes one set from another, however many it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Protocol
from typing import TYPE_CHECKING

from falcon_pachinko.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

__all__ = [
    "All",
    "And",
    "Connection",
    "Index",
    "Label",
    "LabelValue",
    "Member",
    "Not",
    "Or",
    "Room",
    "Target",
    "User",
    "check_labels",
    "check_text",
    "select",
]

LabelValue = str | int
"""What a label may be: text or a number."""


class Member(Protocol):
    """What a target asks about: one connection."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    def is_in(self, room: str) -> bool:
        """Return whether it is in a room."""
        ...

    @property
    def user(self) -> str | None:
        """Whose it is."""
        ...

    @property
    def labels(self) -> Mapping[str, LabelValue]:
        """What it is tagged with."""
        ...


class Index(Protocol):
    """Members by what they have in common; each group in the order of joining it.

    A group is looked up with ``get`` and never made.
    """

    everybody: dict[str, Any]
    rooms: dict[str, dict[Any, None]]
    users: dict[str, dict[Any, None]]
    labels: dict[tuple[str, LabelValue], dict[Any, None]]


Group = dict[Any, None]
"""Members in their order."""

_NOBODY: Group = {}


class Target:
    """Base class: ``&`` both, ``|`` either, ``~`` everybody else."""

    __slots__ = ()

    def __and__(self, other: Target) -> Target:
        if not isinstance(other, Target):
            return NotImplemented
        return And((*_parts(self, And), *_parts(other, And)))

    def __or__(self, other: Target) -> Target:
        if not isinstance(other, Target):
            return NotImplemented
        return Or((*_parts(self, Or), *_parts(other, Or)))

    def __invert__(self) -> Target:
        return Not(self)

    def matches(self, member: Member) -> bool:
        """Return whether a member is meant."""
        raise NotImplementedError

    def candidates(self, index: Index) -> Group | None:
        """Return a group that holds all members that are meant; None if no index knows one."""
        raise NotImplementedError

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:
        """Return those of a group who are meant."""
        raise NotImplementedError


class _Listed(Target):
    """A target that an index keeps a list for: its candidates are those who are meant."""

    __slots__ = ()

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:
        """Return those of a group who are in the list, by going through the smaller of both."""
        return (self.candidates(index) or _NOBODY).keys() & group


@dataclass(frozen=True, slots=True)
class All(Target):
    """Every connection."""

    def __repr__(self) -> str:
        return "All()"

    def matches(self, member: Member) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    def candidates(self, index: Index) -> Group | None:  # noqa: ARG002
        """Return None: it is everybody."""
        return None

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:  # noqa: ARG002
        """Return the group."""
        return group


@dataclass(frozen=True, slots=True)
class Room(_Listed):
    """The connections that have joined a room.

    Args:
        name: Any text.
    """

    name: str

    def __post_init__(self) -> None:
        check_text(self.name, "The name of a room")

    def __repr__(self) -> str:
        return f"Room({self.name!r})"

    def matches(self, member: Member) -> bool:
        """Return whether the member is in the room."""
        return member.is_in(self.name)

    def candidates(self, index: Index) -> Group | None:
        """Return the members of the room."""
        return index.rooms.get(self.name, _NOBODY)


@dataclass(frozen=True, slots=True)
class User(_Listed):
    """The connections that are bound to a user.

    Args:
        name: Any text.
    """

    name: str

    def __post_init__(self) -> None:
        check_text(self.name, "The name of a user")

    def __repr__(self) -> str:
        return f"User({self.name!r})"

    def matches(self, member: Member) -> bool:
        """Return whether the member is the user's."""
        return member.user == self.name

    def candidates(self, index: Index) -> Group | None:
        """Return the members that are the user's."""
        return index.users.get(self.name, _NOBODY)


@dataclass(frozen=True, slots=True)
class Connection(_Listed):
    """One connection.

    Args:
        id: Its id.
    """

    id: str

    def __post_init__(self) -> None:
        check_text(self.id, "The id of a connection")

    def __repr__(self) -> str:
        return f"Connection({self.id!r})"

    def matches(self, member: Member) -> bool:
        """Return whether it is this one."""
        return member.id == self.id

    def candidates(self, index: Index) -> Group | None:
        """Return this one, if it is known."""
        member = index.everybody.get(self.id)
        return _NOBODY if member is None else {member: None}


@dataclass(frozen=True, slots=True, init=False)
class Label(Target):
    """The connections that are tagged with all of these labels.

    Args:
        **labels: Text or whole numbers, one at least.
    """

    items: tuple[tuple[str, LabelValue], ...]

    def __init__(self, /, **labels: LabelValue) -> None:
        if not labels:
            raise TargetError('Label() needs a label: Label(region="eu").')
        check_labels(labels)
        object.__setattr__(self, "items", tuple(sorted(labels.items())))

    def __repr__(self) -> str:
        return f"Label({', '.join(f'{key}={value!r}' for key, value in self.items)})"

    def matches(self, member: Member) -> bool:
        """Return whether the member has all the labels."""
        labels = member.labels
        return all(labels.get(key) == value for key, value in self.items)

    def candidates(self, index: Index) -> Group | None:
        """Return the members that have the rarest of the labels."""
        return min((index.labels.get(item, _NOBODY) for item in self.items), key=len)

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:
        """Return those of a group who have all the labels."""
        for item in self.items:
            group = index.labels.get(item, _NOBODY).keys() & group
        return group


@dataclass(frozen=True, slots=True)
class And(Target):
    """The connections that are meant by all parts; written ``a & b``."""

    parts: tuple[Target, ...]

    def __repr__(self) -> str:
        return " & ".join(
            f"({part})" if isinstance(part, Or) else repr(part) for part in self.parts
        )

    def matches(self, member: Member) -> bool:
        """Return whether all parts mean the member."""
        return all(part.matches(member) for part in self.parts)

    def candidates(self, index: Index) -> Group | None:
        """Return the smallest group that an index knows for a part."""
        groups = [part.candidates(index) for part in self.parts]
        return min((group for group in groups if group is not None), key=len, default=None)

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:
        """Return those of a group who are left when each part has taken its own."""
        for part in self.parts:
            group = part.among(group, index)
        return group


@dataclass(frozen=True, slots=True)
class Or(Target):
    """The connections that are meant by a part or several; written ``a | b``."""

    parts: tuple[Target, ...]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.parts))

    def matches(self, member: Member) -> bool:
        """Return whether a part means the member."""
        return any(part.matches(member) for part in self.parts)

    def candidates(self, index: Index) -> Group | None:
        """Return the groups of all parts, if an index knows them all."""
        union: Group = {}
        for part in self.parts:
            group = part.candidates(index)
            if group is None:
                return None
            union.update(group)
        return union

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:
        """Return those of a group whom a part takes."""
        return set().union(*(part.among(group, index) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Not(Target):
    """The connections that are not meant by a target; written ``~a``."""

    target: Target

    def __repr__(self) -> str:
        inner = f"({self.target})" if isinstance(self.target, And | Or) else repr(self.target)
        return f"~{inner}"

    def __invert__(self) -> Target:
        return self.target

    def matches(self, member: Member) -> bool:
        """Return whether the target does not mean the member."""
        return not self.target.matches(member)

    def candidates(self, index: Index) -> Group | None:  # noqa: ARG002
        """Return None: nobody keeps lists of those who are absent."""
        return None

    def among(self, group: AbstractSet[Any], index: Index) -> AbstractSet[Any]:
        """Return those of a group whom the target does not take."""
        return group - self.target.among(group, index)


def select(target: Target, index: Index) -> list[Any]:
    """Return the members that a target means, each once, in the order of an index."""
    if isinstance(target, All):
        return list(index.everybody.values())
    group = target.candidates(index)
    if isinstance(target, _Listed):
        return list(group or ())
    if group is None:
        group = dict.fromkeys(index.everybody.values())
    meant = target.among(group.keys(), index)
    # A set has lost the order.
    return list(group) if len(meant) == len(group) else [one for one in group if one in meant]


def check_text(value: object, what: str) -> None:
    """Raise an error if a name is no text.

    Raises:
        TargetError: It is none.
    """
    if not isinstance(value, str):
        raise TargetError(f"{what} is a str, not {value!r}.")


def check_labels(labels: Mapping[str, object]) -> None:
    """Raise an error if a label is neither text nor a whole number.

    Raises:
        TargetError: One is something else.
    """
    for key, value in labels.items():
        if not isinstance(value, str | int) or not -(2**63) <= _number(value) < 2**63:
            raise TargetError(
                f"The label {key}={value!r} is neither a str nor an int of 64 bits.\n"
                'Hint: tag(region="eu", level=3)'
            )


def _number(value: str | int) -> int:
    return value if isinstance(value, int) else 0


def _parts(target: Target, kind: type[And | Or]) -> tuple[Target, ...]:
    return target.parts if isinstance(target, kind) else (target,)
