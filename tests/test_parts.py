"""Parts of others: fetched over real TLS by digest, refused when anything about them is not as the spec says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from control_plane.certificates import Authority
from generator.apply.clusters import parts
from generator.apply.clusters.comparison import Manifest
from tests.clusters import Cluster, body, config, deployment
from tests.lessons import ROOT
from tests.test_cli import center

pytest_plugins = ("tests.cluster_fixtures",)
GROUP = "queues.example"


def definition() -> dict[str, Any]:
    """What a part defines, and objects of ours are of."""
    names = {"kind": "Queue", "plural": "queues", "singular": "queue", "listKind": "QueueList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": GROUP, "names": names, "scope": "Cluster",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }  # fmt: skip
    return body("CustomResourceDefinition", f"queues.{GROUP}", "", "apiextensions.k8s.io/v1", spec=spec)


def text_of(*bodies: dict[str, Any]) -> bytes:
    return "---\n".join(json.dumps(each) + "\n" for each in bodies).encode()


class Shelf:
    """A server that gives what is laid on it, over TLS that only those trust who know its authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, bytes] = {}
        self.leads: dict[str, str] = {}
        self.authority = Authority(folder / "certificates")
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path in shelf.leads:
                    self.send_response(302)
                    self.send_header("Location", shelf.leads[self.path])
                    self.end_headers()
                elif self.path in shelf.files:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(shelf.files[self.path])
                else:
                    self.send_error(404)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        signed = self.authority.server("shelf", ["localhost", "127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(signed.certificate, signed.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made = Shelf(tmp_path_factory.mktemp("shelf"))
    yield made
    made.server.shutdown()


GOOD = text_of(definition(), config("queue-manager", "default", port="1"))


class Site:
    """A copy of the starter centre whose cluster runs one part."""

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self.folder, self.shelf = folder, shelf
        shutil.copytree(ROOT / "inventories/starter", folder / "mine", ignore=shutil.ignore_patterns("generated"))

    def names(self, file: str, content: bytes = GOOD) -> None:
        spec = self.folder / "mine/center.yaml"
        text = (ROOT / "inventories/starter/center.yaml").read_text()
        digest = hashlib.sha256(content).hexdigest()
        part = f'{{kueue: {{version: "1.0", source: "{self.shelf.url}{file}", digest: "sha256:{digest}"}}}}'
        old = "services: 10.96.0.0/16}"
        assert text.count(old) == 1
        spec.write_text(text.replace(old, f"services: 10.96.0.0/16, parts: {part}}}"))
        assert center("render", "mine", cwd=self.folder).returncode == 0

    def run(self, *words: str, trusts: bool = True) -> tuple[int, str]:
        trusted = str(self.shelf.authority.certificate) if trusts else os.devnull
        cache = str(self.folder / "cache")
        done = center(*words, cwd=self.folder, XDG_CACHE_HOME=cache, SSL_CERT_FILE=trusted)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    @property
    def fetched(self) -> list[Path]:
        return sorted((self.folder / "cache/center/parts").glob("*"))


@pytest.fixture
def site(tmp_path: Path, shelf: Shelf) -> Site:
    shelf.files["/good.yaml"] = GOOD
    return Site(tmp_path, shelf)


def test_a_part_is_fetched_once_and_believed_by_its_digest(site: Site) -> None:
    site.names("/good.yaml")
    looked = site.run("diff", "mine", "--cluster", "cloud", "--kubeconfig", "/nowhere")
    assert looked[0] == 1 and 'part "kueue" 1.0 of cluster "cloud" has not been fetched' in looked[1]
    assert site.run("fetch", "mine") == (0, "cloud: kueue 1.0 fetched\n")
    assert site.run("fetch", "mine") == (0, "cloud: kueue 1.0 was here\n")
    looked = site.run("diff", "mine", "--cluster", "cloud", "--kubeconfig", "/nowhere")
    assert 'kubeconfig "/nowhere": cannot be read' in looked[1]

    [file] = site.fetched
    file.write_bytes(GOOD.replace(b'"1"', b'"2"'))
    looked = site.run("diff", "mine", "--cluster", "cloud", "--kubeconfig", "/nowhere")
    assert "has not been fetched" in looked[1]
    assert site.run("fetch", "mine") == (0, "cloud: kueue 1.0 fetched\n")


def test_what_the_spec_does_not_say_is_not_kept(site: Site) -> None:
    site.names("/good.yaml")
    site.shelf.files["/good.yaml"] = GOOD + b"# and more\n"
    code, said = site.run("fetch", "mine")
    assert code == 1 and "it has the digest sha256:" in said and site.fetched == []


@pytest.mark.parametrize(
    ("file", "says"), [("/not-there.yaml", "Not Found"), ("/leads-out.yaml", "which is not protected")]
)
def test_a_source_that_does_not_give_it_is_named(site: Site, file: str, says: str) -> None:
    site.shelf.leads["/leads-out.yaml"] = "http://localhost/good.yaml"
    site.names(file)
    code, said = site.run("fetch", "mine")
    assert code == 1 and says in said and site.shelf.url in said


def test_a_server_that_nobody_vouches_for_is_not_asked(site: Site) -> None:
    site.names("/good.yaml")
    code, said = site.run("fetch", "mine", trusts=False)
    assert code == 1 and "certificate verify failed" in said


def test_a_part_may_be_carried_in(site: Site, tmp_path: Path) -> None:
    site.names("/not-there.yaml")
    carried = tmp_path / "stick"
    carried.mkdir()
    (carried / "other").write_bytes(b"something else")
    code, said = site.run("fetch", "mine", "--from", str(carried))
    assert code == 1 and "has the digest" in said
    (carried / "whatever-it-is-called").write_bytes(GOOD)
    assert site.run("fetch", "mine", "--from", str(carried)) == (0, "cloud: kueue 1.0 fetched\n")


@pytest.mark.parametrize(
    "content", [b"a: [", b"- 1\n", b"just text", b"kind: Pod\n", b"\x80\x81", b"x: &a [*a]\nkind: L"]
)
def test_a_part_without_manifests_is_refused(site: Site, content: bytes) -> None:
    site.shelf.files["/bad.yaml"] = content
    site.names("/bad.yaml", content)
    assert site.run("fetch", "mine")[0] == 0
    code, said = site.run("diff", "mine", "--cluster", "cloud", "--kubeconfig", "/nowhere")
    assert code == 1 and "holds no manifests" in said


# In a cluster


def manifests(cluster: Cluster, programs: int = 1) -> list[Manifest]:
    """A part with a program that has to work before our queue is of any use, and our word on how it is configured."""
    space = cluster.namespace
    theirs = [
        body("Namespace", space), definition(), deployment("manager", space, programs),
        config("settings", space, by="them"), config("words", space, by="them"),
    ]  # fmt: skip
    ours = [body("Queue", "all", "", f"{GROUP}/v1"), config("settings", space, by="us")]
    told = [Manifest("part queues 1.0", each, "queues") for each in theirs]
    return parts.together([Manifest("clusters/hpc/all.yaml", each) for each in ours], told)


@pytest.mark.cluster
def test_what_leans_on_a_part_waits_until_the_part_works(cluster: Cluster) -> None:
    from generator.apply.clusters.runs import apply_cluster

    space, told = cluster.namespace, list[str]()
    report = apply_cluster(cluster.target, manifests(cluster), tell=told.append, ready_seconds=1)
    [problem] = report.problems
    assert problem.rule == "cluster.not-ready"
    assert problem.message.startswith(f"Deployment {space}/manager 0 of 1 replicas available, 1 s after")
    assert told == [f"waiting for Deployment {space}/manager 0 of 1 replicas available"]
    written = {write[1:] for write in cluster.writes()}
    assert ("deployments", space, "manager") in written and not any(write[0] == "queues" for write in written)
    assert cluster.plane.read("configmap", "settings", "-n", space)["data"] == {"by": "us"}
    assert cluster.plane.read("configmap", "words", "-n", space)["data"] == {"by": "them"}

    cluster.forget()
    done = apply_cluster(cluster.target, manifests(cluster, programs=0), ready_seconds=1)
    assert done.problems == ()
    order = [write[1] for write in cluster.writes()]
    assert order.index("deployments") < order.index("queues")
    cluster.plane.kubectl("delete", f"queues.{GROUP}", "--all")
    cluster.plane.kubectl("delete", "crd", f"queues.{GROUP}")
