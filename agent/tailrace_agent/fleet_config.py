"""What the fleet wants of this agent: followed in ZooKeeper by a thread of its own.

The last configuration that was good is kept on the disk, so that a start needs no
ZooKeeper. One that is refused changes nothing, and is reported back with the reason.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tailrace.errors import ConfigError, ServiceUnavailable, TailraceError
from tailrace.fleet.desired import Desired, config_path, decode_desired
from tailrace.log import FilteringBoundLogger
from tailrace.whole_files import PRIVATE, replace_file
from tailrace.zookeeper import ZooKeeper
from tailrace_agent.config import AgentSettings
from tailrace_agent.narrowing import hash_of, narrowed

FILE_NAME = "fleet-config.json"
POLL_MS_MIN = 20_000
POLL_MS_MAX = 40_000
"""The floor below the watches, which can be lost with a session."""
RETRY_MS_MAX = 2_000
"""Where no server answers; that is known without asking one."""
SPREAD_MS_MAX = 1_000
"""Over how long the agents of a group spread their reading of what was set for all."""
STOP_MS_MAX = 2_000
REFUSAL_CHARACTERS_MAX = 1_000


class Failed(msgspec.Struct, frozen=True):
    """What passed every check and ended a life all the same; it is not tried again."""

    desired: Desired
    why: str


class Kept(msgspec.Struct, frozen=True):
    """What the file holds: by scope, the last configuration that was good."""

    desired: dict[str, Desired]
    lived: dict[str, Desired] = {}
    """By scope, the last that a life went through a whole sweep by: it is used where what
    is newer turns out not to be good."""
    failed: dict[str, Failed] = {}


@dataclass(frozen=True, slots=True)
class Report:
    """What the fleet is told of how it stands."""

    versions: Mapping[str, int]
    config_hash: str
    refusals: Mapping[str, str]


class FleetConfig:
    """Holds the newest good settings; whoever runs the agent asks for them."""

    def __init__(
        self,
        zookeeper: ZooKeeper,
        *,
        local: AgentSettings,
        scopes: tuple[str, ...],
        namespace: str,
        folder: Path,
        key: bytes | None,
        check: Callable[[AgentSettings], object],
        tell: Callable[[AgentSettings, Report], None],
        jitter: random.Random,
        log: FilteringBoundLogger,
    ) -> None:
        """Take in what is kept; `check` raises what would hinder a life by settings.

        Whatever it raises refuses them: nothing that others set may end this agent.
        """
        self._zookeeper = zookeeper
        self._local = self._newest = self._in_use = local
        self._scopes = scopes
        self._namespace = namespace
        self._path = folder / FILE_NAME
        self._key = key
        self._check = check
        self._tell = tell
        self._jitter = jitter
        self._log = log
        self._lock = threading.Lock()
        """Held while what is newest changes, and while it is put to use."""
        self._good: dict[str, Desired] = {}
        self._used = self._good
        """Of what is good, that which the life of now began with."""
        self._has_lived = True
        """Whether all of that went through a whole sweep."""
        self._lived: dict[str, Desired] = {}
        self._failed: dict[str, Failed] = {}
        self._versions: dict[str, int] = {}
        """Of what is in use and proven."""
        self._looked: dict[str, bytes] = {}
        self._refusals: dict[str, str] = {}
        self._stop = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    @property
    def is_waiting(self) -> bool:
        """Whether there are newer settings than those in use."""
        return self._newest is not self._in_use

    def begin(self) -> AgentSettings:
        """Return the newest good settings, which are in use from now on."""
        with self._lock:
            self._in_use = self._newest
            self._used = self._good
            self._has_lived = not self._suspects()
            self._note_versions()
        self._report()
        return self._in_use

    def note_lived(self) -> None:
        """Take what is in use for proven: by it a life went through a whole sweep.

        Called at each turn of that life, which waits for nothing here.
        """
        if self._has_lived or not self._lock.acquire(blocking=False):
            return
        try:
            self._has_lived = True
            self._lived = {**self._lived, **self._used}
            self._keep()
            self._note_versions()
        finally:
            self._lock.release()
        self._report()

    def blame(self, error: Exception) -> bool:
        """Refuse what is not proven of the settings that a life failed by.

        What was proven before is used instead, from the next `begin` on. Nothing is
        refused, and False returned, where all was proven: the fault is another's.
        """
        with self._lock:
            suspects = self._suspects()
            what = f"{type(error).__name__}: {error}"
            for scope, desired in suspects.items():
                why = f"a life by version {desired.version} ended in {what}"
                self._failed = {**self._failed, scope: Failed(desired, why)}
                self._refuse(scope, ConfigError([why], source=scope))
            if suspects:
                self._take_up(self._good)
                self._keep()
        return bool(suspects)

    def start(self) -> None:
        """Take up what was kept, and follow what is set from now on."""
        self._load()
        if self._local.allowed_folders:
            self._thread.start()

    def close(self) -> None:
        """Follow no more."""
        self._stop.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(STOP_MS_MAX / 1_000)

    def look(self) -> None:
        """Take in what has changed since the last look.

        Raises:
            ServiceUnavailable: no server answers.
        """
        for scope in self._scopes:
            path = config_path(self._namespace, scope)
            raw = self._zookeeper.get(path, on_change=self._woken.set)
            if raw is None or raw == self._looked.get(scope):
                continue
            self._looked[scope] = raw
            try:
                self._take(scope, decode_desired(raw, scope=scope, key=self._key))
                self._refusals.pop(scope, None)
            except TailraceError as error:
                self._refuse(scope, error)
            self._report()

    def _take(self, scope: str, desired: Desired) -> None:
        failed = self._failed.get(scope)
        if failed is not None and failed.desired == desired:
            raise ConfigError([failed.why], source=scope)
        known = self._good.get(scope)
        if known == desired:
            return
        if known is not None and desired.version <= known.version:
            problem = (
                f"version {desired.version} is not newer than {known.version},"
                " which is in use"
            )
            raise ConfigError([problem], source=scope)
        while True:
            base = self._good
            good = {**base, scope: desired}
            # The lock is not held: to list folders may take long.
            settings = self._settings_of(good)
            with self._lock:
                if self._good is not base:
                    continue  # A life failed meanwhile by what was good.
                self._good = good
                self._keep()
                if hash_of(settings) != hash_of(self._newest):
                    self._newest = settings
                self._note_versions()
                break
        self._log.info("fleet_config_taken", scope=scope, version=desired.version)

    def _suspects(self) -> dict[str, Desired]:
        """Return what is in use and no life has gone through a whole sweep by."""
        return {k: one for k, one in self._used.items() if self._lived.get(k) != one}

    def _keep(self) -> None:
        try:
            content = msgspec.json.encode(Kept(self._good, self._lived, self._failed))
            replace_file(self._path, content, mode=PRIVATE, is_durable=True)
        except OSError as error:
            remedy = "make room; until then a start needs ZooKeeper"
            self._log.warning("fleet_config_not_kept", why=str(error), remedy=remedy)

    def _note_versions(self) -> None:
        """Tell the fleet of what is good, where a life has gone through a sweep by it."""
        if self.is_waiting or not self._has_lived:
            return
        self._versions = {scope: one.version for scope, one in self._good.items()}

    def _settings_of(self, good: Mapping[str, Desired]) -> AgentSettings:
        texts = {scope: good[scope].text for scope in self._scopes if scope in good}
        try:
            settings = narrowed(self._local, texts)
            self._check(settings)
        except TailraceError:
            raise
        except Exception as error:
            # What no check foresaw would end each life that begins with it.
            problem = f"cannot be used: {type(error).__name__}: {error}"
            raise ConfigError([problem], source="the fleet's configuration") from error
        return settings

    def _load(self) -> None:
        """Take up what was kept, as far as this host's own settings still allow it."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            remedy = "it is read from ZooKeeper again"
            self._log.warning("fleet_config_unreadable", why=str(error), remedy=remedy)
            return
        # A scope of another group is none of ours any more.
        mine = set(self._scopes)
        self._lived = {k: one for k, one in kept.lived.items() if k in mine}
        self._failed = {k: one for k, one in kept.failed.items() if k in mine}
        self._take_up(kept.desired)

    def _take_up(self, desired: Mapping[str, Desired]) -> None:
        """Make of each scope the first good that can be used, the proven one last."""
        self._good, self._newest = {}, self._local
        for scope in self._scopes:
            failed = self._failed.get(scope)
            for one in (desired.get(scope), self._lived.get(scope)):
                if one is None or (failed is not None and one == failed.desired):
                    continue
                if self._load_one(scope, one):
                    break

    def _load_one(self, scope: str, desired: Desired) -> bool:
        """Take up what was kept of a scope; tell whether that can be used."""
        try:
            with_scope = {**self._good, scope: desired}
            self._newest = self._settings_of(with_scope)
        except TailraceError as error:
            self._refuse(scope, error)
            return False
        self._good = with_scope
        return True

    def _refuse(self, scope: str, error: TailraceError) -> None:
        self._refusals[scope] = str(error)[:REFUSAL_CHARACTERS_MAX]
        self._log.warning(
            "fleet_config_refused",
            scope=scope,
            why=str(error),
            remedy="the configuration before it is kept; set one that is right",
        )

    def _report(self) -> None:
        hashed = hash_of(self._in_use)
        report = Report(dict(self._versions), hashed, dict(self._refusals))
        self._tell(self._in_use, report)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._woken.clear()
            wait_ms = self._jitter.randint(POLL_MS_MIN, POLL_MS_MAX)
            try:
                self.look()
            except ServiceUnavailable:
                # The registration says so; shipping needs no ZooKeeper.
                wait_ms = RETRY_MS_MAX
            self._woken.wait(wait_ms / 1_000)
            self._stop.wait(self._jitter.uniform(0, SPREAD_MS_MAX) / 1_000)
