"""A proposal as configuration: a source in TOML, each setting under what speaks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailrace.guess.proposal import Guess
from tailrace.text import printable
from tailrace.watched import toml_text

NAME_CHARACTERS_MAX = 64
PLACE_OF_INPUT = "/path/to/the/file.log"
"""What stands for a file whose name nobody told."""
_UNNAMED = re.compile(r"[^A-Za-z0-9_.-]+")
_GLOBBED = re.compile(r"[*?\[]")


def settings_text(guesses: Sequence[Guess], *, path: str | None) -> str:
    """Return a configuration that `tailrace agent --check` accepts.

    `path` is the file's, absolute, and None of standard input. What is told with too little
    confidence stands there as a comment.
    """
    lines = ["[[agent.sources]]", _line("name", source_name(path))]
    if path is None:
        lines.append("# where the file is: standard input has no name")
    lines.append(_line("paths", [glob_of(path or PLACE_OF_INPUT)]))
    for guess in guesses:
        setting = guess.setting.replace("_", " ")
        head = f"# {setting}, {guess.confidence:.2f}: {printable(guess.evidence)}"
        lines.append(head.replace("\t", " "))
        if guess.value is None:
            continue
        value = list(guess.value) if isinstance(guess.value, tuple) else guess.value
        shown = _line(guess.setting, value)
        lines.append(shown if guess.is_taken else f"# {shown}")
    return "\n".join(lines) + "\n"


def source_name(path: str | None) -> str:
    """Return what a source of a file can be called: its name without its endings."""
    if path is None:
        return "input"
    base = path.rsplit("/", 1)[-1]
    stem = base.split(".")[0] or base
    cleaned = _UNNAMED.sub("-", stem).strip(".-")
    return cleaned[:NAME_CHARACTERS_MAX] or "file"


def glob_of(path: str) -> str:
    """Return the glob that means this file: its own signs escaped, and `?` for bytes that
    are no character, which no configuration can hold.
    """
    escaped = _GLOBBED.sub(lambda found: f"[{found[0]}]", path)
    return "".join("?" if 0xD800 <= ord(one) < 0xE000 else one for one in escaped)


def _line(key: str, value: str | list[str]) -> str:
    written = toml_text({key: value}).strip()
    # What TOML takes as it is may still steer a terminal: escaped, it reads the same.
    return "".join(one if one.isprintable() else _escape(one) for one in written)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
