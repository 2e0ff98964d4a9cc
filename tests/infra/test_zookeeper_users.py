"""To name the users of one role takes the rights of no other, and a role that is none is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.errors import ConfigError
from tailrace.settings import read_connections
from tailrace.zookeeper_users import ROLES, users_by_role


def test_x13_roles_whose_users_are_not_named_keep_those_of_their_names() -> None:
    named = users_by_role({"agent": ("agent-web1", "agent-web2"), "operator": ()})
    assert named == {
        "agent": ("agent-web1", "agent-web2"),
        "indexer": ("indexer",),
        "leader": ("leader",),
        "dashboard": ("dashboard",),
        "operator": (),
    }
    assert users_by_role({}) == {role: (role,) for role in ROLES}


def test_x13_the_settings_of_a_file_take_no_other_role_its_rights(
    tmp_path: Path,
) -> None:
    config = tmp_path / "tailrace.toml"
    config.write_text('[connections]\nzookeeper_users = { agent = ["agent-web1"] }\n')
    assert read_connections(config).zookeeper_users == users_by_role(
        {"agent": ("agent-web1",)}
    )


def test_a_role_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    config = tmp_path / "tailrace.toml"
    config.write_text('[connections]\nzookeeper_users = { agents = ["agent-web1"] }\n')
    with pytest.raises(ConfigError) as caught:
        read_connections(config)
    told = str(caught.value)
    assert "zookeeper_users" in told
    assert "no role 'agents'; did you mean agent?" in told
