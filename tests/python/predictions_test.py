"""Predictions of a detector of one's own: put, rank, query, against the real server."""

import json
import os
import subprocess

import numpy
import pytest
from drawn import coco
from fake_server import UNAVAILABLE, FakeServer, client_of

import mgral
from mgral.v1 import pool_service_pb2, prediction_service_pb2

CLASSES = ["disc", "square"]


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    return coco(tmp_path_factory.mktemp("dataset"), 12, 2)


@pytest.fixture
def pool(client, annotations, request):
    made = client.create_pool(request.node.name.replace("_", "-")[:60], classes=CLASSES,
                              profile="external")
    made.register_coco(annotations, splits=True)
    return made


def found(image_id, score=0.5, embedding=(1.0, 0.0)):
    return mgral.NewPredictions.from_arrays(
        image_id, numpy.array([[1.0, 2.0, 9.0, 12.0]], dtype="float32"),
        numpy.array([score], dtype="float32"), numpy.array([1]), CLASSES,
        numpy.array(embedding, dtype="float32"))


def test_put_rank_query(pool):
    assert pool.profile == "external" and pool.strategy == "entropy"
    ids = [image.image_id for image in pool.images(use="training")]
    scores = numpy.linspace(0.55, 0.95, len(ids))
    report = pool.put_predictions(
        [found(image, score) for image, score in zip(ids, scores)], model="yolo@1")
    assert report == mgral.PutReport(len(ids), len(ids))
    pool.start_cycle().wait()
    batch = pool.query_batch(2)
    assert [image.image_id for image in batch] == ids[:2]
    (box,) = batch.images[0].predictions
    assert (box.class_name, box.x_min, box.y_min, box.width, box.height) == ("square", 1, 2, 8, 10)
    assert box.score == pytest.approx(0.55)
    for strategy in ("random", "margin", "core_set", "class_balanced"):
        assert pool.query_batch(1, strategy=strategy).strategy == strategy
    (model,) = pool.models()
    assert model.external_model == "yolo@1" and model.profile == "external"


def test_what_needs_another_detector_is_refused(pool):
    for call in (lambda: pool.query_batch(1, strategy="mgral"),
                 lambda: pool.predict(["a"])):
        with pytest.raises(mgral.FailedPrecondition, match="needs a detector of mgral's own"):
            call()
    with pytest.raises(mgral.FailedPrecondition, match="none of its predictions"):
        pool.start_cycle()


def test_bad_predictions_are_named(pool):
    first, second = [image.image_id for image in pool.images(use="training")][:2]
    bad = [found(first, 1.5), found("stranger"), found(second), found(second),
           found(first, 0.5, (1, float("nan"))), found(first, 0.5, (1, 2, 3))]
    with pytest.warns(mgral.RefusedWarning, match="5 predictions were refused"):
        report = pool.put_predictions(bad, model="yolo@1")
    assert (report.stored, report.images) == (1, 1)
    assert [one.field for one in report.refused] == [
        "boxes[0].score", "image_id", "image_id", "embedding[1]", "embedding"]
    assert report.refused[1].index == 1


def put(server, pool, results, annotations, *more):
    command = [os.environ["MGRAL_COMMAND_BINARY"], "predictions", "put", pool.name, str(results),
               "--coco", str(annotations), "--model", "yolo@1", "--json", *map(str, more),
               f"--server={server.target}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_coco_results_and_numpy_embeddings_are_put_by_the_command(pool, server, annotations, tmp_path):
    document = json.loads(annotations.read_text())
    images = document["images"]
    images.insert(0, {"id": 999, "file_name": "not/in/the/pool.png"})
    given = tmp_path / "given.json"
    given.write_text(json.dumps(document))
    results = [{"image_id": image["id"], "category_id": 2,
                "bbox": [1.0, 2.0, 8.0, 10.0], "score": 0.55 + 0.02 * i, "segmentation": []}
               for i, image in enumerate(images)]
    found, rows = tmp_path / "found.json", tmp_path / "rows.npy"
    found.write_text(json.dumps(results))
    # One direction for all, but for the last image that may be labeled.
    candidates = [image.image_id for image in pool.images(use="training")]
    embeddings = numpy.tile(numpy.array([1, 0, 0], "float16"), (len(images), 1))
    far = [one["file_name"] for one in images].index(candidates[-1])
    embeddings[far] = [0, -1, 1]
    numpy.save(rows, embeddings)
    code, answer, text = put(server, pool, found, given, "--embeddings", rows)
    assert code == 0, text
    assert answer["stored"] == answer["images"] == len(images) - 1
    assert answer["refused"] == [] and answer["left_out"] == 1
    pool.start_cycle().wait()
    (least_sure,) = pool.query_batch(1).images
    assert least_sure.image_id == candidates[0]
    (box,) = least_sure.predictions
    assert (box.class_name, box.x_min, box.height) == ("square", 1, 10)
    batch = pool.query_batch(2, strategy="core_set")
    assert candidates[-1] in [image.image_id for image in batch]


def test_a_coco_results_file_that_is_wrong_stores_nothing(pool, server, annotations, tmp_path):
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 8, 10], "score": 0.5}
    for bad, why in (({"score": float("nan")}, "results[1].score: is not JSON"),
                     ({"image_id": 10**6}, 'results[1]: "image_id" 1000000'),
                     ({"bbox": [1, 2, -8, 10]}, 'results[1]: "bbox" [1,2,-8,10] has a negative')):
        (tmp_path / "bad.json").write_text(json.dumps([good, {**good, **bad}]))
        code, answer, _ = put(server, pool, tmp_path / "bad.json", annotations)
        assert code == 2 and "bad.json: " + why in answer["error"]["message"]
    numpy.save(tmp_path / "bad.npy", numpy.array([{"a": 1}], dtype=object))
    (tmp_path / "good.json").write_text(json.dumps([good]))
    code, answer, _ = put(server, pool, tmp_path / "good.json", annotations, "--embeddings",
                          tmp_path / "bad.npy")
    assert code == 2 and "its numbers are '|O'" in answer["error"]["message"]
    with pytest.raises(mgral.FailedPrecondition, match="none of its predictions"):
        pool.start_cycle()


def test_arrays_that_do_not_fit_are_refused_here():
    with pytest.raises(ValueError, match="1 boxes, 2 scores"):
        mgral.NewPredictions.from_arrays("a", [[0, 0, 1, 1]], [1, 1], [0], CLASSES)
    with pytest.raises(ValueError, match="no position in the 2 classes"):
        mgral.NewPredictions.from_arrays("a", [[0, 0, 1, 1]], [1], [2], CLASSES)


def test_a_broken_stream_goes_on():
    streams, stored = [], []

    def put(requests, context):
        for request in requests:
            streams.append((request.parent, request.model))
            if len(streams) == 1:
                raise UNAVAILABLE
            stored.extend(one.image_id for one in request.predictions)
            yield prediction_service_pb2.PutPredictionsResponse(
                acknowledged=len(request.predictions), stored=len(request.predictions), images=1)

    handlers = {"PutPredictions": put,
                "GetPool": lambda request, context: pool_service_pb2.Pool(name="pools/p")}
    with FakeServer(**handlers) as server, client_of(server) as client:
        report = client.pool("p").put_predictions([found("a")], model="yolo@1")
    assert report == mgral.PutReport(1, 1, (), 1)
    assert streams == [("pools/p", "yolo@1")] * 2
    assert stored == ["a"]
