#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that tests/run, deploy/up and bench/check.py tell failure from success: in a small tree with real builds."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent

PRESETS = {
    "version": 5,
    "configurePresets": [{"name": name, "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}"}
                         for name in ("debug", "fuzz", "tsan", "release")],
    "buildPresets": [{"name": name, "configurePreset": name} for name in ("debug", "fuzz", "tsan", "release")],
}

CMAKE = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES NONE)
include(CTest)
function(small_test NAME LABEL)
  add_test(NAME ${NAME} COMMAND ${ARGN})
  set_tests_properties(${NAME} PROPERTIES LABELS "${LABEL}" SKIP_RETURN_CODE 77)
endfunction()
small_test(unit/good unit true)
small_test(store/good store true)
if(CMAKE_BINARY_DIR MATCHES "fuzz$")
  small_test(fuzz/good fuzz true)
endif()
small_test(soak/good soak true)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/program DESTINATION bin)
file(GLOB PARTS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/parts/*)
add_custom_command(OUTPUT made COMMAND touch made DEPENDS ${PARTS})
add_custom_target(all_made ALL DEPENDS made)
"""


class Case(unittest.TestCase):
    def setUp(self):
        self.tree = Path(tempfile.mkdtemp(prefix="warren-scripts-"))
        self.addCleanup(shutil.rmtree, self.tree)
        for path in ("tests/run", "deploy/up", "deploy/lib.sh"):
            (self.tree / path).parent.mkdir(exist_ok=True)
            shutil.copy(TOP / path, self.tree / path)
        (self.tree / "tests/packages").write_text("# none\n")
        (self.tree / "deploy/packages.build").write_text("# none\n")
        (self.tree / "CMakePresets.json").write_text(json.dumps(PRESETS))
        # What it starts is tests/e2e/deploy.py's.
        (self.tree / "deploy/service").write_text("#!/bin/sh\necho \"service $PREFIX $*\"\n")
        (self.tree / "deploy/service").chmod(0o755)
        self.write_cmake("")
        (self.tree / "program").write_text("#!/bin/sh\n")

    def write_cmake(self, more):
        (self.tree / "CMakeLists.txt").write_text(CMAKE + more)

    def run_script(self, script, *arguments, **environment):
        return subprocess.run([self.tree / script, *arguments], capture_output=True, text=True, check=False,
                              env={**os.environ, **environment})


class Run(Case):
    def expect(self, status, last, *arguments, complaints=()):
        done = self.run_script("tests/run", *arguments)
        said = done.stdout + done.stderr
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (status, last), said)
        self.assertEqual([line for line in done.stderr.splitlines() if line.startswith("FAILED: ")],
                         [f"FAILED: {complaint}" for complaint in complaints], said)

    def test_all_that_passes_is_counted(self):
        self.expect(0, "3 passed, 0 failed")

    def test_a_label_runs_alone(self):
        self.expect(0, "1 passed, 0 failed", "unit")
        self.expect(0, "2 passed, 0 failed", "unit", "fuzz")
        self.expect(0, "1 passed, 0 failed", "soak")

    def test_a_failing_test_fails_the_run(self):
        self.write_cmake("small_test(unit/bad unit false)\n")
        self.expect(1, "3 passed, 1 failed", complaints=["unit/bad (preset debug)"])

    def test_a_failing_fuzz_target_fails_the_run(self):
        self.write_cmake("small_test(fuzz/bad fuzz false)\n")
        self.expect(1, "3 passed, 1 failed", complaints=["fuzz/bad (preset fuzz)"])

    def test_a_skipped_test_did_not_pass(self):
        self.write_cmake("small_test(unit/idle unit sh -c \"exit 77\")\n")
        self.expect(1, "1 passed, 1 failed", "unit", complaints=["unit/idle (preset debug)"])

    def test_a_program_that_is_not_there_did_not_pass(self):
        self.write_cmake("small_test(unit/gone unit ${CMAKE_BINARY_DIR}/gone)\n")
        self.expect(1, "1 passed, 1 failed", "unit", complaints=["unit/gone (preset debug)"])

    def test_a_disabled_test_did_not_pass(self):
        self.write_cmake("set_tests_properties(unit/good PROPERTIES DISABLED ON)\n")
        self.expect(1, "0 passed, 1 failed", "unit", complaints=["unit/good (preset debug)"])

    def test_a_build_that_breaks_is_a_failure_and_nothing_runs(self):
        self.write_cmake("add_custom_target(broken ALL COMMAND false)\n")
        self.expect(1, "0 passed, 1 failed", "unit", complaints=["preset debug does not build"])

    def test_what_cannot_be_configured_is_a_failure(self):
        self.write_cmake("message(FATAL_ERROR no)\n")
        self.expect(1, "0 passed, 1 failed")

    def test_a_label_that_nobody_carries_is_wrong_usage(self):
        self.expect(2, "0 passed, 0 failed", "unti")
        self.assertEqual(self.run_script("tests/run", "--unti").returncode, 2)
        self.assertEqual(self.run_script("tests/run", "--help").returncode, 0)

    def test_what_is_no_seed_is_told(self):
        self.write_cmake("small_test(sim/good sim true)\n")
        self.expect(2, "0 passed, 0 failed", "sim", "x")
        self.assertIn("tests/run: 'x' is no seed: say tests/run sim NUMBER\n",
                      self.run_script("tests/run", "sim", "x").stderr)
        self.assertNotIn("no seed", self.run_script("tests/run", "x").stderr)
        self.expect(0, "2 passed, 0 failed", "sim", "unit")

    def test_threads_run_again_under_tsan(self):
        self.write_cmake("small_test(unit/threads \"unit;thread\" true)\n"
                         "if(CMAKE_BINARY_DIR MATCHES \"tsan$\")\n  small_test(unit/race \"unit;thread\" false)\nendif()\n")
        self.expect(1, "3 passed, 1 failed", "unit", complaints=["unit/race (preset tsan)"])


class Up(Case):
    def up(self, *arguments):
        return self.run_script("deploy/up", *arguments, PREFIX=str(self.tree / "there"))

    def installs(self, *names):
        done = self.up()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual([line for line in done.stdout.splitlines() if line.startswith("Installed ")],
                         [f"Installed {self.tree}/there/{name}" for name in names])
        self.assertIn(f"service {self.tree}/there start\n", done.stdout)

    def test_what_changed_is_installed_and_nothing_else(self):
        self.installs("bin/program", "share/warren/installed")
        self.assertEqual((self.tree / "there/share/warren/installed").read_text(),
                         "".join(f"{self.tree}/there/{name}\n" for name in ("bin/program", "share/warren/installed")))
        self.assertEqual((self.tree / "there/bin/program").stat().st_mode & 0o777, 0o755)
        self.installs()
        (self.tree / "there/bin/program").chmod(0o644)
        self.installs("bin/program")
        (self.tree / "program").write_text("#!/bin/sh\ntrue\n")
        self.installs("bin/program")
        self.assertEqual((self.tree / "there/bin/program").read_text(), "#!/bin/sh\ntrue\n")

    def test_nothing_is_said_of_a_build_that_has_no_work(self):
        self.assertIn("Building preset release\n", self.up().stdout)
        for _ in range(2):
            self.assertEqual(self.up().stdout.splitlines()[0], f"service {self.tree}/there start")
        (self.tree / "parts").mkdir()
        (self.tree / "parts/one").write_text("")
        self.assertIn("Building preset release\n", self.up().stdout)

    def test_a_build_that_breaks_installs_nothing(self):
        for broken in ("add_custom_target(broken ALL COMMAND false)\n", "message(FATAL_ERROR no)\n",
                       "install(FILES gone DESTINATION bin)\n"):
            self.write_cmake(broken)
            done = self.up()
            self.assertEqual(done.returncode, 1, broken)
            self.assertRegex(done.stderr, "(?ms)^deploy/up: the build .+^deploy/up: ")
            self.assertFalse((self.tree / "there").exists())
            self.assertNotIn("service ", done.stdout)

    def test_a_service_that_does_not_start_is_a_failure(self):
        (self.tree / "deploy/service").write_text("#!/bin/sh\nexit 1\n")
        done = self.up()
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("All stands", done.stdout)

    def test_a_server_that_is_to_join(self):
        self.assertIn(f"service {self.tree}/there start --join\n", self.up("--join").stdout)

    def test_wrong_usage_is_told(self):
        self.assertEqual(self.up("--prefix").returncode, 2)
        self.assertEqual(self.up("--help").returncode, 0)


class Bench(Case):
    GOOD = {"figure": "small.size", "value": 4.0, "unit": "s", "peer": "raw", "peer_value": 2.0, "ratio": 2.0,
            "demand": 0, "machine": "m"}

    def check(self, *figures, status=0, group="small"):
        program = self.tree / "bench_small"
        lines = [figure if isinstance(figure, str) else json.dumps(figure) for figure in figures]
        program.write_text("#!/bin/sh\ncat <<'EOF'\n" + "".join(f"{line}\n" for line in lines) +
                           f"EOF\nexit {status}\n")
        program.chmod(0o755)
        done = subprocess.run([sys.executable, TOP / "bench/check.py", program, group], capture_output=True, text=True,
                              check=False)
        return done.returncode

    def test_good_figures_pass(self):
        self.assertEqual(self.check(self.GOOD, {**self.GOOD, "peer": "", "peer_value": 0, "ratio": 0}), 0)

    def test_each_fault_fails(self):
        without = {key: self.GOOD[key] for key in self.GOOD if key != "unit"}
        for bad in (without, {**self.GOOD, "figure": "other.size"}, {**self.GOOD, "value": -1.0},
                    {**self.GOOD, "value": float("nan")}, {**self.GOOD, "ratio": 0.5}, "no json"):
            self.assertEqual(self.check(self.GOOD, bad), 1, bad)

    def test_no_figure_or_a_failing_program_fails(self):
        self.assertEqual(self.check(), 1)
        self.assertEqual(self.check(self.GOOD, status=3), 1)


if __name__ == "__main__":
    unittest.main()
