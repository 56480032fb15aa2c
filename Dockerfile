# The server as an image: `docker build -t dating .`. Settings come through the environment; see docs/operations.md.

ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/dating
COPY requirements/serve.txt requirements/
RUN python -m pip --python /opt/dating/bin/python --no-cache-dir install --require-hashes -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY src src
# What built the package serves nobody: out with it again.
RUN python -m pip --python /opt/dating/bin/python --no-cache-dir install --no-deps --no-build-isolation . \
    && python -m pip --python /opt/dating/bin/python uninstall --yes hatchling editables pathspec pluggy trove-classifiers

FROM ${PYTHON}
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin dating \
    && install --directory --owner=dating --group=dating --mode=0700 /data
COPY --from=build /opt/dating /opt/dating
ENV PATH=/opt/dating/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATING_ENV=production HOST=0.0.0.0 PORT=8088 DATABASE_PATH=/data/dating.db
USER 10001:10001
WORKDIR /data
EXPOSE 8088
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "import http.client, os, sys; server = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); server.request('GET', '/healthz'); sys.exit(server.getresponse().status != 200)"]
ENTRYPOINT ["dating"]
CMD ["serve"]
