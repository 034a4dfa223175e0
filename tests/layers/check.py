#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the tree keeps its own rules. Prints each breach as "file:line: what", and exits 1 if there is one.

check.py includes TREE          who includes whom, against the table in rooms.py
check.py files TREE             licence lines, length of files and functions, width of documents
check.py format TREE            clang-format has nothing to change
check.py symbols TREE BUILD     what pure objects call and keep, and that assertions stay on; builds them in BUILD
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from rooms import LIBRARY_CALLS, LIBRARY_HEADERS, PURE_CALLS, PURE_HEADERS, SHELL_HEADERS, pattern, room_of

TOP = ("agent", "bench", "crdt", "ctl", "dashboard", "deploy", "net", "tests", ".ci")
NOT_OURS = {"node_modules", "__pycache__", "build", "dist"}

LINES_MAX = {".c": 600, ".h": 150}
FUNCTION_MAX = 50
DOCUMENT_COLUMNS = 120

# Files ("path") and functions ("path:function") that may be longer, each with its reason.
EXCUSED = {}


def sources(tree, *suffixes):
    """The files under the folders of the tree, as paths relative to it."""
    found = [p.relative_to(tree) for p in tree.glob("*") if p.is_file()]
    for top in TOP:
        for folder, folders, names in os.walk(tree / top):
            folders[:] = sorted(set(folders) - NOT_OURS)
            found += [Path(folder, name).relative_to(tree) for name in names]
    return sorted(str(p) for p in found if not suffixes or p.suffix in suffixes)


def text_of(tree, path):
    return (tree / path).read_text(encoding="utf-8", errors="replace")


# --- includes


def system_breach(room, header):
    allowed = [PURE_HEADERS] if room.pure else [PURE_HEADERS, SHELL_HEADERS]
    allowed += [LIBRARY_HEADERS[library] for library in room.libraries]
    if any(pattern(p).fullmatch(header) for p in allowed):
        return None
    return f"{room.name} may not include <{header}>"


def project_breach(tree, room, header):
    if not (tree / header).is_file():
        return f'includes "{header}", which is not there (paths start at the top of the tree)'
    other = room_of(header)
    if other is None:
        return f"includes {header}, which is in no room"
    if other is room or other.name in room.includes:
        return None
    return f"{room.name} may not include {header} (room {other.name})"


def macro_targets(tree):
    """What the macros that stand for a path may stand for: a table expanded many times is included by such a name."""
    targets = {}
    for path in sources(tree, ".c", ".h"):
        for name, target in re.findall(r'^\s*#\s*define\s+(\w+)\s+(["<]\S+[">])\s*$', text_of(tree, path), re.M):
            targets.setdefault(name, set()).add(target)
    return targets


def target_breach(tree, room, target):
    if target.startswith("<"):
        return system_breach(room, target.strip("<>"))
    return project_breach(tree, room, target.strip('"'))


def include_breaches(tree, path, macros):
    room = room_of(path)
    if room is None:
        yield f"{path}:1: is in no room: give it one in tests/layers/rooms.py"
        return
    for number, line in enumerate(text_of(tree, path).splitlines(), 1):
        directive = re.match(r'\s*#\s*include\s*(<[^>]+>|"[^"]+"|\w+)', line)
        if not directive:
            continue
        what = directive[1]
        targets = {what} if what[0] in '<"' else macros.get(what)
        if not targets:
            yield f"{path}:{number}: includes {what}, which no file defines"
            continue
        for target in sorted(targets):
            breach = target_breach(tree, room, target)
            if breach:
                yield f"{path}:{number}: {breach}"


def check_includes(tree):
    macros = macro_targets(tree)
    return [breach for path in sources(tree, ".c", ".h", ".def") for breach in include_breaches(tree, path, macros)]


# --- licence lines, lengths and widths


def wants_licence(tree, path):
    name = Path(path)
    if name.suffix in {".c", ".h", ".def", ".py", ".sh", ".cmake", ".ts", ".tsx"} or name.name == "CMakeLists.txt":
        return True
    return name.suffix == "" and text_of(tree, path).startswith("#!")


