"""Documents as files: JSON, and YAML with the extra ``asyncapi``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from falcon_pachinko.errors import DocumentError

__all__ = ["as_text", "is_yaml", "read"]


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
    # Read again, so that nothing in it is the same object, which YAML would write as an alias.
    return str(_yaml().safe_dump(json.loads(text), sort_keys=False, allow_unicode=True, width=100))


def read(path: str | Path) -> Any:
    """Return what a file contains: JSON, or YAML if it is called so.

    Raises:
        DocumentError: It cannot be read, or is not what it is called; or PyYAML is not installed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(
            f"{path} cannot be read: {error}.\n"
            f"Hint: write it with python -m falcon_pachinko.asyncapi module:app -o {path}"
        ) from error
    try:
        return _from_yaml(text) if is_yaml(path) else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "YAML" if is_yaml(path) else "JSON"
        raise DocumentError(
            f"{path} is not {kind}: {error}\nHint: JSON is in files called .json, YAML in .yaml "
            "and .yml."
        ) from error


def _from_yaml(text: str) -> Any:
    yaml = _yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined, misc]
        pass

    # What looks like a date is a text, as it is in JSON.
    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if not pair[0].endswith(":timestamp")]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        found = yaml.load(text, Loader)
        # By way of JSON: keys become texts, and what contains itself is found.
        return json.loads(json.dumps(found))
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(str(error)) from error


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise DocumentError(
            "YAML needs the package PyYAML: pip install 'falcon-pachinko[asyncapi]'; or use JSON."
        ) from error
    return yaml
