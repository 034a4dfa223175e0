#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes one object of archives, in which every symbol that they define has a prefix, so that it can lie in one program
with another build of the same sources. What they refer to and do not define keeps its name.

prefixed.py --out OBJECT --prefix PREFIX --tools LD,NM,OBJCOPY,AR [--without SOURCE]… ARCHIVE…
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def is_renamed(name):
    """Names with two underscores belong to the compiler, whose runtime looks for them; but a sanitizer's mark of one
    variable belongs to the variable."""
    return not name.startswith("__") or re.match(r"__odr_asan", name)


def without(archive, sources, folder, ar):
    """A copy of the archive that lacks the objects of these sources, or the archive itself."""
    members = [m for m in run(ar, "t", archive).split() if re.sub(r"\.o(bj)?$", "", m) in sources]
    if not members:
        return archive, []
    copy = Path(tempfile.mkdtemp(dir=folder)) / archive.name
    shutil.copy(archive, copy)
    run(ar, "d", copy, *members)
    return copy, [re.sub(r"\.o(bj)?$", "", m) for m in members]


def defined(nm, file):
    """Names that others can see."""
    return sorted({line.split()[0] for line in run(nm, "-P", "-g", "--defined-only", file).splitlines() if line})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--tools", required=True)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("archives", type=Path, nargs="+")
    args = parser.parse_args()
    ld, nm, objcopy, ar = args.tools.split(",")
    with tempfile.TemporaryDirectory(dir=args.out.parent) as folder:
        whole, names, out = (Path(folder, name) for name in ("whole.o", "names", "out.o"))
        archives, gone = [], []
        for archive in args.archives:
            copy, members = without(archive, args.without, folder, ar)
            archives.append(copy)
            gone += members
        if set(gone) != set(args.without):
            sys.exit(f"no archive has {', '.join(sorted(set(args.without) - set(gone)))}")
        run(ld, "-r", "-o", whole, "--whole-archive", *archives)
        renamed = [name for name in defined(nm, whole) if is_renamed(name)]
        names.write_text("".join(f"{name} {args.prefix}{name}\n" for name in renamed))
        run(objcopy, f"--redefine-syms={names}", whole, out)
        out.replace(args.out)


if __name__ == "__main__":
    main()
