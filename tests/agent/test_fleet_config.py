"""How an agent follows what its fleet is to have: never less than what was good."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
import pytest
import structlog

from tailrace.errors import CommandFailed, ConfigError, ServiceUnavailable
from tailrace.fleet.desired import (
    CONFIG_BYTES_MAX,
    Desired,
    agent_scope,
    config_path,
    decode_desired,
    encode_desired,
    group_scope,
    signed,
)
from tailrace.key_files import chosen_key
from tailrace.zookeeper import ZooKeeper
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.fleet_config import FILE_NAME, FleetConfig, Report
from tests.support.waiting import eventually

KEY = b"0123456789abcdef"
GROUP, AGENT = group_scope("web"), agent_scope("one")
LOCAL = AgentSettings(
    sources=(SourceSettings(name="own", paths=("/srv/own.log",)),),
    allowed_folders=("/var/log",),
    group="web",
)


def text(name: str, *, path: str = "/var/log/x.log") -> str:
    return f'[[agent.sources]]\nname = "{name}"\npaths = ["{path}"]\n'


@dataclass
class Nodes:
    """Nodes in memory, with the client's hints."""

    held: dict[str, bytes] = field(default_factory=dict[str, bytes])
    hints: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    is_away: bool = False

    def get(
        self, path: str, *, on_change: Callable[[], None] | None = None
    ) -> bytes | None:
        if self.is_away:
            raise ServiceUnavailable("ZooKeeper", address="x:1", reason="gone")
        if on_change is not None:
            self.hints.append(on_change)
        return self.held.get(path)

    def put(self, scope: str, raw: bytes) -> None:
        self.held[config_path("t", scope)] = raw

    def set(
        self, scope: str, content: str, *, version: int = 1, key: bytes | None = None
    ) -> None:
        desired = Desired(version=version, text=content)
        if key is not None:
            desired = signed(desired, scope=scope, key=key)
        self.put(scope, encode_desired(desired, scope=scope))


@dataclass
class Setup:
    """One agent's view of its fleet, and what it told."""

    folder: Path
    nodes: Nodes = field(default_factory=Nodes)
    key: bytes | None = None
    check: Callable[[AgentSettings], object] = lambda _settings: None
    local: AgentSettings = LOCAL
    reports: list[Report] = field(default_factory=list[Report])

    def config(self, *scopes: str) -> FleetConfig:
        return FleetConfig(
            cast("ZooKeeper", self.nodes),
            local=self.local,
            scopes=scopes or (GROUP, AGENT),
            namespace="t",
            folder=self.folder,
            key=self.key,
            check=self.check,
            tell=lambda _settings, report: self.reports.append(report),
            jitter=random.Random(1),
            log=structlog.get_logger(),
        )

    @property
    def refusal(self) -> str:
        return "\n".join(self.reports[-1].refusals.values())


def names(settings: AgentSettings) -> list[str]:
    return [source.name for source in settings.sources]


def test_z7_what_is_set_waits_until_it_is_put_to_use_and_is_reported_once_proven(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    assert names(config.begin()) == ["own"]
    setup.nodes.set(GROUP, text("a"), version=5)
    config.look()
    assert config.is_waiting
    assert setup.reports[-1].versions == {}
    before = setup.reports[-1].config_hash
    assert names(config.begin()) == ["own", "a"]
    assert not config.is_waiting
    assert setup.reports[-1].config_hash != before
    # Nor does a rollout go on to others before it is proven here.
    assert setup.reports[-1].versions == {}
    config.note_lived()
    assert setup.reports[-1].versions == {GROUP: 5}


def test_what_changes_nothing_begins_no_new_life(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(AGENT, text("a"))
    config.look()
    config.begin()
    config.note_lived()
    setup.nodes.set(GROUP, text("a"), version=2)
    setup.nodes.set(AGENT, "", version=3)
    config.look()
    assert not config.is_waiting
    assert setup.reports[-1].versions == {GROUP: 2, AGENT: 3}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is no configuration"),
        (b"\xff\x00", "is no configuration"),
        (b'{"version":2,"text":"","evil":1}', "is no configuration"),
        (b" " * (CONFIG_BYTES_MAX + 1), f"may have {CONFIG_BYTES_MAX}"),
        (msgspec.json.encode(Desired(version=2, text="[agent")), "is not TOML"),
        (
            msgspec.json.encode(Desired(version=2, text=text("a", path="/etc/x"))),
            "leads out of the folders",
        ),
        (
            msgspec.json.encode(Desired(version=1, text=text("b"))),
            "is not newer than 1",
        ),
    ],
)
def test_z7_bad_configuration_keeps_the_old_one_and_is_reported(
    tmp_path: Path, raw: bytes, problem: str
) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"))
    config.look()
    config.begin()
    setup.nodes.put(GROUP, raw)
    config.look()
    assert not config.is_waiting
    assert problem in setup.refusal
    assert names(config.begin()) == ["own", "a"]
    setup.nodes.set(GROUP, text("c"), version=9)
    config.look()
    assert names(config.begin()) == ["own", "c"]
    assert setup.refusal == ""


