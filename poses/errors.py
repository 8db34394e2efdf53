"""The errors a person can cause, and how they are told.

    ExplainedError          one line: code, subject, problem, remedy
    └── PoseError           key points that cannot be read, found or fitted (exit 3)
        └── DetectorError   a detector that is unknown, not installed or lacks weights (exit 4)

`dtvideo.errors` hangs its own family under the same root.
"""


class ExplainedError(Exception):
    """A mistake that the user can mend, told in one line.

    code: stable identifier, for example "P1"; subject: the file or flag it is about;
    problem: what was wrong, with the value found; remedy: what to do.
    """

    exit_code = 1

    def __init__(self, code: str, subject: object, problem: str, remedy: str = "") -> None:
        self.code = code
        self.subject = str(subject)
        self.problem = problem
        self.remedy = remedy
        super().__init__(str(self))

    def __reduce__(self) -> tuple[type["ExplainedError"], tuple[str, str, str, str]]:
        """Let the error travel between processes."""
        return type(self), (self.code, self.subject, self.problem, self.remedy)

    def __str__(self) -> str:
        line = f"error[{self.code}]: {self.subject}: {self.problem}"
        line = f"{line} · {self.remedy}" if self.remedy else line
        return line.encode("unicode_escape").decode() if "\n" in line else line


class PoseError(ExplainedError):
    """Key points that cannot be read, found, fitted or drawn."""

    exit_code = 3


class DetectorError(PoseError):
    """A detector that is unknown, not installed, or whose weights are missing or unsafe."""

    exit_code = 4
