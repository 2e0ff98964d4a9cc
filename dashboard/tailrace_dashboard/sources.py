"""Where the pages get what they show: three servers and a shop, each of which may be absent."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.clock import Clock, SystemClock
from tailrace.settings import read_connections, read_role_settings
from tailrace_dashboard.config import DashboardSettings
from tailrace_dashboard.fleet import FleetGateway, LagGateway
from tailrace_dashboard.fleet_gateway import KafkaLags, ZooKeeperFleet
from tailrace_dashboard.gateway import ElasticsearchGateway, SearchGateway
from tailrace_dashboard.shop_gateway import RunningShop, ShopGateway
from tailrace_dashboard.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a page may ask."""

    namespace: str
    elasticsearch_url: str
    rows_max: int
    search: SearchGateway
    fleet: FleetGateway
    lags: LagGateway
    shop: ShopGateway
    templates: Templates
    clock: Clock


def from_environment() -> Sources:
    """Return the real servers, where the environment says they are.

    Raises:
        ConfigError: a setting is wrong; all are listed.
    """
    connections = read_connections()
    settings = read_role_settings(DashboardSettings)
    namespace, clock = connections.namespace, SystemClock()
    search = ElasticsearchGateway(connections)
    return Sources(
        namespace=namespace,
        elasticsearch_url=connections.elasticsearch_url,
        rows_max=settings.rows_max,
        search=search,
        fleet=ZooKeeperFleet(connections),
        lags=KafkaLags(connections),
        shop=RunningShop(connections.data_dir),
        templates=Templates(search, namespace=namespace, clock=clock),
        clock=clock,
    )
