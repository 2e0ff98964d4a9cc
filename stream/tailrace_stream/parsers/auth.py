"""Who came in and what they may: what sshd, sudo, su, PAM and the account tools say.

The names of the fields are those of Elastic's integration `system`, data stream `auth`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tailrace_stream.parsers import syslog
from tailrace_stream.parsers.addresses import with_address
from tailrace_stream.parsers.auth_shapes import ACCOUNT_TOOLS, SHAPES, USED
from tailrace_stream.parsers.columns import MATCHED, MESSAGE, by_shape, has
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.shared import whole

_COLUMNS = {
    "ssh_event": "system.auth.ssh.event",
    "ssh_method": "system.auth.ssh.method",
    "ssh_signature": "system.auth.ssh.signature",
    "sudo_error": "system.auth.sudo.error",
    "sudo_tty": "system.auth.sudo.tty",
    "sudo_pwd": "system.auth.sudo.pwd",
    "sudo_user": "system.auth.sudo.user",
    "sudo_command": "system.auth.sudo.command",
    "home": "system.auth.useradd.home",
    "shell": "system.auth.useradd.shell",
    "group": "group.name",
    "gid": "group.id",
}


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line: those of syslog, and what its message tells."""
    framed = syslog.parse(lines, time_zone=dating.time_zone, anchor_ms=dating.anchor_ms)
    told = has(by_shape(framed.get_column(MESSAGE), SHAPES), *USED).drop(MATCHED)
    told = told.with_columns(pl.coalesce("host", "dropped").alias("host"))
    told = with_address(told, "host", side="source")
    frame = framed.with_columns(*told.get_columns()).with_columns(_outcomes())
    return frame.select(
        *framed.columns,
        "source.ip",
        "source.address",
        "source.domain",
        whole("port").alias("source.port"),
        # Who opens a session for another one is who acts.
        _told("by", "user", "for").alias("user.name"),
        pl.when(_told("by").is_not_null())
        .then(_told("by_id"))
        .otherwise(_told("for_id", "user_id"))
        .alias("user.id"),
        pl.when(_told("by", "user").is_not_null())
        .then(_told("for", "sudo_user"))
        .alias("user.effective.name"),
        # Whose membership or password was changed, where another one may have done it.
        pl.coalesce(
            _told("target"),
            pl.when(pl.col("password").is_not_null()).then(_told("user")),
        ).alias("user.target.name"),
        pl.when(pl.col("source.ip").is_not_null())
        .then(pl.col("dropped"))
        .alias("system.auth.ssh.dropped_ip"),
        *[_told(name).alias(field) for name, field in _COLUMNS.items()],
        "event.category",
        "event.type",
        "event.action",
        "event.outcome",
    )


def _told(*names: str) -> pl.Expr:
    """Return the first of some columns that has more than nothing in it."""
    values = [pl.when(pl.col(name) != "").then(pl.col(name)) for name in names]
    return pl.coalesce(*values)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a line tells of, each true or false of it."""

    is_in: pl.Expr
    is_out: pl.Expr
    is_refused: pl.Expr
    is_locked: pl.Expr
    is_opened: pl.Expr
    is_closed: pl.Expr
    is_account: pl.Expr
    is_membership: pl.Expr
    is_password: pl.Expr
    is_run: pl.Expr


def _said() -> _Said:
    event = pl.col("ssh_event")
    failed_su = pl.col("su_result") == "FAILED SU"
    return _Said(
        is_in=event == "Accepted",
        is_out=event.is_in(["Failed", "Invalid", "Illegal"]),
        is_refused=pl.col("pam_failure").is_not_null() | failed_su,
        is_locked=pl.col("locked").is_not_null(),
        is_opened=pl.col("session") == "opened",
        is_closed=pl.col("session") == "closed",
        is_account=pl.col("process.name").is_in(ACCOUNT_TOOLS),
        is_membership=pl.col("membership").is_not_null(),
        is_password=pl.col("password").is_not_null(),
        is_run=pl.col("sudo_command").is_not_null(),
    )


def _outcomes() -> list[pl.Expr]:
    """Return ECS' categories: what was tried, and whether it worked."""
    said = _said()
    return [
        pl.when(said.is_in)
        .then(_list("authentication", "session"))
        .when(said.is_out | said.is_refused | said.is_locked)
        .then(_list("authentication"))
        .when(said.is_opened | said.is_closed)
        .then(_list("session"))
        .when(said.is_account | said.is_membership | said.is_password)
        .then(_list("iam"))
        .when(said.is_run)
        .then(_list("process"))
        .alias("event.category"),
        _kind(said).alias("event.type"),
        _action(said).alias("event.action"),
        _outcome(said).alias("event.outcome"),
    ]


def _kind(said: _Said) -> pl.Expr:
    name = pl.col("process.name")
    made, lost = name.str.ends_with("add"), name.str.ends_with("del")
    subject = pl.when(name.str.starts_with("group")).then(pl.lit("group"))
    kind = pl.when(made).then(pl.lit("creation")).when(lost).then(pl.lit("deletion"))
    account = pl.concat_list(
        subject.otherwise(pl.lit("user")), kind.otherwise(pl.lit("change"))
    )
    return (
        pl.when(said.is_account)
        .then(account)
        .when(said.is_membership | said.is_password)
        .then(_list("change"))
        .when(said.is_opened | said.is_run)
        .then(_list("start"))
        .when(said.is_closed)
        .then(_list("end"))
        .when(said.is_in | said.is_out | said.is_refused | said.is_locked)
        .then(_list("info"))
    )


def _action(said: _Said) -> pl.Expr:
    is_member_of = (pl.col("process.name") == "usermod") & (pl.col("member") == "add")
    return (
        pl.when(said.is_in | said.is_out)
        .then(pl.lit("ssh_login"))
        .when(said.is_refused)
        .then(pl.lit("authentication_failure"))
        .when(said.is_locked)
        .then(pl.lit("account-locked"))
        .when(said.is_password)
        .then(pl.lit("password-changed"))
        .when(pl.col("membership") == "added")
        .then(pl.lit("group-user-added"))
        .when(said.is_membership)
        .then(pl.lit("group-user-removed"))
        .when(is_member_of)
        .then(pl.lit("group-member-added"))
        .when(said.is_opened)
        .then(pl.lit("logged-on"))
        .when(said.is_closed)
        .then(pl.lit("logged-off"))
    )


def _outcome(said: _Said) -> pl.Expr:
    is_failed = pl.col(MESSAGE).str.contains("fail", literal=True)
    is_changed = said.is_membership | (pl.col("password") == "password changed")
    return (
        pl.when(said.is_in)
        .then(pl.lit("success"))
        .when(said.is_out | said.is_refused | said.is_locked)
        .then(pl.lit("failure"))
        .when((said.is_account & is_failed) | (said.is_password & ~is_changed))
        .then(pl.lit("failure"))
        .when(said.is_run & pl.col("sudo_error").is_not_null())
        .then(pl.lit("failure"))
        .when(said.is_account | said.is_run | is_changed)
        .then(pl.lit("success"))
    )


def _list(*words: str) -> pl.Expr:
    return pl.lit(pl.Series([list(words)]))
