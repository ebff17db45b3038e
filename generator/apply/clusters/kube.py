"""The Kubernetes API as this product uses it: few verbs, one connection pool, bounded in size and time.

Whatever an API server answers is data: it is cut to a length, and control characters in it become visible.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

from generator.apply.clusters.kubeconfig import Access, read_kubeconfig
from generator.text import visible

Json = dict[str, Any]
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

MANAGER = "center"
WORKERS = 16
ATTEMPTS = 5
# How long a server that has answered before may be away: one that is restarted comes back within that.
PATIENCE_SECONDS, LONGEST_PAUSE = 30.0, 2.0
PAGE = 500
ANSWER_BYTES = 64 * 2**20
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
# A write must be over, here and in the server, before the lock it was sent under can pass to somebody else.
WRITE_SECONDS = 20
PASSING_STATUS = frozenset({0, 409, 429, 500, 502, 503, 504})
JSON_MEDIA = "application/json"
APPLY_MEDIA = "application/apply-patch+yaml"  # JSON is YAML, and a great deal faster to write


def spread(work: Callable[[Item], Outcome], items: list[Item]) -> list[Outcome]:
    """Do the work for every item with bounded concurrency, results in order; the first exception stops the rest."""
    with ThreadPoolExecutor(WORKERS) as crew:
        futures = [crew.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            crew.shutdown(wait=True, cancel_futures=True)
            raise


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind of object as an API server serves it; `group` is empty for the core group."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str = "") -> str:
        """The path of all objects of this kind, in one namespace if it is named."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}"

    def item(self, namespace: str, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace)}/{quote(name, safe='')}"


PODS = Resource("", "v1", "Pod", "pods", namespaced=True)


class ApiError(Exception):
    """An answer that is not a success; status 0 means that no usable answer came."""

    def __init__(self, status: int, answer: object) -> None:
        body: Json = answer if isinstance(answer, dict) else {"message": answer}
        said = body.get("details")
        details: Json = said if isinstance(said, dict) else {}
        causes = details.get("causes")
        self.status = status
        self.subject = details.get("kind")
        # A patch that does not fit the schema is answered so: 500, but no internal error, and never better.
        self._is_hopeless = status == 500 and body.get("kind") == "Status" and not body.get("reason")
        self.message = visible(body.get("message") or f"status {status}", 600)
        self.causes: list[Json] = [cause for cause in causes or [] if isinstance(cause, dict)]
        super().__init__(self.message)

    @property
    def conflicts(self) -> list[tuple[str, str]]:
        """Fields that another manager holds, with what the server says about that manager."""
        return [
            (visible(cause.get("field")), visible(cause.get("message")))
            for cause in self.causes
            if cause.get("reason") == "FieldManagerConflict"
        ]

    @property
    def passes(self) -> bool:
        """Say whether the same request may succeed a moment later."""
        return self.status in PASSING_STATUS and not self.conflicts and not self._is_hopeless