def test_z7_settings_that_would_hinder_a_life_are_refused_before_it(
    tmp_path: Path,
) -> None:
    def check(_settings: AgentSettings) -> None:
        raise CommandFailed("The extra is missing.", remedy="install it")

    setup = Setup(tmp_path, check=check)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"))
    config.look()
    assert not config.is_waiting
    assert "The extra is missing" in setup.refusal


def unforeseen(settings: AgentSettings) -> None:
    """Fail as no check foresees where there is a source `bad`."""
    if "bad" in names(settings):
        raise IndexError("list index out of range")


def test_z7_what_no_check_foresaw_refuses_a_configuration_and_ends_nothing(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path, check=unforeseen)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"))
    config.look()
    config.begin()
    config.note_lived()
    setup.nodes.set(GROUP, text("bad"), version=2)
    config.look()
    assert not config.is_waiting
    assert "cannot be used: IndexError: list index out of range" in setup.refusal
    assert setup.reports[-1].versions == {GROUP: 1}


def test_z7_a_kept_configuration_that_cannot_be_used_is_named_and_the_proven_one_used(
    tmp_path: Path,
) -> None:
    """As after a start with a newer release; what no life began with is none to go back to."""
    setup = Setup(tmp_path)
    config = setup.config()
    for version, name in enumerate(("a", "b", "c", "bad"), start=1):
        setup.nodes.set(GROUP, text(name), version=version)
        config.look()
        if name == "b":
            config.begin()
            config.note_lived()
    setup.nodes.is_away = True
    setup.check = unforeseen
    later = setup.config()
    later.start()
    later.close()
    assert names(later.begin()) == ["own", "b"]
    assert "cannot be used: IndexError" in setup.refusal
    assert setup.reports[-1].versions == {GROUP: 2}
    setup.nodes.is_away = False
    later.look()
    assert not later.is_waiting
    setup.nodes.set(GROUP, text("d"), version=5)
    later.look()
    assert names(later.begin()) == ["own", "d"]
    assert setup.refusal == ""


