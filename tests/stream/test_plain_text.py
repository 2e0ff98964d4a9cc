"""What is left alone as text, and what programs write that looks much like it."""

from __future__ import annotations

import polars as pl
import pytest

from tailrace.detect import detect, shape_of
from tailrace_stream.parsers import log4j
from tests.stream.golden import documents_of, placement_of
from tests.stream.test_datasets import LINES

PLAIN = (
    b"just some words\n",
    b"2026/11/24 is a date\n10:11:12 is a time\n",
    b"[error] something went wrong\n",
    b"1234: a number, 5678:M a letter\n",
    b"24 Nov 2026\n",
    b"name,value\na,1\nb,2\n",
    b"ERROR:  two blanks\n",
    b"# Time: soon\n# a comment\n",
    b"127.0.0.1 - - hello\n",
    b"127.0.0.1:80 [x] y\n",
    b"2026-11-24 10:00:00 <bob> the build says ERROR again\n" * 3,
    b"2026-11-24 10:00:00 Alice: ERROR 404, is it INFO for us?\n" * 3,
    b"2026-11-24 10:00:00 we had an ERROR in the shop\n" * 3,
    b"2026-11-24 10:00:00 we got ERROR 500 in the shop\n" * 3,
    b"2026-11-24 10:00:00 bob[m]: ERROR 500 in the shop\n" * 3,
    b"2026-11-24 10:00:00 bob          : ERROR 500 in the shop\n" * 3,
    b"[2026-11-24 10:00:00] <bob> WARN me when it is done\n" * 3,
    b"Nov 24 10:00:00 <bob>\tERROR: no coffee\n" * 3,
    b"2026-11-24T10:00:00Z <bob> error: no coffee\n" * 3,
    b"A=b C=d\n" * 3,
    b"PATH=/usr/bin HOME=/root SHELL=/bin/sh\n" * 3,
    b"FOO=bar BAZ=qux make install\n" * 3,
    b"x=1 y=2\n" * 3,
    b"x=1 y=2 z=3\n" * 3,
    b"t=0 x=1 is where it begins\n" * 3,
    b"width=3 height=4 are its sizes\n" * 3,
)


@pytest.mark.parametrize("sample", PLAIN)
def test_plain_text_stays_plain(sample: bytes) -> None:
    assert detect(sample, path="x.log").dataset == "generic"
    made = documents_of(sample, placed=placement_of("some.own"))
    lines = sample.decode().splitlines()
    assert [one["message"] for one in made] == lines
    assert not {name for one in made for name in one} & {"event.category", "log.level"}


UNIT_STATUS = """\
● ssh.service - OpenBSD Secure Shell server
     Loaded: loaded (/lib/systemd/system/ssh.service; enabled; preset: enabled)
     Active: active (running) since Tue 2026-11-24 01:02:03 UTC; 3h ago
   Main PID: 123 (sshd)
     CGroup: /system.slice/ssh.service
             └─123 "sshd: /usr/sbin/sshd -D [listener]"

Nov 24 01:02:03 web1 systemd[1]: Starting ssh.service...
Nov 24 01:02:03 web1 sshd[123]: Server listening on 0.0.0.0 port 22.
Nov 24 01:02:04 web1 systemd[1]: Started ssh.service.
""".encode()


@pytest.mark.parametrize("bullet", ["●", "○", "×", "*"])
def test_what_systemctl_status_prints_is_no_file_of_syslog(bullet: str) -> None:
    sample = UNIT_STATUS.replace("●".encode(), bullet.encode())
    assert detect(sample, path="x.log").dataset == "generic"
    journal = sample[sample.index(b"Nov 24") :]
    assert detect(journal, path="x.log").dataset == "system.syslog"


