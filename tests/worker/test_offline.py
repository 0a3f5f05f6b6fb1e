"""No process of the program opens a connection, whatever Python code of a library tries."""

import os
import subprocess
import sys

import pytest

TRY = """
import socket
open_before = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
{entry}
assert {variables!r} <= set(__import__("os").environ.items())
one, other = socket.socketpair()
one.close(), other.close()
here = socket.socket(socket.AF_UNIX)
here.close()
made = [(kind, socket.SOCK_STREAM) for kind in (socket.AF_INET, socket.AF_INET6)]
# Whoever finds a way to a socket all the same (an inherited descriptor) gets no further with it.
early, late = open_before
for attempt in (
    *(lambda kind=kind: socket.socket(*kind) for kind in made),
    lambda: socket.socket().listen(),
    lambda: socket.create_connection(("192.0.2.1", 9), 1),
    lambda: socket.create_server(("127.0.0.1", 0)),
    lambda: early.connect(("192.0.2.1", 9)),
    lambda: early.connect_ex(("192.0.2.1", 9)),
    lambda: early.bind(("127.0.0.1", 0)),
    lambda: late.sendto(b"x", ("192.0.2.1", 9)),
    lambda: late.sendmsg([b"x"], [], 0, ("192.0.2.1", 9)),
    lambda: socket.getaddrinfo("example.org", 443),
    lambda: socket.gethostbyname("example.org"),
    lambda: socket.gethostbyname_ex("example.org"),
    lambda: socket.gethostbyaddr("192.0.2.1"),
    lambda: socket.getnameinfo(("192.0.2.1", 80), 0),
):
    try:
        attempt()
    except PermissionError as error:
        assert "works offline" in str(error)
    else:
        raise SystemExit("it was let through")
"""


@pytest.mark.parametrize(
    "entry",
    [
        "import studio.cli",
        "import studio.worker.__main__",
        "from studio.contract import offline as o; o.stay_offline()",
    ],
)
def test_every_way_in_refuses_internet_sockets(entry: str) -> None:
    variables = {("HF_HUB_OFFLINE", "1"), ("HF_HUB_DISABLE_TELEMETRY", "1"), ("TRANSFORMERS_OFFLINE", "1")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    code = TRY.format(entry=entry, variables=variables)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_model_in_8_bits_does_not_fill_the_log_with_one_warning(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = """
from studio.contract import offline
offline.stay_offline()
import torch
import bitsandbytes as bnb
state = bnb.MatmulLtState()
state.CB, state.SCB, state.has_fp16_weights = torch.ones(8, 8, dtype=torch.int8), torch.ones(8), False
state.is_training = False
for _ in range(3):
    bnb.matmul(torch.randn(2, 8), state.CB, state=state)
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
    assert "will be cast" not in capfd.readouterr().err
