from typing import Annotated
from typing import Any
from typing import Generic
from typing import TypeVar
from typing import Union

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falcon_pachinko import SchemaError
from falcon_pachinko.schema import read_schema

T = TypeVar("T")


class Join(msgspec.Struct, tag="join"):
    room: str


class Say(msgspec.Struct, tag="say"):
    text: str


class One(msgspec.Struct, tag=1, tag_field="op"):
    pass


class Two(msgspec.Struct, tag=2, tag_field="op"):
    pass


class Pair(msgspec.Struct, tag="pair", array_like=True):
    left: int


class Envelope(msgspec.Struct, Generic[T], tag="envelope"):
    payload: T


class Loud(Say, tag="loud"):
    volume: int


class Plain(msgspec.Struct):
    x: int


class Dangling(msgspec.Struct, tag="dangling"):
    there: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


def test_a_union_becomes_a_table_in_the_order_of_declaration() -> None:
    assert list(read_schema(Say | Join, "Chat").types.items()) == [("say", Say), ("join", Join)]


def test_a_single_struct_is_a_schema() -> None:
    assert read_schema(Say, "Chat").types == {"say": Say}


def test_the_tag_field_is_the_structs_own() -> None:
    assert read_schema(One | Two, "Chat").tag_field == "op"


def test_int_tags_are_kept_as_ints() -> None:
    assert set(read_schema(One | Two, "Chat").types) == {1, 2}


def test_array_like_structs_are_noticed() -> None:
    assert read_schema(Pair, "Chat").array_like


def test_a_generic_struct_is_known_by_its_class() -> None:
    assert read_schema(Envelope[int], "Chat").types == {"envelope": Envelope}


def test_an_inherited_struct_has_a_tag_of_its_own() -> None:
    assert read_schema(Say | Loud, "Chat").types == {"say": Say, "loud": Loud}


def test_annotated_members_are_followed() -> None:
    annotation = Annotated[Say | Join, msgspec.Meta(title="what a client says")]

    assert set(read_schema(annotation, "Chat").types) == {"say", "join"}


def test_the_annotation_is_kept_as_it_was_written() -> None:
    annotation = Say | Join

    assert read_schema(annotation, "Chat").annotation is annotation


@pytest.mark.parametrize("annotation", [int, str | Say, None, list[Say], Any])
def test_what_is_no_struct_is_refused(annotation: Any) -> None:
    with pytest.raises(SchemaError, match=r"Chat\.schema = .*\n?.*contains .*\nHint: wrap it"):
        read_schema(annotation, "Chat")


def test_a_struct_without_a_tag_is_refused_and_told_one() -> None:
    with pytest.raises(SchemaError) as caught:
        read_schema(Plain, "Chat")

    assert str(caught.value) == (
        "Chat.schema contains Plain, a Struct without a tag.\n"
        'Hint: class Plain(msgspec.Struct, tag="plain"): ...'
    )


@pytest.mark.parametrize("annotation", [Say | One, Dangling, 17])
def test_what_msgspec_cannot_decode_is_refused(annotation: Any) -> None:
    with pytest.raises(SchemaError, match=r"Chat\.schema = .* cannot be decoded: "):
        read_schema(annotation, "Chat")


def test_two_structs_with_one_tag_are_refused() -> None:
    again = msgspec.defstruct("Again", [], tag="say")

    with pytest.raises(SchemaError, match="cannot be decoded"):
        read_schema(Union[Say, again], "Chat")  # noqa: UP007 - built at run time


@given(
    tags=st.one_of(
        st.lists(st.text(), min_size=1, max_size=8, unique=True),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8, unique=True),
    ),
    array_like=st.booleans(),
    tag_field=st.text(min_size=1, max_size=10),
)
def test_any_tags_and_tag_field_are_read(
    tags: list[Any],
    array_like: bool,  # noqa: FBT001
    tag_field: str,
) -> None:
    structs = [
        msgspec.defstruct(f"S{n}", [], tag=tag, tag_field=tag_field, array_like=array_like)
        for n, tag in enumerate(tags)
    ]

    schema = read_schema(Union[tuple(structs)], "Chat")  # noqa: UP007 - built at run time

    assert schema.types == dict(zip(tags, structs, strict=True))
    assert (schema.tag_field, schema.array_like) == (tag_field, array_like)
