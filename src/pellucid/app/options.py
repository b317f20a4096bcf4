"""What a service is allowed to do, and to whom it opens."""

from dataclasses import dataclass
from ipaddress import ip_address

from pellucid.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """How a service listens, whom it lets in and how much it takes on. These are the only defaults.

    Attributes:
        host, port: where it listens.
        token: what clients must bring; None lets everybody in who reaches it.
        insecure: listen beyond this machine without a token.
        allowed_hosts: names by which it may be called, beside ``host`` and those of this machine.
        allowed_origins: pages of other origins that may call it, such as "https://photos.example".
        workers: processes that restore.
        megapixels: of the largest picture.
        queued_megapixels: that may wait, all together; what comes then is to come again later.
        body_bytes: of the largest file.
        seconds: for one picture, from decoding to having written.
        memory_bytes: that one worker may hold.
        idle_seconds: that a client may waste while it sends a file.
        kept_seconds, kept_bytes: for how long results wait to be fetched, and how much of them.

    Raises:
        ConfigError: a limit that nothing could keep, or an open door without a token.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    workers: int = 1
    megapixels: float = 100.0
    queued_megapixels: float = 400.0
    body_bytes: int = 512 * 2**20
    seconds: float = 600.0
    memory_bytes: int = 8 * 2**30
    idle_seconds: float = 20.0
    kept_seconds: float = 900.0
    kept_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"`port` must be 0 to 65535, not {self.port}")
        if self.token is not None and len(self.token) < 8:
            raise ConfigError("`token` must have at least 8 characters")
        if not (self.is_local or self.token or self.insecure):
            raise ConfigError(
                f"{self.host} can be reached by others: set a `token`, or `insecure=True` to let everybody in"
            )
        for name in ("workers", "megapixels", "queued_megapixels", "body_bytes", "seconds", "memory_bytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"`{name}` must be above 0, not {getattr(self, name)}")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
