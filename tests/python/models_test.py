"""Models of the real server are exported and rolled back to, by the client and by the command."""

import json
import os
import struct
import subprocess

import pytest
from drawn import coco

import mgral

CLASSES = ["disc", "square"]


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    return coco(tmp_path_factory.mktemp("dataset"), 24, 4)


@pytest.fixture(scope="module")
def pool(client, annotations):
    """After two cycles, the second of which was trained on more labels."""
    made = client.create_pool("cells", classes=CLASSES, profile="micro", training_steps=4,
                              input_size=64, seed=3, warm_start=True)
    made.register_coco(annotations, splits=True)
    made.ingest_coco(annotations, registered_for="validation")
    for _ in range(2):
        made.query_batch(4, strategy="random").ingest_coco(annotations)
        made.start_cycle(without_table=True).wait()
    return made


def run(server, *arguments):
    """What the command prints, as JSON."""
    command = [os.environ["MGRAL_COMMAND_BINARY"], *arguments, "--json", f"--server={server.target}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


def header_of(path):
    """Of a safetensors file: its tensors' descriptions and its metadata."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    metadata = header.pop("__metadata__")
    assert max(one["data_offsets"][1] for one in header.values()) == len(content) - 8 - size
    return header, metadata


def published(pool):
    return [model.version for model in pool.models() if model.published]


def test_a_model_is_exported_by_client_and_command_alike(pool, client, server, tmp_path):
    first = client.export_model("pools/cells/models/1", tmp_path / "client")
    code, done = run(server, "models", "export", "pools/cells/models/1", "--out",
                     str(tmp_path / "command"))
    assert code == 0 and done["model"] == "pools/cells/models/1"
    for name in ("model.safetensors", "model.json"):
        assert ((tmp_path / "client" / name).read_bytes()
                == (tmp_path / "command" / name).read_bytes())
    model = next(one for one in pool.models() if one.version == 1)
    tensors, metadata = header_of(tmp_path / "client" / "model.safetensors")
    assert metadata == {"mgral_version": mgral.__version__, "model": model.name,
                        "weights_sha256": model.weights_sha256}
    assert "backbone.body.conv1.weight" in tensors
    assert "head.classification_head.cls_logits.weight" in tensors
    assert first == json.loads((tmp_path / "command" / "model.json").read_text())
    assert first["classes"] == CLASSES and first["input"]["size"] == 64
    assert first["architecture"]["num_classes"] == 2 and first["training_images"] == 4
    assert first["validation"]["images"] == 4
    assert first["validation"]["map50"] == pytest.approx(model.map50)
    assert client.export_model("cells", tmp_path / "newest")["model"] == "pools/cells/models/2"
    # Nothing is left behind in the artifact folder.
    assert not list((server.folder / "artifacts" / "work").glob("export-*"))


def test_a_rollback_is_what_queries_predictions_and_the_next_cycle_use(pool, client, server):
    assert published(pool) == [2]
    image = next(iter(pool.images(state="UNLABELED"))).image_id
    of_two = pool.predict([image], min_score=0.001)
    code, done = run(server, "models", "rollback", "pools/cells/models/1")
    assert code == 0 and done["published"] and published(pool) == [1]
    assert pool.refresh().published_model == "pools/cells/models/1"
    assert pool.predict([image], min_score=0.001) != of_two
    with pool.query_batch(2, strategy="entropy", release_on_exit=True) as batch:
        assert batch.model == "pools/cells/models/1"
        labeled = {one.image_id for one in pool.images(state="LABELED")}
        assert not labeled & set(batch.image_ids)
    assert client.rollback_model("pools/cells/models/2").published
    assert pool.predict([image], min_score=0.001) == of_two
    client.rollback_model("pools/cells/models/1")
    cycle = pool.start_cycle(without_table=True).wait()
    assert cycle.model == "pools/cells/models/3" and published(pool) == [3]
    with pytest.raises(mgral.FailedPrecondition) as caught:
        client.rollback_model("pools/cells/models/2")
    assert caught.value.reason == "SNAPSHOT_NOT_KEPT"
    assert [one.field for one in caught.value.violations] == ["name"]
    assert client.rollback_model("pools/cells/models/1").published


def test_what_is_not_there_is_refused(pool, client, server, tmp_path):
    for name in ("pools/cells/models/99", "pools/none/models/1"):
        with pytest.raises(mgral.NotFound):
            client.export_model(name, tmp_path / "out")
        with pytest.raises(mgral.NotFound):
            client.rollback_model(name)
    code, done = run(server, "models", "export", "pools/cells/models/99", "--out",
                     str(tmp_path / "out"))
    assert code == 1 and done["error"]["code"] == "NOT_FOUND"
    assert not (tmp_path / "out").exists()


def test_lost_weights_are_data_loss(pool, client, server, tmp_path):
    lost = next(one for one in pool.models() if not one.published)
    file = next((server.folder / "artifacts" / "objects").rglob(lost.weights_sha256))
    file.unlink()
    for call in (lambda: client.export_model(lost.name, tmp_path / "out"),
                 lambda: client.rollback_model(lost.name)):
        with pytest.raises(mgral.ServerError) as caught:
            call()
        assert caught.value.code == "DATA_LOSS" and lost.weights_sha256 in str(caught.value)
    assert not (tmp_path / "out").exists()
