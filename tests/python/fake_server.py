"""A server in this process that answers as a test says, and fails as a test says."""

from __future__ import annotations

import concurrent.futures
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type

import grpc
import mgral
from mgral.google_rpc import error_details_pb2, status_pb2
from mgral.v1 import (cycle_service_pb2_grpc, label_service_pb2_grpc, model_service_pb2_grpc,
                      pool_service_pb2_grpc, prediction_service_pb2_grpc, selection_service_pb2_grpc)

_SERVICES = ((pool_service_pb2_grpc, "PoolService"), (cycle_service_pb2_grpc, "CycleService"),
             (label_service_pb2_grpc, "LabelService"), (model_service_pb2_grpc, "ModelService"),
             (prediction_service_pb2_grpc, "PredictionService"),
             (selection_service_pb2_grpc, "SelectionService"))


class Failure(Exception):
    """What a handler raises to fail the call, with the details that mgral-server would send."""

    def __init__(self, code: grpc.StatusCode, text: str, reason: str = "",
                 violations: Sequence[Tuple[str, str]] = (), retry_seconds: Optional[float] = None,
                 resource: str = "") -> None:
        super().__init__(text)
        self.code, self.text = code, text
        self.details = status_pb2.Status(code=code.value[0], message=text)
        if reason:
            self._pack(error_details_pb2.ErrorInfo(reason=reason, domain="mgral"))
        if violations:
            self._pack(error_details_pb2.BadRequest(field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
                for field, description in violations]))
        if retry_seconds is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.nanos = int(retry_seconds * 1e9)
            self._pack(retry)
        if resource:
            self._pack(error_details_pb2.ResourceInfo(resource_name=resource))

    def _pack(self, detail: Any) -> None:
        name = f"type.googleapis.com/google.rpc.{detail.DESCRIPTOR.name}"
        self.details.details.add(type_url=name, value=detail.SerializeToString())


Handler = Callable[[Any, grpc.ServicerContext], Any]


class Clock:
    """For a RetryPolicy: time passes where it sleeps, and where a test lets it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: List[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class FakeServer:
    """`handlers`: method name -> function of (request or iterator, context). Use it in a `with`."""

    def __init__(self, **handlers: Handler) -> None:
        self.calls: List[Tuple[str, Any]] = []  # unary requests as they came
        self.metadata: List[Dict[str, str]] = []
        self.target = ""
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
        for module, service in _SERVICES:
            base = getattr(module, f"{service}Servicer")
            members = {name: self._member(name, handler) for name, handler in handlers.items()
                       if hasattr(base, name)}
            getattr(module, f"add_{service}Servicer_to_server")(
                type(service, (base,), members)(), self._server)

    def __enter__(self) -> FakeServer:
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._server.stop(grace=None).wait()

    def _member(self, name: str, handler: Handler) -> Any:
        def fail(context: grpc.ServicerContext, failure: Failure) -> None:
            context.set_trailing_metadata(
                [("grpc-status-details-bin", failure.details.SerializeToString())])
            context.abort(failure.code, failure.text)

        def unary(servicer: Any, request: Any, context: grpc.ServicerContext) -> Any:
            self.calls.append((name, request))
            self.metadata.append(dict(context.invocation_metadata()))
            try:
                return handler(request, context)
            except Failure as failure:
                return fail(context, failure)

        def stream(servicer: Any, request: Any, context: grpc.ServicerContext) -> Any:
            self.calls.append((name, None))
            try:
                yield from handler(request, context)
            except Failure as failure:
                fail(context, failure)

        streaming = name in ("RegisterImages", "IngestLabels", "WatchCycle", "ExportLabels",
                              "ExportModel", "PutPredictions")
        return stream if streaming else unary


UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "the database is away", "DATABASE_UNAVAILABLE")


def client_of(server: FakeServer, sleeps: Optional[List[float]] = None, **options: Any) -> mgral.Client:
    """A client that does not wait between attempts; what it would have waited is in `sleeps`."""
    policy = mgral.RetryPolicy(sleep=(sleeps if sleeps is not None else []).append)
    return mgral.Client(server.target, retry=policy, **options)


def failing(times: int, failure: Optional[Failure], answer: Any) -> Handler:
    """A handler that fails that many times first."""
    left = [failure] * times

    def handler(request: Any, context: grpc.ServicerContext) -> Any:
        if left:
            raise left.pop()
        return answer
    return handler
