"""Schemas: does the new one accept less, or more?"""

import pytest

from falcon_pachinko.asyncapi.keywords import flipped
from falcon_pachinko.asyncapi.narrowing import changes_of
from falcon_pachinko.asyncapi.narrowing import is_same

STRING, INTEGER, NUMBER, NULL = ({"type": name} for name in ("string", "integer", "number", "null"))
OBJECT = {"type": "object"}
A = {**OBJECT, "properties": {"type": {"const": "a"}}, "required": ["type"]}
B = {**OBJECT, "properties": {"type": {"const": "b"}}, "required": ["type"]}


def row(kind):
    return {"type": "array", "items": [{"const": kind}, {}], "minItems": 1}


def effects(old, new):
    def same(node):
        return node

    return [(change.effect, change.place) for change in changes_of(old, new, same, same)]


# What is narrower one way is wider the other way.
@pytest.mark.parametrize(
    ("wide", "narrow", "place"),
    [
        ({}, {"type": "string"}, ""),
        ({"type": "number"}, {"type": "integer"}, ""),
        ({"type": ["string", "null"]}, {"type": "string"}, ""),
        ({"enum": ["a", 1, None]}, {"enum": [1, None]}, ""),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, ""),
        ({"enum": ["a", "b"]}, {"const": "a"}, ""),
        ({"minimum": 1}, {"minimum": 2}, ""),
        ({"minimum": 1}, {"exclusiveMinimum": 1}, ""),
        ({}, {"exclusiveMinimum": 1, "minimum": 0}, ""),
        ({"maximum": 3}, {"maximum": 2}, ""),
        ({"maximum": 3}, {"exclusiveMaximum": 3}, ""),
        ({"minLength": 1}, {"minLength": 2}, ""),
        ({}, {"minItems": 2}, ""),
        ({"maxLength": 3}, {"maxLength": 2}, ""),
        ({}, {"maxProperties": 2}, ""),
        ({}, {"pattern": "a"}, ""),
        ({}, {"format": "date"}, ""),
        ({"uniqueItems": False}, {"uniqueItems": True}, ""),
        ({"multipleOf": 2}, {"multipleOf": 4}, ""),
        ({}, {"multipleOf": 4}, ""),
        ({"properties": {"x": {}}}, {"properties": {"x": {"type": "null"}}}, ".x"),
        (OBJECT, {**OBJECT, "required": ["x"]}, ".x"),
        (OBJECT, {**OBJECT, "additionalProperties": False}, ".*"),
        (OBJECT, {**OBJECT, "additionalProperties": {"type": "null"}}, ".*"),
        ({**OBJECT, "additionalProperties": {"type": "null"}}, {**OBJECT, "additionalProperties": False}, ".*"),
        ({"items": {"type": "number"}}, {"items": {"type": "integer"}}, "[]"),
        ({}, {"items": {"type": "integer"}}, "[]"),
        ({"items": [{}]}, {"items": [{"type": "null"}]}, "[0]"),
        ({"items": [{}]}, {"items": [{}], "additionalItems": False}, "[]"),
        ({}, {"propertyNames": {"pattern": "a"}}, ".<key>"),
        ({}, {"contains": {"type": "null"}}, "[]"),
        ({}, {"contains": {}}, "[]"),
        ({"contains": {}}, {"contains": {"type": "null"}}, "[]"),
        ({}, {"not": {"type": "null"}}, ""),
        ({"not": {"type": "integer"}}, {"not": {"type": "number"}}, ""),
        ({"oneOf": [A, B]}, {"oneOf": [A]}, ""),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string"}, ""),
        ({"oneOf": [A, B]}, {"oneOf": [B, {**A, "required": ["type", "x"]}]}, ".x"),
        ({"allOf": [OBJECT, {"required": ["a"]}]}, {**OBJECT, "required": ["b", "a"]}, ".b"),
        (
            {"allOf": [{"minimum": 1}, {"minimum": 1}]},
            {"allOf": [{"minimum": 2}, {"minimum": 2}]},
            "",
        ),
        (True, False, ""),
    ],
)  # fmt: skip
def test_a_change_is_narrower_one_way_and_wider_the_other(wide, narrow, place):
    assert effects(wide, narrow) == [("narrower", place)]
    assert effects(narrow, wide) == [("wider", place)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"pattern": "a"}, {"pattern": "b"}, [("other", "")]),
        ({"multipleOf": 2}, {"multipleOf": 3}, [("other", "")]),
        ({"items": [{}]}, {"items": {}}, [("other", "")]),
        ({"if": {}}, {"if": {"type": "null"}}, [("other", "")]),
        (
            {"allOf": [{"pattern": "a"}, {"pattern": "b"}]},
            {"allOf": [{"pattern": "a"}, {"pattern": "c"}]},
            [("other", "")],
        ),
        (
            {"allOf": [{"allOf": [{"pattern": "a"}, {"pattern": "b"}]}]},
            {"allOf": [{"pattern": "a"}, {"pattern": "b"}]},
            [],
        ),
        (False, {"not": {}}, []),
        ({"properties": {"x": {}}}, {}, [("either", ".x")]),
        ({"properties": {"x": {}}}, {"properties": {}}, [("narrower", ".x")]),
        ({}, {"properties": {"x": {}}}, [("either", ".x")]),
        (
            {"additionalProperties": False},
            {"additionalProperties": False, "properties": {"x": {}}},
            [("wider", ".x")],
        ),
        ({"items": [{}, {}]}, {"items": [{}]}, [("narrower", "[1]")]),
        ({"items": [{}]}, {"items": [{}, {}]}, [("either", "[1]")]),
        # A part that is described no longer is one of those that are not.
        ({"properties": {"x": INTEGER}}, {"additionalProperties": STRING}, [("narrower", ".x"), ("wider", ".x"), ("narrower", ".*")]),
        ({"properties": {"x": INTEGER}}, {"additionalProperties": INTEGER}, [("narrower", ".x"), ("narrower", ".*")]),
        ({"properties": {"x": INTEGER}}, OBJECT, [("narrower", ""), ("wider", ".x")]),
        ({"properties": {"x": INTEGER}}, {"patternProperties": {"": {}}}, [("other", ".x"), ("narrower", ".<>")]),
        ({"items": [INTEGER], "additionalItems": STRING}, {"items": [INTEGER, INTEGER], "additionalItems": STRING}, [("either", "[1]"), ("narrower", "[1]"), ("wider", "[1]")]),
        ({"items": [INTEGER], "additionalItems": False}, {"items": [INTEGER, INTEGER], "additionalItems": False}, [("wider", "[1]")]),
        ({"items": [INTEGER, NULL], "additionalItems": False}, {"items": [INTEGER], "additionalItems": False}, [("narrower", "[1]")]),
        ({"const": "a"}, {"const": "a", "enum": ["b"]}, [("narrower", "")]),
        # Whatever has no kind that must be there may be of both kinds.
        ({"oneOf": [A]}, {"oneOf": [A, {**B, "required": []}]}, [("wider", ""), ("other", "")]),
        ({"oneOf": [A]}, {"oneOf": [A, {**B, "type": ["object", "string"]}]}, [("wider", "")] * 2),
        ({"oneOf": [A, STRING]}, {"oneOf": [A, {**B, "type": ["object", "string"]}, STRING]}, [("wider", ""), ("wider", ""), ("other", "")]),
        ({"oneOf": [row("a")]}, {"oneOf": [row("a"), row("b")]}, [("wider", "")]),
        ({"oneOf": [row(1)]}, {"oneOf": [row(1), row(1.0)]}, [("wider", ""), ("other", "")]),
        ({"oneOf": [row(1)]}, {"oneOf": [row(1), row("1")]}, [("wider", "")]),
        ({"oneOf": [row("a")]}, {"oneOf": [row("a"), {**row("b"), "minItems": 0}]}, [("wider", ""), ("other", "")]),
        ({"oneOf": [{"const": 1}]}, {"oneOf": [{"const": 1}, {"const": 2}]}, [("wider", "")]),
        ({"title": "a", "x-b": 1}, {"title": "c", "x-b": 2}, [("text", "")] * 2),
        ({"items": {}}, {"items": {"title": "t"}}, []),
        ({"type": "string"}, {"enum": ["a", 1.5, True, [], {}, None]}, [("wider", ""), ("narrower", "")]),
        (
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "string"}, {}]},
            {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "string"}, {}]},
            [("narrower", "")],
        ),
        (
            {"anyOf": [{"title": "T", "minimum": 1}, {"type": ["null", "string"]}]},
            {"anyOf": [{"type": ["null", "string"]}, {"title": "T", "minimum": 2}]},
            [("narrower", "")],
        ),
        (
            {"oneOf": [{"properties": {"x": True, "y": {"enum": [1, 2]}}}]},
            {"oneOf": [{"properties": {"x": True, "y": {"enum": [1]}}}]},
            [("narrower", ".y")],
        ),
    ],
)  # fmt: skip
def test_a_change_has_the_effect_that_it_has(old, new, expected):
    assert sorted(effects(old, new)) == sorted(expected)


