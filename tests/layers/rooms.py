# SPDX-License-Identifier: Apache-2.0
"""The rooms of the tree: which files are in each, what each may include, and what the pure ones may call.

This is the one place where the layering is written down; check.py compares the sources with it.
"""

import re
from dataclasses import dataclass

# Headers of libc that a pure room may include: computing, memory and text, and nothing that reaches out.
PURE_HEADERS = r"""(assert|endian|errno|float|inttypes|limits|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio
    |stdlib|stdnoreturn|string|arpa/inet)\.h"""

# What shells may include besides: the rest of POSIX, and Linux.
SHELL_HEADERS = r"""((sys|linux|net|netinet|asm)/[a-z0-9_/]+|ctype|dirent|dlfcn|err|execinfo|fcntl|fnmatch|ftw
    |getopt|glob|grp|ifaddrs|libgen|locale|malloc|math|mntent|netdb|paths|poll|pthread|pwd|regex|sched|semaphore
    |setjmp|signal|spawn|stdio_ext|strings|sysexits|syslog|termios|threads|time|ucontext|unistd|wchar)\.h"""

LIBRARY_HEADERS = {
    "sodium": r"sodium(/.+)?\.h",
    "msgpack": r"msgpack(/.+)?\.h",
    "jansson": r"jansson\.h",
    "lmdb": r"lmdb\.h",
    "uv": r"uv\.h",
    "nng": r"nng/.+\.h",
    "h2o": r"h2o(/.+)?\.h",
    "openssl": r"openssl/.+\.h",
    "libmnl": r"libmnl/libmnl\.h",
    "libnftnl": r"libnftnl/.+\.h",
    "curl": r"curl/curl\.h",
    "qrencode": r"qrencode\.h",
    "cmocka": r"cmocka\.h",
}


@dataclass(frozen=True)
class Room:
    """`files` is matched against the whole path; the first room that matches has the file."""

    name: str
    files: str
    includes: tuple  # the other rooms that it may include; a room may always include itself
    libraries: tuple = ()
    pure: bool = False


CORE = ("crdt/base", "crdt/model", "crdt/store.h", "crdt/log", "crdt/state", "crdt/gossip", "crdt/node")
BELOW_LOG = ("crdt/base", "crdt/model", "crdt/store.h")
EVERYTHING = CORE + ("crdt/store", "net/pure", "net/desired", "net/message", "net/shell", "agent", "ctl")

ROOMS = (
    Room("crdt/base", r"crdt/base/.+", (), ("sodium",), pure=True),
    Room("crdt/model", r"crdt/model/.+", ("crdt/base",), ("msgpack", "jansson"), pure=True),
    # The store as everybody sees it, and what is behind it: seals, the ledger, what a disk must offer.
    Room("crdt/store.h", r"crdt/store\.h", ("crdt/base",), pure=True),
    Room("crdt/store", r"crdt/(store\w*|seal|ledger)\.[ch]", ("crdt/base", "crdt/store.h"), pure=True),
    Room("crdt/log", r"crdt/log/.+", BELOW_LOG, ("sodium",), pure=True),
    Room("crdt/state", r"crdt/state/.+", BELOW_LOG + ("crdt/log",), ("sodium",), pure=True),
    Room("crdt/gossip", r"crdt/gossip/.+", BELOW_LOG + ("crdt/log", "crdt/state"), ("sodium",), pure=True),
    Room("crdt/node", r"crdt/node\.[ch]", CORE, ("sodium",), pure=True),
    Room("net/desired", r"net/desired\.[ch]", ("crdt/base", "crdt/model", "crdt/store.h", "crdt/log", "crdt/state",
                                               "net/pure"), pure=True),
    Room("net/pure", r"net/(ip|policy|plan)\.[ch]", ("crdt/base", "crdt/model"), pure=True),
    Room("net/message", r"net/netd_msg\.[ch]", ("crdt/base", "crdt/model", "net/pure"), pure=True),
    Room("net/shell", r"net/[^/]+\.[ch]", ("crdt/base", "crdt/model", "net/pure", "net/message"),
         ("libmnl", "libnftnl", "sodium")),
    Room("agent", r"agent/.+", CORE + ("crdt/store", "net/desired", "net/message"),
         ("uv", "nng", "lmdb", "h2o", "openssl", "sodium", "jansson")),
    Room("ctl", r"ctl/.+", ("crdt/base", "crdt/model"), ("curl", "jansson", "qrencode", "sodium")),
    Room("tests", r"tests/.+", EVERYTHING, tuple(LIBRARY_HEADERS)),
    Room("bench", r"bench/.+", EVERYTHING + ("tests",), tuple(LIBRARY_HEADERS)),
)


