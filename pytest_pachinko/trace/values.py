"""Values inside payloads: comparing them field by field, and calling them by name. Pure."""

from __future__ import annotations

from typing import Any
from typing import TYPE_CHECKING

import msgspec

from pytest_pachinko.trace.event import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

__all__ = ["Partial", "differences", "equal", "plain", "substituted"]

_NOTHING: Any = type("Nothing", (), {"__repr__": lambda _: "nothing"})()


class Partial:
    """Equals each dict, or message, that has these fields; others may be there too.

    A dict inside is partial as well. It stands for a payload or for a part of one.

    Args:
        fields: The fields, by their names on the wire.
        **more: More of them.

    Example::

        assert session.trace.contains(FromApp(Partial(type="said", user={"name": "ann"})))
    """

    __slots__ = ("fields",)

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, fields: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self.fields = dict(fields or {}) | more

    def __repr__(self) -> str:
        """Return the code that makes it."""
        return f"Partial({self.fields!r})"

    def __eq__(self, other: object) -> bool:
        """Compare the fields that were given."""
        data = plain(other)
        return isinstance(data, dict) and not any(differences(self, data))


def equal(expected: Any, got: Any) -> bool:
    """Return whether two values are equal; those that cannot be compared are not."""
    try:
        return bool(expected == got)
    except Exception:  # noqa: BLE001 - an __eq__ of the user's may raise anything
        return False


def plain(value: Any) -> Any:
    """Return a message as the data that its JSON holds, where msgspec can; else as it is."""
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except Exception:  # noqa: BLE001 - what it holds may raise anything, or refer to itself
        return value


def differences(expected: Any, got: Any, path: str = "$") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ: a path as msgspec writes it, and both values there.

    Args:
        expected: Data, or an object that compares equal to some.
        got: Data.
        path: Where they are.
    """
    if isinstance(expected, Partial) and isinstance(got, dict):
        for key, value in expected.fields.items():
            inner = Partial(value) if type(value) is dict else value
            yield from differences(inner, got.get(key, _NOTHING), f"{path}.{key}")
    elif isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            yield from differences(
                expected.get(key, _NOTHING), got.get(key, _NOTHING), f"{path}.{key}"
            )
    elif isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        for number in range(max(len(expected), len(got))):
            yield from differences(
                expected[number] if number < len(expected) else _NOTHING,
                got[number] if number < len(got) else _NOTHING,
                f"{path}[{number}]",
            )
    elif type(expected) is bool or type(got) is bool:
        # For Python True is 1, on the wire it is not.
        if expected is not got:
            yield path, expected, got
    elif not equal(expected, got):
        yield path, expected, got


def substituted(payload: Any, names: Mapping[Any, str]) -> Any:
    """Return a frame in which values are replaced by names.

    Args:
        payload: The frame; what is no frame is returned as it is.
        names: The name of each value. A ``str`` is replaced inside of longer ones too.
    """
    if not isinstance(payload, str | bytes):
        return payload
    data = decode(payload)
    named = _named(data, names)
    if type(named) is type(data) and named == data:
        return payload
    if isinstance(data, bytes | str) and data == payload:
        return named  # it holds no JSON
    encoded = msgspec.json.encode(named)
    return encoded.decode() if isinstance(payload, str) else encoded


def _named(data: Any, names: Mapping[Any, str]) -> Any:
    if isinstance(data, dict):
        return {key: _named(value, names) for key, value in data.items()}
    if isinstance(data, list):
        return [_named(value, names) for value in data]
    for value, name in names.items():
        if type(value) is type(data) and value == data:
            return name
        if isinstance(data, str) and isinstance(value, str) and value:
            data = data.replace(value, name)
    return data
