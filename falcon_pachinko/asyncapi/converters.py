"""What changed between two converters of a field of a path: does the new one take less? Pure."""

from __future__ import annotations

import operator
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.keywords import Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

    from falcon_pachinko.asyncapi.keywords import Effect

    Converter = dict[str, Any]

__all__ = ["converter_changes", "converter_of"]

_PLAIN, _UNKNOWN, _TEXT, _PATH = range(4)


def converter_of(parameter: Mapping[str, Any]) -> Converter | None:
    """Return the ``x-converter`` of a parameter, if it has one."""
    given = parameter.get("x-converter")
    return given if given is None or isinstance(given, dict) else {"name": given}


def converter_changes(old: Converter | None, new: Converter | None) -> Iterator[Change]:
    """Compare what two converters of a field of a path take.

    Args:
        old: The ``x-converter`` of the old parameter; None: any text.
        new: That of the new one.
    """
    reaches = [_reach(given) for given in (old, new)]
    if reaches[0] != reaches[1]:
        effect: Effect = "narrower" if reaches[1] < reaches[0] else "wider"
        if {reaches[0], reaches[1]} == {_UNKNOWN, _TEXT}:
            effect = "other"
        yield Change(effect, "", f"it is {_shown(new)}, was {_shown(old)}")
        return
    old, new = old or {}, new or {}
    bounds = {
        key
        for key in ("min", "max")
        if all(isinstance(each.get(key), int | float | None) for each in (old, new))
    }
    if {key: old[key] for key in old.keys() - bounds} != {
        key: new[key] for key in new.keys() - bounds
    }:
        yield Change("other", "", f"it is {_shown(new)}, was {_shown(old)}")
        return
    for key, is_less in (("min", operator.lt), ("max", operator.gt)):
        was, now = old.get(key), new.get(key)
        if was != now:
            wider = now is None or (was is not None and is_less(now, was))
            text = f"{key} {'gone' if now is None else now}, was {'none' if was is None else was}"
            yield Change("wider" if wider else "narrower", "", text)


def _reach(given: Converter | None) -> int:
    """Return how much a converter may take: a part of a text, who knows, a text, or several."""
    if given is None:
        return _TEXT
    if given.get("name") == "path":
        return _PATH
    return _PLAIN if str(given.get("name")) in {"dt", "float", "int", "re", "uuid"} else _UNKNOWN


def _shown(given: Converter | None) -> str:
    if given is None:
        return "any text"
    arguments = ", ".join(f"{key}={value!r}" for key, value in given.items() if key != "name")
    return f"{given.get('name')}({arguments})" if arguments else str(given.get("name"))
