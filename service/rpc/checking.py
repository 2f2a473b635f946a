"""Whether every field that a caller has set can be honored; the first that cannot is refused by name.

Which fields those are is each protocol's own table. What they become is left to the converters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from service.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Honored:
    """A field that the server acts upon. Numbers: lowest and highest. Enums: the accepted values.

    Texts, also repeated ones: the most characters. Repeated fields: the most entries.
    """

    lowest: float = -math.inf
    highest: float = math.inf
    values: frozenset[int] = frozenset()
    characters: int = 0
    entries: int = 0


Table = Mapping[str, Honored]
"""The fields of a protocol that may be set, by their full names."""


def check(message: Message, path: str, table: Table) -> None:
    """Refuses every field that is set and not in the table, or whose value is out of range, at any depth.

    path: where the message is in the request, with a dot at its end.
    """
    refuse_unknown(message, path)
    for field, value in message.ListFields():
        name, honored = path + field.name, table.get(field.full_name)
        if honored is None:
            raise InvalidRequest(name, "this server does not honor it; leave it unset")
        if not field.is_repeated:
            _check_value(field, value, name, honored, table)
            continue
        if len(value) > honored.entries:
            raise InvalidRequest(name, f"has {len(value)} entries; send at most {honored.entries}")
        for number, entry in enumerate(value):
            _check_value(field, entry, f"{name}[{number}]", honored, table)


def refuse_unknown(message: Message, path: str) -> None:
    """Refuses a field of the message itself that this version of the protocol does not know."""
    unknown = UnknownFieldSet(message)
    if len(unknown):
        number = unknown[0].field_number
        where = path.rstrip(".") or "request"
        raise InvalidRequest(where, f"its field number {number} is unknown to this server; use a client of its version")


def listed(names: Iterable[object]) -> str:
    """For a sentence."""
    return ", ".join(map(str, names))


def _check_value(field: FieldDescriptor, value: Any, name: str, honored: Honored, table: Table) -> None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        check(value, name + ".", table)
    elif field.enum_type is not None:
        if value not in honored.values:
            known = field.enum_type.values_by_number
            said = known[value].name if value in known else str(value)
            offered = listed(known[number].name for number in sorted(honored.values))
            raise InvalidRequest(name, f"this server does not honor {said}; choose one of {offered}")
    elif isinstance(value, str):
        if len(value) > honored.characters:
            raise InvalidRequest(name, f"has {len(value)} characters; send at most {honored.characters}")
    # NaN is not between anything. Rounded, because 0.2 as a 32-bit float is a little more or less than 0.2.
    elif isinstance(value, int | float) and not honored.lowest <= round(value, 6) <= honored.highest:
        raise InvalidRequest(name, f"is {value:g}; choose {honored.lowest:g} to {honored.highest:g}")
