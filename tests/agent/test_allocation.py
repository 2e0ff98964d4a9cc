"""What the agent frees is used again, and costs no page of the kernel's."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc",
    reason="other C libraries have rules of their own",
)

CHUNK_BYTES = 512 * 1_024
CHUNKS = 200
PAGE_BYTES = 4_096

SCRIPT = f"""
import json, resource, sys
from tailrace_agent.allocation import keep_buffers

is_kept = keep_buffers() if sys.argv[1] == "keep" else False
source = memoryview(bytearray({CHUNK_BYTES}))

def pass_on():
    return [bytes(source) for _ in range(8)]

pass_on()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({CHUNKS // 8}):
    pass_on()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(json.dumps([is_kept, faults]))
"""


def faults_of(argument: str, **environment: str) -> tuple[bool, int]:
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, argument],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    is_kept, faults = json.loads(answer.stdout)
    return bool(is_kept), int(faults)


def test_what_was_freed_is_used_again() -> None:
    is_kept, faults = faults_of("keep")
    assert is_kept
    pages = CHUNKS * CHUNK_BYTES // PAGE_BYTES
    assert faults < pages // 20
    assert faults_of("leave")[1] > pages // 4, "the witness: it costs something else"


def test_whoever_tells_the_c_library_otherwise_is_obeyed() -> None:
    assert not faults_of("keep", MALLOC_TRIM_THRESHOLD_="131072")[0]
