"""A small hub on this computer's own address, in a process of its own: lists models and hands out their files.

    python -m tests.helpers.hub_server FOLDER

FOLDER/repos/OWNER/NAME holds a model's files; safetensors are told as large files. FOLDER/behaviour.json, read at each
request, may hold: "gated" (names), "gone" (names whose files are), "drop_after" and "drops" (how many bytes a large
file's answer has before it breaks off, and how often), "hold_after" (bytes, until the other side is gone), "sizes"
(name -> what is told), "flip" (a file whose first byte arrives changed), "away" (large files lie at that address).
Requests are noted in FOLDER/requests.jsonl. Prints its port.
"""

import hashlib
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    """Answers GET alone."""

    protocol_version = "HTTP/1.1"
    folder: Path
    dropped = 0

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        note = {"path": path, "range": self.headers.get("Range"), "agent": self.headers.get("User-Agent", "")}
        note["authorization"] = self.headers.get("Authorization")
        with (self.folder / "requests.jsonl").open("a") as file:
            file.write(json.dumps(note) + "\n")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"] and parts[4:5] == ["revision"]:
            self._list("/".join(parts[2:4]), parts[5])
        elif parts[2:3] == ["resolve"]:
            self._resolve("/".join(parts[:2]), "/".join(parts[4:]))
        elif parts[0] == "store":
            self._send(self.folder / "repos" / "/".join(parts[1:]))
        else:
            self._refuse(404, "")

    @property
    def _behaviour(self) -> dict[str, Any]:
        path = self.folder / "behaviour.json"
        return json.loads(path.read_text()) if path.exists() else {}  # type: ignore[no-any-return]

    def _list(self, name: str, revision: str) -> None:
        folder = self.folder / "repos" / name
        if not folder.is_dir():
            return self._refuse(401, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        siblings = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            size = self._behaviour.get("sizes", {}).get(path.name, len(content))
            blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            told: dict[str, Any] = {"rfilename": path.relative_to(folder).as_posix(), "size": size, "blobId": blob}
            if path.suffix == ".safetensors":
                told["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
            siblings.append(told)
        body = json.dumps({"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings}).encode()
        self._answer(200, body, {"Content-Type": "application/json"})

    def _resolve(self, name: str, file: str) -> None:
        if name in self._behaviour.get("gated", ()):
            return self._refuse(403, "GatedRepo")
        path = self.folder / "repos" / name / file
        if name in self._behaviour.get("gone", ()) or not path.is_file():
            return self._refuse(404, "EntryNotFound")
        if path.suffix != ".safetensors":
            return self._send(path)
        place = self._behaviour.get("away", "")
        self._answer(302, b"", {"Location": f"{place}/store/{name}/{file}"})

    def _send(self, path: Path) -> None:
        content, told = path.read_bytes(), self._behaviour
        if told.get("flip") == path.name:
            content = bytes([content[0] ^ 1]) + content[1:]
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        large = path.suffix == ".safetensors"
        if large and Handler.dropped < told.get("drops", 0):
            Handler.dropped += 1
            self.wfile.write(content[begin : begin + told["drop_after"]])
            self.close_connection = True
        elif large and "hold_after" in told:
            self.wfile.write(content[begin : begin + told["hold_after"]])
            self.wfile.flush()
            self.rfile.read()  # until the other side is gone
            self.close_connection = True
        else:
            self.wfile.write(content[begin:])

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Notes are kept in the file."""


def main(folder: Path) -> None:
    """Serve until standard input ends."""
    Handler.folder = folder
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
