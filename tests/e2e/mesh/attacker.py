#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a stranger does to the gossip port of a server: attacker.py WHAT SECONDS HOST PORT [FILE]

Runs in the namespace of an attacker, which has all addresses of 10.78.0.0/16. Its last line says what it did. `record`
runs in the namespace of a server, and notes what members say to each other.
"""

import ctypes
import json
import os
import random
import select
import socket
import struct
import sys
import time

AT_A_TIME = 256


def connect(where, number, room=0):
    """From an address of its own; None: it was turned away."""
    one = socket.socket()
    try:
        if room:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        one.settimeout(1)
        one.bind((f"10.78.{number // 250 % 250}.{number % 250 + 1}", 0))
        one.connect(where)
        one.setblocking(False)
        return one
    except OSError:
        one.close()
        return None


def send(one, data):
    """Whether it is still of use."""
    try:
        one.send(data)
        return True
    except BlockingIOError:
        return True
    except OSError:
        return False


def reset(one):
    """With a reset, not a farewell."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def crowd(where, end):
    """2,000 connections and more, of which 256 at a time stay; every other one is reset."""
    made, held = 0, []
    while time.monotonic() < end:
        one = connect(where, made)
        made += 1
        if one:
            send(one, random.randbytes(made % 40))
            held.append(one)
        if len(held) > AT_A_TIME:
            old = held.pop(random.randrange(len(held)))
            (reset if made % 2 else socket.socket.close)(old)
        # 400 a second: it is not the machine that is to be worn out.
        time.sleep(0.0025)
    return made


def garbage(where, end):
    """Frames of every kind and length, with nonsense in them: up to 10,000 a second."""
    made, held, number = 0, [], 0
    while time.monotonic() < end:
        if len(held) < 8:
            one = connect(where, number)
            number += 1
            if one:
                held.append(one)
            else:
                time.sleep(0.02)
            continue
        begun = time.monotonic()
        for one in list(held):
            size = random.randrange(1, 200)
            head = random.choice([struct.pack(">I", size), struct.pack("<I", size), struct.pack(">H", size), b""])
            made += 12
            if not send(one, b"".join(head + random.randbytes(size) for _ in range(12))):
                held.remove(one)
                one.close()
        time.sleep(max(0, 0.01 - (time.monotonic() - begun)))
    return made


def slow(where, end, said):
    """Asks as a member would, byte by byte, and reads nothing of what comes."""
    held, made = [], 0
    while time.monotonic() < end:
        if len(held) < AT_A_TIME:
            one = connect(where, made, 1024)
            if one:
                held.append([one, said[made % len(said)], 0])
                made += 1
        for each in held[-50:]:
            each[2] += send(each[0], each[1][each[2]:each[2] + 1])
        time.sleep(0.01)
    return made


def replay(where, end, said):
    """What members said, again: whole, in part, twice, and changed in one place."""
    made = 0
    while time.monotonic() < end:
        one = connect(where, made)
        data = said[made % len(said)]
        if made % 4 == 1:
            data = data[:random.randrange(len(data))]
        elif made % 4 == 2:
            data += data
        elif made % 4 == 3:
            at = random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        made += 1
        if one:
            send(one, data)
            select.select([one], [], [], 0.02)
            one.close()
        time.sleep(0.005)
    return made


def record(end, port, path):
    """The bytes of each direction of each connection, in their order, until the time is over."""
    flows = {}
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as wire:
        wire.bind(("eth0", 0x0800))
        wire.settimeout(0.1)
        print("records", flush=True)
        while time.monotonic() < end:
            try:
                packet = wire.recv(65536)
            except TimeoutError:
                continue
            begin = (packet[0] & 15) * 4
            if packet[9] != socket.IPPROTO_TCP or len(packet) < begin + 20:
                continue
            tcp = packet[begin:struct.unpack(">H", packet[2:4])[0]]
            source, target, number = struct.unpack(">HHI", tcp[:8])
            data = tcp[(tcp[12] >> 4) * 4:]
            if data and port in (source, target):
                flows.setdefault((packet[12:20], source, target), {})[number] = data
    said = [b"".join(flow[number] for number in sorted(flow)) for flow in flows.values()]
    with open(path, "w", encoding="ascii") as file:
        json.dump([one.hex() for one in said], file)
    return len(said)


def main():
    what, seconds, host, port = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    end = time.monotonic() + seconds
    if what == "record":
        print(record(end, port, sys.argv[5]))
        return
    # It ends with the test, and takes no time from the servers that are under attack.
    ctypes.CDLL(None).prctl(1, 9)
    os.nice(10)
    random.seed(1)
    if what in ("slow", "replay"):
        with open(sys.argv[5], encoding="ascii") as file:
            said = [bytes.fromhex(one) for one in json.load(file)]
        print({"slow": slow, "replay": replay}[what]((host, port), end, said))
    else:
        print({"crowd": crowd, "garbage": garbage}[what]((host, port), end))


if __name__ == "__main__":
    main()
