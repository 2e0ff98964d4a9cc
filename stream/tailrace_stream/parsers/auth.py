"""Who came in and what they may: what sshd, sudo, su, PAM and the account tools say.

The names of the fields are those of Elastic's integration `system`, data stream `auth`.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers import syslog
from tailrace_stream.parsers.auth_shapes import ACCOUNT_TOOLS, SHAPES, USED
from tailrace_stream.parsers.columns import MATCHED, MESSAGE, by_shape, has
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.shared import whole, with_address

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


def _outcomes() -> list[pl.Expr]:
    """Return ECS' categories: what was tried, and whether it worked."""
    event, name = pl.col("ssh_event"), pl.col("process.name")
    is_in = event == "Accepted"
    is_out = event.is_in(["Failed", "Invalid", "Illegal"])
    is_refused = pl.col("pam_failure").is_not_null() | (
        pl.col("su_result") == "FAILED SU"
    )
    is_opened, is_closed = pl.col("session") == "opened", pl.col("session") == "closed"
    is_account = name.is_in(ACCOUNT_TOOLS)
    is_run = pl.col("sudo_command").is_not_null()
    is_failed = pl.col(MESSAGE).str.contains("fail", literal=True)
    made, lost = name.str.ends_with("add"), name.str.ends_with("del")
    subject = pl.when(name.str.starts_with("group")).then(pl.lit("group"))
    kind = pl.when(made).then(pl.lit("creation")).when(lost).then(pl.lit("deletion"))
    account = pl.concat_list(
        subject.otherwise(pl.lit("user")), kind.otherwise(pl.lit("change"))
    )
    return [
        pl.when(is_in)
        .then(_list("authentication", "session"))
        .when(is_out | is_refused)
        .then(_list("authentication"))
        .when(is_opened | is_closed)
        .then(_list("session"))
        .when(is_account)
        .then(_list("iam"))
        .when(is_run)
        .then(_list("process"))
        .alias("event.category"),
        pl.when(is_account)
        .then(account)
        .when(is_opened | is_run)
        .then(_list("start"))
        .when(is_closed)
        .then(_list("end"))
        .when(is_in | is_out | is_refused)
        .then(_list("info"))
        .alias("event.type"),
        pl.when(is_in | is_out)
        .then(pl.lit("ssh_login"))
        .when(is_refused)
        .then(pl.lit("authentication_failure"))
        .when(is_opened)
        .then(pl.lit("logged-on"))
        .when(is_closed)
        .then(pl.lit("logged-off"))
        .alias("event.action"),
        pl.when(is_in)
        .then(pl.lit("success"))
        .when(is_out | is_refused | (is_account & is_failed))
        .then(pl.lit("failure"))
        .when(is_run & pl.col("sudo_error").is_not_null())
        .then(pl.lit("failure"))
        .when(is_account | is_run)
        .then(pl.lit("success"))
        .alias("event.outcome"),
    ]


def _list(*words: str) -> pl.Expr:
    return pl.lit(pl.Series([list(words)]))
