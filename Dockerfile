# The image of every Rollcall process: worker, reference loader, ingest API, connectors. Which one is the command.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/rollcall
COPY requirements/runtime.txt requirements/
# Every file is checked against its hash; no compiler is needed because only wheels are taken.
RUN /opt/rollcall/bin/pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY connectors connectors
COPY streams streams
COPY sinks sinks
COPY rollcall rollcall
RUN /opt/rollcall/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/rollcall rollcall
COPY --from=build /opt/rollcall /opt/rollcall
# numba keeps what it compiled, so that a restarted worker does not compile again.
ENV PATH=/opt/rollcall/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/lib/rollcall/numba \
    ROLLCALL_HOME=/var/lib/rollcall
USER rollcall
WORKDIR /var/lib/rollcall
ENTRYPOINT ["rollcall"]
CMD ["--help"]
