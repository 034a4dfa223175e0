#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds known bugs in, one at a time, and proves that each is found: mutants.py BUILD SOURCE [NAME…]

BUILD is a build tree at -O2 without sanitizers in which the programs that find bugs are built. One source is compiled
anew with the bug, and linked in front of the archives, whose own object is then never looked for. A bug that is not
found within its time, or whose text does not stand in its file exactly once, fails the run. Time is the processor's,
so that a busy machine finds as much as an idle one.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import threading

from bugs import BUGS

SECONDS = 30
PATIENCE = 600  # of the wall's clock: for one that waits for nothing
SEEDS = 100000  # more than fit into the time
PROGRAMS = {"swarm": ["--stop"], "test_permute": [], "test_relay": [], "stories": ["--all"]}
FINDERS = {"swarm": "swarm", "permute": "test_permute", "relay": "test_relay", "stories": "stories"}
PLACES = {"swarm": "tests/sim/swarm", "test_permute": "tests/unit/state/test_permute",
          "test_relay": "tests/sim/test_relay", "stories": "tests/sim/stories"}


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


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_for_a_while(command):
    """How it ended, what it said, and how many seconds of the processor's time it took."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          preexec_fn=limit) as run:
        watch = threading.Timer(PATIENCE, run.kill)
        watch.start()
        said = run.stdout.read()
        _, status, used = os.wait4(run.pid, 0)
        watch.cancel()
        run.returncode = os.waitstatus_to_exitcode(status)
    return run.returncode, said, used.ru_utime + used.ru_stime


def is_well(build, seed):
    """Whether that seed finds nothing where nothing is built in: else it says nothing of a bug."""
    run = subprocess.run([str(build / PLACES["swarm"]), "--seeds", seed, "1", "--timeline"], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, check=False)
    return run.returncode == 0


def find(bug, build, source):
    """What found the bug, in words, or None: nothing did; and how many seconds it took."""
    program = FINDERS[bug.by]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        mutant = link_with(program, compile_with(bug, build, source, directory), build, directory)
        seeds = ["--seeds", str(bug.seed), str(SEEDS)] if program == "swarm" else []
        code, said, seconds = run_for_a_while([str(mutant), *seeds, *PROGRAMS[program]])
    if code in (0, -signal.SIGXCPU, -signal.SIGKILL):
        return None, seconds
    seed = re.search(r"seed (\d+)", said)
    if seed and not is_well(build, seed[1]):
        raise ValueError(f"seed {seed[1]} finds something without any bug: mend that first")
    lines = said.splitlines()
    telling = [line for line in lines if re.search("invariant|ERROR|ssert|must be true", line)]
    return (telling or lines or [f"ended with {code}"])[0].strip(), seconds


def judge(bug, build, source):
    """Whether it was found, and a line that says how."""
    try:
        found, seconds = find(bug, build, source)
    except ValueError as error:
        return False, f"fails          {bug.name}: {error}"
    return found is not None, f"{'dies ' if found else 'lives'}  {seconds:5.1f} s  {bug.name}: {found or ''}"[:200]


def wrong_usage(said):
    print(f"mutants.py: {said}: see mutants.py --help", file=sys.stderr)
    sys.exit(2)


def judge_arguments(arguments):
    """The two trees, and the bugs that are wanted."""
    if set(arguments) & {"-h", "--help"}:
        print(__doc__.strip() + "\n\nThe names:\n" + "\n".join(f"  {bug.name}" for bug in BUGS))
        sys.exit(0)
    if len(arguments) < 2:
        wrong_usage("name the build tree and the source tree")
    build, source = (pathlib.Path(path).resolve() for path in arguments[:2])
    for tree, file in ((build, "CMakeCache.txt"), (source, "CMakeLists.txt")):
        if not (tree / file).is_file():
            wrong_usage(f"{tree} is none: there is no {file} in it")
    for name in arguments[2:]:
        if name not in {bug.name for bug in BUGS}:
            wrong_usage(f"there is no bug '{name}'")
    return build, source, arguments[2:]


def main():
    build, source, wanted = judge_arguments(sys.argv[1:])
    survivors = 0
    bugs = [bug for bug in BUGS if not wanted or bug.name in wanted]
    for program in sorted({FINDERS[bug.by] for bug in bugs} - {"swarm"}):
        if subprocess.run([str(build / PLACES[program]), *PROGRAMS[program]], capture_output=True,
                          check=False).returncode:
            print(f"{program} finds something without any bug: mend that first")
            return 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for is_found, line in pool.map(lambda bug: judge(bug, build, source), bugs):
            survivors += not is_found
            print(line, flush=True)
    print(f"{survivors} lived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
