"""Single calls: errors, retries, batches, exports. Against a server that fails."""

import threading

import grpc
import pytest
from fake_server import UNAVAILABLE, FakeServer, Failure, client_of, failing

import mgral
from mgral import errors
from mgral.v1 import (label_service_pb2, model_service_pb2, pool_service_pb2,
                      selection_service_pb2)


def test_a_refused_call_is_a_typed_error_with_its_fields():
    failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, "the request is not valid", "INVALID_FIELD",
                      [("pool.classes[1]", "is there twice"), ("pool_id", "is empty")])
    with FakeServer(CreatePool=failing(9, failure, None)) as server:
        with pytest.raises(mgral.InvalidArgument) as caught:
            client_of(server).create_pool("p", classes=["a", "a"])
        assert len(server.calls) == 1
    error = caught.value
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert error.violations == (mgral.FieldViolation("pool.classes[1]", "is there twice"),
                                mgral.FieldViolation("pool_id", "is empty"))
    assert "pool.classes[1]: is there twice" in str(error)


@pytest.mark.parametrize("code, kind", [
    (grpc.StatusCode.NOT_FOUND, mgral.NotFound),
    (grpc.StatusCode.ALREADY_EXISTS, mgral.AlreadyExists),
    (grpc.StatusCode.FAILED_PRECONDITION, mgral.FailedPrecondition),
    (grpc.StatusCode.UNAUTHENTICATED, mgral.Unauthenticated),
    (grpc.StatusCode.PERMISSION_DENIED, mgral.PermissionDenied),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, mgral.ResourceExhausted),
    (grpc.StatusCode.INTERNAL, mgral.ServerError),
    (grpc.StatusCode.ABORTED, mgral.MgralError),
])
def test_every_code_has_its_class_and_is_not_repeated(code, kind):
    failure = Failure(code, "no", "REASON", resource="pools/p")
    with FakeServer(GetPool=failing(9, failure, None)) as server:
        with pytest.raises(kind) as caught:
            client_of(server).pool("p")
        assert type(caught.value) is kind
        assert caught.value.resource == "pools/p"
        assert len(server.calls) == 1


def test_details_that_are_garbage_are_ignored():
    class Garbage(Failure):
        pass

    failure = Garbage(grpc.StatusCode.NOT_FOUND, "no")
    failure.details = type("", (), {"SerializeToString": lambda self: b"\xff\xff\xff"})()
    with FakeServer(GetPool=failing(9, failure, None)) as server:
        with pytest.raises(mgral.NotFound, match="no") as caught:
            client_of(server).pool("p")
    assert caught.value.violations == ()


def test_a_pools_orientation_is_asked_for_and_shown():
    answer = pool_service_pb2.Pool(
        name="pools/p", classes=["a"],
        image_orientation=pool_service_pb2.IMAGE_ORIENTATION_STORED)
    with FakeServer(CreatePool=lambda request, context: answer) as server:
        client = client_of(server)
        pool = client.create_pool("p", classes=["a"], image_orientation="stored")
        client.create_pool("p", classes=["a"])
        with pytest.raises(ValueError, match="upside"):
            client.create_pool("p", classes=["a"], image_orientation="upside down")
    assert pool.image_orientation == "stored"
    assert [request.pool.image_orientation for _, request in server.calls] == [
        pool_service_pb2.IMAGE_ORIENTATION_STORED, pool_service_pb2.IMAGE_ORIENTATION_EXIF]


def test_what_is_unavailable_is_tried_again_with_the_same_request_id():
    sleeps = []
    answer = pool_service_pb2.Pool(name="pools/p", classes=["a"])
    with FakeServer(CreatePool=failing(3, UNAVAILABLE, answer)) as server:
        pool = client_of(server, sleeps).create_pool("p", classes=["a"])
        assert pool.name == "pools/p"
        ids = {request.request_id for _, request in server.calls}
    assert len(server.calls) == 4 and len(ids) == 1 and ids.pop() != ""
    for number, slept in enumerate(sleeps):
        assert 0.5 <= slept / (0.2 * 2 ** number) < 1


