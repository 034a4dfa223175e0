#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""names.py ARCHIVE…: no two archives that make one program define one name; the linker would silently take the first."""

import collections
import subprocess
import sys


def defined(archive):
    """The global names of code and data."""
    said = subprocess.run(["nm", "--defined-only", "--extern-only", archive], capture_output=True, text=True, check=True)
    lines = [line.split() for line in said.stdout.splitlines()]
    return {words[2] for words in lines if len(words) == 3 and words[1] in "TDBR"}


def main(archives):
    homes = collections.defaultdict(list)
    for archive in archives:
        for name in defined(archive):
            homes[name].append(archive)
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    for name, found in sorted(twice.items()):
        print(f"{name} is defined in {' and in '.join(found)}: give one of them another name")
    print(f"names: {len(homes)} in {len(archives)} archives, {len(twice)} twice")
    return 1 if twice or not homes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
