"""Types for the services: gRPC's generator writes none."""

from __future__ import annotations

import pathlib
from typing import Dict, Tuple

from google.protobuf import descriptor_pb2

_KINDS = {(False, False): "UnaryUnary", (False, True): "UnaryStream",
          (True, False): "StreamUnary", (True, True): "StreamStream"}


def write(descriptors: bytes, target: pathlib.Path) -> None:
    """Writes X_pb2_grpc.pyi below `target` for every file of the descriptor set with services."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors).file
    # Full name of a message -> package and module that it is in.
    homes = {".google.protobuf.Empty": ("google.protobuf", "empty_pb2")}
    for file in files:
        folder, _, stem = file.name[: -len(".proto")].rpartition("/")
        for message in file.message_type:
            homes[f".{file.package}.{message.name}"] = (folder.replace("/", "."), f"{stem}_pb2")
    for file in files:
        if file.service:
            stem = file.name[: -len(".proto")]
            (target / f"{stem}_pb2_grpc.pyi").write_text(_stub(file, homes))


def _stub(file: descriptor_pb2.FileDescriptorProto, homes: Dict[str, Tuple[str, str]]) -> str:
    imports = {"from mgral import _stub_types"}

    def name(message: str) -> str:
        package, module = homes[message]
        imports.add(f"from {package} import {module}")
        return f"{module}.{message.rpartition('.')[2]}"

    classes = []
    for service in file.service:
        stub = [f"class {service.name}Stub:",
                "    def __init__(self, channel: typing.Any) -> None: ..."]
        servicer = [f"class {service.name}Servicer:"]
        for method in service.method:
            request, answer = name(method.input_type), name(method.output_type)
            kind = _KINDS[method.client_streaming, method.server_streaming]
            stub.append(f"    {method.name}: _stub_types.{kind}[{request}, {answer}]")
            taken = f"typing.Iterator[{request}]" if method.client_streaming else request
            given = f"typing.Iterator[{answer}]" if method.server_streaming else answer
            servicer.append(f"    def {method.name}(self, request: {taken}, "
                            f"context: typing.Any) -> {given}: ...")
        function = (f"def add_{service.name}Servicer_to_server(servicer: {service.name}Servicer, "
                    "server: typing.Any) -> None: ...")
        classes += ["\n".join(stub), "\n".join(servicer), function]
    return "\n".join(["import typing", "", *sorted(imports)]) + "\n\n" + "\n\n".join(classes) + "\n"
