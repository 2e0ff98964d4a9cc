"""A deep audit knows the bytes of each event again, whatever its file was written in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailrace.audit.line import alteration
from tailrace.redaction.rules import redactors_of
from tailrace_agent.config import SourceSettings
from tailrace_agent.open_file import open_file
from tailrace_agent.preview import preview
from tailrace_agent.rules import rules_of_user
from tailrace_stream.chunk import process_chunk
from tests.stream.builders import BORN_AT_MS, origin

TEXT = "eins \u00e4 \u8a9e\nzwei\r\n\r\n \nthe last one"
TRACE = "2026-11-24 01:02:03 ERROR no\n\tat a.b.C.d(C.java:1)\n\tat e.f\nnext\n"
CRI = (
    "2026-11-24T01:02:03.000000004Z stdout P the first\n"
    "2026-11-24T01:02:03.000000005Z stdout F  and the last\n"
)
JOURNAL = (
    b"__CURSOR=s=1\nMESSAGE=one line\nPRIORITY=3\n\n"
    b"__CURSOR=s=2\nMESSAGE\n\x0a\0\0\0\0\0\0\0two\nlines!\nPRIORITY=6\n\n"
)
SECRETS = b"the first\npassword=hunter2hunter ok\nthe last\n"
FILES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "utf-8": (TEXT.encode(), {}),
    "utf-8 with a mark": (TEXT.encode("utf-8-sig"), {}),
    "utf-16 by its mark": (TEXT.encode("utf-16"), {}),
    "utf-16le": (TEXT.encode("utf-16-le"), {"encoding": "utf-16le"}),
    "utf-16be": (TEXT.encode("utf-16-be"), {"encoding": "utf-16be"}),
    "half a surrogate": (
        b"\xff\xfea\0\n\0\x00\xd8\n\0b\0\n\0",
        {"encoding": "utf-16"},
    ),
    "no text": (b"a\xff\xfe\x00b\nnext\n", {}),
    "several lines": (TRACE.encode(), {"multiline": "java"}),
    "several lines of utf-16": (TRACE.encode("utf-16"), {"multiline": "java"}),
    "a container's pieces": (CRI.encode(), {}),
    "a journal": (JOURNAL, {}),
    "secrets": (SECRETS, {"redact": ["secrets"]}),
    "a journal with secrets": (
        JOURNAL.replace(b"one line", b"password=hunter2hunter"),
        {"redact": ["secrets"]},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_f32_f33_x11_document_is_told_to_be_of_the_line_that_it_is_of(
    tmp_path: Path, name: str
) -> None:
    content, options = FILES[name]
    path = tmp_path / "a.log"
    path.write_bytes(content)
    settings = {"name": "app", "paths": [str(path)], **options}
    source = SourceSettings.model_validate(settings)
    file = open_file(path, rules=rules_of_user())
    redactors = redactors_of({"app": source.redact}, key=lambda: b"k" * 32)
    found = preview(
        file,
        path=str(path),
        source=source,
        host_time_zone="UTC",
        now_ms=1,
        redactor=redactors.of("app"),
    )
    count = 0
    for chunk in found.chunks:
        made = origin(
            chunk.value,
            first_offset=chunk.first_offset,
            placed=found.placement,
            framing=chunk.framing,
            first_event_number=chunk.first_event_number,
        )
        for piece in process_chunk(chunk.value, origin=made, namespace="t").pieces:
            lines = piece.body.splitlines()
            for action, document in zip(lines[::2], lines[1::2], strict=True):
                count += 1
                wrong = alteration(
                    document,
                    msgspec.json.decode(document),
                    document_id=msgspec.json.decode(action)["create"]["_id"],
                    born_at_ms=BORN_AT_MS,
                )
                assert wrong is None, document
    file.close()
    assert count > 0
