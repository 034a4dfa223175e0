#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What wgctl asks of an agent and how it shows the answers, against an API made up here: wgctl.py WGCTL"""

import base64
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unicodedata
import unittest
from pathlib import Path

from fake_api import Server, problem

WGCTL = sys.argv[1]
TREE = Path(__file__).resolve().parents[2]
DONE, FAILED, USAGE, UNREACHABLE = range(4)
NODE, OTHER = "0123456789abcdef", "fedcba9876543210"
ID, OTHER_ID = "0f" * 16, "1e" * 16
KEY = base64.b64encode(b"/\xff\xfe+" * 8).decode()

MADE = {"id": ID, "name": "example", "node": NODE, "gateway": "fra-1", "recovery_key": "wrn-recovery-SECRET",
        "operator": KEY}
MEMBERS = {"members": [
    {"node": NODE, "key": KEY, "gateway": ID, "name": "fra-1", "sponsor": None, "state": "member", "heir": None},
    {"node": OTHER, "key": KEY, "gateway": OTHER_ID, "name": "nyc-1", "sponsor": NODE, "state": "member", "heir": None},
    {"node": "00000000000000aa", "key": KEY, "gateway": OTHER_ID, "name": "nyc-1", "sponsor": NODE, "state": "evicted",
     "heir": NODE}]}


def member(node, name, **more):
    return {"node": node, "gateway": ID, "name": name, "location": "Frankfurt, Germany", "version": "0.1.0",
            "is_self": False, "state": "member", "link": "up", "silent": False, "behind_entries": 0,
            "clock_offset_ms": 3, "endpoints": ["[::1]:8444"], "started": "2026-01-01T00:00:00.000Z",
            "alarms": [], **more}


def status(**more):
    return {"name": "example", "id": ID, "node": NODE, "level": 1,
            "members": [member(NODE, "fra-1", is_self=True, link="self", clock_offset_ms=None), member(OTHER, "nyc-1")],
            "alarms": [], "disk": {"used": 12 << 20, "log": 1536}, "exchanged": True, "is_twin": False, **more}


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


class Case(unittest.TestCase):
    def setUp(self):
        self.room = tempfile.mkdtemp(prefix="warren-wgctl-")
        os.chmod(self.room, 0o755)
        self.addCleanup(shutil.rmtree, self.room)
        self.path = os.path.join(self.room, "warrend.sock")
        self.server = Server(self.path)
        self.addCleanup(self.server.stop)
        self.answers = self.server.answers
        self.environment = {name: value for name, value in os.environ.items()
                            if name not in ("NO_COLOR", "COLUMNS")} | {
            "WARREN_SOCKET": self.path, "TERM": "xterm", "http_proxy": "http://127.0.0.1:1", "LC_ALL": "C"}

    def run_wgctl(self, *arguments, give=None, **options):
        return subprocess.run([WGCTL, *arguments], input=give, stdin=None if give is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=60, env=self.environment, **options)

    def expect(self, code, *arguments, said=(), wrong=(), **options):
        done = self.run_wgctl(*arguments, **options)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        for text in said:
            self.assertIn(text, done.stdout)
        for text in wrong:
            self.assertIn(text, done.stderr)
        if code == DONE and not wrong:
            self.assertEqual(done.stderr, "", arguments)
        return done

    def on_terminal(self, *arguments, width=100, answers=(), environment=None):
        """Runs it on a terminal of that width, and types each answer once the text before it has come."""
        pid, fd = pty.fork()
        if not pid:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
            os.execve(WGCTL, [WGCTL, *arguments], {**self.environment, **(environment or {})})
        text, left, until = "", list(answers), time.monotonic() + 30
        while time.monotonic() < until:
            if not select.select([fd], [], [], 0.2)[0]:
                continue
            try:
                text += os.read(fd, 65536).decode()
            except OSError:
                break
            if left and left[0][0] in text[text.rfind("\n") + 1:]:
                os.write(fd, left.pop(0)[1].encode())
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.replace("\r\n", "\n")


