"""Which settings the shop has: how long its outside takes, how often it is visited."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tailrace.settings import ENVIRONMENT_PREFIX, RoleSettings


class ShopSettings(RoleSettings):
    """The table `[shop]`, and `TAILRACE_SHOP_…` in the environment."""

    model_config = SettingsConfigDict(env_prefix=f"{ENVIRONMENT_PREFIX}SHOP_")
    table: ClassVar[str] = "shop"

    port: int = Field(default=0, ge=0, le=65_535)
    """Of loopback; 0 takes a free one, which is in `shop/shop.json` of the data folder."""
    step_ms: int = Field(default=50, ge=0, le=10_000)
    """How long the database, the mail and the SMS gateway take, each."""
    gateway_timeout_ms: int = Field(default=1_000, ge=1, le=60_000)
    visit_pause_ms: int = Field(default=2_000, ge=0, le=3_600_000)
    """Between two visitors, about; 0 lets none come by itself."""
    report_pause_ms: int = Field(default=60_000, ge=100, le=3_600_000)
    """Between two runs of the periodic job."""
    incident_pause_ms: int = Field(default=1_200_000, ge=0, le=86_400_000)
    """Between two incidents that come by themselves, about; 0 for none."""
    incident_ms: int = Field(default=60_000, ge=1_000, le=3_600_000)
    """How long an incident lasts."""
    waiting_max: int = Field(default=50, ge=1, le=100_000)
    """Tickets of a flash sale that may be on their way into the queue; who comes then is
    sent to the waiting page."""
