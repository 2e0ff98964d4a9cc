"""Whose links are followed and whose files are read: as root, which may read everything."""

from __future__ import annotations

import errno
import grp
import os
import pwd
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tailrace_agent import door
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.door import NotARegularFile, PathRefused, open_descriptor
from tailrace_agent.rules import LOG_GROUPS, Rules, rules_of
from tests.agent.harness import DEFAULT_RULES
from tests.agent.planted import MALLORY, SECRET, Host

BOB = 54_322

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may give files to others"
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def read(path: Path, *, rules: Rules = DEFAULT_RULES) -> bytes:
    descriptor = open_descriptor(path, rules=rules)
    try:
        return os.read(descriptor, 1_000)
    finally:
        os.close(descriptor)


def rules_with(**settings: object) -> Rules:
    source = SourceSettings.model_validate(
        {"name": "test", "paths": ("/x/*.log",), **settings}
    )
    return rules_of(AgentSettings(), source)


def refusal(path: Path, *, rules: Rules = DEFAULT_RULES) -> str:
    with pytest.raises(PathRefused) as refused:
        read(path, rules=rules)
    assert refused.value.remedy
    return refused.value.strerror or ""


def test_x2_link_that_another_user_planted_is_refused(host: Host) -> None:
    secret = host.file("etc/shadow")
    host.folder("var/app", owner=MALLORY)
    link = host.link("var/app/a.log", secret, owner=MALLORY)
    why = refusal(link)
    assert str(link) in why
    assert f"user {MALLORY}" in why


def test_x2_folder_on_the_way_that_is_a_planted_link_is_refused(host: Host) -> None:
    host.file("etc/a.log")
    host.folder("var/app", owner=MALLORY)
    host.link("var/app/logs", "../../etc", owner=MALLORY)
    assert f"user {MALLORY}" in refusal(host.root / "var/app/logs/a.log")


def test_x2_planted_link_behind_a_good_one_is_refused(host: Host) -> None:
    secret = host.file("etc/shadow")
    host.folder("srv/app", owner=MALLORY)
    host.link("srv/app/out.log", secret, owner=MALLORY)
    good = host.link("var/log/app.log", host.root / "srv/app/out.log")
    assert f"user {MALLORY}" in refusal(good)


@pytest.mark.parametrize(
    ("mode", "group", "whose"),
    [
        (0o777, 0, "everybody"),
        (0o1777, 0, "everybody"),
        (0o775, MALLORY, f"group {MALLORY}"),
    ],
)
def test_x2_link_that_others_could_have_put_there_is_refused(
    host: Host, mode: int, group: int, whose: str
) -> None:
    """Whoever may write the folder may rename a link of root's, or link to one."""
    secret = host.file("etc/shadow")
    folder = host.folder("var/shared")
    link = host.link("var/shared/a.log", secret)
    assert read(link) == SECRET
    os.chown(folder, 0, group)
    folder.chmod(mode)
    assert whose in refusal(link)


def test_x2_link_below_a_folder_of_another_user_is_refused(host: Host) -> None:
    """They may put another folder with links of root's in its place."""
    secret = host.file("etc/shadow")
    host.folder("home/mallory", owner=MALLORY)
    host.folder("home/mallory/logs")
    link = host.link("home/mallory/logs/a.log", secret)
    assert f"user {MALLORY}" in refusal(link)


def test_x2_links_of_kubernetes_are_followed(host: Host) -> None:
    """Also where, as on some hosts, the group `syslog` may write to /var/log."""
    rules = replace(DEFAULT_RULES, groups=frozenset((0, BOB)))
    host.folder("var/log", mode=0o775)
    os.chown(host.root / "var/log", 0, BOB)
    lines = host.file("var/lib/docker/containers/17/17-json.log", b"line\n")
    pod = host.link("var/log/pods/web_1/c/0.log", lines)
    one = host.link("var/log/containers/web.log", "../pods/web_1/c/0.log")
    assert read(pod, rules=rules) == read(one, rules=rules) == b"line\n"


def test_x2_link_to_a_file_of_its_own_owner_is_followed(host: Host) -> None:
    """Who made it could have written the same lines into a file there."""
    host.folder("home/bob", owner=BOB, mode=0o777)
    host.file("home/bob/today.log", b"line\n", owner=BOB)
    link = host.link("home/bob/current.log", "today.log", owner=BOB)
    assert read(link) == b"line\n"


def test_x2_links_of_whom_the_source_names_are_followed(host: Host) -> None:
    other = host.file("srv/a.log", b"line\n")
    host.folder("home/bob", owner=BOB)
    link = host.link("home/bob/a.log", other, owner=BOB)
    assert f"user {BOB}" in refusal(link)
    assert read(link, rules=rules_with(owners=(str(BOB),))) == b"line\n"


