#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of `warrend --check` and `--dump`: offline.py WARREND MAKE_STATE DAMAGE_STATE"""

import fcntl
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

WARREND, MAKE_STATE, DAMAGE_STATE = sys.argv[1:4]
SECRET_MARK = b"SECRET-MARK-0123456789abcdef0123456789"
PAGE = 4096
LANES = ("urgent", "people", "bulk")


# Under a sanitizer too a bad page ends the reader as it ends the one that ships: by a signal.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "handle_segv=0:handle_sigbus=0:handle_abort=0:detect_leaks=1"}


def run(*arguments):
    return subprocess.run([WARREND, *arguments], capture_output=True, text=True, errors="replace", check=False, timeout=60,
                          env=ENVIRONMENT)


def digest(folder):
    """All that a reader must leave alone: names, modes and bytes."""
    said = hashlib.sha256()
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        said.update(f"{name} {os.stat(path).st_mode:o} ".encode())
        with open(path, "rb") as file:
            said.update(file.read())
    return said.hexdigest()


class Offline(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.mkdtemp(prefix="warren-offline-")
        cls.pristine = os.path.join(cls.room, "pristine")
        for seed in ("1", "2"):
            subprocess.run([MAKE_STATE, cls.pristine, seed], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.room)

    def setUp(self):
        self.state = os.path.join(self.room, "state")
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.pristine, self.state)
        self.file = os.path.join(self.state, "state.mdb")

    def change(self, what):
        with open(self.file, "r+b") as file:
            data = bytearray(file.read())
            what(data)
            file.seek(0)
            file.write(data)
            file.truncate(len(data))

    def turn_a_bit_of(self, device):
        """In all copies of the record: LMDB leaves old ones in free pages."""
        key = b"\x01\x00" + bytes([19 << 2 | 1]) + bytes.fromhex(device["id"])

        def turn(data):
            at = data.find(key)
            while at >= 0:
                data[at + len(key) + 20] ^= 4
                at = data.find(key, at + 1)

        self.change(turn)

    def turn_a_bit_of_index(self, device):
        """In the seals of its entries, which have no value."""
        key = re.compile(re.escape(b"\x02\x00" + bytes([19 << 2 | 1])) + b".{2,60}?" +
                         re.escape(bytes.fromhex(device["id"])), re.DOTALL)

        def turn(data):
            for found in key.finditer(bytes(data)):
                data[found.end() + 3] ^= 16

        self.change(turn)

    def turn_a_bit_of_batch(self, end):
        """Of the last batch of a stream, which is small enough to lie behind its key."""
        key = (b"\x04" + bytes.fromhex(end["node"]) + end["start"].to_bytes(8, "big") +
               bytes([LANES.index(end["lane"])]) + end["end"].to_bytes(8, "big"))

        def turn(data):
            at = data.find(key)
            while at >= 0:
                data[at + len(key) + 40] ^= 4
                at = data.find(key, at + 1)

        self.change(turn)

    def damage(self, what):
        """Such that every hash of the store still fits."""
        subprocess.run([DAMAGE_STATE, self.state, what], check=True)

    def all_dumped(self, *kind):
        done = run("--dump", self.state, *kind)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def dumped(self, *kind):
        return [line for line in self.all_dumped(*kind) if "kind" in line]

    def ends(self):
        return {line["lane"]: line for line in self.all_dumped() if "lane" in line}

    def test_a_whole_state_passes_and_is_left_as_it_was(self):
        before = digest(self.state)
        done = run("--check", self.state)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, rf"^{self.state} is whole: \d{{3,}} records, \d\d batches, 3 statements, "
                         r"\d{3,} index entries, each verified\n$")
        self.assertEqual(digest(self.state), before)

    def test_a_state_on_a_read_only_disk_can_be_checked(self):
        os.chmod(self.file, 0o400)
        os.chmod(self.state, 0o500)
        self.addCleanup(os.chmod, self.state, 0o700)
        self.assertEqual(run("--check", self.state).returncode, 0)
        self.assertEqual(run("--dump", self.state, "device").returncode, 0)

    def test_a_changed_record_is_named_and_the_remedy_told(self):
        device = next(line for line in self.dumped("device") if "fields" in line)
        self.turn_a_bit_of(device)
        before = digest(self.state)
        done = run("--check", self.state)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(f"damaged: device {device['id']}: its bytes do not match their hash", done.stdout)
        self.assertIn("is damaged: 1 finding in", done.stdout)
        self.assertIn("What to do:", done.stdout)
        self.assertEqual(digest(self.state), before)

    def test_an_agent_does_not_start_on_a_damaged_state(self):
        """make_state opens it as an agent does."""
        device = next(line for line in self.dumped("device") if "fields" in line)
        for damage in (lambda: self.turn_a_bit_of(device),
                       lambda: self.change(lambda data: data.__delitem__(slice(len(data) // 2 // PAGE * PAGE, None)))):
            self.setUp()
            damage()
            before = digest(self.state)
            done = subprocess.run([MAKE_STATE, self.state], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("make_state: damaged: ", done.stderr)
            self.assertIn("make_state: E_DAMAGED", done.stderr)
            self.assertEqual(digest(self.state), before)

    def test_damage_of_indexes_alone_is_told_and_mended_by_the_next_start(self):
        device = next(line for line in self.dumped("device") if "fields" in line)
        whole = self.dumped()
        self.turn_a_bit_of_index(device)
        before = digest(self.state)
        done = run("--check", self.state)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, rf"damaged: index entry by \w+ of device {device['id']}: its bytes do not match")
        self.assertIn("the next start of warrend makes the indexes anew", done.stdout)
        self.assertNotIn("do not start", done.stdout)
        self.assertEqual(digest(self.state), before)
        done = subprocess.run([MAKE_STATE, self.state, "1"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"damaged: only what follows from the records: \d+ findings?: it is made anew")
        done = run("--check", self.state)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, "index entries, each verified\n$")
        # What was dead may be forgotten meanwhile.
        self.assertTrue({line["id"] for line in whole if not line.get("dead")} <=
                        {line["id"] for line in self.dumped()})

    def test_damage_of_a_record_and_of_indexes_is_not_mended(self):
        first, second = [line for line in self.dumped("device") if "fields" in line][:2]
        self.turn_a_bit_of(first)
        self.turn_a_bit_of_index(second)
        done = run("--check", self.state)
        self.assertEqual(done.returncode, 1)
        self.assertIn("do not start warrend on this directory", done.stdout)
        before = digest(self.state)
        done = subprocess.run([MAKE_STATE, self.state], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(digest(self.state), before)

    def test_a_damaged_record_is_named_and_the_others_are_dumped(self):
        everything = self.all_dumped()
        device = next(line for line in everything if line.get("kind") == "device" and "fields" in line)
        self.turn_a_bit_of(device)
        done = run("--dump", self.state)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"damaged: device {device['id']}: its bytes do not match their hash", done.stderr)
        self.assertIn("run warrend --check", done.stderr)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()],
                         [line for line in everything if line != device])

    def assert_told(self, named, remedy, findings="1 finding"):
        """One line that names it, and what to do; the exit status of damage; nothing touched."""
        before = digest(self.state)
        done = run("--check", self.state)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertRegex(done.stdout.splitlines()[0], "^damaged: " + named)
        self.assertRegex(done.stdout, rf"is damaged: {findings} in \d{{4}} records, \d\d batches, [23] statements and ")
        self.assertRegex(done.stdout.split("What to do:")[1].replace("\n", " "), remedy)
        self.assertEqual(digest(self.state), before)
        return done.stdout

    def test_damage_of_the_log_is_named_and_every_record_still_dumped(self):
        records = self.dumped()
        people = "of node [0-9a-f]{16}, start 1, lane people"
        log = "every record is there: .*do not start warrend on this directory"
        for what, named in (
                ("gap", rf"batch that ends at \d+ {people}: this batch does not follow the one before it$"),
                ("last", rf"end {people}: this stream's end is not that of its last batch$"),
                ("end", rf"end {people}: this stream's end is not that of its last batch$"),
                ("signature", rf"batch that ends at \d+ {people}: this batch's signature is not that of a member$"),
                ("entries", rf"batch that ends at \d+ {people}: .*entries are not those of its header$")):
            with self.subTest(what):
                self.setUp()
                self.damage(what)
                self.assert_told(named, log)
                done = run("--dump", self.state)
                self.assertEqual(done.returncode, what == "entries")
                lines = [json.loads(line) for line in done.stdout.splitlines()]
                self.assertEqual([line for line in lines if "kind" in line], records)

    def test_damage_of_statements_is_named(self):
        count = len(self.dumped())
        for what, named in (("statement", "statement 1: this statement's signature is not its signer's$"),
                            ("statement-gap", "statement 2: the statement before this one is missing$")):
            with self.subTest(what):
                self.setUp()
                self.damage(what)
                # With the statement goes whoever it let in, and with that one the batches.
                self.assert_told(named, "do not start warrend on this directory", r"\d+ findings")
                self.assertEqual(len(self.dumped()), count - (what == "statement-gap"))

    def test_what_one_part_of_the_check_finds_hides_nothing_of_the_others(self):
        device = next(line for line in self.dumped("device") if "fields" in line)
        self.damage("gap")
        self.turn_a_bit_of(device)
        done = run("--check", self.state)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for said in (f"device {device['id']}: its bytes do not match their hash",
                     "this batch does not follow the one before it"):
            self.assertIn(said, done.stdout)
        self.assertIn("do not start warrend on this directory", done.stdout)

    def test_a_wrong_root_is_named_and_mended_by_the_next_start(self):
        self.damage("root")
        self.assert_told("the root: the root is not that of the records$", "nothing is lost: the next start .*the root")
        done = subprocess.run([MAKE_STATE, self.state], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("damaged: only what follows from the records: 1 finding: it is made anew", done.stderr)
        self.assertEqual(run("--check", self.state).returncode, 0)

    def test_a_changed_bit_in_a_batch_is_named_and_no_agent_starts_on_it(self):
        records, end = self.dumped(), self.ends()["urgent"]
        self.turn_a_bit_of_batch(end)
        name = f"batch that ends at {end['end']} of node {end['node']}, start 1, lane urgent"
        self.assert_told(f"{name}: its bytes do not match their hash", "every record is there")
        dump = run("--dump", self.state)
        self.assertEqual(dump.returncode, 1)
        self.assertIn(f"damaged: {name}: ", dump.stderr)
        lines = [json.loads(line) for line in dump.stdout.splitlines()]
        self.assertEqual([line for line in lines if "kind" in line], records)
        before = digest(self.state)
        done = subprocess.run([MAKE_STATE, self.state], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"make_state: damaged: {name}", done.stderr)
        self.assertEqual(digest(self.state), before)

    def test_a_start_leaves_signatures_and_chains_to_the_check(self):
        for what in ("signature", "gap"):
            self.setUp()
            self.damage(what)
            self.assertEqual(subprocess.run([MAKE_STATE, self.state, "0"], check=False).returncode, 0)
            self.assertEqual(run("--check", self.state).returncode, 1)
            # Whoever writes on leaves less than whole batches of what everybody has, and the damage with it.
            self.assertEqual(subprocess.run([MAKE_STATE, self.state], check=False).returncode, 0)

    def test_statements_and_the_ends_of_streams_are_dumped(self):
        lines = self.all_dumped()
        statements = [line for line in lines if "statement" in line]
        self.assertEqual([(line["statement"], line["kind"]) for line in statements],
                         [(0, "cluster"), (1, "invite"), (2, "admission")])
        self.assertEqual(statements[2]["fields"]["invite"], statements[1]["id"])
        self.assertEqual(self.dumped("admission"), [line for line in lines if line.get("kind") == "admission"])
        ends = self.ends()
        self.assertEqual(set(ends), {"urgent", "people"})
        self.assertEqual(lines[-2:], [ends["urgent"], ends["people"]])
        # There was no room for all of what it wrote, and of that it keeps less than whole batches.
        self.assertTrue(all(end["start"] == 1 and 1 < end["first"] <= end["end"] for end in ends.values()))
        self.assertTrue(all(end["batches"] and end["left"] for end in ends.values()))
        self.assertIn(f"{sum(end['batches'] + end['left'] for end in ends.values())} batches",
                      run("--check", self.state).stdout)
        users = {line["fields"]["login"] for line in self.dumped("user") if "login" in line.get("fields", {})}
        self.assertIn("u00000001", users)

    def test_no_bytes_make_it_crash_hang_or_lie(self):
        """What is damaged is said to be; what is said to be whole is what was written."""
        whole = run("--dump", self.state).stdout
        chance = random.Random(5)
        for round_ in range(60):
            shutil.copy(os.path.join(self.pristine, "state.mdb"), self.file)
            if round_ % 2:
                self.change(lambda data: data.__setitem__(slice(at := chance.randrange(len(data) - 512), at + 512),
                                                          chance.randbytes(512)))
            else:
                self.change(lambda data: data.__setitem__(at := chance.randrange(len(data)),
                                                          data[at] ^ 1 << chance.randrange(8)))
            check, dump = run("--check", self.state), run("--dump", self.state)
            self.assertIn(check.returncode, (0, 1), check.stdout + check.stderr)
            self.assertIn(dump.returncode, (0, 1), dump.stderr)
            if check.returncode == 0 or dump.returncode == 0:
                self.assertEqual(dump.stdout, whole)
                self.assertEqual((check.returncode, dump.stderr) if dump.stderr else dump.stderr, "")

    def test_a_file_cut_short_is_damage_not_a_crash(self):
        self.change(lambda data: data.__delitem__(slice(len(data) // 2 // PAGE * PAGE, None)))
        done = run("--check", self.state)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, "damaged: .*page")
        self.assertIn(f"{self.state} is damaged", done.stdout)

    def test_every_record_is_dumped_once_and_kinds_can_be_chosen(self):
        everything = self.dumped()
        kinds = {line["kind"] for line in everything}
        self.assertEqual(len({(line["kind"], line["id"]) for line in everything}), len(everything))
        self.assertEqual(len(everything) + 2, len(self.all_dumped()))
        self.assertGreater(len(kinds), 50)
        for kind in ("device", "usage", "policy_version"):
            self.assertEqual(self.dumped(kind), [line for line in everything if line["kind"] == kind])
        self.assertTrue(any(line.get("dead") for line in everything))
        self.assertFalse(any("invalid" in line for line in everything))

    def test_a_reader_that_has_seen_enough_hears_no_more(self):
        dump = subprocess.Popen([WARREND, "--dump", self.state], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=ENVIRONMENT, preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        self.assertTrue(json.loads(dump.stdout.readline()))
        dump.stdout.close()
        self.assertEqual(dump.stderr.read(), "")
        dump.stderr.close()
        self.assertEqual(dump.wait(timeout=60), 1)

    def test_what_only_a_later_version_knows_is_shown_by_its_numbers(self):
        everything = self.dumped()
        later = next(line for line in everything if line["kind"] == 0xfff1)
        self.assertEqual(later, {"kind": 0xfff1, "id": later["id"], "unknown_fields": [0, 5, 241]})
        policy = next(line for line in self.dumped("policy") if "unknown_fields" in line)
        self.assertEqual((policy["fields"]["name"], policy["unknown_fields"]), ("of a later version", [241]))

    def test_no_secret_is_printed(self):
        with open(self.file, "rb") as file:
            self.assertIn(SECRET_MARK, file.read())
        done = run("--dump", self.state)
        self.assertNotIn(SECRET_MARK.decode(), done.stdout)
        key = next(line for line in self.dumped("api_key") if line.get("fields", {}).get("prefix") == "abcdefgh")
        self.assertEqual(key["fields"]["hash"], "(secret)")
        self.assertEqual(key["fields"]["name"], 'nightly "backup" \\ job')

    def test_a_state_in_use_is_left_alone(self):
        folder = os.open(self.state, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        for command in ("--check", "--dump"):
            done = run(command, self.state)
            self.assertEqual(done.returncode, 3)
            self.assertIn("stop it first", done.stderr)

    def test_what_is_no_state_is_refused_with_what_to_do(self):
        for path, said in ((os.path.join(self.room, "nowhere"), "check the path"),
                           (self.file, "give the one that state.mdb lies in"),
                           (self.room, "there is no Warren state in"), ("/tmp", "there is no Warren state in")):
            for command in ("--check", "--dump"):
                done = run(command, path)
                self.assertEqual((done.returncode, done.stdout), (3, ""), path)
                self.assertRegex(done.stderr, f"^warrend: .*{said}")
                self.assertIn(path, done.stderr)
                self.assertNotRegex(done.stderr, "chmod|remove")
        os.chmod(self.state, 0o755)
        done = run("--check", self.state)
        self.assertEqual(done.returncode, 3)
        self.assertIn("chmod", done.stderr)

    def test_a_later_format_of_the_file_is_no_damage(self):
        def make_newer(data):
            for page in (0, PAGE):
                data[page + 20] = 2

        self.change(make_newer)
        for command in ("--check", "--dump"):
            done = run(command, self.state)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("a newer version: install the one that wrote it", done.stderr)

    def test_another_file_in_its_place_is_told_as_that(self):
        for content in (b"", b"# A text, longer than a page\n" * 400):
            with open(self.file, "wb") as file:
                file.write(content)
            done = run("--check", self.state)
            self.assertEqual(done.returncode, 1)
            self.assertIn("1 finding", done.stdout)

    def test_wrong_usage_says_how_to_use_it(self):
        for arguments in (("--check",), ("--chekc", self.state), ("--check", self.state, "x"), ("--dump",)):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertRegex(done.stderr, r"^warrend: [^\n]*: see warrend --help\n$")
        self.assertIn("there is no command '--chekc'", run("--chekc", self.state).stderr)
        self.assertIn("name the state directory behind '--check'", run("--check").stderr)
        self.assertIn("one argument too many: 'x'", run("--check", self.state, "x").stderr)
        self.assertIn("warrend --check STATE", run("--help").stdout)
        for line in run("--help").stdout.splitlines():
            self.assertLess(len(line), 81)
        done = run("--dump", self.state, "gadget")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "there is no kind gadget; these are:\n(.|\n)*  device ")
        self.assertEqual(run("--help").returncode, 0)
        self.assertRegex(run("--version").stdout, r"^warrend \d+\.\d+\.\d+\n$")

    def test_the_makers_of_states_say_how_they_are_used(self):
        for program in (MAKE_STATE, DAMAGE_STATE):
            name = os.path.basename(program)
            for option in ("-h", "--help"):
                done = subprocess.run([program, option], cwd=self.room, capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertTrue(done.stdout.startswith(f"Usage: {name} STATE"))
            for arguments in ((), ("--fast",), (self.state, "x"), (self.state, "1", "x"), (self.state, "")):
                done = subprocess.run([program, *arguments], cwd=self.room, capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
                self.assertRegex(done.stderr, f"^{name}: [^\n]*: see {name} --help\n$")
        self.assertEqual(sorted(os.listdir(self.room)), ["pristine", "state"])

    def test_output_that_cannot_be_written_is_a_failure(self):
        for command in ("--check", "--dump"):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([WARREND, command, self.state], stdout=full, stderr=subprocess.PIPE, text=True,
                                      check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("could not be written", done.stderr)


unittest.main(argv=sys.argv[:1], verbosity=2)
