from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.browser import INSTALL_COMMAND, chromium_path


def test_without_a_browser_the_tests_are_skipped_with_what_installs_one() -> None:
    with pytest.raises(pytest.skip.Exception, match=INSTALL_COMMAND):
        chromium_path(candidates=(None, "/nowhere"), is_ci=False)


def test_in_ci_a_missing_browser_is_a_failure() -> None:
    with pytest.raises(pytest.fail.Exception, match=INSTALL_COMMAND):
        chromium_path(candidates=(None, "/nowhere"), is_ci=True)


def test_the_browser_that_is_there_is_taken(tmp_path: Path) -> None:
    there = tmp_path / "chromium"
    there.touch()
    candidates = (None, "/nowhere", str(there))
    assert chromium_path(candidates=candidates, is_ci=True) == str(there)
