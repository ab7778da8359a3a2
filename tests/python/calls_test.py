"""Single calls: errors, retries, credentials, batches, cycles. Against a server that fails."""

import datetime
import socket
import threading
import traceback

import grpc
import pytest
from fake_server import Clock, FakeServer, Failure

import mgral
from mgral import connection, errors
from mgral.v1 import (cycle_service_pb2, label_service_pb2, pool_service_pb2,
                      selection_service_pb2)

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "the database is away", "DATABASE_UNAVAILABLE")


def client_of(server, sleeps=None, **options):
    policy = mgral.RetryPolicy(sleep=(sleeps if sleeps is not None else []).append)
    return mgral.Client(server.target, retry=policy, **options)


def failing(times, failure, answer):
    """A handler that fails that many times first."""
    left = [failure] * times

    def handler(request, context):
        if left:
            raise left.pop()
        return answer
    return handler


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


def test_the_servers_own_delay_is_honoured():
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


def test_the_key_goes_with_every_call_but_not_in_plaintext_to_another_machine():
    answer = pool_service_pb2.Pool(name="pools/p")
    with FakeServer(GetPool=failing(0, None, answer)) as server:
        client_of(server, api_key="secret").pool("p")
        assert server.metadata[0]["authorization"] == "Bearer secret"
    with pytest.raises(ValueError, match="without TLS"):
        mgral.Client("mgral.example:50051", api_key="secret")
    mgral.Client("mgral.example:50051", api_key="secret", allow_plaintext_key=True).close()
    mgral.Client("mgral.example:50051", api_key="secret", tls=True).close()


@pytest.mark.parametrize("target, loopback", [
    ("127.0.0.1:50051", True), ("localhost:1", True), ("localhost", True), ("[::1]:50051", True),
    ("127.8.9.1:2", True), ("unix:/run/mgral.sock", True), ("dns:///localhost:1", True),
    ("ipv4:127.0.0.1:1", True), ("ipv6:[::1]:1", True), ("dns:localhost:1", True),
    ("localhost.evil.example:1", False), ("127.0.0.1.evil.example:1", False), ("10.0.0.1:1", False),
    ("dns:///10.0.0.1:1", False), ("dns://localhost/far.example:1", False), ("mgral:50051", False),
    ("ipv4:127.0.0.1:1,10.0.0.1:2", False), ("", False), ("unix:///run/mgral.sock", True),
    ("ipv6:[::1]:1,[2001:db8::1]:2", False), ("ipv6:[::1%2C2001:db8::1]:1", False),
    ("dns://8.8.8.8/localhost:1", False), ("unix://far.example/run/mgral.sock", False),
    ("dns:unix:/run/mgral.sock", False), ("dns:far.example:1dns:localhost", False),
    ("::1:1", False), ("[::1]far.example:1", False), ("localhost@far.example:1", False),
])
def test_what_is_loopback(target, loopback):
    assert connection.is_loopback(target) is loopback


def test_a_key_to_loopback_does_not_travel_to_a_proxy(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("grpc_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        answer = pool_service_pb2.Pool(name="pools/p")
        with FakeServer(GetPool=failing(0, None, answer)) as server:
            with client_of(server, api_key="secret", timeout=5.0) as client:
                assert client.pool("p").name == "pools/p"
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            proxy.accept()


BAD_KEYS = ["", " \n", "secret key", "secret\nkey", "secr\u00e9t", "secret\x00", "secret\udcff",
            "secret\x7f", "s" * 501]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key):
    with pytest.raises(ValueError, match="api_key: must be 1 to 500") as caught:
        mgral.Client("127.0.0.1:1", api_key=key)
    shown = "".join(traceback.format_exception_only(type(caught.value), caught.value))
    assert "secr" not in shown and "sss" not in shown
    assert caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_key_of_the_environment_that_cannot_be_sent_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("MGRAL_API_KEY", "secret\udcff")
    with pytest.raises(ValueError, match="api_key: must be 1 to 500"):
        mgral.Client("127.0.0.1:1")
    for content in (b"", b"\n", b"secret\xff\n", b"secret\nsecret\n"):
        (tmp_path / "key").write_bytes(content)
        monkeypatch.setenv("MGRAL_API_KEY_FILE", str(tmp_path / "key"))
        with pytest.raises(ValueError, match="api_key: must be 1 to 500") as caught:
            mgral.Client("127.0.0.1:1")
        assert caught.value.__context__ is None  # an error of decoding has it all


def test_space_around_a_key_is_no_part_of_it(monkeypatch):
    with FakeServer(GetPool=failing(0, None, pool_service_pb2.Pool(name="pools/p"))) as server:
        client_of(server, api_key=" secret\r\n").pool("p")
        monkeypatch.setenv("MGRAL_API_KEY", "secret\n")
        client_of(server).pool("p")
        monkeypatch.setenv("MGRAL_API_KEY", "")
        client_of(server).pool("p")
        sent = [metadata.get("authorization") for metadata in server.metadata]
    assert sent == ["Bearer secret", "Bearer secret", None]


def test_options_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="timeout"):
        mgral.Client(timeout=0)
    with pytest.raises(ValueError, match="cert and key go together"):
        mgral.Client(tls=mgral.Tls(cert="c.pem"))
    with pytest.raises(FileNotFoundError):
        mgral.Client(tls=mgral.Tls(ca=tmp_path / "none.pem"))


