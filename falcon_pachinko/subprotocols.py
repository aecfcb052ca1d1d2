"""Choosing a subprotocol (RFC 6455, section 4.2.2 step 4). Pure.

The server's order decides: the resources of a route are asked in the order in which they
were routed, and each one's tokens in the order in which it lists them. Only a token that
the application itself declared can ever be chosen, so a client that hides a credential
among its tokens never gets it echoed.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from typing import TYPE_CHECKING

from falcon_pachinko.errors import RouteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

__all__ = ["check_differ", "check_tokens", "choose", "tokens_of", "unwrap"]

# RFC 7230, section 3.2.6: what an element of Sec-WebSocket-Protocol may consist of.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_tokens(subprotocols: Any, owner: str) -> None:
    """Refuse a declaration that could never be negotiated.

    Raises:
        RouteError: It is a bare string, or holds something that is no token.
    """
    if isinstance(subprotocols, str):
        raise RouteError(
            f"{owner}.subprotocols is the string {subprotocols!r}, whose letters would each "
            f"be a subprotocol.\nHint: subprotocols = ({subprotocols!r},)"
        )
    seen: set[str] = set()
    for token in subprotocols:
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise RouteError(
                f"{owner}.subprotocols contains {token!r}, which is no token of RFC 7230: "
                "letters, digits and !#$%&'*+-.^_`|~ only."
            )
        if token in seen:
            raise RouteError(f"{owner}.subprotocols lists {token!r} twice.")
        seen.add(token)


def unwrap(resource: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a partial calls in the end; anything else is returned as it is."""
    while isinstance(resource, partial):
        resource = resource.func
    return resource


def tokens_of(resource: Callable[..., Any]) -> tuple[str, ...]:
    """Return the tokens that a resource class, or a factory of one, declares."""
    return tuple(getattr(unwrap(resource), "subprotocols", ()))


def check_differ(resources: Sequence[Callable[..., Any]], path: str) -> None:
    """Refuse resources on one path between which an offer could not decide.

    Raises:
        RouteError: Two of them share a token, or two declare none.
    """
    owners: dict[str | None, str] = {}
    for resource in resources:
        name = getattr(unwrap(resource), "__name__", repr(resource))
        for token in tokens_of(resource) or (None,):
            if token in owners:
                both = f"{owners[token]} and {name}"
                what = "declare no subprotocol" if token is None else f"declare {token!r}"
                raise RouteError(
                    f"{both} share the path {path!r} and both {what}.\n"
                    "Hint: give each resource of a path its own subprotocols = (...)."
                )
            owners[token] = name


def choose(
    offer: Sequence[str],
    resources: Sequence[Callable[..., Any]],
) -> tuple[str | None, Callable[..., Any] | None]:
    """Match a client's offer against the resources of a route.

    Args:
        offer: The tokens that the client sent, in its order.
        resources: Resource classes or factories, in the order in which they were routed.

    Returns:
        The chosen token and its resource. Without a match the token is None and the
        resource is the first that declares no subprotocols, else the first that does not
        require one, else None: the connection is refused.
    """
    offered = set(offer)
    for resource in resources:
        for token in tokens_of(resource):
            if token in offered:
                return token, resource
    for resource in resources:
        if not tokens_of(resource):
            return None, resource
    for resource in resources:
        if not getattr(unwrap(resource), "required_subprotocol", False):
            return None, resource
    return None, None
