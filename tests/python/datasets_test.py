"""The readers: what they make of good files, and what they say of bad ones."""

import json
import struct

import pytest
from drawn import draw
from PIL import Image

import mgral
from mgral.datasets.image_size import image_size

IMAGES = [{"id": 7, "file_name": "a.png", "width": 100, "height": 50},
          {"id": "b", "file_name": "sub/b.png", "width": 64, "height": 64}]
CATEGORIES = [{"id": 5, "name": "late"}, {"id": 2, "name": "early"}]


def write_coco(folder, **parts):
    document = {"images": IMAGES, "categories": CATEGORIES, "annotations": [], **parts}
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder / "annotations.json"


def box(numbers, **more):
    return {"image_id": 7, "category_id": 2, "bbox": numbers, **more}


def read(folder, **parts):
    return mgral.read_coco(write_coco(folder, **parts), require_files=False)


def test_coco(tmp_path):
    dataset = read(tmp_path, annotations=[
        box([1, 2, 3.5, 4]), box([0, 0, 1, 1], iscrowd=1),
        {"image_id": "b", "category_id": 5, "bbox": [1, 1, 2, 2]}])
    assert dataset.classes == ["early", "late"]  # by id
    assert [image.image_id for image in dataset.images] == ["a.png", "sub:b.png"]
    assert dataset.images[0].boxes == [mgral.Box("early", 1, 2, 3.5, 4),
                                       mgral.Box("early", 0, 0, 1, 1, ignore=True)]
    assert dataset.images[1].boxes == [mgral.Box("late", 1, 1, 2, 2)]
    assert dataset.images[1].path == tmp_path / "images" / "sub" / "b.png"
    assert dataset.warnings == []


def test_boxes_are_mended_and_that_is_said(tmp_path):
    dataset = read(tmp_path, annotations=[box([90, 40, 20, 5]), box([-0.5, 0, 2, 2]),
                                          box([200, 0, 5, 5]), box([1, 1, 0, 5])])
    assert dataset.images[0].boxes == [mgral.Box("early", 90, 40, 10, 5),
                                       mgral.Box("early", 0, 0, 1.5, 2)]
    assert (dataset.clipped_boxes, dataset.dropped_boxes) == (1, 2)
    assert "annotations[0]: clipped the box [90, 40, 20, 5]" in dataset.warnings[0]


@pytest.mark.parametrize("parts, complaint", [
    ({"images": "x"}, "images: the list is missing"),
    ({"images": []}, "there are no images"),
    ({"images": [3]}, r"images\[0\]: is not an object"),
    ({"images": [{"id": 1, "file_name": "../../etc/passwd"}]}, r'images\[0\]: .*holds "\.\."'),
    ({"images": [{"id": 1, "file_name": "/etc/passwd"}]}, "absolute path"),
    ({"images": [{"id": 1, "file_name": "a\0b"}]}, "control character"),
    ({"images": [{"id": 1, "file_name": "\ud800"}]}, "not valid Unicode"),
    ({"images": [{"id": 1, "file_name": 5}]}, '"file_name" is not a string'),
    ({"images": [{"id": True, "file_name": "a"}]}, '"id" is not an integer'),
    ({"images": [{"id": 1, "file_name": "a" * 300}]}, "too long for an image_id"),
    ({"images": [IMAGES[0], {**IMAGES[0], "id": 8}]}, r'"a.png" is also images\[0\]'),
    ({"images": [IMAGES[0], {"id": 7, "file_name": "z"}]}, "image id 7 is there twice"),
    ({"images": [{**IMAGES[0], "width": 1.5}]}, "not in whole pixels"),
    ({"images": [{**IMAGES[0], "width": -3}]}, "not in whole pixels"),
    ({"images": [{**IMAGES[0], "width": 10 ** 400}]}, "not in whole pixels"),
    ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}, '"a" is there twice'),
    ({"categories": [{"id": 1, "name": ""}]}, "the class has no name"),
    ({"categories": [{"id": "1", "name": "a"}]}, '"id" is not an integer'),
    ({"annotations": [box([1, 2, 3, 4], image_id=9)]}, r'annotations\[0\]: "image_id" 9 is not'),
    ({"annotations": [box([1, 2, 3, 4], image_id=[7])]}, r'"image_id" \[7\] is not'),
    ({"annotations": [box([1, 2, 3, 4], category_id=1)]}, '"category_id" 1 is not'),
    ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3, 4]}]}, r'"category_id" \(missing\)'),
    ({"annotations": [box([1, 2, 3])]}, '"bbox" is not a list of four numbers'),
    ({"annotations": [box([1, 2, 3, "4"])]}, "four numbers"),
    ({"annotations": [box([1, 2, 3, True])]}, "four numbers"),
    ({"annotations": [box([1, 2, 10 ** 400, 4])]}, "not finite"),
    ({"annotations": [box([1e308, 2, 1e308, 4])]}, "not finite"),
])
def test_coco_that_is_wrong(tmp_path, parts, complaint):
    with pytest.raises(mgral.DatasetError, match=complaint) as caught:
        read(tmp_path, **parts)
    assert str(tmp_path / "annotations.json") in str(caught.value)