def pattern(text):
    """A pattern that the table may lay out over several lines."""
    return re.compile(re.sub(r"\s+", "", text))


def room_of(path):
    """The room that has the file, or None."""
    return next((room for room in ROOMS if re.fullmatch(room.files, path)), None)


# What the objects of every pure room may call: memory, text, and ending the process over a bug. Fortified names
# (__memcpy_chk) count as the plain ones.
PURE_CALLS = pattern(r"""
    mem(chr|cmp|cpy|move|rchr|set|mem)|explicit_bzero
    |str(len|nlen|cmp|ncmp|chr|rchr|spn|cspn|str)
    |malloc|calloc|realloc|reallocarray|free
    |qsort|bsearch|v?snprintf|inet_(pton|ntop)
    |abort|__assert_fail|__stack_chk_fail|__popcountdi2|_GLOBAL_OFFSET_TABLE_""")

SODIUM_HASHES = r"""
    crypto_(generichash|shorthash(_siphashx24)?|stream_chacha20|hash_sha(256|512)|auth_hmacsha(256|512))
        (_(init|update|final|xor|xor_ic|ietf|ietf_xor|ietf_xor_ic|verify))?
    |sodium_(memcmp|memzero|compare|is_zero|increment|add|sub)
    |sodium_(bin2hex|hex2bin|bin2base64|base642bin|base64_encoded_len)"""

# Signing, key agreement and sealing with keys that are given. Whatever draws its own random bytes (keypair, keygen,
# box_seal, pwhash_str, randombytes) is missing here on purpose: randomness arrives inside events.
SODIUM_KEYS = r"""
    crypto_sign(_ed25519)?_(detached|verify_detached|seed_keypair|sk_to_(pk|seed|curve25519)|pk_to_curve25519)
    |crypto_(kx|box)_seed_keypair|crypto_kx_(client|server)_session_keys|crypto_scalarmult(_base)?
    |crypto_kdf_derive_from_key
    |crypto_box_(beforenm|open_easy_afternm|easy_afternm|easy|open_easy)
    |crypto_aead_(x?chacha20poly1305_ietf)_(encrypt|decrypt)(_detached)?"""

# Encoding only: msgpack's own decoder trusts lengths, so bytes are read by our bounded cursor.
MSGPACK = r"msgpack_(pack_\w+|sbuffer_\w+|timestamp\w*)"

# JSON text from memory to values; no files, no streams, no seeding of its own.
JANSSON = r"""json_(loadb|delete|object_(get|size|iter(_at|_next|_key|_key_len|_value)?|key_to_iter|getn)
    |array_(get|size)|string_(value|length)|integer_value|real_value|number_value|true|false|null)"""

LIBRARY_CALLS = {
    "crdt/base": pattern(SODIUM_HASHES),
    "crdt/model": pattern(MSGPACK + "|" + JANSSON),
    "crdt/log": pattern(SODIUM_HASHES + "|" + SODIUM_KEYS),
    "crdt/state": pattern(SODIUM_HASHES),
    "crdt/gossip": pattern(SODIUM_HASHES + "|" + SODIUM_KEYS),
    "crdt/node": pattern(SODIUM_HASHES),
}
