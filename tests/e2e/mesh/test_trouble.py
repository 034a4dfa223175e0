# SPDX-License-Identifier: Apache-2.0
"""What befalls servers that all go on running: test_trouble.py WARREND TEST…

The tests of clocks need Debian's faketime.
"""

import base64
import glob
import os
import time
import unittest

from case import Mesh, STRETCH
from fleet import Refused, sh
from history import History


def is_down(agent, node):
    """Whether it knows that this member is away."""
    one = [member for member in agent.status()["members"] if member["node"] == node][0]
    return one["link"] != "up" or one["silent"]


class Stopped(Mesh):
    def test_one_that_stands_still(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        node = c.node
        before = b.memory_kib()
        with History([a, b]) as history:
            for _ in range(int(2 * STRETCH)):
                c.pause()
                begun, known = len(history.added), None
                stopped = time.monotonic()
                a.wait_until(lambda: is_down(a, node), "knows that the other stands still", 15)
                known = time.monotonic() - stopped
                time.sleep(1)
                self.assertGreater(len(history.added), begun + 20)
                c.go_on()
                a.wait_until(lambda: not is_down(a, node), "hears of the other again", 30)
                print(f"known after {known:.1f} s", flush=True)
        c.post("/api/v1/settings", {"name": "after", "value": "x"})
        self.check(history)
        self.assertLess(b.memory_kib() - before, 64 * 1024)

    def test_short_stalls_alarm_nobody(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        node = c.node
        with History([a, b]) as history:
            for _ in range(int(3 * STRETCH)):
                c.pause()
                end = time.monotonic() + 1.5
                while time.monotonic() < end:
                    self.assertFalse(is_down(a, node))
                    time.sleep(0.1)
                c.go_on()
                time.sleep(0.5)
        self.check(history)


class Clocks(Mesh):
    """Every server starts with its own, which the test may move."""

    def setUp(self):
        super().setUp()
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.assertTrue(found, "install Debian's faketime")
        for agent in self.fleet.agents:
            agent.clock = os.path.join(agent.room, "clock")
            self.turn(agent, "+0")
            # What follows from deadlines is by the other clock, and stays right.
            agent.environment = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": agent.clock,
                                 "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                 "FAKETIME_DONT_RESET": "1", "ASAN_OPTIONS": "detect_leaks=1:verify_asan_link_order=0"}

    def turn(self, agent, offset):
        with open(agent.clock + ".new", "w", encoding="ascii") as clock:
            clock.write(offset + "\n")
        os.rename(agent.clock + ".new", agent.clock)

    def test_wrong_clocks(self):
        a, b, c = self.fleet.agents
        self.turn(b, "+1h")
        self.turn(c, "-1d")
        self.fleet.found()
        nodes = {agent.name: agent.node for agent in self.fleet.agents}
        a.wait_until(lambda: [m for m in a.status()["members"] if m["node"] == nodes["s1"]][0]["clock_offset_ms"],
                     "knows that the clock of the other is off")
        offsets = {m["name"]: m["clock_offset_ms"] for m in a.status()["members"] if not m["is_self"]}
        self.assertAlmostEqual(offsets["s1"] / 3600e3, 1, delta=0.01)
        self.assertAlmostEqual(offsets["s2"] / 86400e3, -1, delta=0.01)
        with History(self.fleet.agents) as history:
            for offset in ("+36500d", "-10000d", "+0"):
                time.sleep(1.5 * STRETCH)
                self.turn(b, offset)
        # Whoever wrote last counts, whatever it believes the time to be.
        row = b.post("/api/v1/settings", {"name": "last", "value": "far ahead"})
        self.fleet.wait_same()
        c.ask("PATCH", f"/api/v1/settings/{row['id']}", {"value": "a day late"})
        for agent in self.fleet.agents:
            agent.wait_until(lambda agent=agent: agent.get(f"/api/v1/settings/{row['id']}")["value"] == "a day late",
                             "shows what was written last")
        self.check(history)


class JoinsApart(Mesh):
    def test_joins_during_a_partition(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        d, e = self.fleet.add(), self.fleet.add()
        d.start()
        e.start()
        # Until what all have is known to all: who joins is then given a state, not a log.
        self.fleet.wait_settled([a, b, c])
        time.sleep(2)
        # d joins where b and c are away, and e then knows of nobody but its sponsor.
        self.fleet.cut([a, d], [b, c])
        self.fleet.cut([e], [b, c, d])
        with History([a, b, c]) as history:
            for agent in (d, e):
                self.fleet.join(agent, a)
                agent.wait_ready(30)
                agent.post("/api/v1/settings", {"name": f"of-{agent.name}", "value": "x"})
            self.fleet.heal()
            # Who reads by a token of the other side waits as long as it was cut off.
            time.sleep(3 * STRETCH)
            for agent in self.fleet.agents:
                agent.wait_until(lambda agent=agent: len(agent.status()["members"]) == 5, "knows of all five")
        self.check(history)
        self.assertLessEqual({"of-s3", "of-s4"}, set(b.names()))


class FullDisk(Mesh):
    def setUp(self):
        super().setUp()
        self.small = self.fleet.agents[1]
        self.small.mount("16m")

    def fill(self):
        """All that is left of its disk."""
        with open(os.path.join(self.small.state, "filler"), "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def make_room(self):
        os.unlink(os.path.join(self.small.state, "filler"))

    def write(self, number):
        self.small.post("/api/v1/settings", {"name": f"small-{number}", "value": "x" * 200})
        self.acknowledged.append(f"small-{number}")

    def write_until_full(self):
        for number in range(len(self.acknowledged), len(self.acknowledged) + 2000):
            try:
                self.write(number)
            except Refused as refused:
                return refused
        raise AssertionError("its disk is never full")

    def test_a_full_disk(self):
        self.fleet.found()
        self.acknowledged = []
        others = [self.fleet.agents[0], self.fleet.agents[2]]
        with History(others) as history:
            for _ in range(int(2 * STRETCH)):
                self.fill()
                refused = self.write_until_full()
                self.assertEqual((refused.code, refused.status), ("full", 507))
                self.assertIn("disk is full", refused.detail)
                self.assertIn("free", refused.detail)
                # Reads go on.
                self.assertLessEqual(set(self.acknowledged), set(self.small.names()))
                time.sleep(1)
                self.make_room()
                number = len(self.acknowledged)
                self.small.wait_until(lambda number=number: self.write(number) or True, "writes again", 15)
        self.check(history)
        for agent in self.fleet.agents:
            self.assertLessEqual(set(self.acknowledged), set(agent.names()))

    def test_a_start_on_a_full_disk(self):
        self.fleet.found()
        self.acknowledged = []
        self.fill()
        self.write_until_full()
        self.small.kill()
        self.fleet.agents[0].post("/api/v1/settings", {"name": "meanwhile", "value": "x"})
        self.small.start(wait=False)
        try:
            self.small.wait_until(lambda: self.small.get("/healthz"), "answers", 5)
        except AssertionError:
            # Then it says why it does not.
            self.assertIn("disk is full", self.small.last_words())
            self.small.end()
        self.make_room()
        if not self.small.process:
            self.small.start()
        self.small.wait_ready()
        self.assertEqual(set(self.fleet.wait_same()), {*self.acknowledged, "meanwhile"})


class Addresses(Mesh):
    def endpoints(self, agent, node):
        return [one for one in agent.status()["members"] if one["node"] == node][0]["endpoints"]

    def test_an_address_that_changes(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        node = c.node
        with History([a, b, c]) as history:
            time.sleep(1)
            c.move(self.fleet.address(103))
            a.wait_until(lambda: self.endpoints(a, node) == [f"{c.address}:8444"], "knows the new address", 40)
            c.wait_until(lambda: not is_down(c, a.node), "has its links again", 30)
        self.check(history)

    def test_two_addresses_that_change_at_once(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        a.move(self.fleet.address(101))
        c.move(self.fleet.address(103))
        for agent in (a, c):
            b.wait_until(lambda node=agent.node, agent=agent: self.endpoints(b, node) == [f"{agent.address}:8444"],
                         "knows the new address", 40)
        c.post("/api/v1/settings", {"name": "k", "value": "x"})
        self.assertEqual(self.fleet.wait_same(), ["k"])

    def test_another_address_after_a_restart(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        c.end()
        c.move(self.fleet.address(103))
        b.end()
        b.move(self.fleet.address(102))
        c.start()
        b.start()
        c.wait_ready()
        b.wait_ready()
        c.post("/api/v1/settings", {"name": "k", "value": "x"})
        self.assertEqual(self.fleet.wait_same(), ["k"])


class Six(Mesh):
    is_six = True

    def test_ipv6_alone(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        with History(self.fleet.agents) as history:
            time.sleep(1)
            self.fleet.cut([a], [b, c])
            time.sleep(2 * STRETCH)
            self.fleet.heal()
            b.kill()
            b.start()
            b.wait_ready()
            time.sleep(1)
        self.check(history)
        self.assertIn("[fd77::1]:8444", str(b.status()["members"]))


class Upgrade(Mesh):
    def sensor_at(self, agent):
        user = agent.post("/api/v1/users", {"login": "anna"})
        key = base64.b64encode(bytes([9] + [7] * 31)).decode()
        device = agent.post("/api/v1/devices", {"owner": user["id"], "name": "phone", "public_key": key})
        return agent.post("/api/v1/sensors", {"device": device["id"], "name": "door"})["id"]

    def test_rolling_upgrade(self):
        later = os.environ.get("WARREND_NEXT")
        self.assertTrue(later, "WARREND_NEXT must say where the later build is")
        self.fleet.found()
        a, b, c = self.fleet.agents
        self.refused("absent", a, "GET", "/api/v1/sensors")
        sensor = None
        with History(self.fleet.agents) as history:
            for agent in (b, c, a):
                time.sleep(STRETCH)
                self.assertEqual(agent.end(), 0)
                agent.program = later
                agent.start()
                agent.wait_ready()
                # Of a kind that the others do not know: they keep it, and hand it on.
                sensor = sensor or self.sensor_at(agent)
        self.check(history)
        for agent in self.fleet.agents:
            self.assertEqual(agent.get(f"/api/v1/sensors/{sensor}")["name"], "door")
        self.assertEqual(c.end(), 0)
        c.program = self.fleet.warrend
        c.start()
        c.wait_ready()
        self.fleet.wait_same()


class Flapping(Mesh):
    count = 5

    def test_flapping_links(self):
        self.fleet.found()
        a, b, c, d, e = self.fleet.agents
        with History(self.fleet.agents) as history:
            for turn in range(int(12 * STRETCH)):
                one, rest = [(a, [b, c]), (c, [d, e]), (e, [a, b, c, d])][turn % 3]
                self.fleet.cut([one], rest, both=turn % 2 == 0)
                time.sleep(0.3)
                self.fleet.heal()
                time.sleep(0.2)
            for _ in range(int(6 * STRETCH)):
                sh("ip", "-n", self.fleet.hub, "link", "set", "p1", "down")
                time.sleep(0.3)
                sh("ip", "-n", self.fleet.hub, "link", "set", "p1", "up")
                time.sleep(0.3)
        self.check(history)


if __name__ == "__main__":
    unittest.main()