class Words(Case):
    """Nothing here needs a server."""

    def commands(self):
        said = self.run_wgctl("help").stdout
        return re.findall(r"^  ([a-z-]+(?: [a-z]+)?)(?:  |$)", said.split("Records, each")[0], re.M)

    def kinds(self):
        said = self.run_wgctl("help").stdout.split("Records, each")[1].split("Options of every")[0]
        return re.findall(r"^  ([a-z-]+)", said, re.M)

    def test_every_command_has_help_with_an_example(self):
        names = self.commands()
        self.assertIn("cluster init", names)
        self.assertGreater(len(names), 20)
        for kind in ("user", "cluster-settings", "policy-version"):
            verbs = re.findall(rf"^  {kind} (\w+)", self.run_wgctl(kind, "--help").stdout, re.M)
            self.assertIn("list", verbs)
            names += [f"{kind} {verb}" for verb in verbs]
        for name in names:
            said = self.expect(DONE, *name.split(), "--help", said=["Usage:", f"wgctl {name}", "Example:"]).stdout
            self.assertTrue(all(columns(line) <= 80 for line in said.splitlines()), said)
            self.assertIn(f"  wgctl {name.split()[0]}", said.split("Example:")[1])

    def test_help_has_three_ways(self):
        one = self.expect(DONE, "node", "invite", "--help").stdout
        self.assertEqual(one, self.expect(DONE, "help", "node", "invite").stdout)
        self.assertEqual(one, self.expect(DONE, "node", "invite", "-h").stdout)
        self.assertRegex(self.expect(DONE, "--version").stdout, r"^wgctl \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for arguments, said in (((), "say what to do"),
                                (("cluster",), "say which command of cluster"),
                                (("clutser", "init"), "there is no command clutser; did you mean cluster?"),
                                (("node", "inivte"), "there is no command node inivte; did you mean invite?"),
                                (("zzz",), "there is no command zzz"),
                                (("cluster", "init"), "--name is missing: of the cluster"),
                                (("cluster", "init", "--nmae", "a"),
                                 "cluster init has no option --nmae; did you mean --name?"),
                                (("cluster", "init", "--name"), "--name wants a value: NAME"),
                                (("cluster", "init", "--name", "a", "--name", "b"), "--name is given twice"),
                                (("cluster", "status", "now"), "this is one word too many: now"),
                                (("cluster", "status", "--json=yes"), "--json takes no value"),
                                (("--nmae", "cluster"), "--nmae stands before any command"),
                                (("cluster", "status", "-x"), "there is no option -x"),
                                (("node", "drain"), "NAME|ID is missing: the server"),
                                (("node", "drain", ""), "NAME|ID is empty"),
                                (("node", "set", "fra-1", "--status", "off"),
                                 "--status is one of active|draining|maintenance, not off"),
                                (("node", "set", "fra-1"), "say what to set"),
                                (("node", "invite"), "say --name for a new gateway, or --replace"),
                                (("node", "invite", "--name", "a", "--replace", "b"), "not both"),
                                (("node", "invite", "--name", "a", "--expires", "soon"),
                                 "--expires is seconds, or such as 15m, 24h, 7d, not soon"),
                                (("completion", "tcsh"), "SHELL is one of bash|zsh|fish, not tcsh"),
                                (("get", "userz"), "there are no userz; did you mean users?"),
                                (("user", "list", "--limit", "0"), "--limit is a whole number from 1 on"),
                                (("cluster", "watch", "--count", "x"), "--count is a whole number"),
                                (("user", "add"), "--login is missing: what they sign in with"),
                                (("user", "add", "--login", "a", "--role", "king"), "--role is one of owner|admin"),
                                (("plan", "add", "--name", "a", "--devices", "many"),
                                 "--devices is a whole number, not many"),
                                (("user", "set", ID), "say what to set"),
                                (("user", "set", ID, "--unset", "colour"), "there is no field colour to unset")):
            done = self.expect(USAGE, *arguments)
            self.assertIn(said, done.stderr)
            self.assertTrue(done.stderr.startswith("wgctl: "), done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertEqual(self.server.seen, [])

    def test_the_document_is_the_tables(self):
        self.assertEqual((TREE / "docs/wgctl.md").read_text(), self.expect(DONE, "man", "--markdown").stdout,
                         "make it anew: wgctl man --markdown > docs/wgctl.md")

    def test_the_manuals_page_is_well_formed(self):
        page = self.expect(DONE, "man").stdout
        self.assertTrue(page.isascii())
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-wbreak"], input=page, capture_output=True, text=True,
                              check=True)
        self.assertEqual(done.stderr, "")
        shown = re.sub(r"\x1b\[\d*m|.\x08", "", done.stdout)
        self.assertIn("wgctl cluster init --name NAME", shown)
        self.assertIn("wgctl node uninvite 3f2a…", shown)
        self.assertEqual(page.count("\n.SS "), len(self.kinds()))


class Shells(Case):
    def completion(self, shell):
        path = os.path.join(self.room, shell)
        Path(path).write_text(self.expect(DONE, "completion", shell).stdout)
        return path

    def bash(self, *words):
        script = f'. {self.completion("bash")}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wgctl; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        return set(subprocess.run(["bash", "-c", script, "bash", "wgctl", *words], cwd=self.room, capture_output=True,
                                  text=True,
                                  check=True).stdout.split())

    def test_bash_completes(self):
        self.assertEqual(self.bash("clus"), {"cluster", "cluster-settings"})
        self.assertEqual(self.bash("cluster", "m"), {"members"})
        self.assertLessEqual({"--name", "--gateway", "--json"}, self.bash("cluster", "init", "--"))
        self.assertEqual(self.bash("node", "set", "fra-1", "--status", ""), {"active", "draining", "maintenance"})
        self.assertEqual(self.bash("user", "add", "--role", "op"), {"operator"})
        self.assertEqual(self.bash("completion", "z"), {"zsh"})
        self.assertEqual(self.bash("user", "add", "--login", ""), set())
        self.assertIn("warrend.sock", self.bash("user", "list", "--socket", ""))

    def test_fish_completes(self):
        path = self.completion("fish")

        def fish(line):
            done = subprocess.run(["fish", "--private", "-c", f"source {path}; complete -C {line!r}"],
                                  capture_output=True,
                                  text=True, check=True, env={**self.environment, "HOME": self.room})
            self.assertEqual(done.stderr[:200], "")
            return {one.split("\t")[0] for one in done.stdout.splitlines()}

        self.assertEqual(fish("wgctl clus"), {"cluster", "cluster-settings"})
        self.assertEqual(fish("wgctl cluster m"), {"members"})
        self.assertEqual(fish("wgctl node set fra-1 --status "), {"active", "draining", "maintenance"})
        self.assertIn("--gateway", fish("wgctl cluster init --"))
        self.assertEqual(fish("wgctl completion z"), {"zsh"})

    def test_zsh_completes(self):
        path = self.completion("zsh")
        subprocess.run(["zsh", "-n", path], check=True)
        # What the completion system would be asked for, said instead of shown.
        script = f'''_describe() {{ print -rl -- ${{${{(P)2}}%%:*}} }}
            _arguments() {{ print -rl -- "$@" }}
            words=(wgctl "$@"); CURRENT=$#words; functions[_wgctl_file]=$(<{path}); _wgctl_file'''

        def zsh(*given):
            return subprocess.run(["zsh", "-fc", script, "zsh", *given], capture_output=True, text=True,
                                  check=True).stdout

        self.assertIn("\ncluster-settings\n", zsh(""))
        self.assertIn("members\n", zsh("cluster", ""))
        said = zsh("node", "set", "fra-1", "--status", "")
        self.assertIn("--status=[active, draining (nothing new) or maintenance (nothing)]:value:"
                      "(active draining maintenance)", said)
        self.assertNotIn("--heir", said)
        self.assertIn("bash zsh fish", zsh("completion", ""))