@pytest.mark.parametrize("text, complaint", [
    (b"", "is not JSON"), (b"{", "is not JSON"), (b"[]", "not a JSON object"),
    (b'{"images": NaN}', "NaN is no JSON number"), (b"\xff\xfe", "is not UTF-8"),
    (b"[" * 100000, "is not JSON"),
])
def test_files_that_are_no_json(tmp_path, text, complaint):
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(mgral.DatasetError, match=complaint):
        mgral.read_coco(tmp_path / "a.json", require_files=False)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(mgral.DatasetError, match="no such file"):
        mgral.read_coco(tmp_path / "none.json", require_files=False)
    with pytest.raises(mgral.DatasetError, match="no such folder of images"):
        mgral.read_coco(write_coco(tmp_path))
    (tmp_path / "images").mkdir()
    with pytest.raises(mgral.DatasetError, match="there is no file .*a.png") as caught:
        mgral.read_coco(write_coco(tmp_path))
    assert "b.png" in str(caught.value)  # all of them in one error


def test_so_many_mistakes_are_not_all_listed(tmp_path):
    with pytest.raises(mgral.DatasetError, match="and maybe more") as caught:
        read(tmp_path, annotations=[box([])] * 1000)
    assert len(str(caught.value).splitlines()) == 11


def test_splits(tmp_path):
    dataset = read(tmp_path)
    (tmp_path / "s.json").write_text(json.dumps(
        {"pool": ["a.png"], "valid": ["sub/b.png"], "note": "of mine"}))
    splits = mgral.read_splits(tmp_path / "s.json", dataset)
    assert splits == mgral.Splits(train=["a.png"], validation=["sub:b.png"])


@pytest.mark.parametrize("splits, complaint", [
    ({"train": ["c.png"]}, 'names "c.png", which the dataset does not have'),
    ({"train": ["a.png"], "val": ["a.png"]}, 'is in "val" and in "train"'),
    ({"train": [], "pool": []}, "mean the same"),
    ({"trian": []}, '"trian" is not a split'),
    ({"train": "a.png"}, "is not a list of file names"),
    ({"train": [1]}, "holds 1, which is not a file name"),
])
def test_splits_that_are_wrong(tmp_path, splits, complaint):
    dataset = read(tmp_path)
    (tmp_path / "s.json").write_text(json.dumps(splits))
    with pytest.raises(mgral.DatasetError, match=complaint):
        mgral.read_splits(tmp_path / "s.json", dataset)


VOC = """<annotation><filename>{file}</filename><size><width>64</width><height>64</height></size>
<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{xmin}</xmin>
<ymin>1</ymin><xmax>64</xmax><ymax>10</ymax></bndbox></object></annotation>"""


