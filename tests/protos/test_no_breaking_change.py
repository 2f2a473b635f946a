"""The protocol of today understands callers and servers of the last release, released/hearken/v1/speech.proto.

Whoever releases copies the protocol there. Adding is free; what is there keeps its number, name and type.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

RELEASED = Path(__file__).with_name("released")
TODAY = Path(__file__).parents[2] / "protos"
NAME = "hearken/v1/speech.proto"


def compiled(folder: Path, tmp_path: Path) -> FileDescriptorProto:
    output = tmp_path / "set"
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--proto_path={folder}",
        f"--descriptor_set_out={output}",
        NAME,
    ]
    subprocess.run(command, check=True)
    (file,) = FileDescriptorSet.FromString(output.read_bytes()).file
    return file


def promises(file: FileDescriptorProto) -> Iterator[str]:
    """What callers rely on, a line each."""
    for message in file.message_type:
        yield from _of_message(message, file.package)
    for enum in file.enum_type:
        yield from _of_enum(enum, file.package)
    for service in file.service:
        for method in service.method:
            streams = f"{method.client_streaming} {method.server_streaming}"
            yield f"{file.package}.{service.name}/{method.name} {method.input_type} {method.output_type} {streams}"


def _of_message(message: DescriptorProto, package: str) -> Iterator[str]:
    name = f"{package}.{message.name}"
    yield name
    for field in message.field:
        oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
        kind = f"{field.type} {field.type_name} label {field.label} {oneof}".strip()
        yield f"{name}.{field.name} = {field.number}: {kind}"
    for inner in message.nested_type:
        yield from _of_message(inner, name)
    for enum in message.enum_type:
        yield from _of_enum(enum, name)


def _of_enum(enum: EnumDescriptorProto, package: str) -> Iterator[str]:
    for value in enum.value:
        yield f"{package}.{enum.name}.{value.name} = {value.number}"


def broken(before: FileDescriptorProto, after: FileDescriptorProto) -> list[str]:
    kept = set(promises(after))
    return [promise for promise in promises(before) if promise not in kept]


def test_every_promise_of_the_last_release_is_kept(tmp_path: Path) -> None:
    assert broken(compiled(RELEASED, tmp_path), compiled(TODAY, tmp_path)) == []


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("double received_s = 1;", "double received_s = 7;"),
        ("double received_s = 1;", "float received_s = 1;"),
        ("double received_s = 1;", "double heard_s = 1;"),
        ("double received_s = 1;", "repeated double received_s = 1;"),
        ("double received_s = 1;", ""),
        ("MULAW = 2;", "MU_LAW = 2;"),
        ("rpc ListModels(ListModelsRequest)", "rpc Models(ListModelsRequest)"),
        ("returns (stream StreamingRecognizeResponse)", "returns (StreamingRecognizeResponse)"),
    ],
)
def test_a_change_that_breaks_callers_is_found(was: str, becomes: str, tmp_path: Path) -> None:
    text = (TODAY / NAME).read_text(encoding="utf-8")
    assert was in text
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_text(text.replace(was, becomes), encoding="utf-8")
    assert broken(compiled(TODAY, tmp_path), compiled(tmp_path, tmp_path))


def test_an_addition_is_no_breaking_change(tmp_path: Path) -> None:
    text = (TODAY / NAME).read_text(encoding="utf-8")
    (tmp_path / NAME).parent.mkdir(parents=True)
    more = text.replace("double received_s = 1;", "double received_s = 1; double more = 99;")
    (tmp_path / NAME).write_text(more, encoding="utf-8")
    assert broken(compiled(TODAY, tmp_path), compiled(tmp_path, tmp_path)) == []