def test_a_recursive_schema_is_compared_once():
    def schema(number):
        node = {"properties": {"value": {"minimum": number}, "next": {"$ref": "#"}}}
        return node, lambda found: node if "$ref" in found else found

    (old, follow_old), (new, follow_new) = schema(1), schema(2)

    [change] = changes_of(old, new, follow_old, follow_new)

    assert (change.effect, change.place) == ("narrower", ".value")


def test_a_schema_that_is_a_part_of_itself_is_compared():
    def schema(number):
        node = {"minimum": number, "allOf": [{"$ref": "#"}]}
        return node, lambda found: node if "$ref" in found else found

    (old, follow_old), (new, follow_new) = schema(1), schema(2)

    [change] = changes_of(old, new, follow_old, follow_new)

    assert change.effect == "narrower"


def test_the_other_side_of_what_is_undecided_is_undecided():
    assert [flipped(effect) for effect in ("narrower", "wider", "other")] == [
        "wider",
        "narrower",
        "other",
    ]


def titled(title, **more):
    return {"type": "object", "title": title, "properties": {"x": INTEGER}, **more}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"anyOf": [INTEGER, STRING]}, {}, [("wider", "")]),
        ({"anyOf": [INTEGER, NULL]}, {"anyOf": [NUMBER, NULL]}, [("wider", "")]),
        ({"anyOf": [INTEGER, STRING]}, {"anyOf": [NUMBER, STRING]}, [("wider", "")]),
        ({"anyOf": [INTEGER, NUMBER, NULL]}, {"anyOf": [NUMBER, NULL]}, []),
        ({"anyOf": [NUMBER, NULL]}, {"anyOf": [INTEGER, NUMBER, NULL]}, []),
        ({"anyOf": [titled("Point"), NULL]}, {"anyOf": [titled("Position"), NULL]}, [("text", "")]),
        (
            {"anyOf": [titled("A"), NULL]},
            {"anyOf": [titled("B", required=["x"]), NULL]},
            [("text", ""), ("narrower", ".x")],
        ),
        ({"type": ["string", "null"]}, {"anyOf": [STRING, NULL]}, []),
        (
            {"type": ["string", "null"], "maxLength": 3, "enum": ["a", None]},
            {"anyOf": [{**STRING, "maxLength": 3, "enum": ["a"]}, {**NULL, "enum": [None]}]},
            [],
        ),
        (
            {"type": ["number", "null"], "const": 3},
            {"anyOf": [{**NUMBER, "enum": [3]}, {**NULL, "enum": []}]},
            [],
        ),
        ({"uniqueItems": False}, {}, []),
        ({"minLength": 0}, {}, []),
        ({**INTEGER, "exclusiveMinimum": 0, "exclusiveMaximum": 9.5}, {**INTEGER, "minimum": 1, "maximum": 9}, []),
        ({**INTEGER, "minimum": 1}, {**NUMBER, "exclusiveMinimum": 0}, [("wider", ""), ("wider", "")]),
        ({"enum": ["a", None]}, {"anyOf": [{"enum": ["a"]}, NULL]}, []),
        ({"enum": [1, 1.5, None]}, {"anyOf": [{"enum": [1.5, 1]}, NULL]}, []),
        (NULL, {"enum": [None]}, []),
        (NULL, {"enum": [None, "a"]}, [("wider", "")]),
        (NUMBER, {"anyOf": [INTEGER, NUMBER]}, []),
        ({"anyOf": [{**INTEGER, "minimum": 3}, NUMBER, NULL]}, {"anyOf": [NULL, {**NUMBER, "title": "t"}]}, [("text", "")]),
        ({"enum": [1, [1]]}, {"enum": [1.0, [1.0]]}, []),
        (STRING, {"anyOf": [STRING, NULL], "maxLength": 3}, [("narrower", ""), ("wider", "")]),
        ({"oneOf": [A, B]}, {"anyOf": [A, B]}, []),
        ({"oneOf": [STRING, OBJECT]}, {"anyOf": [STRING, OBJECT]}, []),
        ({"oneOf": [NUMBER, INTEGER]}, {"anyOf": [NUMBER, INTEGER]}, [("wider", ""), ("other", "")]),
        ({"anyOf": [NUMBER, INTEGER]}, {"oneOf": [NUMBER, INTEGER]}, [("narrower", ""), ("other", "")]),
        ({"oneOf": [INTEGER, STRING]}, {"oneOf": [INTEGER, NUMBER, STRING]}, [("wider", ""), ("other", "")]),
        ({"not": {"properties": {"x": STRING}}}, {"not": {"items": {}}}, [("narrower", ".x")]),
        ({"not": {"properties": {"x": STRING}}}, {"not": {"properties": {}}}, [("other", ".x")]),
        (OBJECT, {**OBJECT, "properties": {"x": INTEGER}}, [("narrower", ".x")]),
        ({**OBJECT, "properties": {}}, {**OBJECT, "properties": {"x": INTEGER}}, [("either", ".x")]),
        (
            {**OBJECT, "additionalProperties": STRING},
            {**OBJECT, "additionalProperties": STRING, "properties": {"x": INTEGER}},
            [("either", ".x"), ("narrower", ".x"), ("wider", ".x")],
        ),
        (
            {"patternProperties": {"a": STRING}},
            {"patternProperties": {"a": STRING}, "properties": {"a": INTEGER}},
            [("other", ".a")],
        ),
        (
            {"additionalProperties": False},
            {"additionalProperties": False, "patternProperties": {"a": {}}},
            [("wider", ".<a>")],
        ),
        (
            {"additionalProperties": False, "patternProperties": {"a": {}}},
            {"additionalProperties": False},
            [("narrower", ".<a>")],
        ),
        ({}, {"patternProperties": {"a": STRING}}, [("narrower", ".<a>")]),
        (
            {"additionalProperties": STRING},
            {"additionalProperties": STRING, "patternProperties": {"a": {}}},
            [("other", ".<a>")],
        ),
        ({"exclusiveMinimum": True}, {"exclusiveMinimum": False}, [("other", "")]),
        ({"nullable": True}, {}, [("other", "")]),
        ({"if": STRING}, {}, [("wider", "")]),
        ({}, {"if": STRING}, [("narrower", "")]),
        (
            {"allOf": [{"minimum": 1, "maximum": 5, "required": ["a"]}, {"minimum": 2, "maximum": 4, "required": ["b"]}]},
            {"minimum": 2, "maximum": 4, "required": ["b", "a"]},
            [],
        ),
        (
            {"allOf": [{"if": STRING, "then": NULL}, {"if": NULL}]},
            {"allOf": [{"if": NULL}, {"if": STRING, "then": NULL}]},
            [],
        ),
        ({"allOf": [{"title": "a", "type": "null"}, {"title": "b"}]}, {"title": "a", **NULL}, []),
        (
            {"allOf": [{"items": [STRING]}, {"items": [NULL]}]},
            {"allOf": [{"items": [STRING]}, {"items": [STRING]}]},
            [("wider", "")],
        ),
        (
            {"allOf": [{"properties": {"x": STRING}}, {"properties": {"x": {"maxLength": 3}}}]},
            {"properties": {"x": {**STRING, "maxLength": 3}}},
            [],
        ),
    ],
)  # fmt: skip
def test_a_change_is_no_more_than_it_is(old, new, expected):
    assert sorted(effects(old, new)) == sorted(expected)


