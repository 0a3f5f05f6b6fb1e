"""No process of the program opens a connection, whatever a library tries."""

import os
import subprocess
import sys

import pytest

TRY = """
import socket
{entry}
assert {variables!r} <= set(__import__("os").environ.items())
one, other = socket.socketpair()
one.close(), other.close()
for attempt in (
    lambda: socket.socket().connect(("192.0.2.1", 9)),
    lambda: socket.socket(socket.AF_INET6).connect(("::1", 9)),
    lambda: socket.socket().bind(("127.0.0.1", 0)),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9)),
    lambda: socket.getaddrinfo("example.org", 443),
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
