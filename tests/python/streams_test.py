"""Streams with acknowledgments: what breaks is resumed, nothing is lost or invented."""

import threading

import grpc
import pytest
from fake_server import Clock, FakeServer, Failure

import mgral
from mgral.v1 import pool_service_pb2

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "draining", "DRAINING")


class Registry:
    """Keeps what was committed. `plan`: per stream, what to do after so many messages."""

    def __init__(self, *plan):
        self.committed = []
        self.messages = 0
        self.parents = []
        self._plan = list(plan)

    def register(self, requests, context):
        after, then = self._plan.pop(0) if self._plan else (None, None)
        acknowledged = 0
        for number, request in enumerate(requests):
            self.messages += 1
            self.parents.append(request.parent)
            if number == after:
                if then is None:
                    return
                if isinstance(then, Failure):
                    raise then
                yield from then(request, context)
                return
            existing = registered = 0
            for image in request.images:
                if image.image_id in self.committed:
                    existing += 1
                else:
                    registered += 1
                    self.committed.append(image.image_id)
            acknowledged += len(request.images)
            answer = pool_service_pb2.RegisterImagesResponse(
                acknowledged=acknowledged, registered=registered, existing=existing)
            for index, image in enumerate(request.images):
                if image.source.path.endswith(".bad"):
                    answer.refused.add(index=acknowledged - len(request.images) + index,
                                       image_id=image.image_id, field="source.path", reason="bad")
            yield answer

    def server(self):
        return FakeServer(GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
                          RegisterImages=self.register)


def images(count):
    return [mgral.NewImage(str(number), path=f"{number}.jpg") for number in range(count)]


def pool_of(server, clock=None, **options):
    clock = clock or Clock()
    policy = mgral.RetryPolicy(sleep=clock.sleep, clock=clock, **options.pop("policy", {}))
    return mgral.Client(server.target, retry=policy, **options).pool("p")


def test_many_images_in_chunks():
    registry = Registry()
    with registry.server() as server:
        report = pool_of(server).register(images(1050))
    assert report == mgral.RegisterReport(1050, 0, (), 0)
    assert registry.committed == [str(number) for number in range(1050)]
    assert registry.messages == 11
    assert registry.parents == ["pools/p"] + [""] * 10  # in the first message only


def test_nothing_to_send_opens_no_stream():
    registry = Registry()
    with registry.server() as server:
        assert pool_of(server).register([]).registered == 0
        assert registry.messages == 0


@pytest.mark.parametrize("broken", [
    UNAVAILABLE, None,  # None: the server ends the stream, as if all were well
    Failure(grpc.StatusCode.INTERNAL, "RST_STREAM"), Failure(grpc.StatusCode.CANCELLED, "bye"),
])
def test_a_broken_stream_goes_on_where_it_was_acknowledged(broken):
    registry = Registry((2, broken), (0, broken), (5, broken))
    with registry.server() as server:
        report = pool_of(server).register(images(950))
    assert registry.committed == [str(number) for number in range(950)]
    assert report.registered + report.existing == 950
    assert report.reconnects == 3


def test_a_chunk_that_was_committed_but_not_acknowledged_counts_as_existing():
    registry = Registry()

    def lose(request, context):
        registry.committed += [image.image_id for image in request.images]
        raise UNAVAILABLE
        yield

    registry._plan = [(1, lose)]
    with registry.server() as server:
        report = pool_of(server).register(images(300))
    assert (report.registered, report.existing) == (200, 100)
    assert len(registry.committed) == 300


def test_refused_items_count_from_the_first_item_of_all():
    given = images(350)
    given[220] = mgral.NewImage("x", path="x.bad")
    given[340] = mgral.NewImage("y", path="y.bad")
    registry = Registry((2, UNAVAILABLE))
    with registry.server() as server:
        with pytest.warns(mgral.RefusedWarning, match="2 images were refused.*x: source.path: bad"):
            report = pool_of(server).register(given)
    assert report.refused == (mgral.Refused(220, "x", "source.path", "bad"),
                              mgral.Refused(340, "y", "source.path", "bad"))


def test_a_refusal_of_the_stream_itself_is_raised_at_once():
    failure = Failure(grpc.StatusCode.NOT_FOUND, "no such pool", "POOL_NOT_FOUND")
    registry = Registry(*[(0, failure)] * 9)
    with registry.server() as server:
        with pytest.raises(mgral.NotFound, match="no such pool"):
            pool_of(server).register(images(10))
    assert registry.messages == 1