def functions(lines):
    """(name, line, length) of each function: its braces stand at column 0, as clang-format puts them."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            before = " ".join(lines[max(0, start - 6):start - 1])
            name = re.findall(r"(\w+)\s*\(", before.rpartition(";")[2].rpartition("}")[2])
            yield (name[0] if name else "?"), start, number - start + 1
            start = None


def lengths(tree, path):
    """(what an excuse would name, line, length, limit, how to call it) of the file and of each function in it."""
    lines = text_of(tree, path).splitlines()
    limit = LINES_MAX[Path(path).suffix]
    yield path, limit + 1, len(lines), limit, "has"
    for name, start, length in functions(lines):
        yield f"{path}:{name}", start, length, FUNCTION_MAX, f"{name}() has"


def length_breaches(tree, path):
    for what, line, length, limit, called in lengths(tree, path):
        if length > limit and what not in EXCUSED:
            yield f"{path}:{line}: {called} {length} lines; {limit} are the limit"
        elif length <= limit and what in EXCUSED:
            yield f"{path}:1: {called} {length} lines and needs no excuse any more (tests/layers/check.py)"


def documents(tree):
    return sorted(str(path.relative_to(tree)) for path in [*tree.glob("*.md"), *tree.glob("docs/**/*.md")])


def width_breaches(tree, path):
    """A row of a table cannot be broken, and what a program prints is not for us to break."""
    for number, line in enumerate(text_of(tree, path).splitlines(), 1):
        if len(line) > DOCUMENT_COLUMNS and not line.lstrip().startswith("|") and not line.startswith("    "):
            yield f"{path}:{number}: has {len(line)} columns; {DOCUMENT_COLUMNS} are the limit"


def check_files(tree):
    breaches = [breach for path in documents(tree) for breach in width_breaches(tree, path)]
    for path in sources(tree):
        if wants_licence(tree, path) and text_of(tree, path):
            head = text_of(tree, path).splitlines()[:3]
            if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head):
                breaches.append(f"{path}:1: has no SPDX-License-Identifier line")
        if Path(path).suffix in LINES_MAX:
            breaches += length_breaches(tree, path)
    return breaches


# --- format


def check_format(tree):
    files = sources(tree, ".c", ".h")
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", *files], cwd=tree, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode == 0:
        return []
    places = re.findall(r"^(\S+?):(\d+):\d+: error: ", run.stdout, re.M)
    return [f"{path}:{line}: clang-format would lay this out otherwise" for path, line in sorted(set(places))] or [
        f"clang-format failed: {run.stdout.strip()}"]


# --- symbols


def build_objects(tree, build):
    """Builds what is pure with the flags of a release; returns {source path: object}, and who lost its assertions."""
    log = ["cmake", "-S", tree, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
           "-DCMAKE_C_COMPILER=gcc", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DWARREN_TESTS=OFF", "-DWARREN_BENCH=OFF",
           "-DWARREN_SANITIZE="]
    targets = [f"{room}/all" for room in ("crdt", "net") if (tree / room / "CMakeLists.txt").is_file()]
    for command in (log, ["cmake", "--build", build, "--target", *targets]):
        run = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode:
            sys.exit(f"{run.stdout}\nthe objects to look at do not build")
    objects, silent = {}, set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.is_relative_to(tree):
            path = str(source.relative_to(tree))
            objects[path] = build / re.search(r" -o (\S+) -c ", entry["command"])[1]
            if re.search(r"\s-D\s*NDEBUG\b", entry["command"]):
                silent.add(path)
    return objects, silent


def undefined_and_defined(file):
    listing = subprocess.run(["nm", "-P", file], check=True, text=True, stdout=subprocess.PIPE).stdout
    undefined, defined = set(), set()
    for line in listing.splitlines():
        name, kind = line.split()[:2]
        if kind in "Uwv":
            undefined.add(name)
        elif kind.isupper():
            defined.add(name)
    return undefined, defined


def mutable_data(file):
    """Names of what the object keeps between calls. Constant tables with addresses lie in .data.rel.ro: fine."""
    listing = subprocess.run(["objdump", "-t", file], check=True, text=True, stdout=subprocess.PIPE).stdout
    for line in listing.splitlines():
        parts = re.match(r"[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if not parts or parts[1][5] == "d" or int(parts[3], 16) == 0:
            continue
        section = parts[2]
        if re.match(r"\*COM\*|\.(data|bss|tdata|tbss)(\.|$)", section) and not section.startswith(".data.rel.ro"):
            yield parts[4], section


def call_breach(room, name, homes):
    plain = re.sub(r"^__(\w+)_chk$", r"\1", name)
    if name in homes:
        other = homes[name]
        # The functions of crdt/store.h are compiled in crdt/store.
        if other is room or other.name in room.includes or (
                other.name == "crdt/store" and "crdt/store.h" in room.includes):
            return None
        return f"{room.name} may not call {name}() of {other.name}"
    if PURE_CALLS.fullmatch(name) or PURE_CALLS.fullmatch(plain):
        return None
    if room.name in LIBRARY_CALLS and LIBRARY_CALLS[room.name].fullmatch(name):
        return None
    return f"calls {name}(), which is not on the list of what {room.name} may call (tests/layers/rooms.py)"


def check_symbols(tree, build):
    objects, silent = build_objects(tree, build)
    objects = {path: file for path, file in objects.items() if room_of(path)}
    breaches, pure, homes = [], {}, {}
    for path in sources(tree, ".c"):
        room = room_of(path)
        if not room or not room.pure:
            continue
        if path not in objects or not objects[path].is_file():
            breaches.append(f"{path}:1: is pure, but no target of crdt/ or net/ compiles it, so nothing checks it")
            continue
        pure[path] = undefined_and_defined(objects[path])
        homes.update({name: room for name in pure[path][1]})
    if not pure:
        return ["no pure object was found: the check looks at nothing"]
    for path, (undefined, _) in pure.items():
        found = [call_breach(room_of(path), name, homes) for name in sorted(undefined)]
        found += ["is compiled without its assertions (-DNDEBUG)"] if path in silent else []
        found += [f"keeps data that can change: {name} in {where}" for name, where in mutable_data(objects[path])]
        breaches += [f"{path}:1: {breach}" for breach in found if breach]
    return breaches


CHECKS = {"includes": check_includes, "files": check_files, "format": check_format, "symbols": check_symbols}


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in CHECKS or len(arguments) != 2 + (arguments[0] == "symbols"):
        sys.exit(__doc__)
    breaches = CHECKS[arguments[0]](*(Path(argument).resolve() for argument in arguments[1:]))
    for breach in breaches:
        print(breach)
    print(f"{arguments[0]}: {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
