"""python -m falcon_pachinko.asyncapi: write the document of an app, or compare it with a file."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

import falcon

from falcon_pachinko.asyncapi.comparing import compare
from falcon_pachinko.asyncapi.files import as_text
from falcon_pachinko.asyncapi.files import is_yaml
from falcon_pachinko.asyncapi.files import read
from falcon_pachinko.asyncapi.references import Document
from falcon_pachinko.asyncapi.writing import document
from falcon_pachinko.errors import DocumentError
from falcon_pachinko.errors import PachinkoError
from falcon_pachinko.router import WebSocketRouter

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_STATUS = """\
exit status:
  0  the document is written, or as the file says; only texts may be different
  1  the app is different from the file in a way that peers may notice
  2  something cannot be read, or cannot be described
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Those of the command line, by default.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.check is not None:
            return _check(options)
        found = _document(options.target, options.title, options.version)
        return _write(found, options.output)
    except PachinkoError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m falcon_pachinko.asyncapi",
        description="Write the AsyncAPI 3 document of an app, or compare the app with one.",
        epilog=_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target",
        metavar="module:app",
        help="a Falcon app, a router, a document, or a function without arguments that makes one",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to; .yaml and .yml are YAML")
    parser.add_argument("--check", metavar="FILE", help="compare the app with this document")
    parser.add_argument("--title", help="what the API is called; by default, as the module")
    parser.add_argument("--version", help="the version of the API; by default 0.0.0")
    return parser


def _check(options: argparse.Namespace) -> int:
    """Print how the app differs from a file."""
    old = read(options.check)
    info = Document(old, options.check).content.get("info", {})
    new = _document(
        options.target, options.title or info.get("title"), options.version or info.get("version")
    )
    if options.output is not None:
        _write(new, options.output)
    differences = compare(old, new, old_name=options.check, new_name=options.target)
    for difference in differences:
        sys.stdout.write(f"{difference}\n")
    if not differences:
        sys.stdout.write(f"{options.target} is as {options.check} says\n")
    return int(any(difference.kind != "documentation" for difference in differences))


def _write(found: dict[str, Any], output: str | None) -> int:
    if output is None:
        sys.stdout.write(as_text(found))
        return 0
    text = as_text(found, yaml=is_yaml(output))
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"{output} cannot be written: {error}.") from error
    return 0


def _document(target: str, title: str | None, version: str | None) -> dict[str, Any]:
    value = _loaded(target)
    if isinstance(value, Mapping):
        info = {"title": title, "version": version}
        given = {name: text for name, text in info.items() if text is not None}
        return {**value, "info": {**given, **value.get("info", {})}}
    module = target.partition(":")[0]
    return document(value, title=title or module, version=version or "0.0.0")


def _loaded(target: str) -> Any:
    """Import what a target names; call it, if it makes what is wanted."""
    module_name, colon, attribute = target.partition(":")
    if not module_name or not colon or not attribute:
        raise DocumentError(
            f"{target!r} is not of the form module:app.\nHint: chat:app, or package.chat:create_app"
        )
    value = _imported(module_name)
    for part in attribute.split("."):
        if not hasattr(value, part):
            names = ", ".join(name for name in dir(value) if not name.startswith("_"))
            raise DocumentError(
                f"{module_name} has no attribute {attribute!r}.\nHint: it has {names}"
            )
        value = getattr(value, part)
    return _made(value, target)


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise DocumentError(f"{name} cannot be imported: {error}.") from error
        raise DocumentError(
            f"There is no module {name!r} in this directory or on sys.path.\n"
            "Hint: run the command where the module is, or set PYTHONPATH."
        ) from error
    except Exception as error:
        raise DocumentError(
            f"{name} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _made(value: Any, target: str) -> Any:
    is_app = isinstance(value, falcon.App | WebSocketRouter | Mapping)
    if is_app or hasattr(value, "app") or not callable(value):
        return value
    try:
        inspect.signature(value).bind()
    except (TypeError, ValueError) as error:
        raise DocumentError(
            f"{target} cannot be called without arguments, and is no app: {error}.\n"
            "Hint: name a function that needs none."
        ) from error
    made = value()
    if inspect.iscoroutine(made):
        made.close()
        raise DocumentError(
            f"{target} is an async function, and no event loop runs here.\n"
            "Hint: name a function that makes the app, and do the rest in its lifespan."
        )
    return made


if __name__ == "__main__":
    sys.exit(main())
