"""The client against the real server, over a PostgreSQL of its own."""

import datetime
import os
import pathlib
import signal
import sys
import threading

import pytest
from drawn import SIDE, coco, draw

import mgral
from mgral import curves

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import live_server  # noqa: E402

SMALL = {"profile": "micro", "training_steps": 6, "input_size": 64, "probes": 3, "replay_probes": 2}
CLASSES = ["disc", "square"]


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    return coco(tmp_path_factory.mktemp("dataset"), 40, 8)


@pytest.fixture(scope="module")
def trained(client, annotations):
    """A pool after its first cycle; tests take batches of their own from it."""
    pool = client.create_pool("trained", classes=CLASSES, seed=3, batch_size=4, **SMALL)
    report = pool.register_coco(annotations, splits=True)
    assert report == mgral.RegisterReport(40, 0, (), 0)
    assert pool.ingest_coco(annotations, registered_for="validation").ingested == 8
    with pool.query_batch(10, strategy="random") as first:
        assert first.ingest_coco(annotations).ingested == 10
    stages = [cycle.stage for cycle in pool.start_cycle().watch()]
    assert stages[-1] == "PUBLISH"
    return pool.refresh()


@pytest.fixture
def pool(client, request):
    """An empty pool."""
    made = client.create_pool(classes=CLASSES, **SMALL)
    yield made
    client.delete_pool(made.name, force=True)


def bytes_of(tmp_path, number):
    draw(tmp_path / f"{number}.png", number)
    return (tmp_path / f"{number}.png").read_bytes()


def test_register_cycle_query_ingest_estimate(trained, annotations, tmp_path):
    assert trained.counts["validation"] == 8 and trained.published_model
    cycle = next(trained.cycles())
    assert cycle.state == "SUCCEEDED" and cycle.training_images == 10
    assert cycle.validation_images == 8 and cycle.map50 >= cycle.map >= 0

    with trained.query_batch(4, annotator="ann-7") as batch:
        assert (batch.strategy, batch.strategy_note, batch.annotator) == ("mgral", "", "ann-7")
        assert [image.rank for image in batch] == [0, 1, 2, 3]
        assert all(image.reason and image.state == "LEASED" for image in batch)
        assert batch.estimated_gain is not None and batch.model == trained.published_model
        gain = trained.estimate_gain(batch.image_ids)
        assert gain.mean == pytest.approx(batch.estimated_gain.mean)
        assert [one.class_name for one in gain.classes] == CLASSES
        assert batch.ingest_coco(annotations) == mgral.IngestReport(4, 0, left_out=36)
        assert batch.refresh().state == "COMPLETED"
    assert trained.batch(batch.name).image_ids == batch.image_ids
    assert batch.name in [one.name for one in trained.batches("COMPLETED")]

    model = next(trained.models())
    assert model.published and model.name == trained.published_model
    assert [one.class_name for one in model.classes] == CLASSES
    seen = trained.predict([batch.image_ids[0], mgral.NewImage("mine", data=bytes_of(tmp_path, 1)),
                            mgral.NewImage("none", data=b"x")])
    assert [one.image_id for one in seen] == [batch.image_ids[0], "mine", "none"]
    assert (seen[1].width, seen[1].height, seen[1].error) == (SIDE, SIDE, "")
    assert seen[2].error and not seen[2].boxes


def test_a_share_of_a_batch_is_drawn_at_random(trained):
    assert trained.uniform_share == 0.15
    with trained.query_batch(14, strategy="lookup_greedy", release_on_exit=True) as batch:
        drawn = [image for image in batch if image.uniform]
        assert 1 <= len(drawn) <= 3
        assert all(image.reason.startswith("drawn at random") for image in drawn)
        assert batch.estimated_cost.unit == "boxes" and batch.estimated_cost.amount >= 28
    with trained.query_batch(14, strategy="entropy", release_on_exit=True) as batch:
        assert not any(image.uniform for image in batch)


