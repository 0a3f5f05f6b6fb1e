"""`python -m studio.worker FOLDER`: do the job that FOLDER/job.json describes, as events on standard output."""

import sys

from studio.contract.offline import stay_offline

stay_offline()  # before the libraries that could do otherwise: they are imported with the job

from studio.worker.working import end, main  # noqa: E402
from studio.worker.working import versions as versions  # noqa: E402
from studio.worker.working import work_on as work_on  # noqa: E402

if __name__ == "__main__":
    end(main(sys.argv[1:]))
