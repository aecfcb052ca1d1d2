"""HTTP headers as tests read them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from pytest_pachinko.errors import PachinkoUsageError

__all__ = ["NO_HEADERS", "HeaderSource", "Headers", "encode_headers"]

HeaderSource = Mapping[str, str] | Iterable[tuple[str, str]]


class Headers(Mapping[str, str]):
    """Headers in order of arrival, looked up without regard to case.

    A name that occurs more than once gives its values joined by ``", "`` (RFC 9110,
    section 5.3); ``get_all`` gives them one by one, which ``set-cookie`` needs.
    """

    __slots__ = ("_pairs",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._pairs = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in raw]

    def get_all(self, name: str) -> list[str]:
        """Return every value of a header, in order."""
        name = name.lower()
        return [value for key, value in self._pairs if key == name]

    def __getitem__(self, name: str) -> str:
        """Return the value of a header."""
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, each once."""
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        """Return the number of names."""
        return len(dict(self._pairs))

    def __repr__(self) -> str:
        """Return the pairs as they are."""
        return f"Headers({self._pairs!r})"


NO_HEADERS = Headers()


def encode_headers(headers: HeaderSource | None) -> list[tuple[bytes, bytes]]:
    """Turn what a test writes into what ASGI carries.

    Raises:
        PachinkoUsageError: A name or value that HTTP cannot carry.
    """
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    try:
        encoded = [(k.lower().encode("ascii"), v.encode("latin-1")) for k, v in pairs]
    except (AttributeError, TypeError, ValueError) as error:
        raise PachinkoUsageError(
            f"headers={_without_values(headers)} cannot be sent: {error}.\n"
            'Hint: a mapping or pairs of str: headers={"authorization": "Bearer ..."}'
        ) from error
    for name, value in encoded:
        if b"\n" in name + value or b"\r" in name + value or b"\0" in name + value:
            raise PachinkoUsageError(f"The header {name.decode()!r} contains a line break.")
    return encoded


def _without_values(headers: object) -> str:
    """Return what headers are, without what is in them: it may be secret."""
    if not isinstance(headers, Mapping):
        return f"<{type(headers).__name__}>"
    fields = (f"{name!r}: <{type(value).__name__}>" for name, value in headers.items())
    return f"{{{', '.join(fields)}}}"
