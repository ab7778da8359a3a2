"""Labels of files that other tools wrote: whose images they are, and what their numbers mean."""

import json
import re

import pytest
from drawn import draw
from fake_server import FakeServer

import mgral
from mgral.v1 import image_pb2, label_service_pb2, pool_service_pb2, selection_service_pb2

BOX = {"category_id": 1, "bbox": [1, 1, 5, 5]}


def write_coco(folder, *names, empty=(), ids=None):
    """Each image has a box, but for those of `empty`. ids: name -> mgral_image_id."""
    images = [{"id": name, "file_name": name, "width": 64, "height": 64} for name in names]
    for image in images:
        if ids and image["file_name"] in ids:
            image["mgral_image_id"] = ids[image["file_name"]]
    document = {"categories": [{"id": 1, "name": "cell"}], "images": images,
                "annotations": [{"image_id": name, **BOX} for name in names if name not in empty]}
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder / "annotations.json"


class Pool:
    """A server with one pool of these images, that keeps the ids of what is labeled."""

    def __init__(self, *ids, batch=()):
        self.ids, self.batch_ids, self.labeled = ids, batch, []

    def _ingest(self, requests, context):
        acknowledged = 0
        for request in requests:
            self.labeled += [labels.image_id for labels in request.labels]
            acknowledged += len(request.labels)
            yield label_service_pb2.IngestLabelsResponse(
                acknowledged=acknowledged, ingested=len(request.labels))

    def __enter__(self):
        self._server = FakeServer(
            GetPool=lambda request, context: pool_service_pb2.Pool(name="pools/p"),
            ListImages=lambda request, context: pool_service_pb2.ListImagesResponse(
                images=[image_pb2.Image(image_id=one) for one in self.ids]),
            GetBatch=lambda request, context: selection_service_pb2.Batch(
                name="pools/p/batches/1",
                images=[selection_service_pb2.BatchImage(image_id=one) for one in self.batch_ids]),
            IngestLabels=self._ingest).__enter__()
        self.pool = mgral.Client(self._server.target).pool("p")
        return self

    def __exit__(self, *error):
        self._server.__exit__(*error)


def test_images_are_matched_by_path_then_by_a_unique_base_name(tmp_path):
    file = write_coco(tmp_path, "a.jpg", "../../label-studio/data/media/upload/1/f5e0cb5c-b.jpg",
                      "/data/photos/left/c.jpg", "elsewhere\\d.jpg", "gone.jpg")
    with Pool("a.jpg", "day1:b.jpg", "left:c.jpg", "right:c.jpg", "d.jpg") as server:
        report = server.pool.ingest_coco(file)
    assert server.labeled == ["a.jpg", "day1:b.jpg", "left:c.jpg", "d.jpg"]
    assert report.matched == {"image_id": 0, "path": 2, "base_name": 1, "unprefixed_base_name": 1,
                              "ambiguous": 0, "unmatched": 1}
    assert report.left_out == 1


def test_a_base_name_that_several_images_have_matches_none(tmp_path):
    file = write_coco(tmp_path, "a.jpg", "up/c.jpg", "up/0123abcd-c.jpg")
    with Pool("a.jpg", "left:c.jpg", "right:c.jpg") as server:
        report = server.pool.ingest_coco(file)
    assert server.labeled == ["a.jpg"]
    assert report.matched["ambiguous"] == 2


def test_of_several_entries_for_one_image_the_path_wins_and_equals_lose(tmp_path):
    file = write_coco(tmp_path, "x/a.jpg", "a.jpg", "x/b.jpg", "y/b.jpg")
    with Pool("a.jpg", "b.jpg") as server:
        report = server.pool.ingest_coco(file)
    assert server.labeled == ["a.jpg"]
    assert (report.matched["path"], report.matched["ambiguous"],
            report.matched["unmatched"]) == (1, 2, 1)


def test_a_base_name_must_be_unique_in_the_pool_not_only_in_the_batch(tmp_path):
    file = write_coco(tmp_path, "up/a.jpg", "up/b.jpg")
    with Pool("left:a.jpg", "right:a.jpg", "left:b.jpg", batch=["left:a.jpg", "left:b.jpg"]) as server:
        server.pool.batch("1").ingest_coco(file)
    assert server.labeled == ["left:b.jpg"]


def test_an_id_that_the_file_carries_wins_over_its_name(tmp_path):
    file = write_coco(tmp_path, "cam1/7.jpg", "other.jpg",
                      ids={"cam1/7.jpg": "cam1::7.jpg", "other.jpg": "cam1:7.jpg"})
    with Pool("cam1:7.jpg", "cam1::7.jpg") as server:
        report = server.pool.ingest_coco(file)
    assert server.labeled == ["cam1::7.jpg", "cam1:7.jpg"]
    assert report.matched["image_id"] == 2


@pytest.mark.parametrize("image_id, complaint", [
    (5, "is not an image id"), ("", "is not an image id"), (None, "is not an image id"),
    ("a/b", 'holds a "/"'), ("a" * 257, "longer than 256 bytes"), ("a\n", "control character"),
])
def test_ids_that_cannot_be(tmp_path, image_id, complaint):
    with pytest.raises(mgral.DatasetError, match=complaint):
        mgral.read_coco(write_coco(tmp_path, "a.jpg", ids={"a.jpg": image_id}),
                        require_files=False)