def test_it_gives_up_after_the_last_attempt():
    sleeps = []
    with FakeServer(GetPool=failing(99, UNAVAILABLE, None)) as server:
        with pytest.raises(mgral.Unavailable, match="the database is away"):
            client_of(server, sleeps).pool("p")
        assert len(server.calls) == 5 and len(sleeps) == 4


def test_the_servers_own_delay_is_honored():
    sleeps = []
    busy = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", "OVERLOADED", retry_seconds=0.7)
    with FakeServer(GetPool=failing(2, busy, pool_service_pb2.Pool(name="pools/p"))) as server:
        client_of(server, sleeps).pool("p")
    assert len(sleeps) == 2 and all(0.7 <= slept <= 0.78 for slept in sleeps)


def test_no_server_says_where_none_answers():
    client = mgral.Client("127.0.0.1:1", retry=mgral.RetryPolicy(max_attempts=1))
    with pytest.raises(mgral.Unavailable, match="no mgral-server answers at 127.0.0.1:1"):
        client.pool("p")


def test_every_call_has_a_deadline():
    over = threading.Event()
    with FakeServer(GetPool=lambda request, context: over.wait(20)) as server:
        with pytest.raises(mgral.DeadlineExceeded):
            client_of(server, timeout=0.2).pool("p")
        over.set()


def test_deleting_again_what_the_lost_answer_deleted_is_no_error():
    failures = [Failure(grpc.StatusCode.NOT_FOUND, "no such pool"), UNAVAILABLE]

    def delete(request, context):
        raise failures.pop()

    with FakeServer(DeletePool=delete) as server:
        client_of(server).delete_pool("p")
        failures.append(Failure(grpc.StatusCode.NOT_FOUND, "no such pool"))
        with pytest.raises(mgral.NotFound):
            client_of(server).delete_pool("p")


def test_lists_hide_their_pages():
    def list_pools(request, context):
        page = int(request.page_token or 0)
        return pool_service_pb2.ListPoolsResponse(
            pools=[pool_service_pb2.Pool(name=f"pools/{page}")],
            next_page_token=str(page + 1) if page < 2 else "")

    with FakeServer(ListPools=list_pools) as server:
        pools = client_of(server).pools()
        assert next(pools).name == "pools/0"
        assert len(server.calls) == 1  # fetched as they are needed
        assert [pool.name for pool in pools] == ["pools/1", "pools/2"]


class Boom(Exception):
    pass


def batch_server(**more):
    batch = selection_service_pb2.Batch(name="pools/p/batches/7",
                                        images=[selection_service_pb2.BatchImage(image_id="a")])
    handlers = {"GetPool": lambda request, context: pool_service_pb2.Pool(name="pools/p"),
                "QueryBatch": lambda request, context: batch,
                "ReleaseBatch": lambda request, context: batch}
    return FakeServer(**{**handlers, **more})


def test_an_exception_releases_the_batch():
    with batch_server() as server:
        with pytest.raises(Boom):
            with client_of(server).pool("p").query_batch(1) as batch:
                assert batch.image_ids == ("a",)
                raise Boom
        name, request = server.calls[-1]
        assert (name, request.name) == ("ReleaseBatch", "pools/p/batches/7")


def test_a_normal_end_leaves_the_lease_unless_asked():
    with batch_server() as server:
        pool = client_of(server).pool("p")
        with pool.query_batch(1):
            pass
        assert server.calls[-1][0] == "QueryBatch"
        with pool.query_batch(1, release_on_exit=True):
            pass
        assert server.calls[-1][0] == "ReleaseBatch"


def test_a_release_that_fails_does_not_hide_the_exception():
    with batch_server(ReleaseBatch=failing(99, UNAVAILABLE, None)) as server:
        with pytest.raises(Boom):
            with client_of(server).pool("p").query_batch(1):
                raise Boom


