# SPDX-License-Identifier: Apache-2.0
"""A fleet of real agents, each in a network namespace of its own, on one bridge; and what breaks them.

Needs root. Everything that was made is taken away by Fleet.close(), also after a failure.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PORT = 8444
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=16", "UBSAN_OPTIONS": "print_stacktrace=1",
               "PATH": os.environ["PATH"]}


def sh(*words, check=True):
    """One command; what it said when it failed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Refused(Exception):
    """An answer that is no success, with its problem document."""

    def __init__(self, status, problem):
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.problem = status, problem
        self.code, self.detail = problem.get("code"), problem.get("detail", "")


class Unreachable(Exception):
    """Nobody answers, or the answer broke off: whether it was done is not known."""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Agent:
    """One server: its namespace, its state, and the process while it runs."""

    def __init__(self, fleet, number):
        self.fleet, self.number = fleet, number
        self.name = f"s{number}"
        self.space = f"{fleet.prefix}{number}"
        self.address = fleet.address(number + 1)
        self.room = os.path.join(fleet.room, self.name)
        self.state = os.path.join(self.room, "state")
        self.socket = os.path.join(self.room, "sock")
        self.log = os.path.join(self.room, "log")
        self.process = None
        self.options, self.environment = [], {}
        self.is_mounted = False
        self.program = fleet.warrend
        os.makedirs(self.room, mode=0o700)

    def start(self, wait=True):
        words = ["ip", "netns", "exec", self.space, self.program, "--config=", f"--state={self.state}",
                 f"--socket={self.socket}", "--log.level=debug", *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**ENVIRONMENT, **self.environment})
        if wait:
            self.wait_until(lambda: self.get("/healthz"), "answers")

    def end(self, number=signal.SIGTERM, within=30):
        """Its exit status."""
        process, self.process = self.process, None
        if not process:
            return None
        process.send_signal(number)
        return process.wait(timeout=within)

    def kill(self):
        self.end(signal.SIGKILL)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def ask(self, method, path, body=None, headers=None, timeout=30):
        """The answer's JSON and its headers."""
        connection = UnixConnection(self.socket, timeout)
        said = {**({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), said)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as broken:
            raise Unreachable(str(broken)) from broken
        finally:
            connection.close()
        content = json.loads(text) if text else None
        if answer.status >= 300:
            raise Refused(answer.status, content or {})
        return content, answer.headers

    def get(self, path, **options):
        return self.ask("GET", path, **options)[0]

    def post(self, path, body, **options):
        return self.ask("POST", path, body, **options)[0]

    def wait_until(self, condition, what, within=30):
        """Until it holds; asking an agent that does not answer counts as not yet."""
        end = time.monotonic() + within
        while True:
            try:
                found = condition()
                if found:
                    return found
            except (Refused, Unreachable) as not_yet:
                found = not_yet
            if time.monotonic() > end:
                raise AssertionError(f"{self.name}: not in {within} s: {what}; last: {found}; {self.last_words()}")
            time.sleep(0.02)

    def last_words(self, lines=12):
        try:
            told = [line for line in self.read_log().splitlines(True) if "msg=request" not in line]
            return "".join(told[-lines:])
        except OSError:
            return "(no log)"

    def wait_ready(self, within=30):
        self.wait_until(lambda: self.get("/readyz"), "is ready", within)

    def status(self):
        return self.get("/api/v1/cluster/status")

    @property
    def node(self):
        return self.get("/api/v1/cluster")["node"]

    def mount(self, size):
        """Its state on a small disk of its own."""
        os.makedirs(self.state, mode=0o700)
        sh("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", self.state)
        self.is_mounted = True

    def move(self, address):
        """To another address, while it runs."""
        sh("ip", "-n", self.space, "addr", "del", self.fleet.with_mask(self.address), "dev", "eth0")
        self.address = address
        self.fleet.give_address(self)

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def memory_kib(self):
        """Private memory."""
        with open(f"/proc/{self.child()}/smaps_rollup", encoding="ascii") as rollup:
            return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))

    def child(self):
        """`ip netns exec` becomes the program itself."""
        return self.process.pid

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child()}/fd"))

    def names(self, kind="settings"):
        """Of all records of a kind, however many there are."""
        found, cursor = [], ""
        while True:
            page = self.get(f"/api/v1/{kind}?limit=1000{cursor}")
            found += [row["name"] for row in page[kind]]
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"


