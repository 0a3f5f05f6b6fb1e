"""How long a newcomer waits: the first-run journey in the real window, three clicks from the start to both answers.

    python3 packaging/dev.py bench first_run [--times 3]

Goal: at most 90 s in all on two cores. The journey is that of the tests (tests/journeys/test_first_run.py), which also
checks what is on the screen; here its time counts, so run it on an idle machine.
"""

import argparse
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

from _yardstick import gemm_rate

ROOT = Path(__file__).resolve().parents[1]
TOLD = re.compile(r"first run: ([\d.]+) s by the clock, ([\d.]+) s without")
JOURNEY = "tests/journeys/test_first_run.py"
BAR_SECONDS = 90


def main() -> int:
    parser = argparse.ArgumentParser(description="seconds from the first start to the first answers")
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    print(f"{date.today()}, {os.cpu_count()} cores\n")
    print("| first run | seconds by the clock | seconds without what other programs took | load | GFLOP/s | goal |")
    print("| ---: | ---: | ---: | ---: | ---: | --- |")
    good = True
    for number in range(1, times + 1):
        rate = gemm_rate()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", JOURNEY],
            cwd=ROOT,
            env=dict(os.environ, APPRENTICE_TIMED="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        told = TOLD.search(done.stdout)
        if told is None:
            print(done.stdout[-3000:])
            return 1
        good = good and done.returncode == 0
        goal = "met" if done.returncode == 0 else "MISSED"
        print(f"| {number} | {told[1]} | {told[2]} | {os.getloadavg()[0]:.1f} | {rate:.0f} | {goal} |", flush=True)
    print(f"\nGoal: {BAR_SECONDS} s.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
