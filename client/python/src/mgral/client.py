"""The way in: a server, and its pools."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Type, Union

from google.protobuf import empty_pb2
from mgral import errors, export, importing
from mgral.connection import Connection, Path, Tls
from mgral.pages import pages
from mgral.pool import Pool
from mgral.retry import RetryPolicy, new_request_id
from mgral.v1 import model_service_pb2, pool_service_pb2
from mgral.values import ImageOrientation, Model, orientation_to_proto


class Client:
    """A connection to mgral-server; use it in a `with`, or close() it. Thread-safe.

    target: HOST:PORT; $MGRAL_SERVER, or 127.0.0.1:50051, by default.
    tls: True trusts the system's authorities; Tls(ca=, cert=, key=) names PEM files. Without, the
        connection is in plaintext, unless $MGRAL_TLS_CA names a file of authorities.
    api_key: sent with every call; by default what the file $MGRAL_API_KEY_FILE holds, else
        $MGRAL_API_KEY, if that is not empty. 1 to 500 printable ASCII characters without spaces;
        space around it is ignored. Refused in plaintext to another machine, unless
        allow_plaintext_key.
    timeout: seconds that an attempt of a call may take; of a stream, the longest wait for an
        acknowledgment.
    retry: see RetryPolicy. Only what is safe to repeat is: what makes something carries a
        request_id, which makes the server answer a repeated call with its first answer.
    """

    def __init__(self, target: Optional[str] = None, *, tls: Union[None, bool, Tls] = None,
                 api_key: Optional[str] = None, timeout: float = 120.0,
                 retry: Optional[RetryPolicy] = None, allow_plaintext_key: bool = False) -> None:
        target = target or os.environ.get("MGRAL_SERVER") or "127.0.0.1:50051"
        if tls is None:
            authorities = os.environ.get("MGRAL_TLS_CA")
            tls = Tls(ca=authorities) if authorities else False
        if api_key is None:
            api_key = _key_of_environment()
        self._connection = Connection(target, tls, api_key, timeout, retry or RetryPolicy(),
                                      allow_plaintext_key)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def create_pool(self, pool_id: str = "", *, classes: Sequence[str], profile: str = "",
                    display_name: str = "", strategy: str = "", batch_size: int = 0,
                    warm_start: bool = False, training_steps: int = 0, input_size: int = 0,
                    trunk: str = "", probes: int = 0, replay_probes: int = 0, seed: int = 0,
                    image_orientation: ImageOrientation = "exif",
                    seconds_per_image: float = 0, seconds_per_box: float = 0,
                    uniform_share: Optional[float] = None, probe_seconds: float = 0) -> Pool:
        """A new pool; AlreadyExists if there is one of that id.

        pool_id: a-z, 0-9 and "-", beginning with a letter; the server gives one if empty.
        profile: the detector and its training: frozen, micro, tiny, small, base, large,
            last-stage, full, faster-rcnn or ssd300 (default: frozen where the server has
            pretrained weights, else tiny); or external, for a detector of your own
            (Pool.put_predictions).
        strategy: mgral (default), lookup_greedy, random, random_deduplicated, entropy (default of
            external), margin, core_set, max_herding, badge, ppal, class_balanced or
            lookup_shuffled.
        batch_size: images that are labeled between two cycles (default: 20).
        warm_start: begin a cycle's training with the last cycle's weights.
        trunk: another backbone for small, base, large, full or faster-rcnn: resnet18, resnet34,
            resnet50, resnet101, mobilenet_v3_large or vgg16.
        training_steps, input_size, probes, replay_probes: 0 for the profile's own; replay_probes:
            -1 for none.
        seed: all random choices of the pool's cycles follow from it.
        image_orientation: "exif": images, and the frame of their boxes, are turned as EXIF says;
            "stored": they are not.
        seconds_per_image, seconds_per_box: what labeling takes; if both are 0, an image counts as
            much as two boxes.
        uniform_share: of a batch of mgral or lookup_greedy, drawn at random (default: 0.15).
        probe_seconds: workers' time for a cycle's replay probes, instead of their number.
        """
        pool = pool_service_pb2.Pool(
            display_name=display_name, classes=classes,
            image_orientation=orientation_to_proto(image_orientation),
            detector=pool_service_pb2.DetectorSettings(
                profile=profile, warm_start=warm_start, training_steps=training_steps,
                input_size=input_size, trunk=trunk),
            selection=pool_service_pb2.SelectionSettings(
                strategy=strategy, batch_size=batch_size, probes=probes,
                replay_probes=replay_probes, seed=seed, seconds_per_image=seconds_per_image,
                seconds_per_box=seconds_per_box, uniform_share=uniform_share,
                probe_seconds=probe_seconds))
        request = pool_service_pb2.CreatePoolRequest(pool_id=pool_id, pool=pool,
                                                     request_id=new_request_id())
        return Pool(self._connection,
                    self._connection.call(self._connection.pools.CreatePool, request))

    def pool(self, name: str) -> Pool:
        """By its id or its name (pools/{pool})."""
        request = pool_service_pb2.GetPoolRequest(name=_pool_name(name))
        return Pool(self._connection,
                    self._connection.call(self._connection.pools.GetPool, request))

    def pools(self) -> Iterator[Pool]:
        request = pool_service_pb2.ListPoolsRequest(page_size=1000)
        for proto in pages(self._connection, self._connection.pools.ListPools, request,
                           lambda answer: answer.pools):
            yield Pool(self._connection, proto)

    def delete_pool(self, name: str, *, force: bool = False) -> None:
        """Deletes everything in it. Refused while a cycle runs, unless `force`."""
        request = pool_service_pb2.DeletePoolRequest(name=_pool_name(name), force=force)
        self._connection.call(
            self._connection.pools.DeletePool, request,
            # The answer of an earlier attempt was lost on its way: the pool is gone, as asked.
            lambda error: empty_pb2.Empty() if isinstance(error, errors.NotFound) else None)

    def export_model(self, model: str, folder: Path, *, overwrite: bool = False) -> Dict[str, Any]:
        """Writes model.safetensors and model.json to a folder, which is made if it is not there,
        and returns what model.json says. `model`: pools/{pool}/models/{model}, or a pool for its
        published model. FileExistsError if they are there, unless `overwrite`."""
        return export.export_model(self._connection, _pool_name(model), folder, overwrite)

    def import_weights(self, pool: str, path: Path, *,
                       class_labels: Optional[Mapping[str, int]] = None,
                       request_id: str = "") -> importing.ImportedWeights:
        """Takes weights that were trained elsewhere: safetensors, or PyTorch's .pth, of which only
        tensors are read. The pool's next trainings begin with them; if they are complete, the model
        is published. `class_labels`: the label that the file's detector gives a class of the pool;
        without, classes are the file's in order if there are as many, and else begin anew."""
        return importing.import_weights(self._connection, _pool_name(pool), path,
                                        class_labels or {}, request_id or new_request_id())

    def rollback_model(self, name: str, *, request_id: str = "") -> Model:
        """Publishes pools/{pool}/models/{model} again, which the published model has replaced:
        queries, predict and the next cycle use it. FailedPrecondition for an older one."""
        request = model_service_pb2.RollbackModelRequest(
            name=name, request_id=request_id or new_request_id())
        return Model.from_proto(
            self._connection.call(self._connection.models.RollbackModel, request))


def _key_of_environment() -> Optional[str]:
    file = os.environ.get("MGRAL_API_KEY_FILE")
    if not file:
        return os.environ.get("MGRAL_API_KEY") or None
    # An error of decoding would carry the key.
    with open(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


def _pool_name(given: str) -> str:
    return given if given.startswith("pools/") else f"pools/{given}"
