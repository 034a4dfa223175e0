#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that check.py can fail: each test breaks one rule in a small tree and expects the message that names it.

The small tree keeps all rules as it is made, so that nothing but the break can be what is found.
"""

import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import check

HERE = Path(__file__).resolve().parent
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"

CMAKE = """# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES C)
include_directories(${PROJECT_SOURCE_DIR})
add_compile_options(-fno-common)
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
add_subdirectory(crdt)
"""

SMALL = {
    "CMakeLists.txt": CMAKE,
    "crdt/CMakeLists.txt": "# SPDX-License-Identifier: Apache-2.0\n"
                           "add_library(small STATIC base/a.c store.c state/s.c)\n",
    "crdt/base/a.h": LICENCE + "int base_one(void);\n",
    "crdt/base/a.c": LICENCE + '#include "crdt/base/a.h"\n\n#include <string.h>\n\n'
                               "static const char *const table[] = { \"one\" };\n\n"
                               "int base_one(void)\n{\n\treturn (int)strlen(table[0]);\n}\n",
    "crdt/store.h": LICENCE + "int store_two(void);\n",
    "crdt/store_backend.h": LICENCE + "int backend(void);\n",
    "crdt/store.c": LICENCE + '#include "crdt/store.h"\n\nint store_two(void)\n{\n\treturn 2;\n}\n',
    "crdt/state/s.h": LICENCE + "int state_three(void);\n",
    "crdt/state/s.c": LICENCE + '#include "crdt/state/s.h"\n\n#include "crdt/base/a.h"\n#include "crdt/store.h"\n\n'
                                "int state_three(void)\n{\n\treturn base_one() + store_two();\n}\n",
    "agent/x.h": LICENCE + "int agent(void);\n",
}


class Case(unittest.TestCase):
    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix="warren-layers-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.tree = self.top / "tree"
        for path, text in SMALL.items():
            self.write(path, text)
        shutil.copy(HERE.parent.parent / ".clang-format", self.tree)

    def write(self, path, text):
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / path).write_text(text)

    def append(self, path, text):
        self.write(path, (self.tree / path).read_text() + text)

    def run_check(self, check):
        arguments = [self.top / "build"] if check == "symbols" else []
        run = subprocess.run([sys.executable, "-B", HERE / "check.py", check, self.tree, *arguments], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return run.returncode, run.stdout

    def expect(self, check, *messages):
        status, output = self.run_check(check)
        self.assertEqual(status, 1, output)
        self.assertEqual(output.splitlines(), [*messages, f"{check}: {len(messages)} breaches"])


class Clean(Case):
    def test_the_small_tree_keeps_all_rules(self):
        for check in ("includes", "files", "format", "symbols"):
            self.assertEqual(self.run_check(check), (0, f"{check}: 0 breaches\n"))


class Includes(Case):
    def breaks(self, path, include, message):
        self.write(path, LICENCE + f"#include {include}\n")
        self.expect("includes", f"{path}:2: {message}")

    def test_base_includes_the_agent(self):
        self.breaks("crdt/base/b.c", '"agent/x.h"', "crdt/base may not include agent/x.h (room agent)")

    def test_base_includes_the_state(self):
        self.breaks("crdt/base/b.c", '"crdt/state/s.h"', "crdt/base may not include crdt/state/s.h (room crdt/state)")

    def test_state_looks_behind_the_store(self):
        self.breaks("crdt/state/b.c", '"crdt/store_backend.h"',
                    "crdt/state may not include crdt/store_backend.h (room crdt/store)")

    def test_model_includes_the_store(self):
        self.breaks("crdt/model/b.c", '"crdt/store.h"', "crdt/model may not include crdt/store.h (room crdt/store.h)")

    def test_ctl_includes_the_log(self):
        self.write("crdt/log/l.h", LICENCE)
        self.breaks("ctl/b.c", '"crdt/log/l.h"', "ctl may not include crdt/log/l.h (room crdt/log)")

    def test_pure_code_includes_sockets(self):
        self.breaks("crdt/state/b.c", "<sys/socket.h>", "crdt/state may not include <sys/socket.h>")

    def test_pure_code_includes_the_clock(self):
        self.breaks("crdt/base/b.c", "<time.h>", "crdt/base may not include <time.h>")

    def test_a_library_of_another_room(self):
        self.breaks("crdt/base/b.c", "<jansson.h>", "crdt/base may not include <jansson.h>")

    def test_the_agent_includes_a_library_that_nobody_listed(self):
        self.breaks("agent/b.c", "<curl/curl.h>", "agent may not include <curl/curl.h>")

    def test_a_path_that_is_not_there(self):
        self.breaks("crdt/base/b.c", '"a.h"',
                    'includes "a.h", which is not there (paths start at the top of the tree)')

    def test_a_macro(self):
        self.breaks("crdt/base/b.c", "SOMEWHERE", "includes SOMEWHERE, which no file defines")

    def test_a_macro_that_hides_a_breach(self):
        self.write("crdt/base/b.c", LICENCE + '#define WHERE "agent/x.h"\n#include WHERE\n')
        self.expect("includes", "crdt/base/b.c:3: crdt/base may not include agent/x.h (room agent)")

    def test_a_file_in_no_room(self):
        self.write("crdt/attic/b.c", LICENCE)
        self.expect("includes", "crdt/attic/b.c:1: is in no room: give it one in tests/layers/rooms.py")


class Files(Case):
    def test_no_licence_line(self):
        self.write("deploy/go", "#!/bin/sh\n")
        self.write("crdt/base/b.c", "int base_two;\n")
        self.write("ctl/say.py", "pass\n")
        self.expect("files", "crdt/base/b.c:1: has no SPDX-License-Identifier line",
                    "ctl/say.py:1: has no SPDX-License-Identifier line",
                    "deploy/go:1: has no SPDX-License-Identifier line")

    def test_a_long_source(self):
        self.append("crdt/base/a.c", "\n" * 600)
        self.expect("files", "crdt/base/a.c:601: has 611 lines; 600 are the limit")

    def test_a_long_header(self):
        self.append("crdt/base/a.h", "\n" * 149)
        self.expect("files", "crdt/base/a.h:151: has 151 lines; 150 are the limit")

    def test_a_long_function(self):
        self.append("crdt/base/a.c", "\nstatic int long_one(int a,\n\t\t    int b)\n{\n" + "\ta++;\n" * 49 + "}\n")
        self.expect("files", "crdt/base/a.c:15: long_one() has 51 lines; 50 are the limit")

    def test_a_wide_document(self):
        wide = "x" * 121 + "\n"
        self.write("docs/a.md", "x" * 120 + "\n" + "\u2026" * 120 + "\n" + wide + "| " + wide + "    " + wide)
        self.write("README.md", wide)
        self.expect("files", "README.md:1: has 121 columns; 120 are the limit",
                    "docs/a.md:3: has 121 columns; 120 are the limit")

    def test_an_excuse_holds_and_is_refused_when_nobody_needs_it(self):
        self.append("crdt/base/a.h", "\n" * 149)
        excuses = {"crdt/base/a.h": "a reason", "crdt/base/a.c:base_one": "another"}
        with unittest.mock.patch.dict(check.EXCUSED, excuses):
            self.assertEqual(check.check_files(self.tree), ["crdt/base/a.c:1: base_one() has 3 lines and needs no "
                                                            "excuse any more (tests/layers/check.py)"])


class Format(Case):
    def test_another_layout(self):
        self.append("crdt/base/a.h", "int  base_two( void );\n")
        self.expect("format", "crdt/base/a.h:3: clang-format would lay this out otherwise")


class Symbols(Case):
    def breaks(self, body, message, path="crdt/base/a.c"):
        self.append(path, "\n" + body)
        self.expect("symbols", f"{path}:1: {message}")

    def refuses_call(self, name, body, path="crdt/base/a.c", room="crdt/base"):
        self.breaks(body, f"calls {name}(), which is not on the list of what {room} may call (tests/layers/rooms.py)",
                    path)

    def test_a_file_is_opened(self):
        self.refuses_call("open", "int open(const char *, int, ...);\nint f(void)\n{\n\treturn open(\"x\", 0);\n}\n")

    def test_the_clock_is_read(self):
        self.refuses_call("time", "long time(long *);\nlong f(void)\n{\n\treturn time(0);\n}\n")

    def test_random_bytes_are_drawn(self):
        self.refuses_call("randombytes_buf", "void randombytes_buf(void *, unsigned long);\n"
                          "void f(void *p)\n{\n\trandombytes_buf(p, 1);\n}\n")

    def test_something_is_printed(self):
        self.refuses_call("printf", "int printf(const char *, ...);\nint f(int i)\n{\n\treturn printf(\"%d\", i);\n}\n")

    def test_a_thread_is_made(self):
        self.refuses_call("pthread_self", "unsigned long pthread_self(void);\n"
                          "unsigned long f(void)\n{\n\treturn pthread_self();\n}\n", "crdt/state/s.c", "crdt/state")

    def test_a_call_upward_by_a_declaration_of_its_own(self):
        self.breaks("int state_three(void);\nint f(void)\n{\n\treturn state_three();\n}\n",
                    "crdt/base may not call state_three() of crdt/state")

    def test_a_global(self):
        self.breaks("int count;\n", "keeps data that can change: count in .bss")

    def test_a_static_that_a_function_hides(self):
        self.breaks("int f(void);\nint f(void)\n{\n\tstatic int calls = 7;\n\treturn calls++;\n}\n",
                    "keeps data that can change: calls.0 in .data")

    def test_a_static_of_each_thread(self):
        self.breaks("__thread int mine;\n", "keeps data that can change: mine in .tbss")

    def test_assertions_are_left_out(self):
        self.append("crdt/CMakeLists.txt",
                    "set_source_files_properties(store.c PROPERTIES COMPILE_DEFINITIONS NDEBUG)\n")
        self.expect("symbols", "crdt/store.c:1: is compiled without its assertions (-DNDEBUG)")

    def test_a_pure_source_that_no_archive_has(self):
        self.write("crdt/base/b.c", LICENCE)
        self.expect("symbols", "crdt/base/b.c:1: is pure, but no target of crdt/ or net/ compiles it, "
                               "so nothing checks it")


if __name__ == "__main__":
    unittest.main()
