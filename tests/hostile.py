"""What the tests of hostile input share: how files are damaged, and what the program may answer."""

import contextlib
import functools
import io
import random
import struct
from collections.abc import Iterator
from pathlib import Path

from benchmark.cli import main
from benchmark.plan import plan
from benchmark.runner import check_images
from benchmark.settings import read_preset
from data.folder import DataError
from data.images import open_images

WORST = (b"", b"\0", b"\n", b",", b'"', b"nan", b"-1", b"1e999", b"9" * 40, b"\xff\xfe", "é".encode(), b"[" * 3000)
"""Pieces that readers stumble over."""


def damaged(content: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` files made of one by accidents: bytes flipped, lost, doubled, swapped, put in, lengths changed."""
    numbers = random.Random(seed)
    for _ in range(count):
        spoilt = bytearray(content)
        for _ in range(numbers.choice((1, 1, 1, 2, 5))):
            start = numbers.randrange(len(spoilt) + 1)
            length = numbers.choice((1, 1, 2, 4, 16, 300))
            other = numbers.randrange(len(spoilt) + 1)
            match numbers.randrange(9):
                case 0 if start < len(spoilt):
                    spoilt[start] ^= 1 << numbers.randrange(8)
                case 1 if start < len(spoilt):
                    spoilt[start] = numbers.randrange(256)
                case 2:
                    del spoilt[start:]
                case 3:
                    del spoilt[start : start + length]
                case 4:
                    spoilt[start:start] = spoilt[start : start + length]
                case 5:
                    spoilt[start:start] = numbers.choice(WORST)
                case 6:
                    spoilt[start : start + length], spoilt[other : other + length] = (
                        spoilt[other : other + length],
                        spoilt[start : start + length],
                    )
                case 7:
                    spoilt[start:start] = content[other : other + length]
                case 8:
                    huge = numbers.choice((0, 0x7FFFFFFF, 0xFFFFFFFF, len(content)))
                    spoilt[start : start + 4] = struct.pack(numbers.choice("<>") + "I", huge)
        yield bytes(spoilt)


def answer(*arguments: str) -> tuple[int, str]:
    """The exit code of a command and what it prints; where it refuses, that must be one sentence on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(arguments))
        except SystemExit as exit:  # argparse's way
            assert exit.code == 2 and "error: " in err.getvalue()
            return 2, err.getvalue()
    said = err.getvalue()
    assert code in (0, 2), (arguments, code, said)
    if code == 0:
        return code, out.getvalue()
    assert said.startswith("benchmark: ") and said.count("\n") == 1 and said.endswith("\n"), said
    return code, said


def prepared(folder: Path, name: str = "cifar100", **changes: str) -> bool:
    """What `run` does with the images before it searches; whether they can be used."""
    tables = read_preset("smoke")
    tables["problem"] |= {"images": name, "training_images": "all", "resolution": "full", **changes}
    try:
        check_images(plan(tables, ["random"], [0]), functools.partial(open_images, folder=folder))
    except DataError as error:
        assert str(error) and "\n" not in str(error)
        return False
    return True


def write(path: Path, content: bytes) -> bytes:
    """Puts `content` at `path`, and its folder there first; gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def contents(folder: Path) -> dict[str, bytes]:
    """All files in a folder but locks, by their place in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
