"""What of a line is left when its values and its header are masked."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.template_text import MASK, shown
from tailrace_stream.templates import masking
from tailrace_stream.templates.masking import CHARACTERS_MAX, masked


def mask(*lines: str) -> list[str]:
    return [shown(one) for one in masked(pl.Series(lines)).to_list()]


@pytest.mark.parametrize(
    "head",
    [
        "",
        "2024-02-03 11:12:13,456 INFO [main] org.example.Server: ",
        "2024-02-03T11:12:13.456Z WARN  [worker-7 / 10.0.0.1] - ",
        "[Sun Feb 04 04:47:44 2024] [error] [client 10.0.0.9] ",
        "Feb  4 04:47:44 web01 app[4711]: ",
        "<34>Feb  4 04:47:44 annas-book Some App[4711]: ",
        "2024-02-03T11:12:13+01:00 web02 app[4711]: ",
        "24/02/03 20:10:41 INFO util.Utils: ",
        "02-03 16:13:38.811  1702  2395 D StoreManager: ",
        "11:12:13.456 [main] DEBUG org.example.Store - ",
        "2024-02-03 11:12:13,456 - store - WARNING - ",
        "ERROR:store.files:",
        "2024-02-03T11:12:13.456789012Z stdout F ",
        "20240203-22:15:29:606|Step_Counter|30002312|",
        "- 1117838570 2024.06.03 R02-M1 2024-06-03-15.42.50.67 R02-M1 RAS KERNEL INFO ",
        "I0203 11:12:13.456789   12345 store.go:77] ",
    ],
)
def test_a_header_splits_no_template(head: str) -> None:
    assert mask(head + "opened store /var/lib/x after 17 ms") == [
        "opened store <*> after <*>"
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("took 1.5 KB, then 93 B", "took <*>, then <*>"),
        ("peer 10.0.0.1:8080 and [::1]:99", "peer <*> and [::<*>]:<*>"),
        ("id 5f3c2a9e-11aa-4bd2-9d1e-000000000001 done", "id <*> done"),
        ("mask ffffffff deadbeef", "mask <*>"),
        ("card ec:c8:82:ba:ab:ff at en", "card <*> at en"),
        ("card EC:FA:BA:BA:AB:FF at en", "card <*> at en"),
        ("via 2607:f140:6000:8:c6b3:1ff:fecd:467f now", "via <*> now"),
        ("via fe80::c6b3:1ff:fecd:467f now", "via <*> now"),
        ("a::b::c of facade:cab:dad:bed", "a::b::c of facade:cab:dad:bed"),
        ("blocks blk_1 blk_-2 blk_33 deleted", "blocks <*> deleted"),
        ("from 10.0.0.1 (a.example.org) now", "from <*> now"),
        ("from 10.0.0.1 () now", "from <*> now"),
        ("from 10.0.0.1 now", "from <*> now"),
        ("signals [TERM, HUP, INT] taken", "signals taken"),
        ("signals [TERM, HUP] taken", "signals taken"),
        ("mail to anna@example.org", "mail to <*>"),
        ("class org.example.Main started", "class <*> started"),
        ("get https://example.org/a?b=c now", "get <*> now"),
        (r"at C:\Windows\x.dll!", r"at <*>"),
        ("retry in Mon Feb  4 2024", "retry in <*>"),
        ("fraction rounded.........0", "fraction rounded........<*>"),
        ("uid=0 name=anna", "uid=<*> name=anna"),
        ("12:30:01", "<*>"),
        ("", "<*>"),
    ],
)
def test_a_value_is_known_by_its_form(line: str, text: str) -> None:
    assert mask("x " + line if line[:1].isalpha() else line) == [
        "x " + text if line[:1].isalpha() else text
    ]


def test_words_that_tell_templates_apart_stay() -> None:
    lines = [
        "attempt_12 Transitioned from NEW to RUNNING",
        "attempt_12 Transitioned from RUNNING to FAILED",
        "clip isOverlap:true at 5",
        "clip isOverlap:false at 5",
        'a "GET /x HTTP/1.1" 200',
        'a "POST /x HTTP/1.1" 200',
    ]
    assert len(set(mask(*lines))) == len(lines)


def test_an_access_log_is_told_by_its_method_alone() -> None:
    agents = ('"-" "curl/8.1"', '"https://example.org/" "Mozilla/5.0 (X11; Linux) Go"')
    time = "[10/Oct/2024:13:55:36 +0000]"
    lines = [
        f'10.0.0.{n} - {user} {time} "GET /{path} HTTP/1.1" 200 {n} {agent}'
        for n, (user, path, agent) in enumerate(
            [
                ("-", "", agents[0]),
                ("anna", "a/b.css", agents[1]),
                ("-", "c", agents[1]),
                ("-", "c?q=blue&page=2", agents[1]),
                ("-", "c?q=blue", '"-" "Some Reader"'),
            ]
        )
    ]
    assert set(mask(*lines)) == {'"GET <*> HTTP/<*>" <*>'}


_PLAIN = st.text("ab/?=&%:.-7", min_size=1, max_size=12)
_ODD = st.text('ab/?=&%:.- 7"\\é', max_size=12)
_PARTS = st.one_of(_PLAIN, _PLAIN, _PLAIN, _ODD)


@given(
    st.lists(
        st.builds(
            '{} - {} [10/Oct/2024:13:55:36 +0000] "{} {} HTTP/1.1" {} {} "{}" "{}"{}'.format,
            st.sampled_from(["10.0.0.1", "::1", "a b", ""]),
            _PARTS,
            st.sampled_from(["GET", "POST", "HEAD", "get"]),
            _PARTS,
            st.sampled_from(["200", "404", "-"]),
            st.sampled_from(["0", "17", "-", "1.5"]),
            _PARTS,
            _PARTS,
            st.sampled_from(["", " ", " 0.003", ' "-"', "\nx"]),
        )
        | _PARTS,
        max_size=6,
    )
)
def test_a_request_that_is_cut_out_is_what_masks_leave_of_it(lines: list[str]) -> None:
    """Lines of an access log take a shorter way, which must end at the same text."""
    with pytest.MonkeyPatch.context() as patched:
        short = masked(pl.Series(lines, dtype=pl.String)).to_list()
        patched.setattr(masking, "_ACCESS_WHOLE", "^never$a")
        assert short == masked(pl.Series(lines, dtype=pl.String)).to_list()


def test_the_message_of_a_line_of_json_is_the_template() -> None:
    lines = [
        '{"level":"info","msg":"served in 5 ms","user":"anna"}',
        '{"user":"boris","zone":"x","msg":"served in 17 ms"}',
        '{"log":"served in 3 ms\\n","stream":"stdout","time":"2024-01-01T00:00:00Z"}',
        'time=2024-01-01T00:00:00Z level=warn msg="served in 9 ms" user=carla',
    ]
    assert set(mask(*lines)) <= {"served in <*>", "served in <*>\\n"}


@pytest.mark.parametrize(
    "line",
    ["ts=5 level={} slow=yes disk=a", '{{"level": "{}", "slow": true, "disk": "a"}}'],
)
def test_a_level_under_its_name_splits_no_template(line: str) -> None:
    assert len(set(mask(line.format("info"), line.format("WARN")))) == 1


def test_the_first_line_of_an_event_decides() -> None:
    assert (
        mask("job failed\n  at a.b(C.java:1)", "job failed\n  at x.y(Z.java:9)")
        == ["job failed"] * 2
    )


def test_x4_of_a_long_line_the_beginning_decides() -> None:
    long = "word " * CHARACTERS_MAX
    (text,) = mask(long)
    assert len(text) <= CHARACTERS_MAX
    assert mask(long + "tail") == [text]


@pytest.mark.parametrize("character", [MASK, "\x00", "\x1b", "\u202e", "\U0001f600"])
def test_a_hostile_line_is_masked_like_any_other(character: str) -> None:
    (text,) = mask(f"start {character} end 5")
    assert text.startswith("start ")
    assert text.endswith("end <*>")