def texts(old, new):
    return [change.text for change in changes_of(old, new, lambda node: node, lambda node: node)]


def test_a_long_pattern_is_called_by_the_title_of_its_schema():
    old, new = ({"title": title, "pattern": title * 61} for title in "ab")

    assert "pattern of 'b', was pattern of 'a'" in texts(old, new)


def test_a_long_pattern_without_a_title_is_cut():
    assert texts({}, {"pattern": "a" * 61}) == [f"pattern {'a' * 60}..., was no pattern"]


def same(old, new):
    return is_same(old, new, lambda node: node, lambda node: node)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": ["string", "null"]}, {"anyOf": [{**STRING, "title": "t"}, NULL]}),
        ({"anyOf": [STRING, {"properties": {"x": NULL}}]}, {"anyOf": [{"properties": {"x": NULL}}, STRING]}),
        ({"required": ["a", "b"], "items": {}}, {"required": ["b", "a"], "additionalProperties": True}),
        ({"const": 1, "uniqueItems": False}, {"enum": [1.0]}),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}]}, {"maximum": 3, "minimum": 1}),
        ({"items": [STRING, NULL]}, {"items": [STRING, NULL]}),
        ({"additionalProperties": False}, {"additionalProperties": {"not": {}}}),
        ({"dependencies": {"a": ["b"]}, "not": {}}, {"dependencies": {"a": ["b"]}, "not": {}}),
        ({"anyOf": [STRING, STRING]}, {"anyOf": [STRING, STRING]}),
        ({"oneOf": [STRING, NULL]}, {"anyOf": [NULL, STRING]}),
        (True, {"title": "t"}),
        ({"minItems": 0}, {}),
        ({**INTEGER, "exclusiveMinimum": 0, "maximum": 9.5}, {**INTEGER, "minimum": 1, "exclusiveMaximum": 10}),
        (NULL, {"enum": [None]}),
        ({"anyOf": [INTEGER, NUMBER]}, NUMBER),
        ({"enum": ["a", None]}, {"anyOf": [{"enum": ["a"]}, NULL]}),
    ],
)  # fmt: skip
def test_schemas_that_say_the_same_are_the_same(old, new):
    assert same(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"anyOf": [STRING, NULL]}, {"anyOf": [STRING, INTEGER]}),
        ({"items": [STRING, NULL]}, {"items": [NULL, STRING]}),
        ({"properties": {"title": {}}}, {"properties": {}}),
        ({"dependencies": {"a": ["b"]}}, {"dependencies": {"a": {}}}),
        ({"dependencies": {"a": ["b"]}}, {"dependencies": {"a": ["c"]}}),
        ({"const": True}, {"const": 1}),
        ({"const": 1}, {"const": 1, "enum": [2]}),
        ({"contains": {}}, {}),
        ({**NUMBER, "exclusiveMinimum": 0}, {**NUMBER, "minimum": 1}),
        ({**INTEGER, "exclusiveMinimum": True, "minimum": 1}, {**INTEGER, "minimum": 1}),
        ({"contains": False}, {}),
        ({"oneOf": [INTEGER, NUMBER]}, NUMBER),
        (True, False),
    ],
)
def test_schemas_that_say_something_else_are_not_the_same(old, new):
    assert not same(old, new)


