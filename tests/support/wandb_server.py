"""A stand-in for the W&B server: as much of it as a run, `wandb agent` and `wandb sync` call, on this machine only."""

import gzip
import json
import re
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import yaml

KEY = "0123456789" * 4  # has the form of a key; there is no account behind it


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Silent: a client may hang up."""


class WandbServer:
    """Runs while its `with` block runs. `queue` holds the hyper-parameters of a sweep's runs, handed out in turn."""

    def __init__(self, sweep: dict[str, Any] | None = None, queue: list[dict[str, Any]] | None = None) -> None:
        self.sweep, self.queue = sweep or {}, list(queue or [])
        self.stopped_when_started: set[str] = set()  # runs that the sweep stops as soon as they train
        self.runs: dict[str, dict[str, Any]] = defaultdict(lambda: {"rows": [], "summary": {}, "exit_code": None})
        self.operations: list[str] = []
        self.errors: list[str] = []
        self.views: list[dict[str, Any]] = []  # saved dashboards
        self.lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.environment = {
            "WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false", "no_proxy": "127.0.0.1",
        }  # fmt: skip

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert not self.errors or error, f"the stand-in could not answer: {self.errors}"

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        operation = match[1] if (match := re.search(r"\b(?:query|mutation)\s+(\w+)", query)) else ""
        with self.lock:
            self.operations.append(operation)
            answer = getattr(self, f"_{operation}", None)
            return answer(variables) if answer else {}

    def file_stream(self, run: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            files = body.get("files") or {}
            for line in files.get("wandb-history.jsonl", {}).get("content", []):
                self.runs[run]["rows"].append(json.loads(line))
            for line in files.get("wandb-summary.json", {}).get("content", []):
                self.runs[run]["summary"] = json.loads(line)
            if body.get("complete"):
                self.runs[run]["exit_code"] = body.get("exitcode")
        return {}

    def _ServerFeaturesQuery(self, _: dict) -> dict:
        return {"serverInfo": {"features": []}}

    def _Viewer(self, _: dict) -> dict:
        return {"viewer": {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}

    def _GetDefaultEntity(self, _: dict) -> dict:
        return {"viewer": {"id": "v", "entity": "me"}}

    def _UpsertBucket(self, variables: dict) -> dict:
        name = variables.get("name") or variables["id"]
        self.runs[name] |= {key: value for key, value in variables.items() if value is not None}
        project = {"id": "p", "name": variables.get("project") or "audio_cls", "entity": {"id": "e", "name": "me"}}
        bucket = {
            "id": name, "name": name, "displayName": variables.get("displayName"), "description": None, "config": None,
            "sweepName": variables.get("sweep"), "project": project, "historyLineCount": 0,
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _RunResumeStatus(self, variables: dict) -> dict:
        model = {"id": "p", "name": variables["project"], "entity": {"id": "e", "name": "me"}, "bucket": None}
        if variables["name"] in self.runs:
            run = self.runs[variables["name"]]
            rows = run["rows"]
            model["bucket"] = {
                "id": variables["name"], "name": variables["name"], "summaryMetrics": json.dumps(run["summary"]),
                "displayName": run.get("displayName"), "logLineCount": 0, "historyLineCount": len(rows),
                "eventsLineCount": 0, "historyTail": json.dumps([json.dumps(row) for row in rows[-1:]]),
                "eventsTail": "[]", "config": run.get("config") or "{}", "tags": [], "wandbConfig": "{}",
            }  # fmt: skip
        return {"model": model}

    def _CreateRunFiles(self, variables: dict) -> dict:
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}

    def _ArtifactType(self, _: dict) -> dict:
        return {"project": {"artifact": None}}

    def _CreateArtifact(self, _: dict) -> dict:
        return {"createArtifact": {"artifact": {"id": "a", "state": "COMMITTED", "artifactSequence": {"id": "s"}}}}

    def _UpsertView2(self, variables: dict) -> dict:
        self.views.append(variables)
        return {"upsertView": {"view": {"id": "view", "name": variables["name"]}, "inserted": True}}

    def _UpsertSweep(self, variables: dict) -> dict:
        self.sweep = yaml.safe_load(variables["config"])
        project = {"name": variables["projectName"], "entity": {"name": "me"}}
        return {"upsertSweep": {"sweep": {"name": "heads", "project": project}, "configValidationWarnings": []}}

    def _SweepWithRuns(self, _: dict) -> dict:
        return {
            "project": {"sweep": {"id": "s", "name": "s", "config": yaml.safe_dump(self.sweep), "runs": {"edges": []}}}
        }

    def _CreateAgent(self, _: dict) -> dict:
        return {"createAgent": {"agent": {"id": "agent"}}}

    def _Heartbeat(self, variables: dict) -> dict:
        running = list(json.loads(variables["runState"]))
        commands: list[dict[str, Any]] = []
        if any(self.stop_now(name) for name in running):
            commands = [{"type": "stop", "run_id": running[0]}]
        elif not running and self.queue:
            number = sum(name.startswith("sweeprun") for name in self.runs)
            values = {key: {"value": value} for key, value in self.queue.pop(0).items()}
            self.runs[f"sweeprun{number}"]["handed_out"] = True
            commands = [
                {"type": "run", "run_id": f"sweeprun{number}", "program": self.sweep["program"], "args": values}
            ]
        elif not running:
            commands = [{"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(commands)}}

    def stop_now(self, name: str) -> bool:
        """Whether the run has begun to train and is one that the sweep stops then."""
        return name in self.stopped_when_started and "num_parameters" in self.runs[name].get("config", "")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                status, content = 200, {}
                try:
                    if self.path.endswith("/graphql"):
                        request = json.loads(body)
                        content = {"data": server.graphql(request["query"], request.get("variables") or {})}
                    elif self.path.endswith("/file_stream"):
                        content = server.file_stream(self.path.split("/")[-2], json.loads(body))
                except Exception as error:
                    status = 400  # not repeated by the client, unlike a broken connection
                    server.errors.append(repr(error))
                reply = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            do_GET = do_POST = do_PUT = _answer

            def log_message(self, *_: object) -> None:
                """Silent."""

        return Handler
