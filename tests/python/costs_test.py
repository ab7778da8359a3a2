"""What labeling costs and what is drawn at random, as the client asks for and shows it."""

from fake_server import FakeServer, client_of

import mgral
from mgral.v1 import pool_service_pb2, selection_service_pb2


def test_a_pools_costs_are_asked_for_and_shown():
    with FakeServer(CreatePool=lambda request, context: request.pool) as server:
        client = client_of(server)
        pool = client.create_pool("p", classes=["a"], seconds_per_image=12.5, seconds_per_box=7,
                                  uniform_share=0, probe_seconds=60)
        client.create_pool("p", classes=["a"])
    assert (pool.seconds_per_image, pool.seconds_per_box, pool.uniform_share) == (12.5, 7, 0)
    asked, default = (request.pool.selection for _, request in server.calls)
    assert (asked.probe_seconds, default.probe_seconds) == (60, 0)
    assert asked.HasField("uniform_share") and not default.HasField("uniform_share")


def queried(**more):
    """A batch of one image, as the server answers it."""
    image = selection_service_pb2.BatchImage(image_id="a", uniform=True)
    batch = selection_service_pb2.Batch(name="pools/p/batches/7", images=[image], **more)
    with FakeServer(GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
                    QueryBatch=lambda request, context: batch) as server:
        return client_of(server).pool("p").query_batch(1)


def test_a_batch_tells_what_was_drawn_at_random():
    assert queried().images[0].uniform


def test_a_batch_tells_its_cost_with_the_unit():
    assert queried().estimated_cost is None
    for unit, name in ((selection_service_pb2.COST_UNIT_SECONDS, "seconds"),
                       (selection_service_pb2.COST_UNIT_BOXES, "boxes")):
        cost = queried(estimated_cost=selection_service_pb2.LabelingCost(
            amount=46.4, unit=unit)).estimated_cost
        assert cost == mgral.LabelingCost(46.4, name)
        assert str(cost) == f"46 {name}"
