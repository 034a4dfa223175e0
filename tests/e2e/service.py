#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What systemd itself says of deploy/warrend.service and deploy/sysusers.conf: service.py TREE"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DEPLOY = Path(sys.argv[1]).resolve() / "deploy"
UNIT = (DEPLOY / "warrend.service").read_text(encoding="utf-8")
USERS = DEPLOY / "sysusers.conf"
EXPOSURE_MAX = 1.5


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def settings(text):
    """All values of each setting, in their order; continued lines there are none."""
    found = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        found.setdefault(name, []).append(value)
    return found


class Service(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="warren-service-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def unit(self, text):
        """A file of the unit's name; with programs that are surely there, since those are looked for."""
        path = self.folder / "warrend.service"
        path.write_text(re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", text, flags=re.M), encoding="utf-8")
        return str(path)

    def verify(self, text):
        result = run("systemd-analyze", "verify", "--man=no", self.unit(text))
        about = [line for line in (result.stdout + result.stderr).splitlines() if "warrend.service" in line]
        return result.returncode, about

    def exposure(self, text):
        result = run("systemd-analyze", "security", "--offline=yes", "--no-pager", self.unit(text))
        found = re.search(r"Overall exposure level for warrend.service: ([\d.]+)", result.stdout)
        self.assertTrue(found, result.stdout[-500:] + result.stderr)
        return float(found[1])

    def gaps(self, text):
        """What is left open, as systemd names it."""
        result = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--json=short", self.unit(text))
        return {row["name"] for row in json.loads(result.stdout) if row["exposure"] not in (None, "0.0")}

    def test_it_is_well_formed(self):
        self.assertEqual(self.verify(UNIT), (0, []))

    def test_a_wrong_line_would_be_seen(self):
        self.assertTrue(self.verify(UNIT.replace("ProtectHome=", "ProtectHomes="))[1])
        self.assertTrue(self.verify(UNIT.replace("WatchdogSec=30", "WatchdogSec=often"))[1])

    def test_its_exposure(self):
        self.assertLessEqual(self.exposure(UNIT), EXPOSURE_MAX)

    def test_what_is_left_open(self):
        """Talking to anybody is its work; for the rest the unit gives its reason."""
        self.assertEqual(self.gaps(UNIT), {
            "PrivateNetwork=", "IPAddressDeny=", "RestrictAddressFamilies=~AF_(INET|INET6)",
            "RestrictAddressFamilies=~AF_UNIX", "RestrictAddressFamilies=~AF_NETLINK", "RootDirectory=/RootImage=",
            "SystemCallFilter=~@privileged", "PrivateUsers=",
            "DeviceAllow=",  # the clock, for reading, which ProtectClock= adds
        })

    def test_a_lower_wall_would_be_seen(self):
        for wall in ("CapabilityBoundingSet=", "ProtectSystem=strict", "MemoryDenyWriteExecute=yes"):
            lowered = re.sub(rf"^{wall}$", "", UNIT, flags=re.M)
            self.assertGreater(self.gaps(lowered), self.gaps(UNIT), wall)

    def test_what_the_agent_counts_on(self):
        found = settings(UNIT)
        for name, value in (("Type", "notify"), ("Restart", "always"), ("StartLimitIntervalSec", "0"),
                            ("WatchdogSec", "30"), ("StateDirectory", "warren"), ("StateDirectoryMode", "0700"),
                            ("RuntimeDirectory", "warren"), ("RuntimeDirectoryMode", "0750"), ("User", "warren"),
                            ("Group", "warren"), ("CapabilityBoundingSet", ""), ("AmbientCapabilities", ""),
                            ("LimitCORE", "0"), ("ExecStart", "warrend"), ("ExecReload", "kill -HUP $MAINPID")):
            self.assertEqual(found.get(name), [value], name)


class Users(unittest.TestCase):
    def test_user_and_group_are_made(self):
        with tempfile.TemporaryDirectory(prefix="warren-users-") as root:
            (Path(root) / "etc").mkdir()
            result = run("systemd-sysusers", f"--root={root}", str(USERS))
            self.assertEqual(result.returncode, 0, result.stderr)
            users = (Path(root) / "etc/passwd").read_text(encoding="utf-8")
            groups = (Path(root) / "etc/group").read_text(encoding="utf-8")
        user = re.search(r"^warren:[^:]*:(\d+):(\d+):Warren agent:/var/lib/warren:(.*)$", users, re.M)
        self.assertTrue(user, users)
        self.assertRegex(user[3], r"/(nologin|false)$")
        self.assertRegex(groups, rf"(?m)^warren:[^:]*:{user[2]}:$")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
