"""Which alerts the shop of the demonstration is watched by while it runs: one an incident, and news.

They are rules as anybody may write them, and stand in the configuration that `tailrace up`
writes for the roles: to be read there, and copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tailrace.shop_link import SHOP_DIR

STEP_MS: Final = 15_000
"""Between two moments of judging: an incident lasts a minute."""
ORDERS_FAIL: Final = "shop-orders-fail"
GATEWAY_SLOW: Final = "shop-gateway-slow"
REPORT_MISSING: Final = "shop-report-missing"
NEW_ERROR: Final = "shop-new-error"
NAME_PREFIX: Final = f"{SHOP_DIR}-"
REPORT_SILENCE_MS: Final = 90_000
"""The report comes every minute: half a minute later than that it is missed."""

RULES: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": ORDERS_FAIL,
        "kind": "threshold",
        "query": f"tags:{SHOP_DIR} AND event.dataset:java.log AND log.level:error",
        # One order in a minute may fail, as anywhere.
        "above": 1,
        "clear": 0,
        "window_ms": 60_000,
        "every_ms": STEP_MS,
        "severity": "critical",
    },
    {
        "name": GATEWAY_SLOW,
        "kind": "threshold",
        "query": f'tags:{SHOP_DIR} AND message:"did not answer within"',
        "above": 1,
        "clear": 0,
        "window_ms": 60_000,
        "every_ms": STEP_MS,
    },
    {
        "name": REPORT_MISSING,
        "kind": "absence",
        "query": f"tags:{SHOP_DIR} AND service.name:report",
        "group_by": ["service.name"],
        "window_ms": REPORT_SILENCE_MS,
        # Of a shop that is closed nobody expects reports for long.
        "before_ms": 600_000,
        "every_ms": STEP_MS,
    },
    {
        "name": NEW_ERROR,
        "kind": "new_template",
        "query": f"tags:{SHOP_DIR} AND log.level:error",
        # A shop has no errors to be learnt first.
        "learn_ms": 0,
        "every_ms": 5_000,
    },
)