def test_z7_what_ended_a_life_is_refused_from_the_servers_too_until_set_anew(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(AGENT, text("mine"))
    config.look()
    config.begin()
    config.note_lived()
    setup.nodes.set(GROUP, text("bad"), version=3)
    config.look()
    assert names(config.begin()) == ["own", "bad", "mine"]
    assert config.blame(IndexError("list index out of range"))
    assert names(config.begin()) == ["own", "mine"]
    assert setup.reports[-1].versions == {AGENT: 1}
    assert not config.blame(IndexError("what is proven is not to blame"))
    later = setup.config()
    later.start()
    eventually(lambda: bool(setup.reports[-1].refusals))
    later.close()
    assert names(later.begin()) == ["own", "mine"]
    assert "a life by version 3 ended in IndexError: list index" in setup.refusal
    setup.nodes.set(GROUP, text("bad"), version=4)
    later.look()
    assert names(later.begin()) == ["own", "bad", "mine"]
    assert setup.refusal == ""


def test_z7_a_life_that_fails_while_newer_settings_wait_goes_on_by_those(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    for version, name in enumerate(("bad", "mended"), start=1):
        setup.nodes.set(GROUP, text(name), version=version)
        config.look()
        if name == "bad":
            config.begin()
    assert config.blame(IndexError("list index out of range"))
    assert names(config.begin()) == ["own", "mended"]


def test_what_was_begun_with_and_killed_is_tried_again(tmp_path: Path) -> None:
    """A host that went down is no fault of the settings."""
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"))
    config.look()
    config.begin()
    setup.nodes.is_away = True
    later = setup.config()
    later.start()
    later.close()
    assert names(later.begin()) == ["own", "a"]


def test_z3_start_without_a_server_goes_on_with_what_was_good(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"), version=4)
    config.look()
    setup.nodes.is_away = True
    later = setup.config()
    later.start()
    later.close()
    assert names(later.begin()) == ["own", "a"]
    later.note_lived()
    assert setup.reports[-1].versions == {GROUP: 4}


def test_z7_nodes_that_are_gone_take_nothing_back(tmp_path: Path) -> None:
    """An ensemble that lost its data must not end what is collected."""
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"), version=4)
    config.look()
    config.begin()
    setup.nodes.held.clear()
    config.look()
    assert not config.is_waiting
    setup.nodes.set(GROUP, "", version=5)
    config.look()
    assert names(config.begin()) == ["own"]


def test_what_was_kept_is_held_to_what_the_host_allows_now(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"))
    config.look()
    setup.local = LOCAL.model_copy(update={"allowed_folders": ("/srv",)})
    setup.nodes.is_away = True
    later = setup.config()
    later.start()
    later.close()
    assert names(later.begin()) == ["own"]
    assert "leads out of the folders" in setup.refusal


def test_agent_of_another_group_leaves_what_was_kept_for_the_first(
    tmp_path: Path,
) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    setup.nodes.set(GROUP, text("a"))
    config.look()
    setup.nodes.is_away = True
    later = setup.config(group_scope("db"), AGENT)
    later.start()
    later.close()
    assert names(later.begin()) == ["own"]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"desired":1}', b"\xff"])
def test_damaged_file_is_read_from_the_servers_again(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    setup = Setup(tmp_path)
    setup.nodes.set(GROUP, text("a"))
    config = setup.config()
    config.start()
    eventually(lambda: config.is_waiting)
    config.close()
    assert names(config.begin()) == ["own", "a"]


def test_change_is_heard_of_by_the_watch_long_before_the_floor(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    config = setup.config()
    config.start()
    eventually(lambda: len(setup.nodes.hints) >= 2)
    setup.nodes.set(GROUP, text("a"))
    setup.nodes.hints[0]()
    eventually(lambda: config.is_waiting)
    config.close()


def test_host_that_allows_no_folder_asks_for_nothing(tmp_path: Path) -> None:
    setup = Setup(tmp_path, local=AgentSettings(group="web"))
    config = setup.config()
    config.start()
    config.close()
    assert not setup.nodes.hints
    assert config.begin() is setup.local


@pytest.mark.parametrize(
    ("scope", "key"), [(GROUP, None), (GROUP, b"another-key-of-16"), (AGENT, KEY)]
)
def test_z7_what_the_hosts_key_did_not_sign_is_refused(
    tmp_path: Path, scope: str, key: bytes | None
) -> None:
    """Nor what it signed for another scope."""
    setup = Setup(tmp_path, key=KEY)
    config = setup.config()
    desired = Desired(version=1, text=text("a"))
    if key is not None:
        desired = signed(desired, scope=scope, key=key)
    setup.nodes.put(GROUP, encode_desired(desired, scope=GROUP))
    config.look()
    assert not config.is_waiting
    assert "has no signature of this host's key" in setup.refusal
    setup.nodes.set(GROUP, text("a"), version=2, key=KEY)
    config.look()
    assert names(config.begin()) == ["own", "a"]


def test_key_is_read_from_a_file_and_never_short(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(CommandFailed, match="cannot be read"):
        chosen_key(path, name="fleet_key_file")
    path.write_bytes(b"short\n")
    with pytest.raises(CommandFailed, match="has 5 characters"):
        chosen_key(path, name="fleet_key_file")
    path.write_bytes(KEY + b"\n")
    assert chosen_key(path, name="fleet_key_file") == KEY


def test_document_that_is_too_large_is_refused_before_it_is_set() -> None:
    desired = Desired(version=1, text="#" * CONFIG_BYTES_MAX)
    with pytest.raises(ConfigError, match=str(CONFIG_BYTES_MAX)):
        encode_desired(desired, scope=GROUP)
    small = Desired(version=1, text="# ü")
    raw = encode_desired(small, scope=GROUP)
    assert decode_desired(raw, scope=GROUP, key=None) == small
