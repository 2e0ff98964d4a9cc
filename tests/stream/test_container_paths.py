"""What a path tells of the container that wrote the log."""

from __future__ import annotations

import pytest

from tailrace_stream.container_paths import container_fields

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "/var/log/pods/shop_cart-0_a1b2-c3/app/12.log",
            {
                "kubernetes.namespace": "shop",
                "kubernetes.pod.name": "cart-0",
                "kubernetes.pod.uid": "a1b2-c3",
                "kubernetes.container.name": "app",
            },
        ),
        (
            f"/var/log/containers/cart-0_shop_app-x-{ID}.log",
            {
                "kubernetes.namespace": "shop",
                "kubernetes.pod.name": "cart-0",
                "kubernetes.container.name": "app-x",
                "container.id": ID,
            },
        ),
        (f"/var/lib/docker/containers/{ID}/{ID}-json.log.1", {"container.id": ID}),
        (f"/var/lib/docker/containers/{ID}/{ID[::-1]}-json.log", {}),
        ("/var/log/pods/shop_cart-0/app/0.log", {}),
        ("/var/log/app.log", {}),
    ],
)
def test_a_path_names_its_container(path: str, fields: dict[str, str]) -> None:
    assert dict(container_fields(path)) == fields
