from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tailrace.alerts.builtin import BUILT_IN_NAMES
from tailrace_indexer.config import IndexerSettings

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("page", ["docs/alerts.md", "README.md"])
def test_what_a_page_shows_are_settings(page: str) -> None:
    """All tables of a page together, since rules name channels."""
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    shown = "\n".join(block for block in blocks if "[[indexer.alerts." in block)
    settings = IndexerSettings.model_validate(tomllib.loads(shown)["indexer"])
    assert settings.alerts.rules
    assert settings.alerts.channels


def test_every_built_in_rule_is_described() -> None:
    page = (ROOT / "docs/alerts.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == set(
        BUILT_IN_NAMES
    )
