"""Lines of a host's syslog (RFC 3164), about 115 bytes each, of the usual programs.

`sshd` refuses guesses at passwords, `postfix` moves mail, `cron` and `systemd` begin and
end things, the kernel's firewall tells what it drops.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

from tailrace.bench.draws import drawn_addresses, moment_ms, zipf

_ADDRESSES = 2_000
_HOSTS = ("web-1", "web-2", "mail-1", "db-1")
_USERS = ("root", "admin", "deploy", "backup", "oracle", "test", "git", "ubuntu")
_USER_WEIGHTS = (40, 20, 10, 8, 7, 6, 5, 4)
_UNITS = (
    "logrotate",
    "apt-daily",
    "fstrim",
    "certbot",
    "man-db",
    "nginx",
    "postgresql",
)
_JOBS = (
    "/usr/bin/certbot -q renew",
    "run-parts /etc/cron.hourly",
    "/opt/backup/run.sh",
)
_DOMAINS = ("example.com", "example.org", "mail.example.net")
_PORTS = (22, 23, 80, 443, 3389, 5432, 8080)


class SyslogLines:
    """Whose lines come in turns, by how much each program says."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a corpus is no secret
        self._addresses = drawn_addresses(self._chance, count=_ADDRESSES)
        self._address_weights = zipf(_ADDRESSES, exponent=1.0)
        self._sayings: list[Callable[[], str]] = [
            self._password_failed,
            self._session,
            self._job,
            self._unit,
            self._mail,
            self._dropped,
        ]
        self._weights = (26, 10, 12, 12, 26, 14)

    def block(self, count: int, *, first: int, start_ms: int) -> bytes:
        """Return `count` lines, of which the first is the log's line `first`."""
        hosts = self._chance.choices(_HOSTS, k=count)
        sayings = self._chance.choices(self._sayings, self._weights, k=count)
        return "".join(
            f"{_time_text(moment_ms(first + number, start_ms=start_ms))} {host} {saying()}\n"
            for number, (host, saying) in enumerate(zip(hosts, sayings, strict=True))
        ).encode("ascii")

    def _address(self) -> str:
        found = self._chance.choices(self._addresses, cum_weights=self._address_weights)
        return found[0]

    def _pid(self) -> int:
        return self._chance.randint(300, 32_768)

    def _password_failed(self) -> str:
        chance = self._chance
        user = chance.choices(_USERS, _USER_WEIGHTS)[0]
        return (
            f"sshd[{self._pid()}]: Failed password for invalid user {user} from"
            f" {self._address()} port {chance.randint(1_024, 65_535)} ssh2"
        )

    def _session(self) -> str:
        word = self._chance.choice(("opened", "closed"))
        user = self._chance.choices(_USERS, _USER_WEIGHTS)[0]
        return f"sshd[{self._pid()}]: pam_unix(sshd:session): session {word} for user {user}"

    def _job(self) -> str:
        return f"CRON[{self._pid()}]: (root) CMD ({self._chance.choice(_JOBS)})"

    def _unit(self) -> str:
        chance = self._chance
        unit = chance.choice(_UNITS)
        word = chance.choice(("Starting", "Started", "Stopping", "Stopped"))
        return f"systemd[1]: {word} {unit}.service - the {unit} service."

    def _mail(self) -> str:
        chance = self._chance
        return (
            f"postfix/smtp[{self._pid()}]: {chance.getrandbits(40):010X}:"
            f" to=<user{chance.randint(1, 3_000)}@{chance.choice(_DOMAINS)}>,"
            f" relay={chance.choice(_DOMAINS)}[{self._address()}]:25,"
            f" delay={chance.lognormvariate(0, 1):.2f}, dsn=2.0.0, status=sent"
        )

    def _dropped(self) -> str:
        chance = self._chance
        return (
            f"kernel: [{chance.randint(10**5, 10**7)}.{chance.randint(0, 999_999):06d}]"
            f" [UFW BLOCK] IN=eth0 OUT= SRC={self._address()} DST=10.0.0.4"
            f" LEN={chance.randint(40, 1_500)} TTL={chance.randint(30, 250)} PROTO=TCP"
            f" SPT={chance.randint(1_024, 65_535)} DPT={chance.choice(_PORTS)}"
        )


def _time_text(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"