def test_every_strategy_hands_out_what_it_ranked(trained):
    for strategy in ("mgral", "lookup_greedy", "random", "entropy", "margin", "core_set",
                     "class_balanced"):
        with trained.query_batch(2, strategy=strategy, release_on_exit=True) as batch:
            assert (batch.strategy, batch.strategy_note) == (strategy, "")
            assert all(image.reason for image in batch)


def test_labels_come_back_as_they_went_in(trained, annotations, tmp_path):
    given = {image.image_id: image.boxes for image in mgral.read_coco(annotations).images}
    labels = list(trained.labels())
    assert len(labels) >= 18
    for one in labels:
        assert list(one.boxes) == given[one.image_id]
    trained.export_coco(tmp_path / "out.json")
    exported = mgral.read_coco(tmp_path / "out.json", require_files=False)
    assert {one.image_id: one.boxes for one in exported.images} == {
        one.image_id: list(one.boxes) for one in labels}


def test_the_learning_curve_is_drawn(trained, tmp_path):
    points = curves.learning_curve(trained)
    assert points[0].labels == 10
    curves.plot_learning_curve({"mgral": trained, "other": points}, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_an_exception_gives_the_unlabeled_images_back(trained):
    free = trained.refresh().counts["unlabeled"]
    with pytest.raises(KeyError):
        with trained.query_batch(3) as batch:
            batch.ingest({batch.image_ids[0]: []})
            raise KeyError("the annotator's program broke")
    assert batch.state == "RELEASED"
    assert trained.refresh().counts["unlabeled"] == free - 1
    assert trained.counts["leased"] == 0


def test_a_lease_is_renewed_and_ends(trained):
    lease = datetime.timedelta(seconds=1)
    with trained.query_batch(2, lease=lease) as batch:
        before = batch.expire_time
        assert batch.renew(datetime.timedelta(minutes=5)).expire_time > before
        batch.renew(lease)
        while batch.refresh().state == "LEASED":
            pass
        assert batch.state == "EXPIRED"
        with pytest.raises(mgral.FailedPrecondition):
            batch.renew(lease)
        report = batch.ingest({batch.image_ids[0]: []})  # work is never thrown away
    assert report == mgral.IngestReport(ingested=1, late=1)


def test_bad_labels_name_the_field_and_store_nothing(trained):
    with trained.query_batch(2, release_on_exit=True) as batch:
        first, second = batch.image_ids
        with pytest.raises(mgral.InvalidArgument) as caught:
            batch.ingest({first: [], second: [mgral.Box("disc", 1, 1, 5, 5),
                                              mgral.Box("disc", 1, 1, 5000, 5)]})
        assert any(one.field.startswith("labels[1].boxes[1]") for one in caught.value.violations)
        with pytest.raises(mgral.InvalidArgument, match=r"labels\[0\].boxes\[0\]"):
            batch.ingest({first: [mgral.Box("cat", 1, 1, 5, 5)]})
        assert {image.state for image in batch.refresh()} == {"LEASED"}
        report = trained.ingest_many([mgral.NewLabels(first, reject_reason="blurred")], batch)
        assert report.ingested == 1
    with pytest.warns(mgral.RefusedWarning, match="no-such-image"):
        report = trained.ingest_many([mgral.NewLabels("no-such-image")])
    assert [(one.index, one.image_id) for one in report.refused] == [(0, "no-such-image")]


def test_images_that_are_none_are_refused_one_by_one(pool, tmp_path):
    good = bytes_of(tmp_path, 1)
    with pytest.warns(mgral.RefusedWarning):
        report = pool.register([
            mgral.NewImage("good", data=good), mgral.NewImage("text", data=b"no image"),
            mgral.NewImage("cut", data=good[:len(good) // 2]),
            mgral.NewImage("out", path="../../etc/passwd"), mgral.NewImage("gone", path="gone.png")])
    assert report.registered == 1
    assert [one.image_id for one in report.refused] == ["text", "cut", "out", "gone"]
    assert all(one.field and one.reason for one in report.refused)
    assert [image.image_id for image in pool.images(state="UNLABELED")] == ["good"]


def test_paths_are_below_the_image_root(pool, server, annotations):
    target = server.image_root / "set"
    if not target.exists():
        target.symlink_to(annotations.parent / "images")  # out of the root: the server must refuse
    with pytest.warns(mgral.RefusedWarning):
        assert pool.register_coco(annotations, server_path="set").registered == 0
    target.unlink()
    for number in range(3):
        draw(target / f"{number:03}.png", number)
    dataset = mgral.read_coco(annotations)
    dataset.images[3:] = []
    assert pool.register(dataset, server_path="set").registered == 3
    assert pool.register(dataset, server_path="set").existing == 3
    assert {image.path for image in pool.images()} == {f"set/{number:03}.png" for number in range(3)}


def test_a_pool_with_too_few_images(pool, tmp_path):
    pool.register([mgral.NewImage("a", data=bytes_of(tmp_path, 1))])
    with pytest.raises(mgral.FailedPrecondition):
        pool.query_batch(2)
    assert pool.query_batch(2, allow_fewer=True).image_ids == ("a",)


def test_one_cycle_at_a_time_and_cancel(trained):
    running = trained.start_cycle()
    with pytest.raises(mgral.AlreadyExists) as caught:
        trained.start_cycle()
    assert caught.value.resource == running.name
    running.cancel()
    with pytest.raises(mgral.CycleFailed, match="CANCELLED"):
        running.wait()


def test_pools_are_found_and_deleted(client, trained):
    assert trained.name in [pool.name for pool in client.pools()]
    with pytest.raises(mgral.AlreadyExists):
        client.create_pool("trained", classes=CLASSES)
    with pytest.raises(mgral.InvalidArgument) as caught:
        client.create_pool("Not An Id", classes=CLASSES)
    assert caught.value.violations[0].field == "pool_id"
    with pytest.raises(mgral.NotFound):
        client.pool("none")
    with pytest.raises(mgral.NotFound):
        client.delete_pool("none")


def test_registration_survives_the_servers_death(cluster, tmp_path):
    """Killed with SIGKILL in the middle of a stream, started again at the same address."""
    conninfo = cluster.create_database("killed")
    picture = bytes_of(tmp_path, 1)
    killed, done = threading.Event(), threading.Event()
    servers = []
    artifacts = tmp_path / "artifacts"

    def start(port):
        server = live_server.LiveServer(conninfo, f"--listen=127.0.0.1:{port}",
                                        f"--artifact_dir={artifacts}")
        servers.append(server)
        return server.__enter__()

    def source():
        for number in range(1500):
            if number == 700:
                os.kill(first.pid, signal.SIGKILL)
                killed.set()
            yield mgral.NewImage(str(number), data=picture)

    first = start(0)
    port = first.target.rpartition(":")[2]
    # The thread stays: a server dies with the thread that started it.
    again = threading.Thread(target=lambda: (killed.wait(), start(port), done.wait()))
    again.start()
    try:
        with mgral.Client(first.target) as client:
            pool = client.create_pool("p", classes=CLASSES)
            report = pool.register(source())
            assert report.reconnects >= 1 and not report.refused
            assert report.registered + report.existing == 1500
            assert len({image.image_id for image in pool.images()}) == 1500
    finally:
        killed.set()
        done.set()
        again.join()
        for server in servers:
            server.__exit__(None, None, None)


def test_a_random_batch_becomes_the_validation_set(pool, annotations):
    pool.register_coco(annotations)
    with pool.query_batch(3, strategy="random") as measure:
        assert measure.ingest_coco(annotations, use="validation", limit=2).ingested == 2
    assert pool.refresh().counts["validation"] == 2
    with pytest.raises(mgral.DatasetError, match="no image of the file is in"):
        pool.ingest_coco(annotations, registered_for="validation", limit=0)


def test_a_repeated_query_gives_the_same_batch(trained):
    first = trained.query_batch(1, request_id="the-same")
    again = trained.query_batch(1, request_id="the-same")
    assert (first.name, first.image_ids) == (again.name, again.image_ids)
    first.release()
