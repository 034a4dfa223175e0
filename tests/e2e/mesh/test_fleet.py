#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How a fleet grows, and what it survives: test_fleet.py WARREND TEST…"""

import os
import shutil
import time
import unittest

from case import Mesh
from history import History


class Grow(Mesh):
    def test_one_server_then_three(self):
        a, b, c = self.fleet.agents
        a.start()
        self.refused("busy", a, "GET", "/api/v1/users")
        made = a.post("/api/v1/cluster", {"name": "home", "gateway": "fra-1", "location": "Frankfurt, Germany"})
        self.assertTrue(made["recovery_key"].startswith("wrn-recovery-"))
        self.refused("taken", a, "POST", "/api/v1/cluster", {"name": "again"})
        a.wait_ready()
        token = self.fleet.invite(b)
        b.start()
        b.post("/api/v1/cluster/join", {"token": token})
        self.assertEqual(b.get("/api/v1/cluster")["id"], made["id"])
        c.start()
        said = self.refused("denied", c, "POST", "/api/v1/cluster/join", {"token": token})
        self.assertIn("was used by another server", said)
        self.fleet.join(c)
        self.assertEqual(len(c.status()["members"]), 3)
        with open(a.log, encoding="utf-8") as log:
            self.assertNotIn(made["recovery_key"], log.read())

    def test_each_refusal_says_why(self):
        a, b, c = self.fleet.agents
        a.start()
        a.post("/api/v1/cluster", {"name": "home", "gateway": "fra-1"})
        a.wait_ready()
        b.start()
        token = self.fleet.invite(b, expires_s=3600)
        for wrong, code, text in ((token[:-3], "form", "cut or changed"), ("nonsense", "form", "no join token"),
                                  (token[:40] + "A" + token[41:], "form", "cut or changed")):
            self.assertIn(text, self.refused(code, b, "POST", "/api/v1/cluster/join", {"token": wrong}))
        invites = a.get("/api/v1/invites")["invites"]
        a.ask("DELETE", f"/api/v1/invites/{[i for i in invites if i['state'] == 'open'][0]['id']}")
        said = self.refused("denied", b, "POST", "/api/v1/cluster/join", {"token": token})
        self.assertIn("taken back", said)
        # Nothing of it stays behind, and the next token is good.
        self.assertEqual(b.get("/api/v1/cluster")["state"], "new")
        self.assertEqual(sorted(os.listdir(b.state)), [])
        c.start()
        self.fleet.join(c)

    def test_a_restart_goes_on(self):
        made = self.fleet.found()
        for agent in self.fleet.agents:
            agent.post("/api/v1/settings", {"name": f"of-{agent.name}", "value": "x"})
        for agent in self.fleet.agents:
            self.assertEqual(agent.end(), 0)
        for agent in self.fleet.agents:
            agent.start()
        for agent in self.fleet.agents:
            agent.wait_ready()
            self.assertEqual(agent.get("/api/v1/cluster")["id"], made["id"])
        self.assertEqual(self.fleet.wait_same(), ["of-s0", "of-s1", "of-s2"])


class Death(Mesh):
    def test_kill_9_under_writes(self):
        self.fleet.found()
        with History(self.fleet.agents) as history:
            for turn in range(6):
                time.sleep(1)
                victim = self.fleet.agents[turn % 3]
                victim.kill()
                time.sleep(0.5)
                victim.start()
                victim.wait_ready()
        self.check(history)

    def test_writes_go_on_when_one_is_dead(self):
        self.fleet.found()
        self.fleet.agents[0].kill()
        for number in range(20):
            self.fleet.agents[1 + number % 2].post("/api/v1/settings", {"name": f"k{number}", "value": "x"})
        self.assertEqual(len(self.fleet.wait_same(self.fleet.agents[1:])), 20)
        self.fleet.agents[0].start()
        self.fleet.agents[0].wait_ready()
        self.assertEqual(len(self.fleet.wait_same()), 20)

    def test_rolling_restart_under_writes(self):
        self.fleet.found()
        with History(self.fleet.agents) as history:
            for agent in self.fleet.agents:
                time.sleep(1)
                self.assertEqual(agent.end(), 0)
                agent.start()
                agent.wait_ready()
        self.check(history)


