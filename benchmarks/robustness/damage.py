"""Ways to damage a picture file: cut, flipped, spliced, and with absurd numbers in its head."""

import random
import struct
import zlib

ABSURD = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to three kinds of damage."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(MUTATIONS)(bytearray(data), other, rng)
    return _mended(bytearray(data)) if rng.random() < 0.5 else data


def _cut(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(len(data) + 1)])


def _flip(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    for _bit in range(min(len(data), rng.choice((1, 1, 4, 16, 64)))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _splice(data: bytearray, other: bytes, rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(len(data) + 1)]) + other[rng.randrange(len(other)) :]


def _drop(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    del data[start : start + rng.randrange(1, 64)]
    return bytes(data)


def _repeat(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    part = data[start : start + rng.randrange(1, 256)]
    data[start:start] = part * rng.choice((1, 2, 100))
    return bytes(data)


def _overwrite(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    length = len(data[start : start + rng.randrange(1, 64)])
    data[start : start + length] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return bytes(data)


def _absurd(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    """Numbers near the beginning or the end, where formats tell sizes, counts and places."""
    for _number in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(min(len(data), 512) + 1)
        place = len(data) - place if rng.random() < 0.3 else place
        packed = struct.pack(rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q")[: rng.choice((2, 4, 6))]), 0)
        kind = {2: "H", 4: "I", 8: "Q"}[len(packed)]
        value = rng.choice(ABSURD) & (2 ** (8 * len(packed)) - 1)
        packed = struct.pack(rng.choice("<>") + kind, value)
        data[place : place + len(packed)] = packed
    return bytes(data)


def _size(data: bytearray, _: bytes, rng: random.Random) -> bytes:
    """A size that the file does not have, where PNG, JPEG, GIF, BMP and WebP tell theirs."""
    for place in (b"IHDR", b"\xff\xc0", b"\xff\xc2", b"VP8X", b"GIF8", b"BM"):
        start = data.find(place)
        if start >= 0:
            field = start + len(place) + rng.randrange(24)
            data[field : field + 4] = struct.pack(rng.choice("<>") + "I", rng.choice((*ABSURD, 3000, 5000, 60000)))
    return bytes(data)


def _mended(data: bytearray) -> bytes:
    """A PNG's checksums made right, so that its decoder believes what it is told."""
    place = 8
    while data.startswith(b"\x89PNG") and place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)


MUTATIONS = (_cut, _flip, _splice, _drop, _repeat, _overwrite, _absurd, _size)
