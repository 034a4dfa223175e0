# SPDX-License-Identifier: Apache-2.0
"""What the tests of fleets share. The first argument of each is the agent's program."""

import os
import sys
import unittest

from fleet import Fleet, Refused

WARREND = os.path.abspath(sys.argv.pop(1))
# How many times as long as in a short run.
STRETCH = float(os.environ.get("WARREN_FLEET_STRETCH", "1"))


def is_sanitized():
    with open(WARREND, "rb") as program:
        return b"__asan_init" in program.read()


class Mesh(unittest.TestCase):
    count = 3
    is_six = False

    def setUp(self):
        self.fleet = Fleet(WARREND, self.count, self.is_six)
        self.addCleanup(self.fleet.close)

    def check(self, history, agents=None):
        agents = agents or self.fleet.agents
        self.fleet.wait_same(agents)
        print(f"{self.id()}: {history.summary()}", flush=True)
        self.assertGreater(len(history.added), 10)
        self.assertEqual(history.judge(agents), [])

    def refused(self, code, *words, **options):
        with self.assertRaises(Refused) as caught:
            words[0].ask(*words[1:], **options)
        self.assertEqual(caught.exception.code, code)
        return caught.exception.detail
