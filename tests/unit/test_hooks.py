import dataclasses

import pytest

from falcon_pachinko import ConnectionContext
from falcon_pachinko import MessageContext
from falcon_pachinko.hooks import Hooks


@pytest.mark.parametrize("context", [ConnectionContext, MessageContext])
def test_a_context_cannot_be_changed_by_a_hook(context: type) -> None:
    given = context(*range(4))

    with pytest.raises(dataclasses.FrozenInstanceError):
        given.ws = None


def test_new_hooks_are_none() -> None:
    assert (Hooks().connection, Hooks().message) == ([], [])