def write_voc(folder, stem, text=None, **fields):
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    draw(folder / "JPEGImages" / f"{stem}.png", 1)
    given = {"file": f"{stem}.png", "name": "cell", "difficult": 0, "xmin": 1, **fields}
    (folder / "Annotations" / f"{stem}.xml").write_text(text or VOC.format(**given))


def test_voc_counts_from_one_and_includes_the_last_pixel(tmp_path):
    write_voc(tmp_path, "one")
    write_voc(tmp_path, "two", file="renamed.png", name="ant", difficult=1, xmin=11)
    (tmp_path / "ImageSets/Main/train.txt").write_text("one 1\n\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("two -1\n")
    dataset = mgral.read_voc(tmp_path)
    assert dataset.classes == ["ant", "cell"]
    assert dataset.images[0].boxes == [mgral.Box("cell", 0, 0, 64, 10)]
    assert dataset.images[1].file_name == "two.png"
    assert dataset.images[1].boxes == [mgral.Box("ant", 10, 0, 54, 10, ignore=True)]
    assert dataset.splits == mgral.Splits(train=["one.png"], validation=["two.png"])


BOMB = """<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation>&b;</annotation>"""


@pytest.mark.parametrize("text, complaint", [
    (BOMB, "has a document type with declarations"),
    ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation>&x;</annotation>',
     "has a document type with declarations"),
    ("<a>" * 100 + "</a>" * 100, "nested deeper than 64"),
    ("<annotation>", "is not XML"), ("", "is not XML"),
    ("<html></html>", "is <html>, not the <annotation>"),
    ("<annotation><object/></annotation>", "object 1: <name> is missing"),
    ("<annotation><object><name>a</name></object></annotation>", "does not hold four finite"),
    (VOC.format(file="../../x", name="a", difficult=0, xmin="nan"), "four finite numbers"),
    (VOC.format(file="a", name="", difficult=0, xmin="1"), "<name> is missing"),
])
def test_voc_that_is_wrong(tmp_path, text, complaint):
    write_voc(tmp_path, "one", text=text or " ")
    with pytest.raises(mgral.DatasetError, match=complaint):
        mgral.read_voc(tmp_path)


def write_yolo(folder, text="0 0.5 0.5 0.25 0.5\n", names="cell\nant\n"):
    draw(folder / "images/train/a.png", 1)
    draw(folder / "images/val/b.png", 2)
    (folder / "labels/train").mkdir(parents=True, exist_ok=True)
    (folder / "labels/train/a.txt").write_text(text)
    (folder / "classes.txt").write_text(names)
    return folder


def test_yolo_fractions_become_pixels(tmp_path):
    dataset = mgral.read_yolo(write_yolo(tmp_path, "0 0.5 0.5 0.25 0.5\n\n1 0 0 1 0 1 1 0 0.5\n"))
    assert dataset.classes == ["cell", "ant"]
    first, second = dataset.images
    assert (first.file_name, first.image_id) == ("images/train/a.png", "images:train:a.png")
    assert (first.width, first.height) == (64, 64)
    assert first.boxes == [mgral.Box("cell", 24, 16, 16, 32), mgral.Box("ant", 0, 0, 64, 64)]
    assert second.boxes == []  # no text file: nothing is in it
    assert dataset.splits == mgral.Splits(train=[first.image_id], validation=[second.image_id])


def test_yolo_in_the_other_order_with_names_of_data_yaml(tmp_path):
    pytest.importorskip("yaml")
    draw(tmp_path / "train/images/a.png", 1)
    (tmp_path / "train/labels").mkdir()
    (tmp_path / "train/labels/a.txt").write_text("1 0.5 0.5 1 1")
    (tmp_path / "data.yaml").write_text("names:\n  0: x\n  1: y\n")
    dataset = mgral.read_yolo(tmp_path)
    assert dataset.images[0].boxes == [mgral.Box("y", 0, 0, 64, 64)]
    (tmp_path / "data.yaml").write_text("names: [x, y]\n")
    assert mgral.read_yolo(tmp_path).classes == ["x", "y"]
    for wrong in ("names: 3", "names: {1: x}", "- x", "names: [1, 2]", "{", "!!python/object:x {}"):
        (tmp_path / "data.yaml").write_text(wrong)
        with pytest.raises(mgral.DatasetError, match="data.yaml"):
            mgral.read_yolo(tmp_path)


