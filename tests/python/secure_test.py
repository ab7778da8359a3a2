"""TLS and API keys, against the real server."""

import pathlib
import subprocess
import sys

import pytest

import mgral

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import live_server  # noqa: E402


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificate(folder, name):
    """An authority NAME-ca.pem, and NAME.pem with NAME.key for this machine, signed by it."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            f"/CN={name} authority", "-keyout", f"{name}-ca.key", "-out", f"{name}-ca.pem")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout",
            f"{name}.key", "-out", f"{name}.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{name}-ca.pem", "-CAkey",
            f"{name}-ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out",
            f"{name}.pem")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("secrets")
    certificate(made, "server")
    certificate(made, "client")
    return made


@pytest.fixture(scope="module")
def server(folder):
    lines = []
    for name, scope in (("all", []), ("some", ["--pools=some-*"])):
        made = subprocess.run([live_server.server_binary(), "key", name, *scope], check=True,
                              capture_output=True, text=True)
        (folder / f"{name}.key").write_text(made.stdout)
        lines.append(made.stderr)
    (folder / "api_keys").write_text("".join(lines))
    with live_server.PostgresCluster() as cluster:
        with live_server.LiveServer(
                cluster.create_database("secure"), f"--tls_cert={folder}/server.pem",
                f"--tls_key={folder}/server.key", f"--tls_client_ca={folder}/client-ca.pem",
                f"--api_keys={folder}/api_keys") as running:
            yield running


def connect(server, folder, api_key=None, **files):
    tls = mgral.Tls(**{"ca": folder / "server-ca.pem", "cert": folder / "client.pem",
                       "key": folder / "client.key", **files})
    secret = (folder / f"{api_key}.key").read_text().strip() if api_key else None
    return mgral.Client(server.target, tls=tls, api_key=secret,
                        retry=mgral.RetryPolicy(max_attempts=1))


def test_the_right_key_over_tls(server, folder):
    with connect(server, folder, "all") as client:
        assert client.create_pool("other", classes=["a"]).name == "pools/other"
    with connect(server, folder, "some") as client:
        assert client.create_pool("some-cells", classes=["a"]).name == "pools/some-cells"
        assert [pool.name for pool in client.pools()] == ["pools/some-cells"]
        with pytest.raises(mgral.NotFound):
            client.pool("other")
        with pytest.raises(mgral.PermissionDenied):
            client.create_pool("mine", classes=["a"])


def test_no_key_or_a_wrong_one(server, folder):
    with pytest.raises(mgral.Unauthenticated):
        list(connect(server, folder).pools())
    (folder / "wrong.key").write_text("wrong")
    with pytest.raises(mgral.Unauthenticated):
        connect(server, folder, "wrong").pool("other")
    with pytest.raises(mgral.Unauthenticated):  # of a stream, too
        mgral.pool.Pool(connect(server, folder, "wrong")._connection,
                        mgral.v1.pool_service_pb2.Pool(name="pools/other")).register(
                            [mgral.NewImage("a", path="a")])


@pytest.mark.parametrize("files", [{"ca": "client-ca.pem"}, {"cert": None, "key": None},
                                   {"cert": "server.pem", "key": "server.key"}])
def test_certificates_that_are_not_trusted(server, folder, files):
    given = {name: file and folder / file for name, file in files.items()}
    with pytest.raises(mgral.Unavailable):
        connect(server, folder, "all", **given).pool("other")


def test_plaintext_is_not_answered(server, folder):
    with pytest.raises(mgral.Unavailable, match="no mgral-server answers"):
        mgral.Client(server.target, retry=mgral.RetryPolicy(max_attempts=1)).pool("other")
