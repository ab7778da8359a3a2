"""Weights that were trained elsewhere, imported into the real server by the client and the command."""

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import zipfile

import grpc
import numpy
import pytest
from drawn import coco
from PIL import Image
from weights import resnet18, temporary_files, write_safetensors

import mgral
from mgral.v1 import model_service_pb2, model_service_pb2_grpc

CLASSES = ["disc", "square"]


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    return coco(tmp_path_factory.mktemp("dataset"), 16, 4)


def make_pool(client, name, **settings):
    return client.create_pool(name, classes=settings.pop("classes", CLASSES),
                              **{"profile": "micro", "training_steps": 4, "input_size": 64, **settings})


@pytest.fixture(scope="module")
def trained(client, annotations):
    """A pool after one cycle."""
    pool = make_pool(client, "trained", seed=3)
    pool.register_coco(annotations, splits=True)
    pool.ingest_coco(annotations, registered_for="validation")
    pool.query_batch(4, strategy="random").ingest_coco(annotations)
    pool.start_cycle(without_table=True).wait()
    return pool


@pytest.fixture(scope="module")
def exported(client, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    client.export_model("trained", folder)
    return folder / "model.safetensors"


def run(server, *arguments):
    command = [os.environ["MGRAL_COMMAND_BINARY"], *arguments, f"--server={server.target}"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def read_tensors(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, one in header.items():
        begin, end = one["data_offsets"]
        tensors[name] = numpy.frombuffer(content[8 + size + begin:8 + size + end],
                                         numpy.float32).reshape(one["shape"])
    return tensors


class Code:
    def __reduce__(self):
        return os.system, ("touch /tmp/mgral-import-test-was-here",)


def pth(path, value):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps(value, protocol=2))
    return path


def test_a_detector_taken_along_predicts_the_same_elsewhere(client, trained, exported):
    pool = make_pool(client, "elsewhere")
    imported = client.import_weights("elsewhere", exported)
    assert imported.model.published and imported.model.version == 1
    assert imported.model.imported_from == "model.safetensors" and imported.model.cycle == ""
    assert imported.class_head == "TAKEN" and imported.file_classes == 2
    assert imported.left == () and imported.unused == ()
    assert pool.refresh().published_model == pool.start_model == "pools/elsewhere/models/1"
    picture = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 30, 90)).save(picture, "PNG")
    seen = [pool.predict([mgral.NewImage("x", data=picture.getvalue())], min_score=0.001)[0]
            for pool in (pool, trained)]
    assert seen[0] == seen[1] and seen[0].error == ""