class Kube:
    """One API server. As a context manager it closes its connections with the block."""

    def __init__(self, access: Access) -> None:
        """Read the kubeconfig; Refused if it cannot be used. Nothing is sent yet."""
        self._secrets = contextlib.ExitStack()
        self._configuration = read_kubeconfig(access, self._secrets)
        self._pool = _pool(self._configuration)
        self._served: dict[tuple[str, str], dict[str, Resource]] = {}
        self._date: tuple[datetime, float] | None = None
        # Set while a lock is held: called before each write, raises Refused once the lock may be somebody else's.
        self.fence: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()
        self._secrets.close()

    def now(self) -> datetime:
        """The time on the API server's clock (to a second), so that holders of a lock need not agree on the time."""
        if self._date is None:
            return datetime.now(UTC)
        date, then = self._date
        return date + timedelta(seconds=time.monotonic() - then)

    def get(self, path: str) -> Json | None:
        """Read one thing; None if it is not there."""
        try:
            return self._request("GET", path)[1]
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def every(self, resource: Resource, *, namespace: str = "", selector: str = "", fields: str = "") -> Iterator[Json]:
        """Read all objects of a kind, page by page; nothing if the kind is not served."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        query |= {"fieldSelector": fields} if fields else {}
        while True:
            page = self.get(f"{resource.collection(namespace)}?{urlencode(query)}")
            if page is None:
                return
            try:
                yield from (item for item in page["items"] if item["metadata"]["uid"])
                token = page["metadata"].get("continue")
            except (KeyError, TypeError, AttributeError) as error:
                raise ApiError(-1, f"a list of {resource.plural} that is none") from error
            if not token:
                return
            query["continue"] = token

    def apply(
        self,
        resource: Resource,
        body: Json,
        *,
        manager: str = MANAGER,
        force: bool = False,
        dry_run: bool = False,
    ) -> tuple[bool, Json]:
        """Server-side apply one object; returns whether it was created, and the object as it is then."""
        meta = body["metadata"]
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        path = resource.item(meta.get("namespace", ""), meta["name"])
        status, answer = self._request("PATCH", path, query, body, APPLY_MEDIA, write=not dry_run)
        return status == 201, answer

    def create(self, resource: Resource, body: Json) -> Json:
        """Create one object; ApiError 409 if it is there already."""
        path = resource.collection(body["metadata"].get("namespace", ""))
        return self._request("POST", path, {"fieldManager": MANAGER}, body, write=True, retry=False)[1]

    def replace(self, resource: Resource, body: Json) -> Json:
        """Replace one object; ApiError 409 if its resourceVersion has moved on."""
        meta = body["metadata"]
        path = resource.item(meta.get("namespace", ""), meta["name"])
        return self._request("PUT", path, {"fieldManager": MANAGER}, body, write=True, retry=False)[1]

    def delete(self, resource: Resource, namespace: str, name: str, *, uid: str, version: str) -> None:
        """Delete exactly this object in exactly this version; one that is gone already is fine."""
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid, "resourceVersion": version},
            "propagationPolicy": "Background",
        }
        try:
            self._request("DELETE", resource.item(namespace, name), {}, body, write=True)
        except ApiError as error:
            if error.status != 404:
                raise

    def evict(self, pod: Json) -> None:
        """Ask for exactly this pod to go; ApiError 429 while a disruption budget protects it, fine if it is gone."""
        meta = pod["metadata"]
        where = {"namespace": meta["namespace"], "name": meta["name"]}
        options = {"preconditions": {"uid": meta["uid"]}}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": where, "deleteOptions": options}
        try:
            self._request("POST", f"{PODS.item(**where)}/eviction", {}, body, write=True, retry=False)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def resource(self, api_version: str, kind: str) -> Resource | None:
        """How this server serves a kind in exactly this version; None if it does not."""
        group, _, version = api_version.rpartition("/")
        if (group, version) not in self._served:
            path = f"/apis/{quote(group)}/{quote(version)}" if group else f"/api/{quote(version)}"
            answer = self.get(path) or {"resources": []}
            try:
                self._served[group, version] = {
                    entry["kind"]: Resource(group, version, entry["kind"], entry["name"], entry["namespaced"])
                    for entry in answer["resources"]
                    if "/" not in entry["name"] and "patch" in entry["verbs"]
                }
            except (KeyError, TypeError) as error:
                raise ApiError(-1, f"a list of the kinds in {path} that is none") from error
        return self._served[group, version].get(kind)

    def versions(self, group: str) -> list[str]:
        """The versions of a group that this server serves, the preferred one first."""
        if not group:
            return ["v1"]
        answer = self.get(f"/apis/{quote(group)}")
        if answer is None:
            return []
        try:
            preferred = answer["preferredVersion"]["version"]
            names = [str(entry["version"]) for entry in answer["versions"]]
        except (KeyError, TypeError) as error:
            raise ApiError(-1, f"a list of the versions of {group} that is none") from error
        return sorted(names, key=lambda name: name != preferred)

    def preferred(self, group: str, kind: str) -> Resource | None:
        """How this server prefers to serve a kind; None if it does not serve it at all."""
        for version in self.versions(group):
            if found := self.resource(f"{group}/{version}" if group else version, kind):
                return found
        return None

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        media: str = JSON_MEDIA,
        *,
        write: bool = False,
        retry: bool = True,
    ) -> tuple[int, Json]:
        """Send a request, again after a passing fault; returns status and answer, or raises ApiError."""
        query = dict(query or {}) | ({"timeout": f"{WRITE_SECONDS}s"} if write else {})
        url = self._configuration.host + path + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body, ensure_ascii=False).encode() if body is not None else None
        patient = time.monotonic() + (PATIENCE_SECONDS if self._date else 0)
        for attempt in itertools.count(1):
            if write and self.fence:
                self.fence()
            pause = random.uniform(0.5, 1.0) * min(LONGEST_PAUSE, 0.2 * 2**attempt)
            try:
                return self._exchange(method, url, data, media, WRITE_SECONDS if write else READ_SECONDS)
            except ApiError as error:
                moved = error.status == 409 and method != "PATCH"  # a precondition does not come true again
                worn = attempt >= ATTEMPTS and (error.status != 0 or time.monotonic() > patient)
                if not (retry and error.passes) or moved or worn:
                    raise
            time.sleep(pause)
        raise AssertionError("an attempt returns or raises")

    def _exchange(self, method: str, url: str, data: bytes | None, media: str, seconds: float) -> tuple[int, Json]:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        headers = {"Accept": JSON_MEDIA, "Content-Type": media, "User-Agent": MANAGER}
        # Asked for each time: a token that a command or a provider gave may have been renewed.
        if token := self._configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        try:
            response = self._pool.request(
                method,
                url,
                body=data,
                headers=headers,
                timeout=Timeout(connect=CONNECT_SECONDS, read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with contextlib.closing(response):
                raw = response.read(ANSWER_BYTES + 1)
                if len(raw) > ANSWER_BYTES:
                    raise ApiError(-1, f"an answer of more than {ANSWER_BYTES} bytes")
                response.release_conn()
        except (HTTPError, OSError) as error:
            raise ApiError(0, f"no answer: {error}") from error
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = raw[:600].decode(errors="replace")
        with contextlib.suppress(KeyError, ValueError):
            self._date = parsedate_to_datetime(response.headers["Date"]), time.monotonic()
        if not 200 <= response.status < 300:
            raise ApiError(response.status, answer)
        if not isinstance(answer, dict):
            raise ApiError(-1, "the answer is not a JSON object")
        return response.status, answer


def _pool(configuration: Any) -> Any:
    """The connection pool of the kubernetes package: TLS, client certificates, proxies."""
    from kubernetes.client import ApiClient

    configuration.retries = False
    configuration.connection_pool_maxsize = WORKERS + 2  # the workers, the caller, and who renews the lock
    return ApiClient(configuration).rest_client.pool_manager
