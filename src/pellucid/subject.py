"""Which file is being worked on, so that what is said meanwhile can name it."""

from contextvars import ContextVar

SUBJECT: ContextVar[str | None] = ContextVar("subject", default=None)


def naming(message: str) -> str:
    """A message that begins with the file it is about, if there is one that it does not name itself."""
    name = SUBJECT.get()
    return message if name is None or message.startswith(name) else f"{name}: {message}"
