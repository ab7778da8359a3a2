"""Types for the services: gRPC's generator writes none."""

from __future__ import annotations

import pathlib

from google.protobuf import descriptor_pb2

_KINDS = {(False, False): "UnaryUnary", (False, True): "UnaryStream",
          (True, False): "StreamUnary", (True, True): "StreamStream"}


def write(descriptors: bytes, target: pathlib.Path) -> None:
    """Writes X_pb2_grpc.pyi below `target` for every file of the descriptor set with services."""
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
        if file.service:
            stem = file.name[: -len(".proto")]
            (target / f"{stem}_pb2_grpc.pyi").write_text(_stub(file))


def _stub(file: descriptor_pb2.FileDescriptorProto) -> str:
    module = file.name.rsplit("/", 1)[-1][: -len(".proto")] + "_pb2"
    package = f".{file.package}."
    imports = {"typing", module}

    def name(message: str) -> str:
        if message.startswith(package):
            return f"{module}.{message[len(package):]}"
        assert message == ".google.protobuf.Empty", message
        imports.add("empty")
        return "empty_pb2.Empty"

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
    head = ["import typing", "", "from mgral import _stub_types", f"from mgral.v1 import {module}"]
    if "empty" in imports:
        head.insert(2, "from google.protobuf import empty_pb2")
    return "\n".join(head) + "\n\n" + "\n\n".join(classes) + "\n"
