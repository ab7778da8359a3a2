"""API keys and the options of a connection."""

import socket
import traceback

import pytest
from fake_server import FakeServer, client_of, failing

import mgral
from mgral import connection
from mgral.v1 import pool_service_pb2


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
