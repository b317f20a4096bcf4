"""What Prometheus is told."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pellucid.app.jobs import Job, Queue


class Telemetry:
    """Counts what a queue does."""

    MIME = CONTENT_TYPE_LATEST

    def __init__(self, queue: Queue) -> None:
        """Watch a queue."""
        self._registry = registry = CollectorRegistry()
        self._jobs = Counter("pellucid_jobs", "Pictures, by what became of them.", ["state"], registry=registry)
        self._refused = Counter("pellucid_refused", "Requests, by status.", ["status"], registry=registry)
        self._restored = Counter("pellucid_megapixels", "Megapixels restored.", registry=registry)
        self._seconds = Histogram(
            "pellucid_seconds", "From taking a picture in to its end.", registry=registry,
            buckets=(0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500),
        )  # fmt: skip
        waiting = Gauge("pellucid_queued_megapixels", "That wait or are worked on.", registry=registry)
        waiting.set_function(lambda: queue.queued_megapixels)
        rate = Gauge("pellucid_megapixels_per_second", "As measured with the newest pictures.", registry=registry)
        rate.set_function(lambda: queue.rate)
        queue.on_end = self._ended

    def refused(self, status: int) -> None:
        """Count a request that was refused."""
        self._refused.labels(str(status)).inc()

    def text(self) -> bytes:
        """For Prometheus."""
        return generate_latest(self._registry)

    def _ended(self, job: Job) -> None:
        self._jobs.labels(job.state).inc()
        self._seconds.observe((job.ended or job.begun) - job.begun)
        if job.state == "done":
            self._restored.inc(job.facts.megapixels)
