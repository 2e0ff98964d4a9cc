"""Which users each role has in ZooKeeper: those that are named, else the one of its name."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.setting_names import nearest

ROLES = ("agent", "indexer", "leader", "dashboard", "operator")


def users_by_role(
    named: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """Return the users of every role: to name one role's takes away no other's.

    Raises:
        ValueError: users are named for what is no role there.
    """
    strays = [f"{role!r}{nearest(role, ROLES)}" for role in named if role not in ROLES]
    if strays:
        raise ValueError(
            f"has no role {', '.join(strays)} (there are {', '.join(ROLES)})"
        )
    return {role: tuple(named.get(role, (role,))) for role in ROLES}
