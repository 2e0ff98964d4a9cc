"""Go through seeds until the time is over, or one of them finds something."""

from __future__ import annotations

import argparse
import sys
import time

from tests.stream.fuzz import DATASETS, case_of, check


def main() -> int:
    """Return 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.stream.fuzz")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    end_s = time.monotonic() + 60 * asked.minutes
    seed = asked.seed
    while time.monotonic() < end_s:
        case = case_of(seed)
        try:
            check(case)
        except Exception:
            sys.stderr.write(f"seed {seed} found something in {case}\n")
            raise
        seed += 1
    sys.stdout.write(
        f"{seed - asked.seed} chunks of {len(DATASETS)} kinds: nothing found\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
