# The service in a container: docs/serve.md has the commands to build and to run it.
FROM python:3.12-slim AS build
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY src /source/src
RUN python -m venv /opt/pellucid \
    && /opt/pellucid/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
       --constraint /source/constraints.txt "/source[serve,heic]"

FROM python:3.12-slim
# a compiler for the kernels, which are made for the processor they run on
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 pellucid
COPY --from=build /opt/pellucid /opt/pellucid
ENV PATH=/opt/pellucid/bin:$PATH XDG_CACHE_HOME=/tmp/cache
USER pellucid
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s CMD ["pellucid", "health"]
# PELLUCID_TOKEN holds the token; without one it does not start
CMD ["pellucid", "serve", "--host", "0.0.0.0"]
