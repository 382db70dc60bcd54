"""Reads a pickle of many gigabytes record by record, holding one record at a time and running nothing.

The 5 GB of NAS-Bench-201 v1.1 take 30 GB of memory as Python objects, and `pickle` keeps them all until it is done.
This reader knows the few instructions that such a file is made of, hands every finished record out, and forgets it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Mapping, Sized
from mmap import mmap
from types import NoneType
from typing import Any

import numpy as np

from data.folder import DataError

# A dict of 200 epochs is one run of equal-sized items, read in one go: integer keys, or keys met before (by number).
_INTEGER_RUN = re.compile(rb"(?:K.G.{8})+", re.DOTALL)
_INTEGER_ITEM = np.dtype([("key_code", "u1"), ("key", "u1"), ("value_code", "u1"), ("value", ">f8")])
_KNOWN_RUN = re.compile(rb"(?:j.{4}G.{8})+", re.DOTALL)
_KNOWN_ITEM = np.dtype([("key_code", "u1"), ("key", "<u4"), ("value_code", "u1"), ("value", ">f8")])

_MARK = object()
_FORGOTTEN = object()

_SMALL = 16
"""Containers up to this length that hold no others are kept: names and settings that records may share."""

_PLAIN = frozenset({str, int, float, bool, NoneType, bytes})


def check_keys(keys: Collection[Any]) -> None:
    """That keys are texts, numbers, or tuples of those: to hash tuples in tuples can take for ever, or end the process.

    Raises:
        ValueError: where one is anything else.
    """
    if not set(map(type, keys)) <= _PLAIN:
        for key in keys:
            if type(key) not in _PLAIN and not (type(key) is tuple and set(map(type, key)) <= _PLAIN):
                raise ValueError(f"a key of type {type(key).__name__}")


class PickleStream:
    """A sequence of pickles of protocols 2, the one that PyTorch writes, to 5.

    Args:
        content: all the bytes.
        what: the file's name, for messages.
        admitted: for each dotted name that the file may mention, what stands in for it.
        on_dict: called with every dict after items came in; True says that it is a finished record, whose content the
            callee has taken, and that all since the last record may be forgotten.
    """

    def __init__(
        self,
        content: bytes | mmap,
        what: str,
        admitted: Mapping[str, Any],
        on_dict: Callable[[dict[Any, Any]], bool] = lambda _: False,
    ) -> None:
        self.position = 0
        """Bytes read so far."""
        self._content = content
        self._what = what
        self._admitted = admitted
        self._on_dict = on_dict
        self._strings: dict[bytes, str] = {}
        self._copied = 0  # by calls: things as large as what they were made of

    def load(self) -> Any:
        """The next object.

        Raises:
            DataError: where the pickle mentions a name not admitted, refers to what was forgotten, or is damaged.
        """
        try:
            return self._load()
        except DataError:
            raise
        except Exception as error:  # wrong operands can fail in nearly any way
            raise DataError(
                f"{self._what} is damaged near byte {self.position:,} ({type(error).__name__}): get the file again"
            ) from error

    def _load(self) -> Any:
        content, strings = self._content, self._strings
        stack: list[Any] = []
        memo: list[Any] = []
        containers: list[int] = []  # numbers in the memo of the dicts and lists since the last record
        position = self.position
        unpack_index = struct.Struct("<I").unpack_from
        unpack_float = struct.Struct(">d").unpack_from
        while True:
            code = content[position]
            position += 1
            if code == 0x58 or code == 0x8C:  # BINUNICODE, SHORT_BINUNICODE
                if code == 0x58:
                    start = position + 4
                    end = start + unpack_index(content, position)[0]
                else:
                    start = position + 1
                    end = start + content[position]
                raw = content[start:end]
                if raw not in strings:
                    strings[raw] = raw.decode("utf-8", "surrogatepass")
                stack.append(strings[raw])
                position = end
            elif code == 0x72 or code == 0x71 or code == 0x94:  # LONG_BINPUT, BINPUT, MEMOIZE
                if code == 0x94:
                    number = len(memo)
                elif code == 0x72:
                    (number,) = unpack_index(content, position)
                    position += 4
                else:
                    number = content[position]
                    position += 1
                if number != len(memo):
                    raise DataError(f"{self._what} is not as PyTorch writes it: get the official file")
                if type(stack[-1]) is dict or type(stack[-1]) is list:
                    containers.append(number)
                memo.append(stack[-1])
            elif code == 0x47:  # BINFLOAT
                stack.append(unpack_float(content, position)[0])
                position += 8
            elif code == 0x6A or code == 0x68:  # LONG_BINGET, BINGET
                if code == 0x6A:
                    (number,) = unpack_index(content, position)
                    position += 4
                else:
                    number = content[position]
                    position += 1
                if memo[number] is _FORGOTTEN:
                    raise DataError(f"{self._what} shares data between records, as the official file does not")
                stack.append(memo[number])
            elif code == 0x28:  # MARK
                stack.append(_MARK)
                if run := _INTEGER_RUN.match(content, position):
                    run_items = np.frombuffer(run.group(), _INTEGER_ITEM)
                    stack += _interleave(run_items["key"].tolist(), run_items["value"].tolist())
                    position = run.end()
                elif run := _KNOWN_RUN.match(content, position):
                    run_items = np.frombuffer(run.group(), _KNOWN_ITEM)
                    keys = [memo[number] for number in run_items["key"].tolist()]
                    stack += _interleave(keys, run_items["value"].tolist())
                    position = run.end()
            elif code == 0x4B:  # BININT1
                stack.append(content[position])
                position += 1
            elif code == 0x4D:  # BININT2
                stack.append(content[position] | content[position + 1] << 8)
                position += 2
            elif code == 0x4A:  # BININT
                stack.append(struct.unpack_from("<i", content, position)[0])
                position += 4
            elif code == 0x8A:  # LONG1
                end = position + 1 + content[position]
                stack.append(int.from_bytes(content[position + 1 : end], "little", signed=True))
                position = end
            elif code == 0x75:  # SETITEMS
                items = _pop_to_mark(stack)
                keys = items[::2]
                check_keys(keys)
                stack[-1].update(zip(keys, items[1::2], strict=True))
                if self._finished(stack[-1], position):
                    _forget(memo, containers)
            elif code == 0x73:  # SETITEM
                value = stack.pop()
                key = stack.pop()
                check_keys([key])
                stack[-1][key] = value
                if self._finished(stack[-1], position):
                    _forget(memo, containers)
            elif code == 0x65:  # APPENDS
                items = _pop_to_mark(stack)
                stack[-1].extend(items)
            elif code == 0x61:  # APPEND
                value = stack.pop()
                stack[-1].append(value)
            elif code == 0x7D:  # EMPTY_DICT
                stack.append({})
            elif code == 0x5D:  # EMPTY_LIST
                stack.append([])
            elif code == 0x29:  # EMPTY_TUPLE
                stack.append(())
            elif code == 0x74:  # TUPLE
                stack.append(tuple(_pop_to_mark(stack)))
            elif 0x85 <= code <= 0x87:  # TUPLE1, TUPLE2, TUPLE3
                size = code - 0x84
                stack[-size:] = [tuple(stack[-size:])]
            elif code == 0x4E:  # NONE
                stack.append(None)
            elif code == 0x88 or code == 0x89:  # NEWTRUE, NEWFALSE
                stack.append(code == 0x88)
            elif code == 0x63:  # GLOBAL
                between = content.find(b"\n", position)
                end = content.find(b"\n", between + 1)
                if not position <= between < end:  # -1 where there is none, and on from there would be from the start
                    raise ValueError("a name without an end")
                stack.append(self._admit(f"{content[position:between].decode()}.{content[between + 1 : end].decode()}"))
                position = end + 1
            elif code == 0x93:  # STACK_GLOBAL
                name = stack.pop()
                module = stack.pop()
                if type(module) is not str or type(name) is not str:
                    raise ValueError("a name that is no text")
                stack.append(self._admit(f"{module}.{name}"))
            elif code == 0x52:  # REDUCE
                arguments = stack.pop()
                function = stack.pop()
                if not any(function is stand_in for stand_in in self._admitted.values()):
                    raise DataError(f"{self._what} calls what is no class of it and was not loaded: do not trust it")
                made = function(*arguments)
                # The same list a thousand times over would make a thousand sets of a file that holds it once.
                self._copied += len(made) if isinstance(made, Sized) else 0
                if self._copied > len(content):
                    raise DataError(f"{self._what} is small and would fill the memory: do not trust it")
                stack.append(made)
            elif code == 0x62:  # BUILD
                state = stack.pop()
                stack[-1].__setstate__(state)
            elif code == 0x43 or code == 0x42:  # SHORT_BINBYTES, BINBYTES
                start = position + (1 if code == 0x43 else 4)
                end = start + (content[position] if code == 0x43 else unpack_index(content, position)[0])
                stack.append(content[start:end])
                position = end
            elif code == 0x8F:  # EMPTY_SET
                stack.append(set())
            elif code == 0x90:  # ADDITEMS
                items = _pop_to_mark(stack)
                check_keys(items)
                stack[-1].update(items)
            elif code == 0x80:  # PROTO
                position += 1
            elif code == 0x95:  # FRAME
                position += 8
            elif code == 0x2E:  # STOP
                self.position = position
                return stack.pop()
            else:
                raise DataError(
                    f"{self._what} holds the pickle instruction {code:#04x}, which the official file does not"
                )

    def _finished(self, target: dict[Any, Any], position: int) -> bool:
        self.position = position
        return self._on_dict(target)

    def _admit(self, dotted: str) -> Any:
        if dotted not in self._admitted:
            raise DataError(
                f"{self._what} asks for {dotted}, which has no place in it, and was not loaded: do not trust it"
            )
        return self._admitted[dotted]


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    """What was pushed since the last mark, which goes too."""
    mark = len(stack) - 1
    while stack[mark] is not _MARK:
        mark -= 1
    items = stack[mark + 1 :]
    del stack[mark:]
    return items


def _interleave(keys: list[Any], values: list[float]) -> list[Any]:
    """Key, value, key, value…"""
    items: list[Any] = [None] * (2 * len(keys))
    items[::2], items[1::2] = keys, values
    return items


def _forget(memo: list[Any], containers: list[int]) -> None:
    """Let go of the large containers, so that nothing but their parents holds them."""
    for number in containers:
        container = memo[number]
        inner = container.values() if type(container) is dict else container
        if len(container) > _SMALL or any(type(value) is dict or type(value) is list for value in inner):
            memo[number] = _FORGOTTEN
    containers.clear()
