import importlib
from types import FunctionType

import falcon_pachinko


def test_every_public_name_exists() -> None:
    assert [name for name in falcon_pachinko.__all__ if not hasattr(falcon_pachinko, name)] == []


def test_the_public_names_are_in_order_and_without_repetition() -> None:
    assert sorted(set(falcon_pachinko.__all__)) == falcon_pachinko.__all__


def test_every_name_that_a_module_exports_has_a_docstring() -> None:
    names = ("conversation", "dispatch", "errors", "hooks", "inbox", "protocols", "resource")
    modules = [importlib.import_module(f"falcon_pachinko.{name}") for name in names]

    silent = [
        f"{module.__name__}.{name}"
        for module in modules
        for name in module.__all__
        if isinstance(getattr(module, name), type | FunctionType)
        and not getattr(module, name).__doc__
    ]

    assert not silent
