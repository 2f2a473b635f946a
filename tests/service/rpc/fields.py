"""Every field of a message in turn, for the tests of what is honored and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Path = tuple[FieldDescriptor, ...]


def fields_of(descriptor: Descriptor, path: Path = ()) -> Iterator[Path]:
    """Ways to every field, at any depth."""
    for field in descriptor.fields:
        yield (*path, field)
        if field.message_type is not None and not _is_map(field):
            yield from fields_of(field.message_type, (*path, field))


def set_field(path: Path, message: Message, values: Mapping[str, Any]) -> None:
    """Sets one field, to its value in `values`, which are by full name, or to something that is not its default."""
    field, *rest = path
    if _is_map(field):
        getattr(message, field.name)["x"] = "x"
    elif field.message_type is None:
        value = values[field.full_name] if field.full_name in values else _some_value(field)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    else:
        inner = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
        inner.SetInParent()
        if rest:
            set_field(tuple(rest), inner, values)


def without_field(path: Path, message: Message) -> Message:
    """A copy in which the field is not set, but what it is in is."""
    copy = type(message)()
    copy.CopyFrom(message)
    inner: Any = copy
    for field in path[:-1]:
        inner = getattr(inner, field.name)[0] if field.is_repeated else getattr(inner, field.name)
    inner.ClearField(path[-1].name)
    return copy


def is_value(path: Path) -> bool:
    """Whether the field is one value, or several, and not a message of its own."""
    return path[-1].message_type is None


def names_set_in(message: Message) -> set[str]:
    """Full names of all fields that are set, at any depth."""
    names = set()
    for field, value in message.ListFields():
        names.add(field.full_name)
        if field.message_type is not None:
            names |= {name for own in (value if field.is_repeated else [value]) for name in names_set_in(own)}
    return names


def name_of(path: Path) -> str:
    """As it is refused: with the number of the entry in repeated fields on the way."""
    *way, last = path
    return ".".join([*(field.name + "[0]" * field.is_repeated for field in way), last.name])


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _some_value(field: FieldDescriptor) -> Any:
    """The highest of an enum, which a protocol that grows would add."""
    if field.enum_type is not None:
        return max(field.enum_type.values_by_number)
    return {
        FieldDescriptor.CPPTYPE_STRING: b"x" if field.type == FieldDescriptor.TYPE_BYTES else "x",
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_FLOAT: 1.0,
        FieldDescriptor.CPPTYPE_DOUBLE: 1.0,
        FieldDescriptor.CPPTYPE_INT32: 1,
        FieldDescriptor.CPPTYPE_INT64: 1,
        FieldDescriptor.CPPTYPE_UINT32: 1,
    }[field.cpp_type]
