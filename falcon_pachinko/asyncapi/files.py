"""Documents as files: JSON, and YAML with the extra ``asyncapi``.

YAML is read by the core schema of YAML 1.2, as JSON with another spelling: keys and dates are text,
and so is ``on``. What JSON cannot say is an error, and so is a key that occurs twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.asyncapi.core_schema import FLOAT
from falcon_pachinko.asyncapi.core_schema import INT
from falcon_pachinko.asyncapi.core_schema import MERGE
from falcon_pachinko.asyncapi.core_schema import MOST_VALUES
from falcon_pachinko.asyncapi.core_schema import PLAIN_TAGS
from falcon_pachinko.asyncapi.core_schema import TAG
from falcon_pachinko.asyncapi.core_schema import value_of
from falcon_pachinko.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["as_text", "is_yaml", "read"]


_COMMAND = "python -m falcon_pachinko.asyncapi module:app"


def is_yaml(path: str | Path) -> bool:
    """Return whether a file is YAML, by its name."""
    return Path(path).suffix.lower() in (".yaml", ".yml")


def as_text(document: dict[str, Any], *, yaml: bool = False) -> str:
    """Return a document as JSON or YAML; the same document is the same text.

    Raises:
        DocumentError: PyYAML is not installed, or the document is not JSON.
    """
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DocumentError(f"The document cannot be written as JSON: {error}.") from error
    if not yaml:
        return text + "\n"
    module = _yaml()

    class Dumper(module.SafeDumper):  # type: ignore[name-defined, misc]
        pass

    # PyYAML knows YAML 1.1, in which 1e3 and 0o7 are texts that need no quotes.
    for tag, form in (("int", INT), ("float", FLOAT)):
        Dumper.add_implicit_resolver(f"{TAG}{tag}", form, None)
    # Read again, so that nothing in it is the same object, which YAML would write as an alias.
    same = json.loads(text)
    return str(module.dump(same, None, Dumper, sort_keys=False, allow_unicode=True, width=100))


def read(path: str | Path) -> Any:
    """Return what a file contains: JSON, or YAML if it is called so.

    Raises:
        DocumentError: It cannot be read, or is not what it is called; or PyYAML is not installed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        hint = "name a file" if Path(path).is_dir() else f"write it with {_COMMAND} -o {path}"
        raise DocumentError(f"{path} cannot be read: {error}.\nHint: {hint}") from error
    yaml = _yaml() if is_yaml(path) else None
    try:
        return _from_json(text) if yaml is None else _from_yaml(text, yaml)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if yaml is None else "YAML"
        raise DocumentError(
            f"{path} is not {kind}: {error}\nHint: JSON is in files called .json, YAML in .yaml "
            "and .yml."
        ) from error


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(_twice(next(key for key in keys if keys.count(key) > 1)))
    return value


def _twice(key: str) -> str:
    return f"the key {key!r} is there twice, and one would be lost"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number there")


def _from_yaml(text: str, yaml: Any) -> Any:
    try:
        # Not by libyaml: the process ends where that nests too deeply.
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    return None if node is None else _Builder().build(node)


class _Builder:
    """Makes data of the nodes of YAML; an alias is the same data again."""

    def __init__(self) -> None:
        self._built: dict[Any, tuple[Any, int] | None] = {}

    def build(self, node: Any) -> Any:
        return self._sized(node)[0]

    def _sized(self, node: Any) -> tuple[Any, int]:
        """Return the data of a node, and for how many values it stands."""
        if node not in self._built:
            self._built[node] = None  # until it is complete
            if node.id == "scalar":
                found = _scalar(node), 1
            elif node.id == "sequence":
                found = self._sequence(node)
            else:
                found = self._mapping(node)
            if found[1] > MOST_VALUES:
                raise ValueError(
                    f"its aliases stand for more than {MOST_VALUES:,} values: write less"
                )
            self._built[node] = found
        complete = self._built[node]
        if complete is None:
            raise ValueError(f"an alias (*) refers to what it is in: use $ref{_line(node)}")
        return complete

    def _sequence(self, node: Any) -> tuple[list[Any], int]:
        _check_tag(node, {f"{TAG}seq"})
        made = [self._sized(each) for each in node.value]
        return [value for value, _ in made], 1 + sum(size for _, size in made)

    def _mapping(self, node: Any) -> tuple[dict[str, Any], int]:
        _check_tag(node, {f"{TAG}map"})
        data: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        total = 1
        for key, value in node.value:
            if key.id != "scalar":
                raise ValueError(f"a key is text in JSON, and here it is not{_line(key)}")
            made, size = self._sized(value)
            total += size
            if key.tag == MERGE:
                for each in made if isinstance(made, list) else [made]:
                    if not isinstance(each, dict):
                        raise ValueError(  # noqa: TRY004 - it is about a text
                            f"<< merges a mapping, and this is none{_line(key)}"
                        )
                    merged = each | merged
            elif key.value in data:
                raise ValueError(f"{_twice(key.value)}{_line(key)}")
            else:
                data[key.value] = made
        return {
            **{name: value for name, value in merged.items() if name not in data},
            **data,
        }, total


def _scalar(node: Any) -> Any:
    _check_tag(node, PLAIN_TAGS)
    text: str = node.value
    if node.style:  # it is quoted, or a block
        return text
    try:
        return value_of(text)
    except ValueError as error:
        raise ValueError(f"{error}{_line(node)}") from None


def _check_tag(node: Any, known: Container[str]) -> None:
    if node.tag not in known:
        tag = node.tag.replace(TAG, "!!")
        raise ValueError(f"JSON has nothing for the tag {tag}: remove it{_line(node)}")


def _line(node: Any) -> str:
    return f", line {node.start_mark.line + 1}"


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise DocumentError(
            "YAML needs the package PyYAML: pip install 'falcon-pachinko[asyncapi]'; or use JSON."
        ) from error
    return yaml
