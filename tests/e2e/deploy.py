#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/up, deploy/down and deploy/demo with real agents: deploy.py WARREND WGCTL

In a copy of deploy/ and below temporary folders; of the machine itself nothing is touched but, for the demo, the kernel's
list of network namespaces. What belongs to the system is tried in a mount namespace with folders of its own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
WARREND, WGCTL = (Path(word).resolve() for word in sys.argv[1:3])
SCRIPTS = ("up", "down", "demo", "service", "supervise", "lib.sh", "warrend.conf", "warrend.service", "sysusers.conf")
CMAKE = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES NONE)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/warrend ${PROJECT_SOURCE_DIR}/wgctl DESTINATION bin)
"""
PRESETS = {"version": 5,
           "configurePresets": [{"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/release"}],
           "buildPresets": [{"name": "release", "configurePreset": "release"}]}


# A machine of its own, as far as a service sees one; what runs in it ends with it.
MACHINE = """set -eu
mkdir -p {room}/m
mount -t tmpfs tmpfs {room}/m
mkdir -p {room}/m/etc {room}/m/lib {room}/m/log {room}/m/run {room}/m/local/bin
cp -a /etc/. {room}/m/etc
cp {tree}/warrend {tree}/wgctl {room}/m/local/bin
for pair in etc:/etc lib:/var/lib log:/var/log run:/run local:/usr/local; do
    mount --bind {room}/m/${{pair%%:*}} ${{pair#*:}}
done
printf 'gossip.listen = 127.0.0.1:{port}\\n' >{room}/conf
install -D -m 644 {room}/conf /etc/warren/warrend.conf
cd {tree}
PATH={room}/fake:/usr/local/bin:$PATH
service() {{ PREFIX=/usr/local deploy/service "$@"; }}
who() {{ for one in /proc/[0-9]*; do
    tr '\\0' ' ' <$one/cmdline 2>/dev/null | grep -q '^/usr/local/bin/warrend' && stat -c %U $one; done || true; }}
"""

# What deploy/service asks of systemd, and nothing else.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/run/asked
case $1 in
is-enabled) test -e /run/enabled ;;
enable) touch /run/enabled ;;
disable) rm /run/enabled ;;
is-active) kill -0 "$(cat /run/pid)" ;;
show) if test -e /run/pid; then stat -c @%Y /run/pid; fi ;;
stop) if test -e /run/pid; then kill "$(cat /run/pid)"; while kill -0 "$(cat /run/pid)"; do sleep 0.1; done; rm /run/pid; fi ;;
start)
    install -d -o warren -g warren -m 700 /var/lib/warren
    install -d -o warren -g warren -m 750 /run/warren
    setsid setpriv --reuid=warren --regid=warren --clear-groups /usr/local/bin/warrend </dev/null >/run/log 2>&1 &
    echo $! >/run/pid ;;
esac 2>/dev/null
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def processes(word):
    """Those with the word on their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


class Deploy(unittest.TestCase):
    def setUp(self):
        self.room = Path(tempfile.mkdtemp(prefix="warren-deploy-"))
        self.addCleanup(self.end_all)
        tree = self.room / "tree"
        (tree / "deploy").mkdir(parents=True)
        for name in SCRIPTS:
            shutil.copy(TREE / "deploy" / name, tree / "deploy" / name)
        (tree / "deploy/packages.build").write_text("# none\n")
        (tree / "CMakeLists.txt").write_text(CMAKE)
        (tree / "CMakePresets.json").write_text(json.dumps(PRESETS))
        for program, name in ((WARREND, "warrend"), (WGCTL, "wgctl")):
            shutil.copy(program, tree / name)
        self.tree, self.prefix, self.demo = tree, self.room / "there", self.room / f"demo{os.getpid()}"

    def end_all(self):
        for pid in processes(str(self.room)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for name in self.spaces():
            subprocess.run(["ip", "netns", "del", name], check=False)
        shutil.rmtree(self.room, ignore_errors=True)

    def spaces(self):
        place = Path("/run/netns")
        return [one.name for one in place.iterdir() if one.name.startswith(self.demo.name)] if place.is_dir() else []

    def run_script(self, name, *arguments):
        environment = {"PATH": os.environ["PATH"], "PREFIX": str(self.prefix), "DEMO": str(self.demo),
                       "BIN": str(self.tree)}
        return subprocess.run([self.tree / "deploy" / name, *arguments], capture_output=True, text=True, check=False,
                              env=environment, timeout=60)

    def good(self, name, *arguments):
        done = self.run_script(name, *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def until(self, condition, what, within=20):
        end = time.monotonic() + within
        while not condition():
            self.assertLess(time.monotonic(), end, f"not in {within} s: {what}")
            time.sleep(0.05)

    def wgctl(self, place, *words):
        return subprocess.run([WGCTL, "--socket", place, *words], capture_output=True, text=True, check=False,
                              timeout=30)


class Up(Deploy):
    def setUp(self):
        super().setUp()
        self.socket = self.prefix / "run/warren/warrend.sock"
        self.settings = self.prefix / "etc/warren/warrend.conf"
        self.settings.parent.mkdir(parents=True)
        self.listen(free_port())

    def listen(self, port):
        self.settings.write_text(f"gossip.listen = 127.0.0.1:{port}\n")

    def files(self):
        """All files, but for what the agent itself writes; of each its content's time."""
        return {str(path.relative_to(self.prefix)): path.stat().st_mtime_ns for path in self.prefix.rglob("*")
                if path.is_file() and path.parts[len(self.prefix.parts)] != "var"}

    def pid(self, name):
        return int((self.prefix / f"run/warren/{name}.pid").read_text())

    def cluster(self):
        done = self.wgctl(self.socket, "cluster", "status", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_up_twice_a_new_program_and_down(self):
        said = self.good("up")
        self.assertIn("wrn-recovery-", said)
        self.assertIn("WRITE DOWN THE RECOVERY KEY", said)
        self.assertIn(f"wgctl --socket {self.socket} cluster status", said)
        first, files, pids = self.cluster(), self.files(), (self.pid("supervise"), self.pid("warrend"))
        self.assertEqual(len(first["members"]), 1)

        said = self.good("up")
        self.assertEqual(said.splitlines()[0][:11], "All stands:")
        self.assertNotIn("wrn-recovery-", said)
        self.assertEqual((self.files(), self.pid("supervise"), self.pid("warrend")), (files, *pids))

        os.kill(pids[1], signal.SIGKILL)
        self.until(lambda: self.pid("warrend") != pids[1] and self.wgctl(self.socket, "cluster", "status").returncode == 0,
                   "the agent that was killed runs again")

        with open(self.tree / "warrend", "ab") as program:
            program.write(b"\0")
        before = self.pid("warrend")
        self.assertIn("Starting the agent", self.good("up"))
        self.assertNotEqual(self.pid("warrend"), before)
        self.assertEqual(self.cluster()["id"], first["id"])

        said = self.good("down")
        self.assertIn("The state stays in", said)
        self.assertEqual(processes(str(self.prefix)), [])
        self.assertEqual(sorted(path.name for path in self.prefix.iterdir()), ["etc", "var"])
        self.good("down")
        self.assertNotIn("wrn-recovery-", self.good("up"))
        self.assertEqual(self.cluster()["id"], first["id"])
        self.good("down", "--purge")
        self.assertEqual(processes(str(self.prefix)), [])
        self.assertEqual(list(self.prefix.iterdir()), [])

    def test_a_server_that_is_to_join_makes_no_cluster(self):
        said = self.good("up", "--join")
        self.assertNotIn("wrn-recovery-", said)
        self.assertIn("node join -", " ".join(said.split()))
        self.assertIn("in no cluster yet", self.wgctl(self.socket, "cluster", "status").stderr)

    def test_settings_that_are_there_stay_and_missing_ones_are_made(self):
        self.settings.unlink()
        said = self.good("up", "--join")
        self.assertIn(f"Installed {self.settings}", said)
        text = self.settings.read_text()
        self.assertIn(f"\nstate = {self.prefix}/var/lib/warren\n", text)
        self.assertIn(f"\nsocket = {self.socket}\n", text)

    def refused(self, *said):
        done = self.run_script("up")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for text in said:
            self.assertIn(text, " ".join(done.stderr.split()))

    def test_a_port_in_use_and_a_wrong_line_are_told(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.listen(port)
            self.refused(f"cannot listen on 127.0.0.1 port {port}: another process does",
                         f"the agent's settings are in {self.settings}")
        self.good("up")
        self.good("down")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            self.refused("the agent does not start: cannot listen on 127.0.0.1", f"its settings are in {self.settings}")
        self.settings.write_text("gossip.lisen = :1\n")
        self.refused("the agent does not start: ", 'there is no option "gossip.lisen"')
        self.assertEqual(processes(str(self.prefix)), [])


@unittest.skipIf(os.geteuid(), "namespaces need root: run the tests as root")
class System(Deploy):
    def on_machine(self, script):
        begin = MACHINE.format(room=self.room, tree=self.tree, port=free_port())
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c",
                               begin + script], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.split("----\n")

    def test_without_systemd(self):
        first, again, stopped, other, gone = self.on_machine("""
            service start; wgctl cluster status; who; echo ----
            service start; who; echo ----
            service remove; who; ls /var/lib/warren; echo ----
            service start; wgctl cluster status; echo ----
            service remove --purge; who; ls /var/lib /var/log /run; ! id warren 2>/dev/null; test ! -e /etc/warren
            """)
        self.assertIn("wrn-recovery-", first)
        self.assertIn("Made the user and group warren", first)
        self.assertEqual(first.splitlines()[-1], "warren")
        self.assertEqual(again, "warren\n")
        self.assertIn("state.mdb", stopped)
        self.assertNotIn("warren\n", stopped)
        self.assertNotIn("wrn-recovery-", other)
        self.assertNotIn("warren", gone)

    def test_with_systemd(self):
        (self.room / "fake").mkdir()
        (self.room / "fake/systemctl").write_text(SYSTEMCTL)
        (self.room / "fake/systemctl").chmod(0o755)
        first, again, changed, gone = self.on_machine("""
            mkdir -p /run/systemd/system
            service start; wgctl cluster status; who; cat /run/asked; cmp deploy/warrend.service /etc/systemd/system/*d.service
            echo ----; rm /run/asked; sleep 1
            service start; cat /run/asked; echo ----; rm /run/asked; touch /usr/local/bin/warrend
            service start; cat /run/asked; wgctl cluster status; echo ----; rm /run/asked
            service remove --purge; cat /run/asked; who; test ! -e /etc/systemd/system/warrend.service
            """)
        asked = ["daemon-reload", "is-enabled --quiet warrend", "enable --quiet warrend",
                 "show --timestamp=unix -P ExecMainStartTimestamp warrend", "stop warrend", "start --no-block warrend"]
        self.assertIn("wrn-recovery-", first)
        self.assertEqual(first.splitlines()[-7:], ["warren", *asked])
        self.assertEqual(again.splitlines(), [asked[1], asked[3], "is-active --quiet warrend"])
        self.assertEqual([line for line in changed.splitlines() if line in asked],
                         [asked[1], asked[3], *asked[4:]])
        self.assertNotIn("wrn-recovery-", changed)
        self.assertEqual(gone.splitlines()[-3:], ["stop warrend", "disable --quiet warrend", "daemon-reload"])


@unittest.skipIf(os.geteuid(), "network namespaces need root: run the tests as root")
class Demo(Deploy):
    def ask(self, name, *words):
        done = subprocess.run([self.demo / name / "wgctl", *words], capture_output=True, text=True, check=False,
                              timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def links(self, name):
        members = json.loads(self.ask(name, "cluster", "status", "--json"))["members"]
        return sorted((one["name"], one["link"]) for one in members)

    def shows(self, name, setting):
        return setting in [row["name"] for row in json.loads(self.ask(name, "settings", "list", "--json"))["settings"]]

    def test_three_servers_one_killed_and_no_trace(self):
        said = self.good("demo")
        self.assertIn("deploy/demo down", said)
        self.assertEqual(len(self.spaces()), 4)
        whole = [("fra-1", "up"), ("nyc-1", "up"), ("sgp-1", "up")]
        for name in ("fra-1", "nyc-1", "sgp-1"):
            want = sorted((one, "self" if one == name else link) for one, link in whole)
            self.until(lambda name=name, want=want: self.links(name) == want, f"{name} has links to both others")
        os.kill(int((self.demo / "fra-1/pid").read_text()), signal.SIGKILL)
        self.ask("nyc-1", "settings", "add", "--name", "one", "--value", "x")
        self.ask("sgp-1", "settings", "add", "--name", "two", "--value", "x")
        self.until(lambda: self.shows("nyc-1", "two") and self.shows("sgp-1", "one"), "both have both")
        pid = (self.demo / "nyc-1/pid").read_text()
        self.assertNotIn("wrn-recovery-", self.good("demo", "up"))
        self.assertEqual((self.demo / "nyc-1/pid").read_text(), pid)
        self.until(lambda: self.shows("fra-1", "one") and self.shows("fra-1", "two"), "the killed one caught up")
        self.good("demo", "down")
        self.assertEqual((processes(str(self.demo)), self.spaces(), self.demo.exists()), ([], [], False))
        self.good("demo", "down")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