LOGS = {
    "log4j": (
        b"2026-11-24 01:02:03,456 INFO [main] a.B - hi",
        b"[2026-11-24 01:02:03,456] [main] [ERROR] a.B: hi",
        b"2026-11-24 01:02:03.456Z [http-nio-8080-exec-1] [req 7] WARN  a.B - hi",
        b"2026-11-24 01:02:03 [main] INFO hi",
        b"2026-11-24 01:02:03 | ERROR | hi",
        b"2026-11-24 01:02:03 - WARNING: hi",
        b"2026-11-24 01:02:03,456 app.web ERROR hi",
        b"2026-11-24T01:02:03.456+0100\tINFO\tcontroller-runtime\tstarted",
        b"2026-11-24 01:02:03.456 +01:00 [Error] INFO hi",
        b"2026-11-24 01:02:03 FINEST hi",
        # Padded, as in the cookbook of Python's logging.
        b"2026-11-24 01:02:03,456 root         INFO     Jackdaws love my big sphinx",
        b"2026-11-24 01:02:03,456 app.a                          INFO     hi",
        b"2026-11-24 01:02:03,456 [main]               INFO  hi",
        # Sidekiq, Datadog's agent, cloud-init, fail2ban, and names between signs.
        b"2026-11-24T01:02:03.456Z pid=7 tid=abc INFO: start",
        b"2026-11-24T01:02:03.456Z pid=7 tid=a class=B jid=c elapsed=0.1 INFO: done",
        b"2026-11-24 01:02:03 UTC | CORE | INFO | (pkg/x.go:1 in f) | hi",
        b"2026-11-24 01:02:03,456 - util.py[DEBUG]: hi",
        b"2026-11-24 01:02:03,456 fail2ban.filter         [7]: INFO    [sshd] Found",
        b"2026-11-24 01:02:03,456 app[7]: INFO hi",
        b"2026-11-24 01:02:03,456 - app.web - MainThread - INFO - hi",
    ),
    "logfmt": (
        b"at=info method=GET path=/ host=a.example fwd=192.0.2.1 status=200",
        b"host=web1 text=hello there level=info",
        b'app=shop level=warn msg="no stock"',
        b"path=/a format=html view=0.2 db=0.1",
        b"lvl=3 host=x",
        b"t=2026-11-24T01:02:03Z user=7",
        b't="2026-11-24 01:02:03" user=7',
        b"user=7 text=hi there t=1795482123",
        b"x=1 user=7 z=3",
        b"source=web.1 dyno=heroku.2808254.d97d sample#load_avg_1m=0.01 sample#load=0",
        b"user_id=7 event='user logged in'",
        b"type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e",
    ),
    "syslog": (
        b"Nov 24 01:02:03 web1 last message repeated 3 times",
        b"Nov  4 01:02:03 192.0.2.1 date=2026-11-04 devname=fw",
        b"<34>Nov 24 01:02:03 PA-220 1,2026/11/24 01:02:03,00",
        b"Nov 24 01:02:03 kernel: eth0 up",
        # FreeBSD's with -v and with -vv.
        b"Nov 24 01:02:03 <kern.crit> fw1 kernel: em0: link down",
        b"Nov 24 01:02:03 <0.2> fw1 kernel: em0: link down",
    ),
}


@pytest.mark.parametrize(
    ("parser", "line"), [(name, one) for name, lines in LOGS.items() for one in lines]
)
def test_what_programs_write_is_not_taken_for_plain_text(
    parser: str, line: bytes
) -> None:
    assert detect((line + b"\n") * 3, path="x.log").parser == parser


def test_what_the_parser_of_java_logs_reads_is_never_taken_for_plain_text() -> None:
    """The one at the agent may ask for no more than the one in the stream reads."""
    lines = [line.decode("utf-8", "replace") for line in (*LINES, *LOGS["log4j"])]
    frame = log4j.parse(pl.Series(lines), time_zone="UTC")
    read = frame.get_column("log.level").is_not_null()
    assert read.sum() > 40
    left = [line for line, is_read in zip(lines, read, strict=True) if is_read]
    assert [line for line in left if shape_of(line.encode()) is None] == []
