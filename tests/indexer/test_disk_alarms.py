"""E4: the indexer's alarm is on for each node that is near the flood stage, by its name."""

from __future__ import annotations

from tailrace_indexer.alarms import Alarms
from tailrace_indexer.disk_alarms import alarming_nodes, low_nodes, sound_disks
from tests.infra.test_disk_stages import disk


def test_e4_an_alarm_is_on_for_each_node_beyond_the_high_watermark() -> None:
    alarms = Alarms()
    alarms.sound("index i", reason="blocked", detail="", now_ms=0)
    disks = [
        disk(50),
        disk(25, node="es-2"),
        disk(15, node="es-3"),
        disk(5, node="es-4"),
    ]

    sound_disks(alarms, alarming_nodes(disks), now_ms=1)

    assert alarms.on == {
        "index i": "blocked",
        "disk of es-3": "high",
        "disk of es-4": "flood_stage",
    }
    assert [said.split(" of ")[1].split(",")[0] for said in low_nodes(disks)] == [
        "es-2"
    ]
    details = [notice.detail for notice in alarms.take(now_ms=1)]
    assert any("15.0 GB" in said and "disk_quota_bytes" in said for said in details)


def test_e4_it_goes_off_when_there_is_room_again() -> None:
    alarms = Alarms()
    alarms.sound("index i", reason="blocked", detail="", now_ms=0)
    sound_disks(alarms, alarming_nodes([disk(15)]), now_ms=1)

    sound_disks(alarms, alarming_nodes([disk(50)]), now_ms=2)

    assert set(alarms.on) == {"index i"}


def test_e4_of_several_folders_of_a_node_the_fullest_speaks() -> None:
    assert alarming_nodes([disk(5), disk(15)])["es-1"][0] == "flood_stage"
    assert alarming_nodes([disk(15), disk(5)])["es-1"][0] == "flood_stage"
