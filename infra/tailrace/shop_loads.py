"""What the load generator of the demonstration can do, for the command line and the shop.

Apart from all else of the shop: the command line shows it in its help, and starts with it.
"""

from __future__ import annotations

from enum import StrEnum

LOAD_AGENT = "tailrace-shop-load/1"
"""As which the load generator calls itself, so that its requests are told from others'."""


class Load(StrEnum):
    """What can be asked for."""

    REGISTRATION = "registration"
    ORDERS = "orders"
    SALE = "sale"