def test_a_file_in_which_most_images_have_no_annotation_is_refused(tmp_path):
    file = write_coco(tmp_path, "a.jpg", "b.jpg", "c.jpg", empty=["b.jpg", "c.jpg"])
    with Pool("a.jpg", "b.jpg", "c.jpg") as server:
        with pytest.raises(mgral.DatasetError, match="2 of 3 images have no annotation"):
            server.pool.ingest_coco(file)
        assert server.labeled == []
        assert server.pool.ingest_coco(file, empty_is_labeled=True).ingested == 3
        assert server.pool.ingest_coco(file, skip_empty=True).ingested == 1
        half = write_coco(tmp_path, "a.jpg", "b.jpg", empty=["b.jpg"])
        assert server.pool.ingest_coco(half).ingested == 2


def test_image_files_are_found_by_base_name_below_the_directory_and_nowhere_else(tmp_path):
    draw(tmp_path / "images/a.png", 1)
    draw(tmp_path / "images/deep/b.png", 2)
    draw(tmp_path / "secret.png", 3)
    dataset = mgral.read_coco(write_coco(tmp_path, "a.png", "../../upload/1/f5e0cb5c-b.png"))
    assert [image.image_id for image in dataset.images] == ["a.png", "deep:b.png"]
    assert dataset.images[1].path == tmp_path / "images/deep/b.png"
    assert len(dataset.notes) == 1
    assert "1 by path, 1 by base name without its upload prefix" in dataset.notes[0]
    (tmp_path / "splits.json").write_text(
        json.dumps({"train": ["a.png"], "val": ["../../upload/1/f5e0cb5c-b.png"]}))
    assert mgral.read_splits(tmp_path / "splits.json", dataset).validation == ["deep:b.png"]
    for name in ("../secret.png", str(tmp_path / "secret.png"), "images/../../secret.png"):
        with pytest.raises(mgral.DatasetError, match=r"images\[0\]: .*no file below .* has its name"):
            mgral.read_coco(write_coco(tmp_path, name))
    draw(tmp_path / "images/more/b.png", 2)
    with pytest.raises(mgral.DatasetError, match=r"images\[0\]: .*several files have that base name"):
        mgral.read_coco(write_coco(tmp_path, "up/b.png"))


def write_voc(folder, stem, corners, head=""):
    names = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, corners))
    draw(folder / f"JPEGImages/{stem}.png", 1)
    (folder / "Annotations").mkdir(exist_ok=True)
    (folder / f"Annotations/{stem}.xml").write_text(
        f"<annotation>{head}<filename>{stem}.png</filename><size><width>64</width><height>64</height>"
        f"</size><object><name>cell</name><bndbox>{box}</bndbox></object></annotation>")


LABEL_STUDIO = "<owner><flickrid>NULL</flickrid><name>Label Studio</name></owner>"
DATUMARO = ("<source><database>Unknown</database><annotation>Unknown</annotation>"
            "<image>Unknown</image></source>")
LABEL_IMG = "<source><database>Unknown</database></source>"
PASCAL = "<source><database>The VOC2007 Database</database></source>"

FROM_ZERO, FROM_ONE = mgral.Box("cell", 10, 20, 20, 30), mgral.Box("cell", 9, 19, 21, 31)


@pytest.mark.parametrize("head, other, box, note", [
    ("", (0, 5, 64, 64), FROM_ZERO, "count from 0: 1 of 2 boxes begin at 0"),
    ("", (5, 0.4, 64, 64), FROM_ZERO, "count from 0: 1 of 2 boxes begin at 0"),
    (LABEL_STUDIO, (1, 1, 64, 64), FROM_ZERO, "count from 0: .* 2 of 2 files are from Label Studio"),
    (DATUMARO, (1, 1, 64, 64), FROM_ZERO, "count from 0: .* 2 of 2 files are from Label Studio, CVAT"),
    (PASCAL, (1, 1, 64, 64), FROM_ONE, "count from 1: the files are Pascal VOC's own"),
    (LABEL_IMG, (1, 1, 64, 64), FROM_ONE, "count from 1, as in Pascal VOC: no box begins at 0"),
    ("", (1, 1, 64, 64), FROM_ONE, "count from 1, as in Pascal VOC: no box begins at 0"),
    ("", (-3, 1, 64, 64), FROM_ONE, "count from 1, as in Pascal VOC: no box begins at 0"),
])
def test_what_corners_of_voc_count_from_is_decided_by_evidence(tmp_path, head, other, box, note):
    write_voc(tmp_path, "a", (10, 20, 30, 50), head)
    write_voc(tmp_path, "b", other, head)
    dataset = mgral.read_voc(tmp_path)
    assert dataset.images[0].boxes == [box]
    assert len(dataset.notes) == 1 and re.search(note, dataset.notes[0]), dataset.notes


def test_what_corners_of_voc_count_from_can_be_said(tmp_path):
    write_voc(tmp_path, "a", (10, 20, 30, 50), LABEL_STUDIO)
    assert mgral.read_voc(tmp_path, corners="1").images[0].boxes == [FROM_ONE]
    write_voc(tmp_path, "a", (10, 20, 30, 50), PASCAL)
    dataset = mgral.read_voc(tmp_path, corners="0")
    assert dataset.images[0].boxes == [FROM_ZERO]
    assert dataset.notes == []
    with pytest.raises(ValueError, match="corners"):
        mgral.read_voc(tmp_path, corners="2")


def test_contradicting_evidence_about_corners_is_an_error(tmp_path):
    write_voc(tmp_path, "a", (10, 20, 30, 50), PASCAL)
    write_voc(tmp_path, "b", (0, 20, 30, 50))
    with pytest.raises(mgral.DatasetError, match='1 are Pascal VOC\'s own.*corners="0"'):
        mgral.read_voc(tmp_path)
