"""What is answered when something cannot be done: one sentence, as Problem Details (RFC 9457)."""

from http import HTTPStatus

from starlette.responses import JSONResponse


class Problem(Exception):
    """Something that a client has to know, in one sentence."""

    def __init__(self, status: int, detail: str, *, retry_after: float | None = None) -> None:
        """Say what is wrong.

        Args:
            status: of HTTP.
            detail: one sentence.
            retry_after: seconds after which to try again.
        """
        super().__init__(detail)
        self.status = status
        self.detail = " ".join(detail.split())
        self.retry_after = retry_after

    def as_dict(self) -> dict[str, str | int]:
        """As the members of a problem in JSON."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }

    def response(self) -> JSONResponse:
        """As an answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(max(round(self.retry_after + 0.5), 1))}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.as_dict(), self.status, headers, "application/problem+json")
