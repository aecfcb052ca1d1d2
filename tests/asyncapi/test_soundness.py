"""What a comparison of schemas claims, against a validator: nothing harmful is called harmless."""

import copy

import jsonschema
from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from falcon_pachinko.asyncapi.narrowing import changes_of

NUMBERS = st.sampled_from([0, 1, 2, 5])
NAMES = st.sampled_from(["a", "b"])
VALUES = [
    *(None, True, False, 0, 1, 2, 3, 5, 6, 1.5, -1, "", "a", "b", "ab", "abcdef"),
    *([], [1], ["a"], [1, "a"], [1, 1], [None, {}, 2]),
    *({}, {"a": 1}, {"a": "a"}, {"b": 2}, {"a": 1, "b": "b"}, {"c": None}, {"a": {"a": 1}}),
    *({"a": [1], "c": 1}, {"a": None, "b": None, "c": "c"}),
]

# An alternative that is gone with the field that is its tag.
GONE = {f"{tag} is no longer possible" for tag in ("a=1", "a=a", "[0]=1", "[0]=a")}

scalars = st.one_of(
    st.sampled_from([{}, True, False]),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": NUMBERS,
            "maximum": NUMBERS,
            "exclusiveMinimum": NUMBERS,
            "multipleOf": st.sampled_from([1, 2]),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": NUMBERS, "maxLength": NUMBERS}
    ),
    st.fixed_dictionaries({"enum": st.lists(st.sampled_from(VALUES[:14]), min_size=1, max_size=3)}),
    st.fixed_dictionaries(
        {"const": st.sampled_from(VALUES[:14])},
        optional={"enum": st.lists(st.sampled_from(VALUES[:14]), min_size=1, max_size=3)},
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["null", "boolean", "object", ["string", "null"]])}
    ),
    # Tags, which tell alternatives apart only if they have to be there.
    st.builds(
        lambda kind, rest: {"properties": {"a": {"const": kind}}, **rest},
        st.sampled_from([1, "a"]),
        st.fixed_dictionaries({}, optional={"type": st.just("object"), "required": st.just(["a"])}),
    ),
    st.builds(
        lambda kind, rest: {"items": [{"const": kind}], **rest},
        st.sampled_from([1, "a"]),
        st.fixed_dictionaries({}, optional={"type": st.just("array"), "minItems": NUMBERS}),
    ),
)


def _containers(inner):
    pairs = st.lists(inner, min_size=1, max_size=2)
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(NAMES, inner, max_size=2),
                "required": st.lists(NAMES, max_size=2, unique=True),
                "additionalProperties": inner,
                "patternProperties": st.dictionaries(st.just("^b"), inner, max_size=1),
                "minProperties": NUMBERS,
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array")},
            # The validator does not expect a boolean there.
            optional={
                "items": inner.filter(lambda schema: isinstance(schema, dict)) | pairs,
                "additionalItems": inner,
                "maxItems": NUMBERS,
                "contains": inner,
            },
        ),
        *(st.fixed_dictionaries({key: pairs}) for key in ("anyOf", "oneOf", "allOf")),
        st.fixed_dictionaries({"not": inner}),
    )


schemas = st.recursive(scalars, _containers, max_leaves=5)


@st.composite
def edited(draw):
    """Draw a schema, and one that is nearly the same."""
    old = draw(schemas)
    if not isinstance(old, dict) or not old:
        return old, draw(schemas)
    other = draw(schemas)
    key = draw(st.sampled_from(sorted(old)))
    new = {name: value for name, value in old.items() if name != key}
    if isinstance(other, dict) and draw(st.booleans()):
        new |= {name: value for name, value in other.items() if name == key or name not in old}
    return old, new


def accepted(schema):
    judge = jsonschema.Draft7Validator(schema)
    return [judge.is_valid(value) for value in VALUES]


@settings(max_examples=400, derandomize=True)
@given(st.tuples(schemas, schemas) | edited())
def test_what_is_said_to_accept_more_accepts_all_that_was_accepted(pair):
    old, new = pair
    changes = changes_of(old, new, lambda x: x, lambda x: x)
    effects = {change.effect for change in changes}
    assume(effects <= {"wider", "text"} or effects <= {"narrower", "text"})
    # A field that nobody knows may be anything, and still is none that somebody sends.
    unseen = {"the field is gone", "the element is gone", *GONE}
    assume(not any(change.text in unseen for change in changes))
    before, after = accepted(old), accepted(new)
    assume(any(before) and any(after))
    if "wider" not in effects:
        assert all(was or not now for was, now in zip(before, after, strict=True))
    if "narrower" not in effects:
        assert all(now or not was for was, now in zip(before, after, strict=True))


@settings(derandomize=True)
@given(schemas)
def test_a_schema_is_as_itself(schema):
    assert changes_of(schema, copy.deepcopy(schema), lambda x: x, lambda x: x) == []
