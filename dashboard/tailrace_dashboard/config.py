"""Which settings the dashboard has: where it listens, and how much it asks for."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tailrace.settings import ENVIRONMENT_PREFIX, RoleSettings


class DashboardSettings(RoleSettings):
    """The table `[dashboard]`, and `TAILRACE_DASHBOARD_…` in the environment."""

    model_config = SettingsConfigDict(env_prefix=f"{ENVIRONMENT_PREFIX}DASHBOARD_")
    table: ClassVar[str] = "dashboard"

    address: str = "127.0.0.1"
    """The page has no login of its own: another address needs a proxy before it."""
    port: int = Field(default=8501, ge=0, le=65_535)
    """0 takes a free one; the URL is in `dashboard/status.json` of the data folder."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which a proxy may be reached; loopback names are always allowed."""
    rows_max: int = Field(default=100, ge=10, le=1_000)
    """Rows of one page of a search."""
    start_wait_s_max: int = Field(default=60, ge=1, le=600)