@pytest.mark.parametrize("line, complaint", [
    ("2 0.5 0.5 0.1 0.1", "labels/train/a.txt line 1: class 2 is none of the 2 classes"),
    ("-1 0.5 0.5 0.1 0.1", "class -1 is none"), ("cell 0.5 0.5 0.1 0.1", "not a class number"),
    ("0 0.5 0.5 0.1", "is not CLASS X Y"), ("0 0.5 0.5 0.1 0.1 0.9", "is not CLASS X Y"),
    ("0 nan 0.5 0.1 0.1", "not fractions"), ("0 32 32 10 10", "not fractions"),
    ("0 inf 0.5 0.1 0.1", "not fractions"), ("0 a b c d", "not a class number"),
])
def test_yolo_that_is_wrong(tmp_path, line, complaint):
    with pytest.raises(mgral.DatasetError, match=complaint):
        mgral.read_yolo(write_yolo(tmp_path, line))


def test_yolo_without_classes_or_images(tmp_path):
    with pytest.raises(mgral.DatasetError, match="what are the classes"):
        mgral.read_yolo(tmp_path)
    with pytest.raises(mgral.DatasetError, match="there are no images"):
        mgral.read_yolo(tmp_path, classes=["a"])
    with pytest.raises(mgral.DatasetError, match="no such folder"):
        mgral.read_yolo(tmp_path / "none")


@pytest.mark.parametrize("name, options", [
    ("a.png", {}), ("a.jpg", {}), ("a.jpg", {"progressive": True}),
    ("a.jpg", {"exif": b"Exif\0\0" + b"\xff" * 5000}), ("a.jpg", {"quality": 1}),
    ("a.bmp", {}), ("a.tif", {}), ("a.webp", {}), ("a.webp", {"lossless": True}),
])
def test_image_sizes(tmp_path, name, options):
    Image.new("RGB", (37, 1201)).save(tmp_path / name, **options)
    assert image_size(tmp_path / name) == (37, 1201)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_an_image_has_the_size_that_viewers_show(tmp_path, name):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        options = {"tiffinfo": {274: orientation}} if name == "a.tif" else {"exif": exif}
        Image.new("RGB", (37, 20)).save(tmp_path / name, **options)
        assert image_size(tmp_path / name) == ((37, 20) if orientation < 5 else (20, 37))


def test_every_cut_of_an_image_is_an_error(tmp_path):
    for name, least in (("a.png", 24), ("a.bmp", 22), ("a.webp", 28), ("a.jpg", None)):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        header = least or whole.index(b"\xff\xc0") + 9
        for size in range(header):
            (tmp_path / "cut").write_bytes(whole[:size])
            with pytest.raises(mgral.DatasetError, match="cut"):
                image_size(tmp_path / "cut")


@pytest.mark.parametrize("data", [
    b"GIF89a", b"\xff\xd8\xff\xe0\x00\x00", b"\xff\xd8\x00", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xda",
    b"\xff\xd8" + b"\xff\xc0" + struct.pack(">HBHH", 11, 8, 0, 5),
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 0, 5),
])
def test_headers_that_are_broken(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(mgral.DatasetError, match="x: "):
        image_size(tmp_path / "x")


def test_an_image_too_large_for_a_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("mgral.datasets.dataset._MAX_IMAGE_BYTES", 10)
    draw(tmp_path / "images/a.png", 1)
    dataset = mgral.read_yolo(tmp_path, classes=["a"])
    with pytest.raises(mgral.DatasetError, match="give server_path"):
        dataset.images[0].to_new_image("training", None)
    assert dataset.images[0].to_new_image("training", "on/server/").path == "on/server/images/a.png"
    assert dataset.images[0].to_new_image("training", "").path == "images/a.png"
