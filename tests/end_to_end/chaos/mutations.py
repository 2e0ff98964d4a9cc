"""Breaks each guarantee in real roles, one after the other, and shows that chaos sees it.

`python -m tests.end_to_end.chaos.mutations [NAME]...` runs chaos unbroken first, which
must end exact, and then once for each broken guarantee, which must not. Each run strikes
with the faults that the guarantee is there for. Exit code 0 only if every verdict is as
it must be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tests.end_to_end.chaos.mutated.sitecustomize import MUTATION_VARIABLE, MUTATIONS

MUTATED_FOLDER = Path(__file__).with_name("mutated")
ROOT = Path(__file__).resolve().parents[3]
MINUTES = 1.5
LINES_PER_S = 200
RUN_S_MAX = 3_600
FAULTS: dict[str, tuple[str, ...]] = {
    "": ("kill at S3", "kill at I4", "elasticsearch forbidden", "kafka silent"),
    "commit-before-write": ("kill at I1", "kill indexer", "elasticsearch slow"),
    "ack-before-delivery": ("kill at S2", "kill stream", "kafka slow"),
    "checkpoint-before-ack": ("kill at A6", "kill agent", "kafka s"),
    "random-id": ("kill at S3", "kill at I4"),
    "id-without-host": ("poison",),
    "publish-error-swallowed": ("too few copies",),
    "forbidden-is-dead": ("elasticsearch forbidden",),
    "acks-of-one": ("too few copies",),
    "moved-is-sent": ("leader moves",),
    "full-is-sent": ("broker disk full",),
    "unanswered-is-stored": ("node killed amid a bulk",),
}
"""By mutation, what chaos strikes with; "" is the run with nothing broken."""
OF_THREE = frozenset(
    {
        "acks-of-one",
        "full-is-sent",
        "moved-is-sent",
        "publish-error-swallowed",
        "unanswered-is-stored",
    }
)
"""Seen only where there are three servers of a kind."""

SAID: Mapping[str, str] = {
    # Its documents are not as their ids say, either: that is no proof that any came twice.
    "random-id": "lines: ",
}
"""By mutation, how a check's finding must begin, where another one tells it as well."""

ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    # Else the driver tries again until the brokers take it, and nothing is to be swallowed.
    "publish-error-swallowed": {"TAILRACE_STREAM_REQUEST_TIMEOUT_MS": "2000"},
}
"""By mutation, what its roles are told."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one run ended."""

    mutation: str
    is_exact: bool
    took_s: float
    failed: tuple[str, ...]
    """The checks that did not pass, with what they found."""

    @property
    def is_right(self) -> bool:
        """Whether the run saw what there was to see: red by the lines themselves."""
        if not self.mutation:
            return self.is_exact
        said = SAID.get(self.mutation, "")
        return any(
            each.startswith(said) and not each.startswith("faults:")
            for each in self.failed
        )


def run(mutation: str, *, seed: int) -> Verdict:
    """Run chaos with one guarantee broken; "" for none."""
    began_s = time.monotonic()
    only = [part for name in FAULTS[mutation] for part in ("--only", name)]
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "tailrace", "chaos", "--json"),
            *(() if mutation in OF_THREE else ("--small",)),
            *("--seed", str(seed), "--minutes", str(MINUTES)),
            *("--lines-per-s", str(LINES_PER_S), *only),
        ],
        env={
            **os.environ,
            **ENVIRONMENT.get(mutation, {}),
            MUTATION_VARIABLE: mutation,
            "PYTHONPATH": str(MUTATED_FOLDER),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S_MAX,
    )
    if not done.stdout:
        raise SystemExit(
            f"chaos said nothing with {mutation!r}: {done.stderr[-2_000:]}"
        )
    report = cast("dict[str, Any]", json.loads(done.stdout))
    return Verdict(
        mutation,
        is_exact=report["is_exact"],
        took_s=time.monotonic() - began_s,
        failed=tuple(
            f"{check['name']}: {check['detail']}"
            for check in report["checks"]
            if not check["is_passed"]
        ),
    )


def main(names: Sequence[str]) -> int:
    """Run what is named, or all; return the exit code."""
    code = 0
    for mutation in names or ("", *MUTATIONS):
        verdict = run(mutation, seed=1)
        shown = "exact" if verdict.is_exact else "; ".join(verdict.failed)
        sign = "ok    " if verdict.is_right else "WRONG "
        name = mutation or "(nothing broken)"
        sys.stdout.write(f"{sign} {name:26} {verdict.took_s:6.0f} s  {shown}\n")
        sys.stdout.flush()
        code |= not verdict.is_right
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