class Fleet:
    """`count` servers, on one bridge; none runs yet."""

    def __init__(self, warrend, count, is_six=False):
        if os.geteuid():
            raise RuntimeError("network namespaces need root: run the tests as root")
        self.warrend, self.is_six = warrend, is_six
        self.prefix = f"wt{os.getpid() % 100000}n"
        self.hub = f"{self.prefix}h"
        self.room = tempfile.mkdtemp(prefix="warren-fleet-")
        self.agents, self.count = [], 0
        try:
            self.make_hub()
            for number in range(count):
                self.add()
        except BaseException:
            self.close()
            raise

    def make_hub(self):
        sh("ip", "netns", "add", self.hub)
        sh("ip", "-n", self.hub, "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", self.hub, "link", "set", "br0", "up")
        self.nft("add table bridge t; add chain bridge t f { type filter hook forward priority 0; }")

    def nft(self, text):
        sh("ip", "netns", "exec", self.hub, "nft", text)

    def address(self, number):
        return f"fd77::{number:x}" if self.is_six else f"10.77.0.{number}"

    def with_mask(self, address):
        return f"{address}/64" if self.is_six else f"{address}/24"

    def give_address(self, agent):
        # At once: nobody else has it.
        more = ["nodad"] if self.is_six else []
        sh("ip", "-n", agent.space, "addr", "add", self.with_mask(agent.address), "dev", "eth0", *more)

    def add(self):
        """One server more."""
        agent = Agent(self, self.count)
        self.count += 1
        port = f"p{agent.number}"
        sh("ip", "netns", "add", agent.space)
        sh("ip", "-n", self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", agent.space)
        sh("ip", "-n", self.hub, "link", "set", port, "master", "br0", "up")
        self.give_address(agent)
        sh("ip", "-n", agent.space, "link", "set", "eth0", "up")
        sh("ip", "-n", agent.space, "link", "set", "lo", "up")
        self.agents.append(agent)
        return agent

    def cut(self, ones, others, both=True):
        """What the ones send does not reach the others; nor, with both, the other way round."""
        ip = "ip6" if self.is_six else "ip"
        a = ", ".join(agent.address for agent in ones)
        b = ", ".join(agent.address for agent in others)
        self.nft(f"add rule bridge t f {ip} saddr {{ {a} }} {ip} daddr {{ {b} }} drop")
        if both:
            self.nft(f"add rule bridge t f {ip} saddr {{ {b} }} {ip} daddr {{ {a} }} drop")

    def heal(self):
        self.nft("flush chain bridge t f")

    def found(self):
        """A cluster of all of them."""
        first = self.agents[0]
        first.start()
        made = first.post("/api/v1/cluster", {"name": "fleet", "gateway": first.name})
        first.wait_ready()
        for agent in self.agents[1:]:
            agent.start()
            self.join(agent)
        self.wait_settled()
        return made

    def invite(self, agent, sponsor=None, **more):
        return (sponsor or self.agents[0]).post("/api/v1/invites", {"name": agent.name, **more})["token"]

    def join(self, agent, sponsor=None):
        return agent.post("/api/v1/cluster/join", {"token": self.invite(agent, sponsor)}, timeout=120)

    def close(self):
        for agent in self.agents:
            if agent.process:
                agent.process.kill()
                agent.process.wait()
        for agent in self.agents:
            sh("ip", "netns", "del", agent.space, check=False)
            if agent.is_mounted:
                sh("umount", agent.state, check=False)
        sh("ip", "netns", "del", self.hub, check=False)
        shutil.rmtree(self.room, ignore_errors=True)

    def wait_settled(self, agents=None, within=60):
        """Until each has a link to all others, and knows that they have what it has."""
        agents = agents or [agent for agent in self.agents if agent.process]
        nodes = {agent.node for agent in agents}
        for agent in agents:
            def is_settled(agent=agent):
                others = [one for one in agent.status()["members"] if one["node"] in nodes and not one["is_self"]]
                return all(one["link"] == "up" and not one["behind_entries"] for one in others)
            agent.wait_until(is_settled, "knows that the others have what it has", within)

    def wait_same(self, agents=None, kind="settings", within=60):
        """Until all of them show the same records."""
        agents = agents or [agent for agent in self.agents if agent.process]
        self.wait_settled(agents, within)
        first = agents[0]
        for agent in agents[1:]:
            agent.wait_until(lambda agent=agent: sorted(agent.names(kind)) == sorted(first.names(kind)),
                             f"shows the {kind} of {first.name}", within)
        return sorted(first.names(kind))
