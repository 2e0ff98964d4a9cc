"""What the three servers' Java processes have in common: folders, flags, log files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tailrace.watched import SERVER_LOG_TIME_ZONE
from tailrace_embedded.identity import RunAs, give

# Three old files and the current one: enough to see what happened, 40 MB a server.
LOG_FILE_MB_MAX = 10
LOG_FILES_KEPT = 3

COMMON_FLAGS = (
    # No memory-mapped statistics in /tmp, which only monitoring tools read.
    "-XX:-UsePerfData",
    # A server without memory is of no use to anybody; its supervisor starts it anew.
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
    "-Dlog4j2.disable.jmx=true",
    f"-Duser.timezone={SERVER_LOG_TIME_ZONE}",
)


@dataclass(frozen=True, slots=True)
class ServerFolders:
    """Where one server keeps what; everything below `root`."""

    root: Path

    @property
    def conf(self) -> Path:
        """Return the folder of its configuration, written anew with each start."""
        return self.root / "conf"

    @property
    def data(self) -> Path:
        """Return the folder of its data."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """Return the folder of its own log files."""
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        """Return the folder of its temporary files, its working folder too."""
        return self.root / "tmp"

    @property
    def log_path(self) -> Path:
        """Return its current log file."""
        return self.logs / "server.log"

    @property
    def output_path(self) -> Path:
        """Return the file of what the process itself prints."""
        return self.logs / "output.log"

    def create(self, files: Mapping[str, str], *, user: RunAs | None) -> None:
        """Make the folders and write the configuration, readable by `user`."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        for folder in (self.conf, self.data, self.logs, self.temporary):
            folder.mkdir(exist_ok=True, mode=0o700)
            give(folder, user=user)
            # Also one of an earlier version: what servers write is readable by all.
            folder.chmod(0o700)
        for name, text in files.items():
            path = self.conf / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)


def java_environment(java_home: Path, *, temporary: Path) -> dict[str, str]:
    """Return the whole environment of a server: nothing leaks in from the user's."""
    return {
        "JAVA_HOME": str(java_home),
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "LC_ALL": "C.UTF-8",
    }


def log4j2_properties(log_path: Path, *, layout: str) -> str:
    """Return a log4j configuration that writes one file of bounded size and its past.

    `layout` is the pattern that the server has when its makers configure it: its log is
    read as such a log is.
    """
    path = _escaped(str(log_path))
    return f"""\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {path}
appender.file.filePattern = {path}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = {layout}
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = {LOG_FILE_MB_MAX}MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = {LOG_FILES_KEPT}
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


def properties(settings: Mapping[str, str]) -> str:
    """Return settings as a Java properties file, in their order."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in settings.items())


def class_path(jars: list[Path]) -> str:
    """Return jars as Java's class path wants them."""
    return ":".join(map(str, jars))


def _escaped(value: str) -> str:
    """Escape what a properties file would read otherwise: a path may hold anything."""
    text = value.replace("\\", "\\\\").replace("\n", "\\n")
    return "".join(
        character if character.isascii() else _utf16_escape(character)
        for character in text
    )


def _utf16_escape(character: str) -> str:
    encoded = character.encode("utf-16-be")
    return "".join(
        f"\\u{encoded[index]:02x}{encoded[index + 1]:02x}"
        for index in range(0, len(encoded), 2)
    )
