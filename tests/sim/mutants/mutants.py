#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds known bugs in, one at a time, and proves that each is found: mutants.py BUILD SOURCE [NAME…]

BUILD is a build tree at -O2 without sanitizers in which `swarm` and `test_permute` are built. One source is compiled anew
with the bug, and linked in front of the archives, whose own object is then never looked for. A bug that is not found
within its time, or whose text does not stand in its file exactly once, fails the run.
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

from bugs import BUGS

SECONDS = 30
SEEDS = 100000  # more than fit into the time
PROGRAMS = {"swarm": ["--seeds", "1", str(SEEDS), "--stop"], "test_permute": []}
FINDERS = {"swarm": "swarm", "permute": "test_permute"}


def compile_with(bug, build, source, directory):
    """The object with the bug in it."""
    path = source / bug.file
    text = path.read_text()
    if text.count(bug.old) != 1:
        raise ValueError(f"`{bug.old.strip()}` stands {text.count(bug.old)} times in {bug.file}: bring it along")
    mutated = directory / path.name
    mutated.write_text(text.replace(bug.old, bug.new))
    entries = json.loads((build / "compile_commands.json").read_text())
    # The first is the shipped version's; later ones are those over another model.def.
    entry = next(e for e in entries if pathlib.Path(e["file"]) == path and "_next.dir" not in e["command"])
    words = shlex.split(entry["command"])
    result = directory / (path.stem + ".o")
    words[words.index("-o") + 1] = str(result)
    words[words.index("-c") + 1] = str(mutated)
    words = [w for w in words if w != "-Werror"] + ["-w", f"-I{path.parent}"]
    for flag in ("-MF", "-MT"):
        if flag in words:
            at = words.index(flag)
            del words[at:at + 2]
    subprocess.run([w for w in words if w != "-MD"], cwd=entry["directory"], check=True)
    return result


def link_with(program, mutated, build, directory):
    """The program with that object in it."""
    commands = subprocess.run(["ninja", "-C", str(build), "-t", "commands", program], check=True, capture_output=True,
                              text=True).stdout.splitlines()
    line = commands[-1].replace(": && ", "", 1).rsplit(" && :", 1)[0]
    words = shlex.split(line)
    result = directory / program
    at = words.index("-o")
    words[at + 1] = str(result)
    words.insert(at, str(mutated))
    subprocess.run(words, cwd=build, check=True)
    return result


def find(bug, build, source):
    """What found the bug, in words; None: nothing did."""
    program = FINDERS[bug.by]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        mutant = link_with(program, compile_with(bug, build, source, directory), build, directory)
        try:
            run = subprocess.run([str(mutant), *PROGRAMS[program]], capture_output=True, text=True, timeout=SECONDS,
                                 errors="replace")
        except subprocess.TimeoutExpired:
            return None
    if not run.returncode:
        return None
    lines = (run.stdout + run.stderr).splitlines()
    said = [line for line in lines if "invariant" in line or "ERROR" in line or "ssert" in line]
    return (said or lines or [f"ended with {run.returncode}"])[0].strip()


def is_clean(build):
    """Whether the programs find nothing where nothing is built in: else whatever they say of a bug says nothing."""
    places = {"swarm": build / "tests/sim/swarm", "test_permute": build / "tests/unit/state/test_permute"}
    checks = {"swarm": ["--seeds", "1", "40", "--stop"], "test_permute": []}
    return all(not subprocess.run([str(places[name]), *checks[name]], capture_output=True, check=False).returncode
               for name in places)


def main():
    build, source = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    wanted = sys.argv[3:]
    survivors = 0
    if not is_clean(build):
        print("the programs find something without any bug: mend that first")
        return 1
    for bug in BUGS:
        if wanted and bug.name not in wanted:
            continue
        begun = time.monotonic()
        try:
            found = find(bug, build, source)
        except ValueError as error:
            found = None
            print(f"    {error}")
        survivors += found is None
        print(f"{'lives' if found is None else 'dies '}  {time.monotonic() - begun:5.1f} s  {bug.name}: {found or ''}"[:200],
              flush=True)
    print(f"{survivors} lived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
