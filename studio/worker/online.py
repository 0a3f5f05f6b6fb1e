"""`python -m studio.worker.online FOLDER`: the one worker that may connect, for a download that the user asked for."""

import sys
from pathlib import Path

from studio.contract import job
from studio.contract.errors import StudioError
from studio.contract.offline import stay_offline
from studio.contract.online import go_online
from studio.contract.run_folder import RunFolder
from studio.worker.working import end, main


def open_the_way(folder: RunFolder) -> None:
    """Allow connections to the hub for a download's folder; every other job stays offline."""
    try:
        is_download = isinstance(job.load(folder.job), job.DownloadModelJob)
    except StudioError:
        is_download = False  # said by `main`, which reads it again
    if is_download:
        go_online()
    else:
        stay_offline()


if __name__ == "__main__":
    open_the_way(RunFolder(Path(sys.argv[1])))
    end(main(sys.argv[1:]))
