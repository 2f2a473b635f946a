"""The stubs in clients/python/hearken/v1 are those of the .proto files as they are now (`make protos`).

They are made by an older compiler than the one installed here (see protos/generate.py), so what is compared is the
protocol in them, not their bytes.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from hearken.v1 import speech_pb2, speech_pb2_grpc

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "protos" / "hearken" / "v1" / "speech.proto"
STUBS = ROOT / "clients" / "python" / "hearken" / "v1"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorProto:
    """The .proto file, compiled now."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools, of the development extra, is not installed")
    output = tmp_path_factory.mktemp("protos") / "descriptors"
    command = [f"--proto_path={ROOT / 'protos'}", f"--descriptor_set_out={output}", str(PROTO)]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *command], check=True)
    return FileDescriptorSet.FromString(output.read_bytes()).file[0]


def without_json_names(file: FileDescriptorProto) -> FileDescriptorProto:
    """The compiler writes them into descriptor files only; they follow from the names."""
    pending = list(file.message_type)
    while pending:
        message = pending.pop()
        pending += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return file


def test_the_messages_are_those_of_the_proto(compiled: FileDescriptorProto) -> None:
    stubs = FileDescriptorProto.FromString(speech_pb2.DESCRIPTOR.serialized_pb)
    assert stubs == without_json_names(compiled), "the stubs are stale: run make protos"


def test_the_type_stubs_have_every_message_and_field(compiled: FileDescriptorProto) -> None:
    tree = ast.parse((STUBS / "speech_pb2.pyi").read_text(encoding="utf-8"))
    typed = {
        node.name: {
            child.target.id
            for child in node.body
            if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    for message in compiled.message_type:
        assert {field.name for field in message.field} <= typed[message.name], "the stubs are stale: run make protos"


def test_the_servicer_has_every_call(compiled: FileDescriptorProto) -> None:
    (service,) = compiled.service
    calls = {name for name in vars(speech_pb2_grpc.SpeechServicer) if not name.startswith("_")}
    assert calls == {method.name for method in service.method}, "the stubs are stale: run make protos"


def test_every_proto_file_has_its_stubs_made_by_the_pinned_compiler() -> None:
    pinned = re.search(r'GRPCIO_TOOLS_VERSION = "(.+)"', (ROOT / "protos" / "generate.py").read_text(encoding="utf-8"))
    assert pinned is not None
    for proto in (ROOT / "protos").rglob("*.proto"):
        folder = ROOT / "clients" / "python" / proto.parent.relative_to(ROOT / "protos")
        assert (folder / f"{proto.stem}_pb2.py").is_file()
        grpc_stubs = (folder / f"{proto.stem}_pb2_grpc.py").read_text(encoding="utf-8")
        assert f"GRPC_GENERATED_VERSION = '{pinned.group(1)}'" in grpc_stubs
