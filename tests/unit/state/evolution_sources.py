#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the two builds of test_evolution are of the same files, the description of the entities apart.

For each target of the one build and its twin of the other: the commands of the compiler differ in nothing but
MODEL_DEF and the names of what they make; what they read (-M) differs in nothing but that file. And the later file
keeps every line of the earlier one, in order.
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys

PAIRS = [("warren_model", "warren_model_next"), ("warren_state", "warren_state_next"),
         ("warren_gen_row", "warren_gen_row_next"), ("exchange", "exchange_next")]


def commands(build, target):
    """Source file -> arguments, of one target."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if f"CMakeFiles/{target}.dir/" in entry["command"]:
            found[entry["file"]] = shlex.split(entry["command"])
    return found


def stripped(arguments):
    """Without what is made, and with one name for either description."""
    at = arguments.index("-o")
    kept = arguments[:at] + arguments[at + 2:]
    return [re.sub(r"^-DMODEL_DEF=.*", "-DMODEL_DEF", a) for a in kept]


def files_read(arguments, build):
    at = arguments.index("-o")
    made = subprocess.run(arguments[:at] + arguments[at + 2:] + ["-M"], cwd=build, check=True,
                          capture_output=True, text=True).stdout
    names = made.replace("\\\n", " ").split(":", 1)[1].split()
    return {str((build / name).resolve()) for name in names}


def is_kept(earlier, later):
    lines = iter(later.splitlines())
    return all(line in lines for line in earlier.splitlines())


def main():
    build, source, later = (pathlib.Path(a).resolve() for a in sys.argv[1:])
    earlier = source / "crdt/model/model.def"
    compared = differing = 0
    for one, other in PAIRS:
        a, b = commands(build, one), commands(build, other)
        assert a and a.keys() == b.keys(), f"{one} and {other} are not of the same sources"
        for name in a:
            assert stripped(a[name]) == stripped(b[name]), f"{name} is compiled in two ways"
            difference = files_read(a[name], build) ^ files_read(b[name], build)
            assert difference in (set(), {str(earlier), str(later)}), f"{name} also differs in {difference}"
            compared += 1
            differing += bool(difference)
    assert compared >= 14 and differing >= 8, f"only {compared} files were compared, {differing} saw the tables"
    assert earlier.read_text() != later.read_text(), "the two descriptions are the same"
    assert is_kept(earlier.read_text(), later.read_text()), "the later description dropped a line"
    print(f"{compared} files, twice, differ in {earlier.name} alone")


main()