def test_x2_source_may_follow_every_link_or_none(host: Host) -> None:
    secret = host.file("etc/shadow")
    host.folder("var/app", owner=MALLORY)
    planted = host.link("var/app/a.log", secret, owner=MALLORY)
    assert read(planted, rules=rules_with(follow_links="always")) == SECRET
    good = host.link("var/log/a.log", secret)
    assert read(good) == SECRET
    assert "follows none" in refusal(good, rules=rules_with(follow_links="never"))


@pytest.mark.parametrize(
    ("folder_owner", "mode", "file_owner", "whose"),
    [
        (0, 0o1777, 0, "everybody"),
        (0, 0o777, BOB, "everybody"),
        (MALLORY, 0o755, 0, f"user {MALLORY}"),
        (MALLORY, 0o755, BOB, f"user {MALLORY}"),
        (MALLORY, 0o755, MALLORY, ""),
        (0, 0o755, BOB, ""),
    ],
)
def test_x2_hard_link_that_others_could_have_planted_is_refused(
    host: Host, folder_owner: int, mode: int, file_owner: int, whose: str
) -> None:
    folder = host.folder("var/drop", owner=folder_owner, mode=mode)
    secret = host.file("etc/secret", owner=file_owner)
    name = folder / "a.log"
    name.hardlink_to(secret)
    rules = replace(DEFAULT_RULES, is_privileged=True, are_hard_links_guarded=True)
    if not whose:
        assert read(name, rules=rules) == SECRET
        return
    assert f"{whose} may put names" in refusal(name, rules=rules)
    assert read(name, rules=replace(rules, is_privileged=False)) == SECRET
    named = replace(rules, named_owners=frozenset((file_owner,)))
    assert read(name, rules=named) == SECRET


def test_x2_file_of_another_is_a_hard_link_only_where_the_kernel_allows_that(
    host: Host,
) -> None:
    """What root's services write into a folder of their user is read by default."""
    host.folder("home/app", owner=MALLORY)
    log = host.file("home/app/service.log", b"line\n")
    rules = replace(DEFAULT_RULES, is_privileged=True, are_hard_links_guarded=True)
    assert read(log, rules=rules) == b"line\n"
    unguarded = replace(rules, are_hard_links_guarded=False)
    assert f"user {MALLORY}" in refusal(log, rules=unguarded)


class SwappingOs:
    """Does something just before a call: what an attacker needs luck for."""

    def __init__(self, call: str, before: Callable[[str], None]) -> None:
        self._call = call
        self._before = before
        self.opened: list[str] = []

    def __getattr__(self, name: str) -> object:
        function = getattr(os, name)
        if name not in ("open", self._call):
            return function

        def called(path: str, *arguments: object, **options: object) -> object:
            if name == self._call:
                self._before(path)
            if name == "open":
                self.opened.append(path)
            return function(path, *arguments, **options)

        return called


def swap(
    monkeypatch: pytest.MonkeyPatch, call: str, before: Callable[[str], None]
) -> SwappingOs:
    swapping = SwappingOs(call, before)
    monkeypatch.setattr(door, "os", swapping)
    return swapping


def test_x2_file_that_becomes_a_planted_link_before_it_is_opened_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = host.file("etc/shadow")
    host.folder("var/app", owner=MALLORY)
    log = host.file("var/app/a.log", b"line\n", owner=MALLORY)

    def plant(name: str) -> None:
        if name == "a.log" and not log.is_symlink():
            log.unlink()
            host.link("var/app/a.log", secret, owner=MALLORY)

    swap(monkeypatch, "open", plant)
    assert f"user {MALLORY}" in refusal(log)


def test_x2_file_that_is_rotated_before_it_is_opened_is_looked_at_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = host.file("var/log/a.log", b"old\n")
    swaps = [1]

    def rotate(name: str) -> None:
        if name == "a.log" and swaps:
            swaps.pop()
            log.rename(log.with_name("a.log.1"))
            log.write_bytes(b"new\n")

    swap(monkeypatch, "open", rotate)
    assert read(log) == b"new\n"


