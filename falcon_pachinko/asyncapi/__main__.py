"""python -m falcon_pachinko.asyncapi: write the document of an app, or compare it with a file."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import redirect_stdout
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
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
    from collections.abc import Iterator
    from collections.abc import Sequence

__all__ = ["main"]

_STATUS = """\
exit status:
  0  the document is written, or as the file says; only texts may be different
  1  the app is different from the file in a way that peers may notice
  2  something cannot be read, described or written
"""

_ESCAPED = "backslashreplace"
"""What becomes of half of a surrogate pair: JSON and YAML write it in the same way as Python."""

_PASSED = (str(Path(__file__).parents[1]) + os.sep, str(importlib.__file__), "<")
"""How the files begin that say nothing about an error: ours, and what imports the user's."""


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
    except BrokenPipeError:  # who read the output has left, and knows
        return 2
    except PachinkoError as error:
        return _failed(str(error))
    except Exception as error:  # noqa: BLE001 - Python's own status would say: different
        return _failed(_told(error))


def _failed(message: str) -> int:
    with suppress(AttributeError, OSError):  # there may be no standard error
        sys.stderr.write(f"error: {message}\n")
    return 2


def _told(error: BaseException) -> str:
    """Return the kind, the text and the place of an error."""
    text = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{text}{_place(error)}"


def _place(error: BaseException) -> str:
    """Return where an error is raised: in the user's own code, if that has a part in it."""
    paths = sysconfig.get_paths()
    libraries = tuple(paths[name] + os.sep for name in ("stdlib", "purelib", "platlib"))
    frames = [
        frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(_PASSED)
    ]
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    return "".join(f"\n  in {at.filename}, line {at.lineno}" for at in (own or frames)[-1:])


@contextmanager
def _of_users(failure: str) -> Iterator[None]:
    """Make one of our errors of whatever the user's code raises, SystemExit too."""
    try:
        yield
    except (DocumentError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise DocumentError(f"{failure}: {_told(error)}") from error


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
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="where to; .yaml and .yml are YAML, the rest JSON"
    )
    parser.add_argument("--check", metavar="FILE", help="compare the app with this document")
    parser.add_argument("--title", help="what the API is called; by default, as the module")
    parser.add_argument("--version", help="the version of the API; by default 0.0.0")
    return parser


def _check(options: argparse.Namespace) -> int:
    """Print how the app differs from a file."""
    if (
        options.output is not None
        and Path(options.output).resolve() == Path(options.check).resolve()
    ):
        raise DocumentError(
            f"--check {options.check} compares with that file, and -o would write over it.\n"
            "Hint: look at the differences first, then use -o alone."
        )
    old = read(options.check)
    info = Document(old, options.check).content.get("info", {})
    texts = {name: text for name, text in info.items() if isinstance(text, str)}
    new = _document(
        options.target, options.title or texts.get("title"), options.version or texts.get("version")
    )
    if options.output is not None:
        _write(new, options.output)
    differences = compare(old, new, old_name=options.check, new_name=options.target)
    lines = [f"{difference}\n" for difference in differences]
    _print("".join(lines) or f"{options.target} is as {options.check} says\n")
    return int(any(difference.kind != "documentation" for difference in differences))


def _write(found: dict[str, Any], output: str | None) -> int:
    if output is None:
        _print(as_text(found))
        return 0
    text = as_text(found, yaml=is_yaml(output))
    try:
        Path(output).write_text(text, encoding="utf-8", errors=_ESCAPED)
    except OSError as error:
        directory = Path(output).parent
        hint = f"\nHint: there is no directory {directory}; make it first."
        raise DocumentError(
            f"{output} cannot be written: {error}.{'' if directory.is_dir() else hint}"
        ) from error
    return 0


def _print(text: str) -> None:
    """Write to standard output: in UTF-8, as to a file, whatever the locale says."""
    output: Any = sys.stdout
    if output is None:
        raise DocumentError("There is no standard output.\nHint: name a file with -o.")
    try:
        if hasattr(output, "reconfigure"):
            output.reconfigure(encoding="utf-8", errors=_ESCAPED)
        output.write(text)
        output.flush()
    except OSError as error:
        # What is left would be written at exit, and fail with a message of Python's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise DocumentError(f"standard output cannot be written: {error}.") from error


def _document(target: str, title: str | None, version: str | None) -> dict[str, Any]:
    # Standard output is the document's, whatever the application prints.
    with _of_users(f"{target} failed"), redirect_stdout(sys.stderr):
        value = _loaded(target)
        if isinstance(value, Mapping):
            return _titled(value, target, {"title": title, "version": version})
        module = target.partition(":")[0]
        return document(value, title=title or module, version=version or "0.0.0")


def _titled(
    value: Mapping[str, Any], target: str, titles: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return a document with what its info lacks."""
    info = value.get("info", {})
    if not str(value.get("asyncapi")).startswith("3.") or not isinstance(info, Mapping):
        raise DocumentError(
            f"{target} is no AsyncAPI document: its 'asyncapi' has to be \"3.1.0\" or the like, and "
            "its 'info' an object.\n"
            "Hint: falcon_pachinko.asyncapi.document(app, title=..., version=...) makes one."
        )
    given = {name: text for name, text in titles.items() if text is not None}
    return {**value, "info": {**given, **info}}


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
            raise DocumentError(
                f"{module_name} has no attribute {attribute!r}.\nHint: {_instead(value, part)}"
            )
        value = getattr(value, part)
    return _made(value, target)


def _instead(owner: Any, name: str) -> str:
    """Return what else could have been named: what can be described comes first."""
    names = [each for each in dir(owner) if not each.startswith("_")]
    names.sort(key=lambda each: _rank(inspect.getattr_static(owner, each, None), owner))
    listed = ", ".join(names)
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}? It has {listed}" if close else f"it has {listed}"


def _rank(value: Any, owner: Any) -> int:
    """Return 0 for what can be described, 1 for a function of the module itself, 2 for the rest."""
    is_object = not inspect.ismodule(value) and not inspect.isclass(value)
    wraps_app = is_object and "app" in getattr(value, "__dict__", {})
    if wraps_app or isinstance(value, falcon.asgi.App | WebSocketRouter | Mapping):
        return 0
    is_own = getattr(value, "__module__", None) == getattr(owner, "__name__", "")
    return 1 if inspect.isfunction(value) and is_own else 2


def _imported(name: str) -> Any:
    with _of_users(f"{name} cannot be imported"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            raise DocumentError(
                f"There is no module {name!r} in this directory or on sys.path.\n"
                "Hint: run the command where the module is, or set PYTHONPATH."
            ) from error


def _made(value: Any, target: str) -> Any:
    """Return a value if it can be described, or else what it makes."""
    if _is_app(value):
        return value
    if not callable(value) or isinstance(value, falcon.App):
        raise _no_app(target, "is", value)
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
    if not _is_app(made):
        raise _no_app(target, "makes", made)
    return made


def _is_app(value: Any) -> bool:
    """Return whether a value is an app, a router or a document; middleware has an app."""
    is_app = isinstance(value, falcon.asgi.App | WebSocketRouter | Mapping)
    return is_app or hasattr(value, "app")


def _no_app(target: str, verb: str, value: Any) -> DocumentError:
    return DocumentError(
        f"{target} is neither a falcon.asgi.App nor a WebSocketRouter: it {verb} "
        f"an object of type {type(value).__qualname__!r}.\n"
        "Hint: name the app, the router, or a function without arguments that makes one of them."
    )


if __name__ == "__main__":
    sys.exit(main())