def test_the_next_training_begins_with_a_trunk(client, server, annotations, exported, tmp_path):
    body = "backbone.body."
    trunk = {name[len(body):]: tensor for name, tensor in read_tensors(exported).items()
             if name.startswith(body)}
    file = write_safetensors(tmp_path / "trunk.safetensors", trunk)
    pool = make_pool(client, "begun", classes=["a", "b", "disc", "square"])
    done = run(server, "models", "import", "begun", str(file), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["class_head"] == "CLASS_HEAD_NEW" and not answer["model"].get("published")
    assert pool.refresh().start_model == "pools/begun/models/1" and pool.published_model == ""
    text = run(server, "models", "import", "begun", str(file))
    assert "pools/begun/models/2: " in text.stdout and "begins anew: head." in text.stdout
    pool.register_coco(annotations, splits=True)
    pool.ingest_coco(annotations, registered_for="validation")
    pool.query_batch(4, strategy="random").ingest_coco(annotations)
    assert pool.start_cycle(without_table=True).wait().model == "pools/begun/models/3"
    assert pool.refresh().start_model == "pools/begun/models/2"
    assert [one.imported_from for one in pool.models()] == ["", "trunk.safetensors", "trunk.safetensors"]


def test_torchvisions_resnet18_is_a_trunk(client, tmp_path):
    make_pool(client, "small", profile="small", input_size=0)
    state = resnet18()
    imported = client.import_weights("small", write_safetensors(tmp_path / "resnet18.safetensors", state))
    assert imported.taken_count == len(state) - 2
    assert imported.unused == ("fc.bias", "fc.weight") and imported.class_head == "NEW"
    assert not imported.model.published and imported.file_classes == 0


def test_other_classes_begin_anew_or_are_mapped(client, exported):
    make_pool(client, "other", classes=["square"])
    imported = client.import_weights("other", exported)
    assert imported.class_head == "NEW" and imported.file_classes == 2
    assert imported.left_count == 2 and not imported.model.published
    mapped = client.import_weights("other", exported, class_labels={"square": 1})
    assert mapped.class_head == "MAPPED" and mapped.left_count == 0 and mapped.model.published
    with pytest.raises(mgral.InvalidArgument) as caught:
        client.import_weights("other", exported, class_labels={"square": 2})
    assert [one.field for one in caught.value.violations] == ["class_labels"]


def test_a_repeated_request_changes_nothing(client, exported):
    pool = make_pool(client, "repeated")
    first = client.import_weights("repeated", exported, request_id="r")
    again = client.import_weights("repeated", exported, request_id="r")
    assert repr(again) == repr(first)  # the accuracy is NaN
    assert len(list(pool.models())) == 1


def hostile(folder, exported):
    """File and what its refusal says."""
    whole = exported.read_bytes()
    tensors = read_tensors(exported)
    conv = "backbone.body.conv1.weight"

    def with_conv(name, value):
        return write_safetensors(folder / name, {**tensors, conv: value})

    def raw(name, content):
        (folder / name).write_bytes(content)
        return folder / name

    bomb = folder / "bomb.pth"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", b"\0" * 10_000_000)
    zipped = pth(folder / "whole.pth", {"a": 1}).read_bytes()
    yield pth(folder / "code.pth", {"state_dict": Code()}), "holds Python code: posix.system"
    yield raw("cut.safetensors", whole[:len(whole) // 2]), "cut short"
    yield raw("cut.pth", zipped[:len(zipped) // 2]), "cut short"
    yield bomb, "is compressed"
    yield raw("tail.safetensors", whole + b"x"), "bytes follow the last tensor"
    yield raw("text.pth", b"hello"), "not a PyTorch file"
    yield with_conv("nan", numpy.full_like(tensors[conv], numpy.nan)), "NaN or infinity"
    yield with_conv("ints", tensors[conv].astype("i4")), "floating-point numbers are needed"
    yield with_conv("shape", numpy.zeros((64, 3, 7, 7), "f4")), "is [64, 3, 7, 7] in the file"
    yield write_safetensors(folder / "foreign", {"encoder": numpy.zeros(1, "f4")}), "no tensor of the file"
    header = ",".join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(20001))
    yield raw("many", struct.pack("<Q", len(header) + 2) + f"{{{header}}}".encode()), "more than 20000"
    yield write_safetensors(folder / "control", {"a\nb": numpy.zeros(1, "f4")}), "is not printable"


def test_hostile_files_are_refused_by_name_and_leave_nothing(client, server, exported, tmp_path):
    pool = make_pool(client, "hostile")
    objects = set((server.folder / "artifacts" / "objects").rglob("*"))
    for file, why in hostile(tmp_path, exported):
        with pytest.raises(mgral.InvalidArgument) as caught:
            client.import_weights("hostile", file)
        assert [one.field for one in caught.value.violations] == ["data"], file.name
        assert why in caught.value.violations[0].description, file.name
    done = run(server, "models", "import", "hostile", str(tmp_path / "code.pth"))
    assert done.returncode != 0 and "posix.system" in done.stderr
    assert not os.path.exists("/tmp/mgral-import-test-was-here")
    assert not list(pool.models()) and pool.refresh().start_model == ""
    assert set((server.folder / "artifacts" / "objects").rglob("*")) == objects
    assert not temporary_files(server.folder / "artifacts")


def send(server, pieces, **header):
    with grpc.insecure_channel(server.target) as channel:
        first = {"parent": "pools/hostile", "file_name": "f", **header}
        messages = [model_service_pb2.ImportWeightsRequest(**first),
                    *(model_service_pb2.ImportWeightsRequest(data=piece) for piece in pieces)]
        with pytest.raises(grpc.RpcError) as caught:
            model_service_pb2_grpc.ModelServiceStub(channel).ImportWeights(iter(messages), timeout=60)
        return caught.value.code().name, caught.value.details()


def test_what_was_announced_must_come(client, server):
    if "pools/hostile" not in {one.name for one in client.pools()}:
        make_pool(client, "hostile")
    wrong = hashlib.sha256(b"abc").hexdigest()
    for pieces, header, why in (
            ([b"ab"], {"size_bytes": 3}, "has 2 bytes; size_bytes is 3"),
            ([b"ab", b"cd"], {"size_bytes": 3}, "is longer than size_bytes"),
            ([], {"size_bytes": 0}, "size_bytes"),
            ([], {"size_bytes": 1 << 40}, "max_weights_bytes"),
            ([b"abd"], {"size_bytes": 3, "sha256": wrong}, "is not that of the data"),
            ([b"abc"], {"size_bytes": 3, "file_name": ""}, "file_name")):
        code, details = send(server, pieces, **header)
        assert code == "INVALID_ARGUMENT" and why in details, details
    assert send(server, [], parent="pools/nobody", size_bytes=1)[0] == "NOT_FOUND"
    assert not temporary_files(server.folder / "artifacts")
