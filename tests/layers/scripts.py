#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads what the commands of the tree say: their help, and to wrong arguments, wrong systems and missing rights."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
COMMANDS = ("deploy/up", "deploy/down", "deploy/demo", "deploy/service", "tests/run", "bench/run")
FIGURE = {"figure": "store.put_ns", "value": 2.0, "unit": "ns", "peer": "LMDB", "peer_value": 4.0, "ratio": 0.5,
          "demand": "none", "machine": "any"}


def run(*command, **options):
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **options)


class Words(unittest.TestCase):
    def narrow(self, text):
        for line in text.splitlines():
            self.assertLessEqual(len(line), 80, line)
        return text

    def wrong(self, command, *arguments):
        done = run(TREE / command, *arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        return self.narrow(done.stderr)

    def test_help_is_help_wherever_it_stands(self):
        for command in COMMANDS:
            for arguments in (("-h",), ("--help",)):
                done = run(TREE / command, *arguments)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertTrue(self.narrow(done.stdout).startswith(f"Usage: {command} [-h | --help]"))
        self.assertEqual(run(TREE / "tests/run", "unit", "-h").returncode, 0)
        self.assertEqual(run(TREE / "bench/run", "codec", "-h").returncode, 0)

    def test_what_is_wrong_comes_before_the_usage(self):
        for command, argument, said in (("deploy/up", "now",
                                         "there is no argument 'now': there are --join and --help"),
                                        ("deploy/up", "",
                                         "there is no argument '': there are --join and --help"),
                                        ("deploy/down", "now",
                                         "there is no argument 'now': there are --purge and --help"),
                                        ("deploy/demo", "now", "there is no 'now': deploy/demo takes up or down"),
                                        ("deploy/service", "restart", "there is no 'restart'"),
                                        ("tests/run", "--fast", "there is no option '--fast'"),
                                        ("bench/run", "--fast", "there is no group '--fast'"),
                                        ("bench/run", "", "there is no group ''")):
            self.assertTrue(self.wrong(command, argument).startswith(f"{command}: {said}\n\nUsage: {command} "))

    def test_without_rights_each_says_what_to_do(self):
        for script, said in (("deploy/up", "a service of the system needs root, and you are neither root nor is there sudo "
                                           "deploy/up: choose a place that is yours: PREFIX=$HOME/warren deploy/up"),
                             ("deploy/down", "what is below /usr/local is root's, and you are neither root nor is there "
                                             "sudo deploy/down: run this as root"),
                             ("deploy/demo", "a demo makes network namespaces, and you are neither root nor is there sudo "
                                             "deploy/demo: run this as root")):
            text = (TREE / script).read_text().replace('main "$@"\n', "may_be_root() { false; }\nmain\n")
            text = text.replace('$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)', str(TREE))
            done = run("bash", "-c", text, env={"PATH": os.environ["PATH"]})
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(" ".join(self.narrow(done.stderr).split()), f"{script}: {said}")

    def test_all_arguments_are_judged_before_anything_is_done(self):
        self.assertIn("there is no option '--fast'", self.wrong("tests/run", "unit", "--fast"))
        said = self.wrong("bench/run", "codec", "codex")
        self.assertIn("there is no group 'codex'", said)
        self.assertIn("Groups: codec ", said)

    def test_the_groups_named_are_those_that_are_there(self):
        groups = next(line for line in run(TREE / "bench/run", "-h").stdout.splitlines() if line.startswith("Groups: "))
        self.assertGreater(len(groups.split()), 3)
        for group in groups.split()[1:]:
            self.assertTrue((TREE / "bench" / f"{group}.c").is_file(), group)


class Library(Words):
    def with_library(self, script, **options):
        done = run("bash", "-c", f"set -euo pipefail; ROOT={TREE} ME=some/thing; . {TREE}/deploy/lib.sh; {script}",
                   **options)
        self.narrow(done.stdout + done.stderr)
        return done

    def on(self, release):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(release)
            file.flush()
            return self.with_library(f"require_debian {file.name}; echo fine")

    def test_debian_12_and_later_ones_will_do(self):
        for release in ("ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
                        "ID=debian\nVERSION_ID=13\n", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux forky/sid\"\n"):
            done = self.on(release)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "fine\n", ""))

    def test_any_other_system_is_named_and_a_way_out_told(self):
        for release, said in (("ID=debian\nVERSION_ID=11\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n",
                               "this is Debian GNU/Linux 11 (bullseye), which is too old"),
                              ("ID=ubuntu\nVERSION_ID=24.04\nPRETTY_NAME=Ubuntu\n", "this is Ubuntu, and this"),
                              ("NAME=X\n", "this is unknown, and this")):
            done = self.on(release)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(done.stderr.startswith("some/thing: " + said), done.stderr)
            self.assertIn("cmake --preset release", done.stderr.replace("\n", " "))
        done = self.with_library("require_debian /nowhere")
        self.assertIn("no system that says its name", done.stderr)

    def test_without_rights_there_is_one_remedy(self):
        done = self.with_library("may_be_root() { false; }; missing_packages() { echo one; echo two; }; "
                                 "apt() { echo called; }; ensure_packages x")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        said = done.stderr.replace("\n", " ")
        self.assertIn("run this as root, then this script again as yourself: apt-get install one two", said)
        self.assertEqual(done.stderr.count("some/thing: "), 2)

    def with_build(self, folder, script):
        Path(folder, "build/debug").mkdir(parents=True, exist_ok=True)
        return self.with_library(f"ROOT={folder}; {script}")

    def test_what_another_user_built_is_named_with_its_owner(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.with_build(folder, "own_build; first_of_others $ROOT/build; echo fine")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "fine\n", ""))
            # Root may write everything, so what it may not is put in its mouth.
            done = self.with_build(folder, "first_of_others() { echo $1/debug; }; stat() { echo root; }; "
                                           "id() { echo anna; }; own_build")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(" ".join(done.stderr.split()),
                             "some/thing: you may not write build/debug, it belongs to root some/thing: give it back "
                             "(sudo chown -R anna build), run this as root, or use a clone of your own")

    def test_a_tree_that_is_not_ours_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.with_library(f"ROOT={folder}; mkdir() {{ false; }}; stat() {{ echo root; }}; own_build")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("use a clone of your own", done.stderr)

    @unittest.skipIf(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), "root may write everything")
    def test_what_may_not_be_written_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            Path(folder, "debug").mkdir()
            Path(folder, "debug/file").write_text("")
            os.chmod(Path(folder, "debug/file"), 0o444)
            script = f"ROOT=/ ME=x; . {TREE}/deploy/lib.sh; first_of_others {folder}"
            command = ["bash", "-c", script]
            if os.geteuid() == 0:
                command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
                for path in (folder, f"{folder}/debug"):
                    os.chmod(path, 0o777)
            self.assertEqual(run(*command).stdout, f"{folder}/debug/file\n")

    def test_of_two_builds_in_one_tree_the_later_waits(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.with_build(folder, "(own_build; touch $ROOT/a; sleep 0.5; echo first) & "
                                           "until [[ -f $ROOT/a ]]; do sleep 0.01; done; own_build; echo second; wait")
            self.assertEqual((done.returncode, done.stdout), (0, "first\nsecond\n"), done.stderr)
            self.assertEqual(done.stderr, "some/thing: another build runs in this tree: this one waits for it\n")

    def test_a_build_that_cannot_be_configured_says_where_to_read(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f"ROOT={folder}; own_build; configure_preset release || die \"no build\" \"$(where_cmake_says release)\""
            done = self.with_library(script)
            self.assertEqual(done.returncode, 1)
            self.assertIn("some/thing: no build\n", done.stderr)
            self.assertIn("build/release.log", done.stderr)
            self.assertIn("CMake Error", Path(folder, "build/release.log").read_text())

    def test_a_file_that_may_not_be_written_has_one_remedy(self):
        main = (TREE / "deploy/up").read_text().replace('main "$@"\n', "")
        main = main[main.index("usage() {"):]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "f").write_text("")
            done = self.with_library(main + f"\nSTAGE={folder}; may_write() {{ false; }}; may_be_root() {{ false; }}; "
                                            "install_file /f")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, "some/thing: you may not write /f, and there is no sudo\n"
                                          "some/thing: choose a place that is yours: PREFIX=DIR deploy/up\n")