def test_it_gives_up_when_no_stream_ever_works():
    registry = Registry(*[(0, UNAVAILABLE)] * 99)
    with registry.server() as server:
        with pytest.raises(mgral.Unavailable):
            pool_of(server).register(images(10))
    assert registry.messages == 5


def test_it_gives_up_when_the_server_stays_away():
    registry = Registry((2, UNAVAILABLE), *[(0, UNAVAILABLE)] * 99)
    with registry.server() as server:
        with pytest.raises(mgral.Unavailable):
            pool_of(server, policy={"reconnect_patience": 5.0}).register(images(1000))
    assert len(registry.committed) == 200


def test_it_gives_up_in_time_where_every_attempt_hangs():
    clock = Clock()

    def hang(request, context):
        clock.now += 120.0
        raise UNAVAILABLE
        yield

    registry = Registry((2, UNAVAILABLE), *[(0, hang)] * 99)
    with registry.server() as server:
        with pytest.raises(mgral.Unavailable):
            pool_of(server, clock, policy={"reconnect_patience": 300.0}).register(images(1000))
    assert 360 <= clock.now < 370


def test_a_long_time_that_ends_in_an_acknowledgment_is_no_outage():
    clock = Clock()

    def break_late(request, context):
        clock.now += 400.0
        raise UNAVAILABLE
        yield

    registry = Registry(*[(1, break_late)] * 4)
    with registry.server() as server:
        report = pool_of(server, clock, policy={"reconnect_patience": 300.0}).register(images(500))
    assert (report.registered, report.reconnects) == (500, 4)


def test_a_source_that_takes_its_time_is_no_outage():
    clock = Clock()
    fourth_is_open = threading.Event()

    def source():
        yield from images(100)
        fourth_is_open.wait(20)
        yield mgral.NewImage("last", path="last.jpg")

    class Idle(Registry):
        streams = 0

        def register(self, requests, context):
            self.streams += 1
            if self.streams == 1:
                yield from super().register([next(requests)], context)
            elif self.streams == 4:
                fourth_is_open.set()
                yield from super().register(requests, context)
                return
            clock.now += 400.0  # nothing comes, and a proxy ends what is idle
            raise UNAVAILABLE

    registry = Idle()
    with registry.server() as server:
        report = pool_of(server, clock, policy={"reconnect_patience": 300.0}).register(source())
    assert (report.registered, report.reconnects) == (101, 3)


def test_a_server_that_acknowledges_nothing_is_left():
    over = threading.Event()

    def hang(request, context):
        over.wait(20)
        return
        yield

    registry = Registry(*[(0, hang)] * 9)
    with registry.server() as server:
        with pytest.raises(mgral.DeadlineExceeded, match="acknowledged nothing"):
            pool_of(server, timeout=0.2, policy={"max_attempts": 2}).register(images(10))
        over.set()


@pytest.mark.parametrize("claim", [11, -1])
def test_acknowledgments_that_cannot_be_are_refused(claim):
    def lie(request, context):
        yield pool_service_pb2.RegisterImagesResponse(acknowledged=claim)

    registry = Registry((0, lie))
    with registry.server() as server:
        with pytest.raises(mgral.ServerError, match="acknowledges"):
            pool_of(server).register(images(10))


def test_an_error_of_the_source_comes_after_what_was_before_it():
    def source():
        yield from images(150)
        raise OSError("the disk is gone")

    registry = Registry()
    with registry.server() as server:
        with pytest.raises(OSError, match="the disk is gone"):
            pool_of(server).register(source())
    assert len(registry.committed) == 150


def test_a_source_without_end_is_pulled_only_as_fast_as_it_is_acknowledged():
    pulled = []
    seen = []

    def source():
        for number in range(5000):
            pulled.append(number)
            yield mgral.NewImage(str(number), path="a.jpg")

    class Slow(Registry):
        def register(self, requests, context):
            for answer in super().register(requests, context):
                seen.append(len(pulled) - answer.acknowledged)
                yield answer

    with Slow().server() as server:
        assert pool_of(server).register(source()).registered == 5000
    assert max(seen) <= 5 * 100  # four chunks in flight, one being made


def test_what_cannot_be_an_image():
    registry = Registry()
    with registry.server() as server:
        pool = pool_of(server)
        with pytest.raises(ValueError, match="one of path, data and uri"):
            pool.register([mgral.NewImage("a")])
        with pytest.raises(ValueError, match="neither"):
            pool.register([mgral.NewImage("a", path="a", use="test")])
        with pytest.raises(ValueError, match="verification"):
            pool.register(images(1), verification="twice")
    assert registry.committed == []