def test_x2_file_that_is_another_each_time_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be judged by one file and read from the next."""
    log = host.file("var/log/a.log", b"line\n")

    def replace_it(name: str) -> None:
        if name == "a.log":
            other = log.with_name("b.log")
            other.write_bytes(SECRET)
            other.replace(log)

    swapping = swap(monkeypatch, "open", replace_it)
    assert "another file" in refusal(log)
    assert swapping.opened.count("a.log") == door.SWAPS_MAX


def test_x2_folder_that_is_swapped_behind_the_walk_changes_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.file("etc/a.log")
    host.folder("srv/app", owner=MALLORY)
    log = host.file("srv/app/logs/a.log", b"line\n", owner=MALLORY)

    def plant(name: str) -> None:
        if name == "a.log" and not log.parent.is_symlink():
            log.parent.rename(host.root / "srv/app/elsewhere")
            host.link("srv/app/logs", "../../etc", owner=MALLORY)

    swap(monkeypatch, "open", plant)
    assert read(log) == b"line\n"


def test_x2_link_that_is_pointed_elsewhere_while_it_is_read_is_judged_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = host.file("etc/shadow")
    lines = host.file("srv/a.log", b"line\n")
    host.folder("var/app", mode=0o755)
    link = host.link("var/app/a.log", lines)

    def plant(name: str) -> None:
        if name == "a.log" and os.lstat(link).st_uid == 0:
            link.unlink()
            host.link("var/app/a.log", secret, owner=MALLORY)

    swap(monkeypatch, "readlink", plant)
    assert f"user {MALLORY}" in refusal(link)


def test_x3_f26_what_is_no_regular_file_is_not_even_opened(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open a device may do something: a tape winds back."""
    pipe = host.folder("var/log") / "a.log"
    os.mkfifo(pipe)
    link = host.link("var/log/b.log", "a.log")
    swapping = swap(monkeypatch, "open", lambda _: None)
    for path in (pipe, link, Path("/dev/null"), pipe.parent):
        with pytest.raises(NotARegularFile):
            read(path)
    assert not {"a.log", "b.log", "null"} & set(swapping.opened)


def test_x3_f26_fifo_that_takes_the_place_of_a_file_holds_nobody_up(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody writes to it: to open it would wait for who does."""
    log = host.file("var/log/a.log", b"line\n")

    def plant(name: str) -> None:
        if name == "a.log" and log.is_file():
            log.unlink()
            os.mkfifo(log)

    swapping = swap(monkeypatch, "open", plant)
    with pytest.raises(NotARegularFile):
        read(log)
    assert "a.log" in swapping.opened


def test_links_climb_and_circle_as_the_kernel_has_them(host: Host) -> None:
    log = host.file("srv/logs/a.log", b"line\n")
    up = "/".join([".."] * 40)
    assert read(host.link("var/a.log", f"{up}{log}")) == b"line\n"
    assert read(host.link("var/b.log", "./../srv//logs/../logs/a.log")) == b"line\n"
    circle = host.link("var/c.log", "c.log")
    with pytest.raises(OSError, match="symbolic links") as circled:
        read(circle)
    assert circled.value.errno == errno.ELOOP
    with pytest.raises(NotADirectoryError):
        read(log / "b.log")
    with pytest.raises(FileNotFoundError):
        read(host.link("var/d.log", "nowhere"))
    with pytest.raises(NotARegularFile):
        read(host.link("var/e.log", "../srv/logs/.."))


def test_folder_that_one_may_pass_through_and_not_list_is_passed_through(
    host: Host,
) -> None:
    """As /var/lib/docker/containers, for an agent that is not root."""
    log = host.file("a/b/line.log", b"line\n", owner=BOB)
    for folder in (log.parent, log.parent.parent):
        folder.chmod(0o711)
    opened = [host.root, *host.root.parents]
    modes = {folder: folder.stat().st_mode & 0o7777 for folder in opened}
    try:
        for folder in opened:
            folder.chmod(modes[folder] | 0o111)
        os.seteuid(BOB)
        assert read(log, rules=rules_of(AgentSettings(), None)) == b"line\n"
    finally:
        os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)


def test_every_descriptor_of_the_way_is_given_back(host: Host) -> None:
    secret = host.file("etc/shadow")
    good = host.link("var/log/a.log", secret)
    planted = host.link("var/log/b.log", secret, owner=MALLORY)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert read(good) == SECRET
    refusal(planted)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_x2_groups_of_one_user_alone_and_of_the_logs_are_no_strangers() -> None:
    """As far as this machine has them: the agent's own group is, named as its user."""
    expected = {0}
    for name in LOG_GROUPS:
        expected |= {g.gr_gid for g in grp.getgrall() if g.gr_name == name}
    assert rules_of(AgentSettings(), None).groups == expected
    shared = rules_with(owners=("daemon", str(BOB))).groups - expected
    daemon = pwd.getpwnam("daemon")
    assert shared == {daemon.pw_gid} - expected


@pytest.mark.parametrize("name", ["nobody", "sync"])
def test_x2_group_that_has_others_in_it_is_a_stranger(name: str) -> None:
    """Several users have it as theirs, so that it bears the name of none of them."""
    try:
        user = pwd.getpwnam(name)
        group = grp.getgrgid(user.pw_gid)
    except KeyError:
        pytest.skip(f"this machine has no {name}, or no group of its")
    if group.gr_name == name:
        pytest.skip(f"{name} has a group of its own here")
    assert user.pw_gid not in rules_with(owners=(name,)).groups