class Figures(unittest.TestCase):
    def judged(self, *lines):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program")
            program.write_text("#!/bin/sh\ncat <<'END'\n" + "".join(line + "\n" for line in lines) + "END\n")
            os.chmod(program, 0o755)
            return run(sys.executable, "-B", TREE / "bench/check.py", program, "store")

    def test_a_figure_passes(self):
        alone = {**FIGURE, "peer": None, "peer_value": None, "ratio": None, "value": 0}
        done = self.judged(json.dumps(FIGURE), json.dumps(alone))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_no_figure_is_named(self):
        for line, said in (("none", "is no JSON"), ("7", "is no object with the keys"),
                           (json.dumps({**FIGURE, "more": 1}), "is no object with the keys"),
                           (json.dumps({**FIGURE, "figure": "other.x"}), "is not of the group store"),
                           (json.dumps({**FIGURE, "value": -1}), "has no value"),
                           (json.dumps({**FIGURE, "value": 0}), "has a ratio that is not ours by the peer's"),
                           (json.dumps({**FIGURE, "ratio": 2.0}), "has a ratio that is not ours by the peer's")):
            done = self.judged(line)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stdout)
            self.assertIn("1 of them wrong", done.stderr)
        self.assertIn("0 figures", self.judged().stderr)


if __name__ == "__main__":
    unittest.main()
