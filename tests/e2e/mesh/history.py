# SPDX-License-Identifier: Apache-2.0
"""A history of writes and reads on a fleet, judged as a set: what was acknowledged and is gone, what was removed and is
there again, and what a reader with a token did not see. In the manner of Jepsen's set-full."""

import threading
import time

from fleet import Refused, Unreachable


class History:
    """Clients that add and remove settings of their own names at changing servers, until told to stop."""

    def __init__(self, agents, clients=4, seed="k"):
        self.agents, self.seed = agents, seed
        self.added, self.removed = {}, {}  # by name: when it was acknowledged
        self.unknown, self.tried = set(), 0
        self.stale, self.staleness = [], []
        self.refused = {}
        self.is_ending = False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_ending = True
        for thread in self.threads:
            thread.join()

    def run(self, number):
        count, token = 0, None
        while not self.is_ending:
            name = f"{self.seed}-{number}-{count}"
            agent = self.agents[(number + count) % len(self.agents)]
            count += 1
            token = self.add(agent, name, token)
            if count % 5 == 0:
                self.remove(agent, name)
            elif token:
                self.read(self.agents[(number + count) % len(self.agents)], name, token)
            time.sleep(0.005)

    def attempt(self, agent, *words, **options):
        """The headers of the answer; None: refused, or nobody knows."""
        with self.lock:
            self.tried += 1
        try:
            return agent.ask(*words, timeout=15, **options)[1], True
        except Refused as refused:
            with self.lock:
                self.refused[refused.code] = self.refused.get(refused.code, 0) + 1
            return None, refused.status < 500
        except Unreachable:
            return None, False

    def add(self, agent, name, token):
        headers, is_known = self.attempt(agent, "POST", "/api/v1/settings", {"name": name, "value": "x"})
        with self.lock:
            if headers:
                self.added[name] = time.monotonic()
                return headers.get("Warren-After")
            if not is_known:
                self.unknown.add(name)
        return token

    def remove(self, agent, name):
        if name not in self.added:
            return
        try:
            row = [row for row in agent.get("/api/v1/settings?limit=1000")["settings"] if row["name"] == name]
        except (Refused, Unreachable):
            return
        if not row:
            return
        headers, is_known = self.attempt(agent, "DELETE", f"/api/v1/settings/{row[0]['id']}")
        with self.lock:
            if headers:
                self.removed[name] = time.monotonic()
            elif not is_known:
                self.unknown.add(name)

    def read(self, agent, name, token):
        """With the token of its own write a strict reader sees it, or is told that it cannot be shown."""
        if name not in self.added:
            return
        begun = time.monotonic()
        headers, _ = self.attempt(agent, "GET", "/api/v1/settings?limit=1",
                                  headers={"Warren-Token": token, "Warren-Strict": "1"})
        if headers and headers.get("Warren-Behind"):
            with self.lock:
                self.stale.append(name)
        elif headers:
            with self.lock:
                self.staleness.append(time.monotonic() - begun)

    def judge(self, agents):
        """What is wrong at each of them; empty: nothing."""
        wrong = []
        for agent in agents:
            there = set(agent.names())
            lost = [name for name in self.added if name not in there and name not in self.removed
                    and name not in self.unknown]
            back = [name for name in self.removed if name in there]
            if lost:
                wrong.append(f"{agent.name} has lost {len(lost)} acknowledged writes: {lost[:5]}")
            if back:
                wrong.append(f"{agent.name} shows {len(back)} that were removed: {back[:5]}")
        if self.stale:
            wrong.append(f"{len(self.stale)} strict readers were shown less than their token says")
        return wrong

    def summary(self):
        times = sorted(self.staleness) or [0]
        return (f"{self.tried} asked, {len(self.added)} added, {len(self.removed)} removed, "
                f"{len(self.unknown)} unknown, refused {self.refused}, reads by token p50 "
                f"{times[len(times) // 2] * 1000:.1f} ms, p99 {times[len(times) * 99 // 100] * 1000:.1f} ms")