class Partition(Mesh):
    count = 5

    def cut_and_heal(self, *cuts):
        self.fleet.found()
        with History(self.fleet.agents) as history:
            time.sleep(1)
            for ones, others, both in cuts:
                self.fleet.cut([self.fleet.agents[i] for i in ones], [self.fleet.agents[i] for i in others], both)
            time.sleep(6)
            self.fleet.heal()
            time.sleep(1)
        self.check(history)

    def test_halves(self):
        self.cut_and_heal(((0, 1), (2, 3, 4), True))

    def test_one_alone(self):
        self.cut_and_heal(((0,), (1, 2, 3, 4), True))

    def test_bridge(self):
        self.cut_and_heal(((0, 1), (3, 4), True))

    def test_ring(self):
        self.cut_and_heal(((0,), (2, 3), True), ((1,), (3, 4), True), ((2,), (4,), True))

    def test_one_way(self):
        self.cut_and_heal(((0, 1), (2, 3, 4), False))


class Disks(Mesh):
    def save(self, agent, name):
        place = os.path.join(agent.room, name)
        shutil.copytree(agent.state, place)
        return place

    def restore(self, agent, place):
        shutil.rmtree(agent.state)
        shutil.copytree(place, agent.state)

    def test_an_old_disk(self):
        self.fleet.found()
        a, b, _ = self.fleet.agents
        b.post("/api/v1/settings", {"name": "old", "value": "x"})
        self.fleet.wait_same()
        b.end()
        place = self.save(b, "old")
        b.start()
        b.wait_ready()
        for number in range(10):
            b.post("/api/v1/settings", {"name": f"k{number}", "value": "x"})
        self.fleet.wait_same()
        b.kill()
        self.restore(b, place)
        b.start()
        b.wait_ready()
        self.assertEqual(len(self.fleet.wait_same()), 11)
        b.post("/api/v1/settings", {"name": "after", "value": "x"})
        self.assertEqual(len(self.fleet.wait_same()), 12)

    def test_a_cloned_disk_stops_and_says_what_to_do(self):
        self.fleet.found()
        b = self.fleet.agents[1]
        b.end()
        twin = self.fleet.add()
        shutil.copytree(b.state, twin.state)
        b.start()
        b.wait_ready()
        twin.start()
        told = lambda agent: agent.status()["is_twin"]
        twin.wait_until(lambda: told(twin) or told(b), "one of them is told")
        which = twin if told(twin) else b
        said = self.refused("busy", which, "POST", "/api/v1/settings", {"name": "k", "value": "x"})
        self.assertIn("runs twice", said)

    def test_power_cut_of_all_with_one_old_disk(self):
        self.fleet.found()
        b = self.fleet.agents[1]
        b.end()
        place = self.save(b, "week")
        b.start()
        b.wait_ready()
        self.fleet.wait_settled()
        with History(self.fleet.agents) as history:
            time.sleep(2)
        self.fleet.wait_same()
        for agent in self.fleet.agents:
            agent.kill()
        self.restore(b, place)
        for agent in self.fleet.agents:
            agent.start()
        for agent in self.fleet.agents:
            agent.wait_ready(60)
        self.check(history)


class Evicted(Mesh):
    def test_an_evicted_server_keeps_talking(self):
        self.fleet.found()
        a, b, c = self.fleet.agents
        node = c.node
        self.fleet.cut([c], [a, b])
        c.post("/api/v1/settings", {"name": "alone", "value": "x"})
        done = a.post(f"/api/v1/members/{node}/evict", {})
        self.assertEqual(done["node"], node)
        b.wait_until(lambda: [m for m in b.status()["members"] if m["node"] == node][0]["state"] == "evicted",
                     "knows of the eviction")
        self.fleet.heal()
        c.wait_until(lambda: c.get("/api/v1/cluster")["state"] == "evicted", "knows that it was evicted")
        said = self.refused("denied", c, "POST", "/api/v1/settings", {"name": "more", "value": "x"})
        self.assertIn("evicted", said)
        time.sleep(1)
        self.assertEqual(self.fleet.wait_same([a, b]), [])


if __name__ == "__main__":
    unittest.main()
