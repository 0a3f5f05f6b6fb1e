"""What the import left out: unknown roles, a wrong order of turns, empty questions. The dataset lacks those rows."""

from collections.abc import Iterator

from studio.data.doctor.check import Check as Base
from studio.data.doctor.check import Found


class Check(Base):
    """Repeats in the doctor's words what dataset.json knows."""

    def findings(self) -> Iterator[Found]:
        for problem in self.context.dataset.info.problems:
            room, _, fault = problem.code.partition(".")
            if room == "row":
                number = problem.what.split(" ", 1)[0].replace(",", "")
                yield self.found(
                    f"left_out.{fault}",
                    "warning",
                    problem.what,
                    (),
                    why=problem.why,
                    advice=" ".join(
                        part for part in (problem.fix, f"({problem.where})" if problem.where else "") if part
                    ),
                    count=int(number) if number.isdecimal() else 1,
                )