def test_labels_are_made_of_boxes_by_image():
    def ingest(request, context):
        return label_service_pb2.BatchIngestLabelsResponse(ingested=len(request.labels))

    with batch_server(BatchIngestLabels=ingest) as server:
        with client_of(server).pool("p").query_batch(1) as batch:
            report = batch.ingest({"a": [mgral.Box("cell", 1, 2, 3, 4)]})
        request = server.calls[-1][1]
    assert report == mgral.IngestReport(ingested=1, late=0)
    assert request.labels[0].batch == "pools/p/batches/7" and request.request_id
    assert request.labels[0].boxes[0].width == 3
    with pytest.raises(ValueError, match="ingest_many"):
        batch.ingest({str(number): [] for number in range(1001)})


def test_an_export_that_cannot_be_written_ends_its_stream(tmp_path):
    def export(request, context):
        while context.is_active():
            yield label_service_pb2.ExportLabelsResponse(data=bytes(1 << 16))

    (tmp_path / "out.json.tmp").symlink_to("/dev/full")
    with FakeServer(GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
                    ExportLabels=export) as server:
        pool = client_of(server).pool("p")
        stubs, streams = pool._connection.labels, []
        open_stream = stubs.ExportLabels

        def kept(*arguments, **options):  # else it would end when nobody refers to it
            streams.append(open_stream(*arguments, **options))
            return streams[-1]

        stubs.ExportLabels = kept
        with pytest.raises(OSError, match="No space left"):
            pool.export_coco(tmp_path / "out.json")
        assert [stream.cancelled() for stream in streams] == [True]
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_whole_or_not_there(tmp_path):
    pieces = [[b"{", Failure(grpc.StatusCode.INTERNAL, "broken")], [UNAVAILABLE], [b"{", b"}"]]

    def export(request, context):
        for piece in pieces.pop(0):
            if isinstance(piece, Failure):
                raise piece
            yield label_service_pb2.ExportLabelsResponse(data=piece)

    with FakeServer(GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
                    ExportLabels=export) as server:
        pool = client_of(server).pool("p")
        with pytest.raises(errors.ServerError):
            pool.export_coco(tmp_path / "out.json")
        assert list(tmp_path.iterdir()) == []
        pool.export_coco(tmp_path / "out.json")  # repeated: nothing had come yet
    assert (tmp_path / "out.json").read_text() == "{}"
    assert len(list(tmp_path.iterdir())) == 1


def exported(size, *pieces):
    """What ExportModel answers; a Failure breaks it."""
    header = model_service_pb2.ExportModelResponse(model="pools/p/models/1", size_bytes=size,
                                                   description='{"format": "mgral.model"}')
    return [header, *(piece if isinstance(piece, Failure) else
                      model_service_pb2.ExportModelResponse(data=piece) for piece in pieces)]


def test_an_exported_model_is_whole_or_not_there(tmp_path):
    streams = [exported(4, b"ab", Failure(grpc.StatusCode.INTERNAL, "broken")), exported(4, b"ab"), [],
               [UNAVAILABLE], exported(4, b"ab", b"cd"), exported(1, b"e")]

    def export(request, context):
        for answer in streams.pop(0):
            if isinstance(answer, Failure):
                raise answer
            yield answer

    folder = tmp_path / "a" / "b"
    with FakeServer(ExportModel=export) as server:
        client = client_of(server)
        for _ in range(3):  # broken, too short, empty
            with pytest.raises(errors.ServerError):
                client.export_model("p", folder)
            assert not folder.exists()
        assert client.export_model("p", folder)["format"] == "mgral.model"  # repeated once
        with pytest.raises(FileExistsError, match="model.safetensors"):
            client.export_model("p", folder)
        assert (folder / "model.safetensors").read_bytes() == b"abcd"
        client.export_model("p", folder, overwrite=True)
    assert (folder / "model.safetensors").read_bytes() == b"e"
    assert (folder / "model.json").read_text() == '{"format": "mgral.model"}'
    assert len(list(folder.iterdir())) == 2


def test_a_rollback_is_repeated_with_its_request_id():
    answer = model_service_pb2.Model(name="pools/p/models/1", published=True)
    with FakeServer(RollbackModel=failing(1, UNAVAILABLE, answer)) as server:
        assert client_of(server).rollback_model("pools/p/models/1").published
        first, second = (request for _, request in server.calls)
    assert first == second and first.request_id and first.name == "pools/p/models/1"
