import pytest

from falcon_pachinko import ConnectError
from falcon_pachinko import HandlerError
from falcon_pachinko import InvalidMessage
from falcon_pachinko import PachinkoError
from falcon_pachinko import RouteError
from falcon_pachinko import SchemaError


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (SchemaError, TypeError),
        (HandlerError, TypeError),
        (RouteError, ValueError),
        (ConnectError, RuntimeError),
        (InvalidMessage, ValueError),
    ],
)
def test_each_error_is_one_of_ours_and_of_the_builtin_kind(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, PachinkoError)
    assert issubclass(error, builtin)


def test_an_invalid_message_reads_as_one_line() -> None:
    error = InvalidMessage("validation", "$.user.id", "Expected `int`, got `str`")

    assert str(error) == "validation: Expected `int`, got `str` - at `$.user.id`"


def test_an_invalid_message_without_a_place_names_none() -> None:
    assert str(InvalidMessage("not_json", "", "truncated")) == "not_json: truncated"


def test_an_invalid_message_keeps_its_parts() -> None:
    error = InvalidMessage("unknown_tag", "$.type", "Invalid value 'x'")

    assert (error.reason, error.path, error.detail) == (
        "unknown_tag",
        "$.type",
        "Invalid value 'x'",
    )
