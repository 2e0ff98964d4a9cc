"""Lines that no program wrote as a log: prose, chats, assignments, and bits of stack traces.

They hold what logs are made of, times, levels, pairs, places in code, where people put it.
What a line of a log may be word for word, such as `TIME name ERROR text`, is not made.
"""

from __future__ import annotations

from hypothesis import strategies as st

_PLAIN = st.sampled_from(
    [
        "the",
        "we",
        "had",
        "it",
        "got",
        "when",
        "saw",
        "our",
        "is",
        "was",
        "so",
        "then",
        "after",
        "build",
        "shop",
        "mail",
        "über",
        "naïve",
        "你好",
    ]
)
_ANY = st.one_of(
    _PLAIN,
    st.sampled_from(
        [
            "ERROR",
            "WARN",
            "INFO",
            "DEBUG",
            "FATAL",
            "error:",
            "Warning:",
            "[ERROR]",
            "(INFO)",
            "level",
            "status",
            "A=b",
            "x=1",
            "code=7",
            "404",
            "3.5",
            "10:00:00",
            "2026-11-24",
            "2026-11-24T10:00:00Z",
            "-",
            "|",
            ":",
            "—",
            "com.example.App",
            "/var/log/x.log",
            "http://a.example/b?c=d&e=f",
            "main.go:12]",
            "{}",
            '{"a":1}',
            "[main]",
            "<b>",
            '"said"',
            "'so'",
            "a@b.example",
            "192.0.2.1:80",
            "GET",
            "HTTP/1.1",
            "end.",
        ]
    ),
    st.text("aZ0=:[]<>{}\"'|-_.,/\\@#$%()", min_size=1, max_size=4),
)
_TEXT = st.lists(_ANY, max_size=6).map(" ".join)
_SENTENCE = st.builds("{} {} {}".format, _PLAIN, _PLAIN, _TEXT)
_NICK = st.sampled_from(("bob", "Alice", "x_1", "ERROR_", "anna[m]", "INFOMAN", "k8s"))
_DAY = "2026-11-24 10:00:00"
_TIMES = st.sampled_from(
    (
        _DAY, f"[{_DAY}]", f"{_DAY}.123", f"{_DAY},123 -", "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:00+01:00", "2026/11/24 10:00:00", "24 Nov 2026 10:00:00",
        "[10:00:00]", "10:00", "(10:00:15 AM)", "24/11/2026, 10:00 -",
        "[24.11.26, 10:00:00]", "Tue Nov 24 10:00:00 2026", "1795482123", "#12",
    )
)  # fmt: skip
prose = st.one_of(_SENTENCE, st.builds("{} {}".format, _TIMES, _SENTENCE))

_NAMELESS = st.sampled_from(
    (_DAY, f"[{_DAY}]", "10:00", "[10:00:00]", "24/11/2026, 10:00 -", "(10:00:15 AM)")
)
chats = st.one_of(
    st.builds("{} <{}> {}".format, _TIMES, _NICK, _TEXT),
    st.builds("Nov 24 10:00:00 <{}>\t{}".format, _NICK, _TEXT),
    st.builds("{} {}: {}".format, _NAMELESS, _NICK, _TEXT),
    st.builds("{} {}          : {}".format, _NAMELESS, _NICK, _TEXT),
    st.builds("{} * {} {}".format, _NAMELESS, _NICK, _SENTENCE),
    st.builds("{}\t{}\t{}".format, _NAMELESS, _NICK, _SENTENCE),
    st.builds("<{}> {}".format, _NICK, _TEXT),
    st.builds("{}: {}".format, _NICK.map(str.lower), _SENTENCE),
)

_VALUE = st.sampled_from(
    ("1", "0.5", "a", "/usr/bin:$PATH", "'it is'", '"a b"', "", "-")
)
_VARIABLE = st.sampled_from(("A", "PATH", "LEVEL", "T", "HTTP_PROXY", "X1", "STATUS"))
_LETTER = st.sampled_from("abntvxyz")
_PAIRS = {
    name: st.lists(st.builds("{}={}".format, key, _VALUE), min_size=1, max_size=6)
    for name, key in (("variable", _VARIABLE), ("letter", _LETTER))
}
pairs = st.one_of(
    # Of a shell, by themselves or in front of a command; of a formula, and what is said of it.
    _PAIRS["variable"].map(" ".join),
    st.builds("{} {}".format, _PAIRS["variable"].map(" ".join), _SENTENCE),
    st.builds("export {}".format, _PAIRS["variable"].map(" ".join)),
    _PAIRS["letter"].map(" ".join),
    st.builds("{} {}".format, _PAIRS["letter"].map(" ".join), _SENTENCE),
    st.builds("{} with {}".format, _SENTENCE, _PAIRS["letter"].map(", ".join)),
)

_CODE = st.sampled_from(("a", "app.main", "com.example.shop.Cart", "ERROR", "info"))
_LINE = st.integers(1, 9_999)
traces = st.one_of(
    st.builds('  File "/app/{}.py", line {}, in {}'.format, _CODE, _LINE, _CODE),
    st.builds("    return {}({})".format, _CODE, _TEXT),
    st.builds("{}Error: {}".format, _CODE.map(str.title), _TEXT),
    st.builds("java.lang.IllegalStateException: {}".format, _TEXT),
    st.builds("\tat {}({}.java:{})".format, _CODE, _CODE, _LINE),
    st.builds("Caused by: {}: {}".format, _CODE, _TEXT),
    st.builds("\t... {} more".format, _LINE),
    st.builds("goroutine {} [running]:".format, _LINE),
    st.builds("panic: {}".format, _TEXT),
    st.builds("main.{}(0x{:x}, {{0x1, 0x2}})".format, _LETTER, _LINE),
    st.builds("\t/app/{}.go:{} +0x1d".format, _CODE, _LINE),
    st.builds("    at {} (/app/{}.js:{}:7)".format, _CODE, _CODE, _LINE),
    st.builds("   at {}() in C:\\app\\{}.cs:line {}".format, _CODE, _CODE, _LINE),
    st.builds("thread 'main' panicked at src/main.rs:{}:5:".format, _LINE),
    st.builds("{}.rb:{}:in `{}': {} (RuntimeError)".format, _CODE, _LINE, _CODE, _TEXT),
)

GENRES = {"prose": prose, "chats": chats, "pairs": pairs, "traces": traces}
lines = st.one_of(*GENRES.values())
