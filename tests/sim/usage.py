#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the programs of the simulator say of their use: usage.py SWARM STORIES BUILD SOURCE"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

SWARM, STORIES = ([program] for program in sys.argv[1:3])
BUILD, SOURCE = (Path(tree).resolve() for tree in sys.argv[3:5])
MUTANTS = [sys.executable, "-B", str(SOURCE / "tests/sim/mutants/mutants.py")]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


class Usage(unittest.TestCase):
    def wrong(self, said, *command):
        done = run(*command)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, "^[a-z.]+: " + re.escape(said) + ": see [a-z.]+ --help\n$")

    def test_help_is_help(self):
        for program in (SWARM, STORIES, MUTANTS):
            for option in ("-h", "--help"):
                done = run(*program, option)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertGreater(len(done.stdout.splitlines()), 4)

    def test_what_is_wrong_is_named(self):
        self.wrong("--seeds: 'x' is no number", *SWARM, "--seeds", "x", "1")
        self.wrong("--seeds: '-1' is no number", *SWARM, "--seeds", "1", "-1")
        self.wrong("--seeds: '1e3' is no number", *SWARM, "--seeds", "1", "1e3")
        self.wrong("--seeds: '99999999999999999999' is no number", *SWARM, "--seeds", "99999999999999999999", "1")
        self.wrong("--seeds: a number is missing", *SWARM, "--seeds", "1")
        self.wrong("--minutes: a number is missing", *SWARM, "--minutes")
        self.wrong("--fast: there is no such option", *SWARM, "--fast")
        self.wrong("there is no story 'x'", *STORIES, "x")
        self.wrong("there is no option '--fast'", *STORIES, "--fast")
        self.wrong("there is no option 'x'", *STORIES, "first-write", "x")
        self.wrong("one argument too many: 'x'", *STORIES, "--list", "x")
        self.wrong("one argument too many: 'x'", *STORIES, "first-write", "--check", "x")
        self.wrong("there is no bug 'x'", *MUTANTS, BUILD, SOURCE, "a gap is stepped over", "x")
        self.wrong("name the build tree and the source tree", *MUTANTS, BUILD)
        self.wrong(f"{SOURCE} is none: there is no CMakeCache.txt in it", *MUTANTS, SOURCE, SOURCE)

    def test_a_zero_of_few_seeds_says_nothing(self):
        done = run(*SWARM, "--seeds", "1", "1", "--minutes", "1")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("NEVER", done.stdout)

    def test_the_documents_list_all_stories(self):
        text = (SOURCE / "docs/testing.md").read_text(encoding="utf-8")
        told = run(*STORIES, "--list").stdout.split()
        table = re.search(r"^\| about \| stories \|\n(?:\|.*\n)+", text, re.M).group()
        listed = re.findall("`([a-z-]+)`", table)
        self.assertGreater(len(told), 10)
        self.assertEqual(sorted(listed), sorted(name for name in told if not name.startswith("schedule-")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
