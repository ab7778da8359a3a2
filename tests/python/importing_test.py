"""Weights are sent to a server that breaks off: from the file's start again, or not at all."""

import grpc
import pytest
from fake_server import UNAVAILABLE, FakeServer, Failure, client_of

import mgral
from mgral.v1 import model_service_pb2, pool_service_pb2

CONTENT = bytes(range(251)) * 20_000  # five pieces


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(CONTENT)
    return path


class Imports:
    """Keeps the header and the data of every stream. `plan`: per stream, after how many messages it
    ends, and how."""

    def __init__(self, *plan):
        self.came = []
        self._plan = list(plan)

    def take(self, requests, context):
        after, failure = self._plan.pop(0) if self._plan else (-1, None)
        header, data = None, b""
        self.came.append((header, data))
        for number, request in enumerate(requests):
            if number == after:
                raise failure
            header, data = header or request, data + request.data
            self.came[-1] = (header, data)
        return model_service_pb2.ImportWeightsResponse(
            model={"name": f"{header.parent}/models/1"}, class_head="CLASS_HEAD_TAKEN", taken_count=3)

    def server(self):
        return FakeServer(GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
                          ImportWeights=self.take)


def test_the_file_follows_its_header(file):
    imports = Imports()
    with imports.server() as server, client_of(server, api_key="k") as client:
        imported = client.import_weights("p", file, class_labels={"cat": 17})
    assert imported.model.name == "pools/p/models/1"
    assert imported.class_head == "TAKEN" and imported.taken_count == 3
    ((header, data),) = imports.came
    assert (header.parent, header.file_name, header.size_bytes) == ("pools/p", "a.pth", len(CONTENT))
    assert [(one.class_name, one.label) for one in header.class_labels] == [("cat", 17)]
    assert header.request_id and data == CONTENT
    assert server.metadata[0]["authorization"] == "Bearer k"


def test_a_broken_stream_is_sent_again_from_its_start(file):
    busy = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", "OVERLOADED", retry_seconds=0.7)
    imports, sleeps = Imports((3, UNAVAILABLE), (0, UNAVAILABLE), (1, busy)), []
    with imports.server() as server, client_of(server, sleeps) as client:
        assert client.import_weights("p", file).model.name == "pools/p/models/1"
    assert len(imports.came) == 4 and len(sleeps) == 3 and 0.7 <= sleeps[2] <= 0.77
    assert imports.came[0][1] == CONTENT[:2 << 20] and imports.came[3][1] == CONTENT
    assert imports.came[3][0] == imports.came[0][0]  # the request_id, too


def test_it_gives_up_in_the_end(file):
    imports = Imports(*[(2, UNAVAILABLE)] * 20)
    with imports.server() as server, client_of(server) as client:
        with pytest.raises(mgral.Unavailable):
            client.import_weights("p", file)
    assert len(imports.came) == 5


def test_a_refusal_is_passed_on(file):
    refusal = Failure(grpc.StatusCode.INVALID_ARGUMENT, "bad", "INVALID_FIELD",
                      violations=[("data", "holds Python code")])
    imports = Imports((2, refusal))
    with imports.server() as server, client_of(server) as client:
        with pytest.raises(mgral.InvalidArgument) as caught:
            client.import_weights("p", file)
    assert [one.field for one in caught.value.violations] == ["data"]
    assert len(imports.came) == 1


def test_what_cannot_be_read_asks_nothing(tmp_path):
    imports = Imports()
    with imports.server() as server, client_of(server) as client:
        for path in (tmp_path / "missing.pth", tmp_path):
            with pytest.raises(OSError, match=str(path)):
                client.import_weights("p", path)
    assert not imports.came
