"""Which user is meant: by name, or by number."""

from __future__ import annotations

import pwd


def number_of(user: str) -> int:
    """Return the number of a user, who need not exist where it is given.

    Raises:
        KeyError: this machine knows no user of that name.
    """
    return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
