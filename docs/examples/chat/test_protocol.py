"""The chat keeps to the protocol that it publishes."""

import json

import pytest
from chat import Join
from chat import Said
from chat import Say
from chat import Welcome
from protocol import describe
from protocol import DOCUMENT
from protocol import PAGE
from protocol import render

from falcon_pachinko.asyncapi import compare
from pytest_pachinko import assert_conforms
from pytest_pachinko import validate


def published():
    """Return the document that is committed."""
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


WRITE = "look at what is different, then write it anew: python protocol.py"


def test_the_document_says_what_the_chat_does():
    differences = "\n".join(map(str, compare(published(), describe())))

    assert not differences, WRITE


def test_the_page_says_what_the_document_says():
    assert PAGE.read_text(encoding="utf-8") == render(published()), WRITE


def test_the_document_is_valid():
    pytest.importorskip("jsonschema")

    assert validate(DOCUMENT) == []


@pytest.mark.asyncio
async def test_a_visit_keeps_to_the_document(websocket_connect):
    pytest.importorskip("jsonschema")
    async with websocket_connect("/chat/rooms/tea", subprotocols=["chat.v1"]) as ann:
        await ann.send(Join(nick="ann"))
        await ann.receive(Welcome)
        await ann.send(Say(text="hi"))
        await ann.receive(Said)

    assert_conforms(ann.trace, DOCUMENT)