def test_the_environment_names_the_server(monkeypatch, tmp_path):
    with FakeServer(GetPool=failing(0, None, pool_service_pb2.Pool(name="pools/p"))) as server:
        monkeypatch.setenv("MGRAL_SERVER", server.target)
        monkeypatch.setenv("MGRAL_API_KEY", "from-environment")
        mgral.Client().pool("p")
        assert server.metadata[0]["authorization"] == "Bearer from-environment"
        (tmp_path / "key").write_text("of-a-file\n")
        monkeypatch.setenv("MGRAL_API_KEY_FILE", str(tmp_path / "key"))
        mgral.Client().pool("p")
        assert server.metadata[1]["authorization"] == "Bearer of-a-file"


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


def cycle(state, stage=0, fraction=0.0):
    message = cycle_service_pb2.Cycle(name="pools/p/cycles/1", state=state, stage=stage,
                                      error="out of memory" if state == 4 else "")
    message.stages.add(stage=stage, fraction=fraction)
    return cycle_service_pb2.WatchCycleResponse(cycle=message)


def cycle_server(watch):
    return FakeServer(
        GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
        StartCycle=lambda request, context: cycle(1).cycle, WatchCycle=watch)


def test_a_watch_goes_on_after_a_break():
    streams = [[cycle(2, 1, 0.5), UNAVAILABLE], [], [cycle(2, 3, 0.25), cycle(3, 6, 1.0)]]

    def watch(request, context):
        for answer in streams.pop(0):
            if isinstance(answer, Failure):
                raise answer
            yield answer

    sleeps = []
    with cycle_server(watch) as server:
        seen = list(client_of(server, sleeps).pool("p").start_cycle().watch())
    assert [(one.state, one.stage, one.fraction) for one in seen] == [
        ("RUNNING", "TRAIN", 0.5), ("RUNNING", "PROBE", 0.25), ("SUCCEEDED", "PUBLISH", 1.0)]
    assert len(sleeps) == 2


def test_a_cycle_that_fails_raises_with_the_reason():
    with cycle_server(lambda request, context: iter([cycle(4)])) as server:
        with pytest.raises(mgral.CycleFailed, match="FAILED: out of memory"):
            client_of(server).pool("p").start_cycle().wait()


def test_waiting_has_an_end():
    over = threading.Event()

    def watch(request, context):
        yield cycle(2, 1, 0.1)
        over.wait(20)

    with cycle_server(watch) as server:
        started = client_of(server).pool("p").start_cycle()
        with pytest.raises(TimeoutError, match="it goes on"):
            started.wait(timeout=datetime.timedelta(seconds=0.3))
        over.set()


def started_cycle(server, clock, **policy):
    retry = mgral.RetryPolicy(sleep=clock.sleep, clock=clock, **policy)
    return mgral.Client(server.target, retry=retry).pool("p").start_cycle()


def test_a_watch_counts_the_time_of_attempts_that_hang():
    clock, opened = Clock(), []

    def watch(request, context):
        opened.append(clock.now)
        if len(opened) == 1:
            yield cycle(2, 1, 0.5)
        else:
            clock.now += 120.0  # until the deadline
        raise UNAVAILABLE

    with cycle_server(watch) as server:
        with pytest.raises(mgral.Unavailable):
            list(started_cycle(server, clock, reconnect_patience=300.0).watch())
    assert len(opened) == 4 and 360 <= clock.now < 370


def test_a_watch_that_was_quiet_for_long_is_not_given_up():
    clock, streams = Clock(), [[cycle(2, 1, 0.1)], [], [cycle(2, 1, 0.2)], [cycle(3, 6, 1.0)]]

    def watch(request, context):
        answers = streams.pop(0)
        yield from answers
        if answers:
            clock.now += 600.0
        raise UNAVAILABLE

    with cycle_server(watch) as server:
        seen = list(started_cycle(server, clock, reconnect_patience=300.0).watch())
    assert [one.state for one in seen] == ["RUNNING", "RUNNING", "SUCCEEDED"]


def test_waiting_ends_in_time_where_the_server_asks_for_a_longer_pause():
    clock = Clock()
    busy = Failure(grpc.StatusCode.UNAVAILABLE, "busy", "OVERLOADED", retry_seconds=2.0)

    def watch(request, context):
        yield cycle(2, 1, 0.1)
        raise busy

    with cycle_server(watch) as server:
        with pytest.raises(TimeoutError, match="it goes on"):
            started_cycle(server, clock).wait(timeout=datetime.timedelta(seconds=0.7))
    assert clock.sleeps == [pytest.approx(0.7)]


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