class Cluster(Case):
    def test_init(self):
        self.answers["POST /api/v1/cluster"] = 201, MADE
        done = self.expect(DONE, "cluster", "init", "--name", "example", "--gateway", "fra-1", "--location",
                           "Köln, \"DE\"",
                           said=["The cluster example is made", "Write it down now", "wgctl node invite"])
        self.assertEqual(done.stdout.count("wrn-recovery-SECRET"), 1)
        self.assertEqual(self.server.told("POST"), [("/api/v1/cluster", {"name": "example", "gateway": "fra-1",
                                                                         "location": "Köln, \"DE\""})])
        self.assertEqual(json.loads(self.expect(DONE, "cluster", "init", "--name", "example", "--json").stdout), MADE)

    def test_init_again(self):
        self.answers["POST /api/v1/cluster"] = problem(409, "taken", "this server is a member of example already")
        done = self.expect(FAILED, "cluster", "init", "--name", "x",
                           wrong=["wgctl: this server is a member of example already"])
        self.assertEqual(done.stdout, "")
        done = self.expect(FAILED, "cluster", "init", "--name", "x", "--json")
        self.assertEqual(json.loads(done.stdout)["code"], "taken")

    def test_init_whose_answer_was_lost(self):
        self.server.die = 1
        self.answers["POST /api/v1/cluster"] = problem(409, "taken", "this server is a member already")
        self.expect(FAILED, "cluster", "init", "--name", "x", wrong=["its recovery key was never shown"])

    def test_status(self):
        self.answers["GET /api/v1/cluster/status"] = 200, status()
        said = self.expect(DONE, "cluster", "status", said=["cluster example", "12.0 MiB", "1.5 KiB", "no alarms",
                                                            "+3 ms"]).stdout
        rows = [line for line in said.splitlines() if NODE in line or OTHER in line]
        self.assertEqual(len(rows), 3, said)
        self.assertNotIn("\x1b", said)
        self.assertEqual(json.loads(self.expect(DONE, "cluster", "status", "--json").stdout), status())

    def test_status_in_trouble(self):
        members = [member(NODE, "fra-1", link="self"),
                   member(OTHER, "nyc-1", link="down", behind_entries=12345, clock_offset_ms=-4000,
                          alarms=["disk is 97% full"]),
                   member("00000000000000aa", "sgp-1", silent=True)]
        self.answers["GET /api/v1/cluster/status"] = 200, status(members=members, alarms=["no clock synchronisation"],
                                                                  exchanged=False, is_twin=True)
        self.expect(DONE, "cluster", "status", said=["down", "12345", "-4000 ms", "nyc-1: disk is 97% full",
                                                     "up, silent",
                                                     "no clock synchronisation", "runs in two places", "may be old",
                                                     "nyc-1: not reached at [::1]:8444"])

    def test_a_lost_member_is_an_alarm(self):
        lost = member(OTHER, "nyc-1", link="down", endpoints=["a.example:1", "[::2]:8444"])
        self.answers["GET /api/v1/cluster/status"] = 200, status(members=[lost])
        self.expect(DONE, "cluster", "status", said=["alarms\n  nyc-1: not reached at a.example:1, [::2]:8444\n"])
        # Of an evicted one nobody expects to reach it.
        self.answers["GET /api/v1/cluster/status"] = 200, status(members=[{**lost, "state": "evicted"}])
        self.expect(DONE, "cluster", "status", said=["no alarms"])

    def test_status_of_a_server_that_is_in_no_cluster(self):
        for state, said in (("new", "wgctl cluster init --name NAME"), ("joining", "is still joining"),
                            ("evicted", "was evicted")):
            self.answers["GET /api/v1/cluster"] = 200, {"state": state, "version": "0.1.0"}
            self.answers["GET /api/v1/cluster/status"] = problem(404, "absent", "no cluster")
            self.expect(FAILED, "cluster", "status", wrong=["no cluster", said])

    def test_members(self):
        self.answers["GET /api/v1/members"] = 200, MEMBERS
        said = self.expect(DONE, "cluster", "members", said=["SPONSOR", "evicted", OTHER, KEY]).stdout
        lines = said.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual({line.index("nyc-1") for line in lines[2:]}, {lines[0].index("GATEWAY")})
        self.assertEqual(json.loads(self.expect(DONE, "cluster", "members", "--json").stdout), MEMBERS)

    def test_conflicts(self):
        self.answers["GET /api/v1/conflicts"] = 200, {"conflicts": []}
        self.expect(DONE, "cluster", "conflicts", said=["There are no conflicts."])
        one = {"kind": "user", "ids": [ID, OTHER_ID], "what": "both are called anna", "remedy": "rename one"}
        self.answers["GET /api/v1/conflicts"] = 200, {"conflicts": [one]}
        self.expect(DONE, "cluster", "conflicts", said=["user: both are called anna", ID, OTHER_ID, "do: rename one"])

    def test_doctor(self):
        good = {"severity": "ok", "what": "clock is right", "remedy": ""}
        bad = {"severity": "bad", "what": "port 8444 is closed", "remedy": "open it"}
        self.answers["GET /api/v1/doctor"] = 200, {"findings": [good, {**good, "severity": "warn"}]}
        self.expect(DONE, "cluster", "doctor", said=["ok    clock is right", "warn  clock"])
        self.answers["GET /api/v1/doctor"] = 200, {"findings": [good, bad]}
        self.expect(FAILED, "cluster", "doctor", said=["bad   port 8444 is closed", "do: open it"])

    def test_watch_prints_changes(self):
        links = iter(("up", "up", "down", "down"))
        self.answers["GET /api/v1/cluster/status"] = lambda _: (200, status(members=[
            member(NODE, "fra-1", link="self"), member(OTHER, "nyc-1", link=next(links), alarms=["a\nb"])]))
        lines = self.expect(DONE, "cluster", "watch", "--count", "3").stdout.splitlines()
        self.assertEqual([re.sub("^20[-0-9T:]+Z ", "", line) for line in lines],
                         ["fra-1 member link self", "nyc-1 member link up;alarm: a?b",
                          "nyc-1 member link down;alarm: a?b"])

    def test_watch_as_json_and_over_a_failure(self):
        ways = iter(((200, status()), problem(503, "busy", "starting"), (200, status(level=2))))
        self.answers["GET /api/v1/cluster/status"] = lambda _: next(ways)
        self.answers["GET /api/v1/cluster"] = 200, {"state": "member"}
        done = self.expect(DONE, "cluster", "watch", "--count", "3", "--json", wrong=["starting"])
        said = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([one.get("level") for one in said if "members" in one], [1, 2])

    def test_watch_ends_by_interrupt(self):
        self.answers["GET /api/v1/cluster/status"] = 200, status()
        with subprocess.Popen([WGCTL, "cluster", "watch"], stdout=subprocess.PIPE, env=self.environment,
                              text=True) as run:
            run.stdout.readline()
            run.send_signal(signal.SIGINT)
            self.assertEqual(run.wait(10), DONE)

    def test_watch_redraws_a_terminal(self):
        self.answers["GET /api/v1/cluster/status"] = 200, status()
        code, said = self.on_terminal("cluster", "watch", "--count", "2")
        self.assertEqual((code, said.count("\x1b[H\x1b[J")), (DONE, 2))


