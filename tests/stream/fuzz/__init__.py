"""Chunks of spoiled lines, and what must hold of each whatever stands in it.

A chunk is a function of its seed. `python -m tests.stream.fuzz --minutes 30 --seed 7` goes
through seeds from 7 on, over all parsers, and ends at the first that finds something.
"""

from __future__ import annotations

import random
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from tailrace.detect import AUTO, DATASET_OF_JOURNALD, PARSER_OF_DATASET, detect
from tailrace.wire import Placement
from tailrace_stream.chunk import process_chunk
from tests.stream.builders import NAMESPACE, origin, stored
from tests.stream.golden import own, placement_of, samples

DATASETS = (*sorted(PARSER_OF_DATASET.keys() - {DATASET_OF_JOURNALD}), AUTO)
"""Those whose events are lines; an entry of a journal is several."""
LINES_MAX = 12
PIECES_MAX = 4
REPEATS_MAX = 300
_OFFSET_MAX = 1 << 40
_PIECES = (
    *(b'"', b"'", b"\\", b"\\\\", b'\\"', b"\\u0000", b"\\ud800", b"\\u00e4", b"%00", b"%zz"),
    *(b",", b";", b"|", b"\t", b"\r", b"\x00", b"\x1b[31m", b"\xff", b"\xc3", b"\xe2\x80\xa8"),
    *(b"\xef\xbb\xbf", "\u0661".encode(), "\U0001f600".encode(), b"\xed\xa0\x80", b" ", b"  "),
    *(b"[", b"]", b"{", b"}", b"(", b")", b"<", b">", b"=", b":", b"-", b"/", b"?", b"#", b"&"),
    *(b"0", b"-1", b"1e999", b"NaN", b"null", b"true", b"99999999999999999999", b"0.1", b"0x1f"),
    *(b"::1", b"999.1.1.1", b"10.0.0.1", b"fe80::1%eth0", b"2026-13-45T25:61:61Z", b"Feb 30"),
    *(b"0000-00-00 00:00:00", b"9999-12-31T23:59:59.999999999Z", b"Feb 29 23:59:60", b"+99:99"),
    *(b"INFO", b"<999>", b"<0>1 ", b"CEF:0|", b'{"a":', b"[[[[", b"\\\\\\", b"://u:p@"),
)  # fmt: skip


Reader = Callable[[Sequence[bytes], str, int], list[dict[str, Any]]]
"""Gives the documents of a dataset's lines, the first of which has that offset."""


class Broken(AssertionError):
    """What was to hold does not; `str()` says what, with which line."""


@dataclass(frozen=True, slots=True)
class Case:
    """One chunk: which parser reads which lines, and from where on in their file."""

    dataset: str
    lines: tuple[bytes, ...]
    first_offset: int


def case_of(seed: int) -> Case:
    """Return the chunk of a seed: lines of any program, of which most are spoiled."""
    chance = random.Random(seed)
    dataset = DATASETS[seed % len(DATASETS)]
    own_lines, all_lines = _lines_of(dataset), _lines_of("")
    lines = [
        _spoiled(chance.choice(chance.choice((own_lines, all_lines))), chance=chance)
        for _ in range(chance.randint(1, LINES_MAX))
    ]
    first_offset = chance.choice((0, chance.randrange(_OFFSET_MAX)))
    return Case(dataset, tuple(lines), first_offset)


def check(case: Case, *, read: Reader | None = None) -> None:
    """Find nothing wrong with what becomes of a chunk, as `read` reads it.

    Raises:
        Broken: a line is lost or changed, has another place than in its file, or becomes
            something else than it does alone.
    """
    read = read or documents_of
    documents = read(case.lines, case.dataset, case.first_offset)
    if len(documents) != len(case.lines):
        raise Broken(f"{len(documents)} documents of {len(case.lines)} lines")
    offset = case.first_offset
    for number, (line, document) in enumerate(zip(case.lines, documents, strict=True)):
        if document["log.offset"] != offset or document["event.sequence"] != number:
            raise Broken(f"{line!r} is at {offset}, and not where {document} says")
        _check_text(line, document, is_head=offset == 0)
        # A byte order mark belongs to the head of a file, and to no line.
        if offset:
            (alone,) = read((line,), case.dataset, offset)
            if own(alone) != own(document):
                raise Broken(f"{line!r} alone is {own(alone)}, not {own(document)}")
        offset += len(line) + 1
    detect(b"\n".join(case.lines), path="x.log")


def documents_of(
    lines: Sequence[bytes], dataset: str, first: int
) -> list[dict[str, Any]]:
    """Return the documents of lines that begin at an offset; none is a dead letter."""
    value = b"\n".join(lines) + b"\n"
    placed = _placement(dataset)
    made = origin(value, placed=placed, first_offset=first)
    processed = process_chunk(value, origin=made, namespace=NAMESPACE)
    if processed.dead:
        raise Broken(f"a dead letter of {lines!r}: {processed.dead[0]}")
    return [one.document for one in stored(processed)]


def _check_text(line: bytes, document: dict[str, Any], *, is_head: bool) -> None:
    """Hold a document to the line that it is of, which it has as it was written."""
    if "tailrace.original_base64" in document:
        if b64decode(document["tailrace.original_base64"]) != line:
            raise Broken(f"{line!r} is not what is kept of it: {document}")
        return
    text = line.decode("utf-8").removesuffix("\r")
    kept = document.get("event.original", document["message"])
    if kept != (text.removeprefix("\ufeff") if is_head else text):
        raise Broken(f"{line!r} is kept as {kept!r}")


def _placement(dataset: str) -> Placement:
    if dataset == AUTO:
        return replace(placement_of("some.own"), parser=AUTO)
    return placement_of(dataset)


def _spoiled(line: bytes, *, chance: random.Random) -> bytes:
    for _ in range(chance.choice((0, 1, 1, 2, PIECES_MAX))):
        at, end = sorted(chance.randint(0, len(line)) for _ in range(2))
        piece = chance.choice(_PIECES)
        match chance.randrange(7):
            case 0:
                line = line[:at]
            case 1:
                line = line[:at] + line[end:]
            case 2:
                line = line[:at] + piece * chance.randint(1, REPEATS_MAX) + line[at:]
            case 3:
                line = line[:at] + piece + line[end:]
            case 4:
                line = line[:end] + line[at:end] + line[end:]
            case 5:
                line = line[:at] + chance.randbytes(chance.randint(1, 8)) + line[at:]
            case _:
                line = line[:at] + piece + line[at:]
    return line.replace(b"\n", b" ")


_LINES: dict[str, list[bytes]] = {}


def _lines_of(dataset: str) -> list[bytes]:
    """Return the golden lines of a dataset, or of all."""
    if not _LINES:
        for sample in samples():
            lines = [line for line in sample.content.split(b"\n") if line]
            _LINES.setdefault(sample.dataset, []).extend(lines)
        _LINES[""] = [line for lines in _LINES.values() for line in lines]
    return _LINES.get(dataset) or _LINES[""]
