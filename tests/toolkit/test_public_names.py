"""What a test imports from the toolkit."""

from __future__ import annotations

import pytest

import pytest_pachinko


@pytest.mark.parametrize("name", pytest_pachinko.__all__)
def test_a_public_name_is_there(name: str) -> None:
    value = getattr(pytest_pachinko, name)

    assert isinstance(value, list) or value.__name__ == name


def test_the_public_names_are_listed() -> None:
    assert dir(pytest_pachinko) == sorted(pytest_pachinko.__all__)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'WebSocketSimulater'"):
        pytest_pachinko.WebSocketSimulater  # noqa: B018


def test_a_public_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(pytest_pachinko), "Trace", raising=False)

    first = pytest_pachinko.Trace

    assert vars(pytest_pachinko)["Trace"] is first


def test_what_goes_wrong_in_the_application_fails_a_test() -> None:
    for name in ("Stalled", "UnexpectedMessage", "SessionClosed", "HandshakeDenied"):
        assert issubclass(getattr(pytest_pachinko, name), AssertionError)


def test_what_goes_wrong_in_the_test_is_an_error() -> None:
    assert not issubclass(pytest_pachinko.PachinkoUsageError, AssertionError)


@pytest.mark.parametrize("name", ["ApplicationFailure", "PachinkoUsageError", "Stalled"])
def test_an_error_is_named_by_where_it_is_imported_from(name: str) -> None:
    assert getattr(pytest_pachinko, name).__module__ == "pytest_pachinko"