def test_what_must_not_be_is_compared_apart_from_what_may_be():
    def schema(number):
        node = {"minimum": number}
        return {
            "properties": {"x": {"$ref": ""}},
            "not": {"$ref": ""},
        }, lambda found: node if "$ref" in found else found

    (old, follow_old), (new, follow_new) = schema(1), schema(2)

    found = [change.effect for change in changes_of(old, new, follow_old, follow_new)]

    assert found == ["narrower", "wider"]


def test_a_recursive_schema_of_parts_ends():
    def schema(number):
        one = {"properties": {"value": {"minimum": number}, "next": {"$ref": "a"}}}
        other = {"properties": {"next": {"$ref": "b"}}}
        nodes = {"a": one, "b": other}
        node = {"allOf": [{"$ref": "a"}, {"$ref": "b"}]}
        return node, lambda found: nodes[found["$ref"]] if "$ref" in found else found

    (old, follow_old), (new, follow_new) = schema(1), schema(2)

    [change] = changes_of(old, new, follow_old, follow_new)

    assert (change.effect, change.place) == ("narrower", ".value")
    assert is_same(old, old, follow_old, follow_old)


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ({"type": "null", "enum": [None, 0]}, [None]),
        ({"type": "integer", "enum": [1, 2.0, 2.5, "a"]}, [1, 2.0]),
        ({"type": ["number", "null"], "enum": [1, 2.5, None, "a"]}, [1, 2.5, None]),
    ],
)
def test_only_values_of_the_type_of_a_schema_count(schema, values):
    assert changes_of(schema, {"enum": values}, lambda x: x, lambda x: x) == []