class Node(Case):
    def setUp(self):
        super().setUp()
        self.answers["GET /api/v1/members"] = 200, MEMBERS

    def test_invite(self):
        made = {"token": "wrn-join-SECRET", "id": ID, "gateway": "nyc-1", "expires": "2026-12-01T00:00:00.000Z"}
        self.answers["POST /api/v1/invites"] = 201, made
        words = ("node", "invite", "--name", "nyc-1", "--location", "New York, USA", "--region=us-east-1", "--tier",
                 "pro",
                 "--host", "198.51.100.7", "--expires", "24h")
        self.assertEqual(self.expect(DONE, *words).stdout, "wrn-join-SECRET\n")
        self.assertEqual(self.server.told("POST")[0][1], {
            "name": "nyc-1", "location": "New York, USA", "region": "us-east-1", "tier": "pro", "host": "198.51.100.7",
            "expires_s": 86400})
        self.assertEqual(json.loads(self.expect(DONE, *words, "--json").stdout), made)
        self.expect(DONE, "node", "invite", "--replace", "fra-1")
        self.assertEqual(self.server.told("POST")[-1][1], {"replace": "fra-1"})
        code, said = self.on_terminal(*words)
        self.assertEqual(code, DONE)
        self.assertIn("wgctl node join TOKEN\n", said)
        self.assertEqual(said.count("SECRET"), 1)

    def test_invites(self):
        self.answers["GET /api/v1/invites"] = 200, {"invites": [{"id": ID, "gateway": "nyc-1", "expires": "2026"}]}
        self.expect(DONE, "node", "invites", said=[ID, "nyc-1"])
        self.answers[f"DELETE /api/v1/invites/{ID}"] = 204, None
        self.expect(DONE, "node", "uninvite", ID, said=["Nobody can join"])

    def test_join(self):
        self.answers["POST /api/v1/cluster/join"] = 200, {"id": ID, "name": "example", "node": NODE, "gateway": "fra-1"}
        for words, give in ((("wrn-join-T",), None), (("-",), "  wrn-join-T \n\n")):
            self.expect(DONE, "node", "join", *words, give=give, said=["a member of example"], wrong=["joining"])
        self.assertEqual(self.server.told("POST"), [("/api/v1/cluster/join", {"token": "wrn-join-T"})] * 2)
        self.expect(USAGE, "node", "join", "-", give="\n", wrong=["no token on standard input"])
        self.expect(USAGE, "node", "join", "x" * 5000, wrong=["too long"])
        self.expect(FAILED, "node", "join", "-", give="x" * 5000, wrong=["more than 4096 bytes"])

    def test_join_refused(self):
        for code, name in ((403, "denied"), (410, "lost"), (422, "value")):
            self.answers["POST /api/v1/cluster/join"] = problem(code, name, "the token was used by another server")
            done = self.expect(FAILED, "node", "join", "wrn-join-SECRET",
                               wrong=["wgctl: the token was used by another"])
            self.assertNotIn("SECRET", done.stderr + done.stdout)

    def test_a_token_does_not_stay_in_the_list_of_processes(self):
        arrived, go_on = threading.Event(), threading.Event()

        def slow(_):
            arrived.set()
            go_on.wait(30)
            return 200, {}

        self.answers["POST /api/v1/cluster/join"] = slow
        with subprocess.Popen([WGCTL, "node", "join", "wrn-join-SECRET"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL,
                              env=self.environment) as run:
            self.assertTrue(arrived.wait(30))
            words = Path(f"/proc/{run.pid}/cmdline").read_bytes()
            go_on.set()
            self.assertEqual(run.wait(30), DONE)
        self.assertIn(b"join", words)
        self.assertNotIn(b"SECRET", words)

    def test_list(self):
        self.answers["GET /api/v1/cluster/status"] = 200, status()
        self.expect(DONE, "node", "list", said=["fra-1", "nyc-1", "LOCATION"])

    def test_set_and_drain(self):
        for gateway in ("fra-1", OTHER_ID):
            self.answers[f"PATCH /api/v1/gateways/{gateway}"] = 200, {"id": OTHER_ID}
        self.expect(DONE, "node", "set", "fra-1", "--tier", "pro", "--host", "a.example", "--status", "active",
                    "--capacity", "9")
        self.expect(DONE, "node", "drain", OTHER, said=["takes no new devices"])
        self.assertEqual(self.server.told("PATCH"), [
            ("/api/v1/gateways/fra-1", {"tier": "pro", "public_host": "a.example", "status": "active", "capacity": 9}),
            (f"/api/v1/gateways/{OTHER_ID}", {"status": "draining"})])
        self.expect(FAILED, "node", "drain", "ffffffffffffffff", wrong=["there is no server ffffffffffffffff"])
        self.expect(FAILED, "node", "drain", "ber-1", wrong=["there is no /api/v1/gateways/ber-1"])

    def evictable(self):
        self.answers[f"POST /api/v1/members/{OTHER}/evict"] = 200, {
            "node": OTHER, "heir": NODE, "knew": ["the TLS key of the cluster"], "voided": [ID]}

    def test_evict(self):
        self.evictable()
        self.expect(USAGE, "node", "evict", "nyc-1", wrong=["say --yes"])
        self.assertEqual(self.server.told("POST"), [])
        self.expect(DONE, "node", "evict", "nyc-1", "--yes", said=[f"go to {NODE}", "the TLS key of the cluster", ID])
        self.expect(DONE, "node", "evict", OTHER, "--yes", "--heir", "fra-1")
        self.assertEqual([body for _, body in self.server.told("POST")],
                         [{}, {"heir": "fra-1"}])
        self.expect(FAILED, "node", "evict", "ber-1", "--yes", wrong=["there is no server ber-1"])

    def test_evict_asks(self):
        self.evictable()
        code, said = self.on_terminal("node", "evict", "nyc-1", answers=[("[y/N]", "n\n")])
        self.assertEqual((code, self.server.told("POST")), (FAILED, []))
        self.assertIn(f"Evict nyc-1, node {OTHER}?", said)
        code, said = self.on_terminal("node", "evict", "nyc-1", answers=[("[y/N]", "y\n")])
        self.assertEqual((code, len(self.server.told("POST"))), (DONE, 1), said)


class Operator(Case):
    def setUp(self):
        super().setUp()
        self.all = [{"key": KEY, "name": "anna", "parent": KEY, "is_root": True, "is_here": True, "state": "stands"},
                    {"key": "B" * 43 + "=", "name": "ben", "parent": KEY, "is_root": False, "is_here": False,
                     "state": "removed"}]
        self.answers["GET /api/v1/operators"] = 200, {"operators": self.all}
        self.secret = os.path.join(self.room, "passphrase")
        Path(self.secret).write_text("correct horse battery\n")
        self.out = os.path.join(self.room, "key")
        self.sealed = b"sealed\0bytes"
        self.answers[f"POST /api/v1/operators/{KEY}/export"] = 200, {"file": base64.b64encode(self.sealed).decode()}

    def test_list_and_add(self):
        self.expect(DONE, "operator", "list", said=["anna", "removed", KEY])
        self.answers["POST /api/v1/operators"] = 201, {"key": KEY, "name": "eve"}
        self.expect(DONE, "operator", "add", "eve", said=["eve is an operator"])
        self.assertEqual(self.server.told("POST"), [("/api/v1/operators", {"name": "eve"})])

    def test_remove(self):
        self.answers[f"DELETE /api/v1/operators/{KEY}"] = 204, None
        self.expect(USAGE, "operator", "remove", "anna", wrong=["say --yes"])
        for who in ("anna", KEY):
            self.expect(DONE, "operator", "remove", who, "--yes")
        self.expect(FAILED, "operator", "remove", "ben", "--yes", wrong=["no operator that stands is called ben"])
        self.assertEqual(len(self.server.told("DELETE")), 2)
        self.assertNotIn("/", self.server.seen[-2].target.split("/operators/")[1])

    def test_export(self):
        words = ("operator", "export", "anna", "--out", self.out, "--passphrase-file", self.secret)
        done = self.expect(DONE, *words, said=[self.out])
        self.assertEqual(Path(self.out).read_bytes(), self.sealed)
        self.assertEqual(stat.S_IMODE(os.stat(self.out).st_mode), 0o600)
        self.assertEqual(self.server.told("POST")[0][1], {"passphrase": "correct horse battery"})
        self.assertNotIn("horse", done.stdout + done.stderr)
        self.expect(FAILED, *words, wrong=[f"cannot make {self.out}"])

    def test_export_with_a_passphrase_that_is_no_good(self):
        Path(self.secret).write_text("short\n")
        self.expect(USAGE, "operator", "export", "anna", "--out", self.out, "--passphrase-file", self.secret,
                    wrong=["fewer than 8 bytes"])
        code, said = self.on_terminal("operator", "export", "anna", "--out", self.out,
                                      answers=[("passphrase: ", "long enough\n"), ("again: ", "long enouhg\n")])
        self.assertEqual(code, FAILED)
        self.assertIn("the two passphrases differ", said)
        self.assertFalse(os.path.exists(self.out))

    def test_export_asks_unseen(self):
        code, said = self.on_terminal("operator", "export", "anna", "--out", self.out,
                                      answers=[("passphrase: ", "long enough\n"), ("again: ", "long enough\n")])
        self.assertEqual(code, DONE, said)
        self.assertNotIn("long", said)
        self.assertEqual(self.server.told("POST")[0][1], {"passphrase": "long enough"})


class Kinds(Case):
    def rows(self, plural, rows):
        """A listing in pages, as the API gives it."""
        def page(request):
            begin, size = int(request.query.get("cursor", "c/0")[2:]), min(int(request.query["limit"]), 2)
            more = begin + size < len(rows)
            return 200, {plural: rows[begin:begin + size], "next": f"c/{begin + size}" if more else None}

        self.answers[f"GET /api/v1/{plural}"] = page

    def test_every_shared_kind_is_there(self):
        model = (TREE / "crdt/model/model.def").read_text()
        plurals = re.findall(r"^KIND\(\w+, (\w+), \d+, SHARED", model, re.M)
        self.assertGreater(len(plurals), 30)
        for plural in plurals:
            self.rows(plural, [{"id": ID}])
            self.expect(DONE, "get", plural.replace("_", "-"), said=[ID])

    def test_a_list_comes_whole(self):
        rows = [{"id": f"{i:032x}", "login": f"u{i}", "name": "日本語" if i % 2 else "a",
                 "role": "user"} for i in range(7)]
        self.rows("users", rows)
        lines = self.expect(DONE, "user", "list").stdout.splitlines()
        self.assertEqual(len(lines), 8)
        role = [columns(line[:line.index("user")]) for line in lines[1:]]
        self.assertEqual(set(role), {lines[0].index("ROLE")})
        whole = json.loads(self.expect(DONE, "get", "users", "--json").stdout)
        self.assertEqual(whole, {"users": rows, "next": None})
        self.assertEqual(len(json.loads(self.expect(DONE, "user", "list", "--limit", "3", "--json").stdout)["users"]),
                         3)

    def test_show(self):
        row = {"id": ID, "login": "anna", "note": "first\nsecond\x07", "later": {"a": [1]}, "expires": None}
        self.rows("users", [{"id": OTHER_ID, "login": "ben"}, {"id": OTHER_ID, "login": "x"}, row])
        self.answers[f"GET /api/v1/users/{ID}"] = 200, row
        by_id = self.expect(DONE, "user", "show", ID, said=["login    anna", "    first\n    second?\n",
                                                            '{"a":[1]}']).stdout
        self.assertEqual(by_id, self.expect(DONE, "users", "show", "anna").stdout)
        self.assertEqual(by_id, self.expect(DONE, "get", "users", "anna").stdout)
        self.expect(FAILED, "user", "show", "eve", wrong=["there is no user eve; wgctl get users lists them"])
        self.rows("users", [row, {**row, "id": OTHER_ID}])
        self.expect(FAILED, "user", "show", "anna", wrong=["several are called anna"])
        self.expect(USAGE, "membership", "show", "anna", wrong=["a membership has no name"])

    def added(self, plural, *words, code=DONE, **options):
        self.answers[f"POST /api/v1/{plural}"] = 201, {"id": ID}
        self.expect(code, *words, **options)
        return self.server.told("POST")[-1][1]

    def test_add_takes_each_type_of_field(self):
        self.rows("users", [{"id": ID, "login": "anna"}])
        self.rows("plans", [{"id": OTHER_ID, "name": "pro"}])
        self.assertEqual(self.added("users", "user", "add", "--login", "anna", "--plan", "pro", "--role", "admin",
                                    "--expires", "2026-12-31T00:00:00Z", "--email=a@b.example"),
                         {"login": "anna", "plan": OTHER_ID, "role": "admin", "expires": "2026-12-31T00:00:00Z",
                          "email": "a@b.example"})
        self.assertEqual(self.added("plans", "plan", "add", "--name", "big", "--devices", "5", "--down", str(2**53),
                                    "--up", "1000", "--device-life", "30d", "--shape", "true",
                                    "--suspend_shared", "false",
                                    "--tiers", "pro,basic", "--tiers", "free", "--period", "month"),
                         {"name": "big", "devices": 5, "down": str(2**53), "up": 1000, "device_life": 30 * 86400,
                          "shape": True, "suspend_shared": False, "tiers": ["pro", "basic", "free"], "period": "month"})
        self.assertEqual(self.added("gateways", "gateway", "add", "--name", "x", "--latitude", "-33868820"),
                         {"name": "x", "latitude": -33868820})
        self.assertEqual(self.added("holds", "hold", "add", "--subject", "user/anna", "--reason", "late"),
                         {"subject": f"user/{ID}", "reason": "late"})
        rules = [{"verdict": "allow", "to": ["10.0.0.0/8"]}]
        self.assertEqual(self.added("policy_versions", "policy-version", "add", "--policy", ID, "--rules",
                                    json.dumps(rules)),
                         {"policy": ID, "rules": rules})
        self.expect(USAGE, "policy-version", "add", "--policy", ID, "--rules", "{}", wrong=["a JSON list"])
        self.expect(USAGE, "policy-version", "add", "--policy", ID, "--rules", "[", wrong=["--rules is no JSON"])
        self.expect(USAGE, "hold", "add", "--subject", "anna", wrong=["names no record"])

    def test_a_body_from_a_file(self):
        path = os.path.join(self.room, "body.json")
        Path(path).write_text(json.dumps({"name": "a", "tiers": ["x"], "devices": 3}))
        self.assertEqual(self.added("plans", "plan", "add", "--json-body", path, "--devices", "4", "--tiers", "y"),
                         {"name": "a", "tiers": ["y"], "devices": 4})
        self.assertEqual(self.added("plans", "plan", "add", "--json-body", "-", give='{"name": "b"}'), {"name": "b"})
        self.expect(USAGE, "plan", "add", "--json-body", "-", give="[1]", wrong=["must be one JSON object"])
        self.expect(USAGE, "plan", "add", "--json-body", "-", give='{"a": 1, "a": 2}', wrong=["line 1"])
        self.expect(FAILED, "plan", "add", "--json-body", path + "x", wrong=["cannot read"])

    def test_set_and_rm(self):
        self.rows("users", [{"id": ID, "login": "anna"}])
        self.answers[f"PATCH /api/v1/users/{ID}"] = 200, {"id": ID, "name": "Anna"}
        self.answers[f"DELETE /api/v1/users/{ID}"] = 204, None
        self.expect(DONE, "user", "set", "anna", "--name", "Anna", "--unset", "expires", said=["Anna"])
        self.assertEqual(self.server.told("PATCH"), [(f"/api/v1/users/{ID}", {"name": "Anna", "expires": None})])
        self.expect(USAGE, "user", "rm", "anna", wrong=["say --yes"])
        self.expect(DONE, "user", "rm", "anna", "--yes", said=["The user is gone."])
        self.assertEqual(len(self.server.told("DELETE")), 1)
        self.expect(DONE, "user", "rm", ID, "--yes", "--json")
        # What makes a record cannot be set anew.
        self.expect(USAGE, "device", "set", ID, "--owner", ID, wrong=["device set has no option --owner"])

    def test_a_write_waits_for_a_copy_where_there_can_be_one(self):
        self.added("plans", "plan", "add", "--name", "a")
        self.assertEqual(self.server.seen[-1].query, {"replicas": "1"})

        def lone(request):
            if "replicas" in request.query:
                return problem(400, "form", "there is no other member", "replicas")
            return 201, {"id": ID}

        self.answers["POST /api/v1/plans"] = lone
        self.expect(DONE, "plan", "add", "--name", "a", said=[ID])
        self.assertEqual([request.query for request in self.server.seen[-2:]], [{"replicas": "1"}, {}])

    def test_a_refusal_names_the_field(self):
        self.answers["POST /api/v1/plans"] = problem(422, "value", "must not be empty", "name")
        self.expect(FAILED, "plan", "add", "--name", "", wrong=["wgctl: name: must not be empty"])
        self.answers["POST /api/v1/plans"] = problem(422, "value", "`name`: must not be empty", "name")
        self.expect(FAILED, "plan", "add", "--name", "", wrong=["wgctl: `name`: must not be empty"])

    def test_what_was_written_is_read(self):
        self.server.headers["Warren-After"] = "dG9rZW4"
        self.rows("users", [{"id": ID, "login": "anna"}])
        self.answers[f"PATCH /api/v1/users/{ID}"] = 200, {"id": ID}
        self.expect(DONE, "user", "set", "anna", "--name", "A")
        self.assertEqual([request.headers.get("Warren-Token") for request in self.server.seen], [None, "dG9rZW4"])

    def test_what_has_not_arrived_is_waited_for_once(self):
        pages = iter(({"Warren-After": "dG9rZW4"}, {"Warren-Behind": "1"}, {}))
        cursors = iter(("a", "b", None))

        def page(_):
            self.server.headers = next(pages)
            return 200, {"users": [], "next": next(cursors)}

        self.answers["GET /api/v1/users"] = page
        self.expect(DONE, "user", "list")
        self.assertEqual([request.headers.get("Warren-Token") for request in self.server.seen], [None, "dG9rZW4", None])

    def test_a_name_may_be_long(self):
        name = "ü" * 3000
        self.rows("users", [{"id": ID, "login": name}])
        self.answers[f"GET /api/v1/users/{ID}"] = 200, {"id": ID}
        self.expect(DONE, "user", "show", name, said=[ID])
        self.expect(FAILED, "node", "drain", name, wrong=["there is no /api/v1/gateways/" + name])


class Connection(Case):
    def test_a_post_that_died_is_made_once(self):
        self.server.die = 2
        self.answers["POST /api/v1/plans"] = 201, {"id": ID}
        self.expect(DONE, "plan", "add", "--name", "a", said=[ID])
        keys = [request.headers["Idempotency-Key"] for request in self.server.seen]
        self.assertEqual((len(keys), len(set(keys))), (3, 1))
        self.expect(DONE, "plan", "add", "--name", "a")
        self.assertNotEqual(self.server.seen[-1].headers["Idempotency-Key"], keys[0])

    def test_it_gives_up(self):
        self.server.die = 100
        self.expect(UNREACHABLE, "plan", "add", "--name", "a", wrong=["whether it was done is not known"])
        self.assertEqual(len(self.server.seen), 4)

    def test_a_get_is_repeated(self):
        self.server.die = 1
        self.answers["GET /api/v1/members"] = 200, MEMBERS
        self.expect(DONE, "cluster", "members")

    def test_a_patch_is_not(self):
        self.server.die = 1
        self.answers["PATCH /api/v1/gateways/fra-1"] = 200, {}
        self.expect(UNREACHABLE, "node", "drain", "fra-1", wrong=["whether it was done is not known"])
        self.assertEqual(len(self.server.seen), 1)

    def test_no_server(self):
        self.expect(UNREACHABLE, "cluster", "status", "--socket", self.path + "x",
                    wrong=[f"there is no socket {self.path}x: is warrend running"])
        plain = os.path.join(self.room, "plain")
        Path(plain).touch()
        self.expect(UNREACHABLE, "cluster", "status", "--socket", plain, wrong=["is no socket"])
        dead = os.path.join(self.room, "dead")
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(dead)
        self.expect(UNREACHABLE, "cluster", "status", "--socket", dead, wrong=["nothing answers on", "systemctl"])
        self.expect(UNREACHABLE, "cluster", "status", "--socket", "/" + "x" * 200, wrong=["too long for a socket"])

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_not_permitted(self):
        program = os.path.join(self.room, "wgctl")
        shutil.copy(WGCTL, program)
        for mode, folder in ((0o660, 0o755), (0o666, 0o700)):
            os.chmod(self.path, mode)
            place = os.path.join(self.room, f"in{folder:o}")
            os.mkdir(place, 0o755)
            inside = os.path.join(place, "s")
            other = Server(inside)
            os.chmod(inside, mode)
            os.chmod(place, folder)
            done = subprocess.run([program, "cluster", "status", "--socket", inside], capture_output=True, text=True,
                                  check=False, user=65534, group=65534, extra_groups=[], cwd="/")
            other.stop()
            self.assertEqual(done.returncode, UNREACHABLE, done.stderr)
            self.assertIn("usermod -aG warren", done.stderr)

    def test_the_socket_is_the_flags_then_the_environments(self):
        self.answers["GET /api/v1/members"] = 200, MEMBERS
        self.environment["WARREN_SOCKET"] = "/nowhere"
        self.expect(DONE, "cluster", "members", "--socket", self.path)
        self.expect(UNREACHABLE, "cluster", "members", wrong=["/nowhere"])
        self.expect(USAGE, "cluster", "members", "--socket", "", wrong=["--socket is empty"])
        self.environment["WARREN_SOCKET"] = ""
        self.expect(UNREACHABLE, "cluster", "members", wrong=["/run/warren/warrend.sock"])

    def test_what_is_no_answer_of_ours(self):
        self.answers["GET /api/v1/members"] = 200, b"<html>"
        self.expect(FAILED, "cluster", "members", wrong=["no JSON", "is that warrend?"])
        self.answers["GET /api/v1/members"] = 413, b"too big"
        self.expect(FAILED, "cluster", "members", wrong=["too big (status 413)"])
        self.answers["GET /api/v1/members"] = problem(500, "io", "the disk failed")
        self.expect(FAILED, "cluster", "members", wrong=["the disk failed", "request 00112233445566aa"])
        self.answers["GET /api/v1/members"] = 200, b"[" * 100 + b"]" * 100
        self.expect(FAILED, "cluster", "members", wrong=["deeper than 32"])
        self.answers["GET /api/v1/users"] = 200, {"people": []}
        self.expect(FAILED, "user", "list", wrong=["another version"])

    def test_answers_of_wrong_types_are_shown_as_nothing(self):
        for document in (None, 1, [], "text", {"members": 1}, {"members": [1, None, {"node": 5, "alarms": 3}]}):
            for path, words in (("members", "cluster members"), ("cluster/status", "cluster status"),
                                ("conflicts", "cluster conflicts"), ("doctor", "cluster doctor"),
                                ("operators", "operator list"), ("invites", "node invites")):
                self.answers[f"GET /api/v1/{path}"] = 200, json.dumps(document).encode()
                done = self.run_wgctl(*words.split())
                self.assertIn(done.returncode, (DONE, FAILED), done.stderr)
                self.assertNotIn("Sanitizer", done.stderr)


    def test_writes_answered_with_wrong_types(self):
        out = os.path.join(self.room, "out")
        secret = os.path.join(self.room, "secret")
        Path(secret).write_text("long enough\n")
        self.answers["GET /api/v1/members"] = 200, MEMBERS
        self.answers["GET /api/v1/operators"] = 200, {"operators": [{"key": KEY, "name": "anna", "state": "stands"}]}
        for document in (None, 7, [1], {"knew": 1, "voided": {}, "file": 3}, {"knew": [1, None], "file": "no base64!"}):
            for path, words in (("cluster", ("cluster", "init", "--name", "x")), ("invites", ("node", "invite",
                                                                                              "--name", "x")),
                                ("cluster/join", ("node", "join", "x")), (f"members/{OTHER}/evict", ("node", "evict",
                                                                                                     OTHER, "--yes")),
                                ("operators", ("operator", "add", "x")), ("plans", ("plan", "add", "--name", "x")),
                                (f"operators/{KEY}/export",
                                 ("operator", "export", "anna", "--out", out, "--passphrase-file", secret))):
                self.answers[f"POST /api/v1/{path}"] = 201, json.dumps(document).encode()
                done = self.run_wgctl(*words)
                self.assertIn(done.returncode, (DONE, FAILED), done.stderr)
                self.assertNotIn("Sanitizer", done.stderr)
                self.assertFalse(os.path.exists(out))


class Terminal(Case):
    EVIL = "a\x1b]0;owned\x07\x1b[31mb\u009bc\u202ed\r\ne"

    def setUp(self):
        super().setUp()
        evil = member(OTHER, self.EVIL, location=self.EVIL, version=self.EVIL, link=self.EVIL, alarms=[self.EVIL])
        self.answers["GET /api/v1/cluster/status"] = 200, status(members=[evil], name=self.EVIL)

    def test_no_control_character_of_a_server_gets_through(self):
        refused = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
        for words in (("cluster", "status"), ("node", "list"), ("cluster", "watch", "--count", "1")):
            said = self.expect(DONE, *words).stdout
            self.assertIsNone(refused.search(said), ascii(said))
            self.assertIn("a?]0;owned?", said)
            raw = self.expect(DONE, *words, "--json").stdout
            self.assertIsNone(refused.search(raw), ascii(raw))
            self.assertEqual(json.loads(raw)["name"], self.EVIL)
        self.answers["GET /api/v1/members"] = problem(409, "taken", self.EVIL)
        done = self.expect(FAILED, "cluster", "members", "--json")
        self.assertIsNone(refused.search(done.stderr + done.stdout), ascii(done.stderr))

    def test_a_table_fits_its_terminal(self):
        self.answers["GET /api/v1/cluster/status"] = 200, status(members=[
            member(NODE, "fra-1", location="フランクフルト・アム・マイン、ドイツ連邦共和国", version="0.1.0-very-long-1234567890"),
            member(OTHER, "e\u0301" * 40, location="Müllheim")])
        for width in (20, 40, 61, 80, 200):
            code, said = self.on_terminal("node", "list", width=width, environment={"NO_COLOR": "1"})
            self.assertEqual(code, DONE)
            self.assertNotIn("\x1b", said)
            widths = [columns(line) for line in said.splitlines()]
            self.assertEqual(len(widths), 3, said)
            self.assertLessEqual(max(widths), width, said)

    def test_colour_is_for_terminals(self):
        self.assertIn("\x1b[", self.on_terminal("cluster", "status")[1])
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\x1b", self.on_terminal("cluster", "status", environment=environment)[1])
        self.assertNotIn("\x1b", self.expect(DONE, "cluster", "status").stdout)

    def test_a_reader_that_has_seen_enough(self):
        with subprocess.Popen([WGCTL, "completion", "zsh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.environment) as run:
            run.stdout.read(1)
            run.stdout.close()
            self.assertEqual((run.wait(30), run.stderr.read()), (FAILED, b""))
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([WGCTL, "man"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("cannot write to standard output", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
