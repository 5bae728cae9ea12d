"""The errors a user can cause or meet, each one line long; only the command line prints them."""


class GtraceError(Exception):
    """Something the user can act on; the text is ``WHAT: WHERE: WHAT TO DO``."""


class RecordingError(GtraceError):
    """A recording cannot be read, or a folder is none."""


class RecordingFormatError(RecordingError):
    """A recording was written by a newer gtrace than this one."""


class LaunchError(GtraceError):
    """The program to trace, or its interpreter, cannot be started."""


class OutputError(GtraceError):
    """A page, table or recording cannot be written."""


class UsageError(GtraceError):
    """The command line asks for something that makes no sense."""


class InvariantError(AssertionError):
    """A timeline contradicts itself: a fault of gtrace, never of the traced program."""
