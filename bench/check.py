#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a benchmark with little work and checks that every line it prints is a figure: check.py PROGRAM GROUP[,GROUP]"""

import json
import math
import subprocess
import sys
import tempfile

KEYS = ["figure", "value", "unit", "peer", "peer_value", "ratio", "demand", "machine"]


def fault(line, group):
    try:
        figure = json.loads(line)
    except ValueError as error:
        return f"is no JSON: {error}"
    if not isinstance(figure, dict) or list(figure) != KEYS:
        return f"is no object with the keys {KEYS}"
    if figure["figure"].split(".")[0] not in group.split(","):
        return f"is not of the group {group}"
    if not math.isfinite(figure["value"]) or figure["value"] < 0:
        return "has no value"
    if figure["peer"] and not math.isclose(figure["ratio"] * figure["peer_value"], figure["value"], rel_tol=0.01):
        return "has a ratio that is not ours by the peer's"
    return None


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, group = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, "--quick"], cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    faults = [f"{line}\n  {what}" for line in lines if (what := fault(line, group))]
    print("\n".join(faults or lines))
    if done.returncode or faults or not lines:
        sys.exit(f"{program}: status {done.returncode}, {len(lines)} figures, {len(faults)} of them wrong")


main()
