"""How many connections there may be, of this process and of one user.

A connection has a seat from the beginning of its handshake to the end of its service, so that
handshakes which take their time do not overtake the limit.
"""

from __future__ import annotations

from falcon_pachinko.errors import TooManyConnectionsError
from falcon_pachinko.security import check_limit
from falcon_pachinko.security import overloaded
from falcon_pachinko.security import retry_after

__all__ = ["Admission", "Seat"]


class Admission:
    """The seats of one manager.

    Args:
        max_connections: How many there are; None for any number.
        max_per_user: How many one user may have; None for any number.

    Raises:
        LimitError: There would be none.

    Attributes:
        max_per_user: How many one user may have.
        counts: Who was refused, by the names in ``Stats``.
        taken: How many are taken.
        users: How many each user has.
    """

    __slots__ = ("_max_connections", "counts", "max_per_user", "taken", "users")

    def __init__(self, max_connections: int | None, max_per_user: int | None) -> None:
        for name, limit in (
            ("max_connections", max_connections),
            ("max_connections_per_user", max_per_user),
        ):
            check_limit(name, limit, whole=True, optional=True)
        self._max_connections = max_connections
        self.max_per_user = max_per_user
        self.counts = {"denied": 0, "denied_users": 0}
        self.taken = 0
        self.users: dict[str, int] = {}

    def enter(self) -> Seat | None:
        """Take a seat; None if nobody counts them.

        Raises:
            falcon.HTTPServiceUnavailable: All are taken.
        """
        if self._max_connections is None and self.max_per_user is None:
            return None
        if self._max_connections is not None and self.taken >= self._max_connections:
            self.counts["denied"] += 1
            raise overloaded()
        return Seat(self)


class Seat:
    """The seat of one connection.

    Args:
        admission: Where it is.
    """

    __slots__ = ("_admission", "_user")

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission
        self._user: str | None = None
        admission.taken += 1

    def check(self, user: str) -> None:
        """Raise an error if it cannot be a user's.

        Raises:
            TooManyConnectionsError: The user has as many as may be.
        """
        admission = self._admission
        if admission is None or admission.max_per_user is None or user == self._user:
            return
        if admission.users.get(user, 0) >= admission.max_per_user:
            admission.counts["denied_users"] += 1
            raise TooManyConnectionsError(admission.max_per_user, retry_after())

    def bind(self, user: str | None) -> None:
        """Count it among those of a user; None: nobody's."""
        admission = self._admission
        if admission is None:
            return
        users = admission.users
        if self._user is not None:
            users[self._user] -= 1
            if not users[self._user]:
                del users[self._user]
        if user is not None:
            users[user] = users.get(user, 0) + 1
        self._user = user

    def vacate(self) -> None:
        """Leave it, once and for all."""
        self.bind(None)
        if self._admission is not None:
            self._admission.taken -= 1
            self._admission = None
