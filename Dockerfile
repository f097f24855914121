# The one image of Shardlake: it runs flows, the worker, and Prefect's server of compose.yaml. Build it with docker or buildah:
#
#     docker build --build-arg VERSION=$(git rev-parse --short HEAD) --tag shardlake .
#
# BASE builds, FINAL runs; both have the same Debian and the same Python at the same path.
# Behind a mirror: --secret id=pip.conf,src=… and, for its certificate, --secret id=ca.crt,src=… ; neither stays in a layer.
ARG BASE=python:3.11-slim-bookworm
ARG FINAL=${BASE}

FROM ${BASE} AS builder
# strip is for the builder alone: wheels come with 170 MB of symbols, connectorx and polars with most of them.
# hadolint ignore=DL3008 # the base's Debian has one version of it, and it stays behind
RUN command -v strip >/dev/null || { apt-get -qq update && apt-get -qq install -y --no-install-recommends binutils >/dev/null; }
WORKDIR /build
COPY requirements.lock requirements.runtime.lock ./
# pip lives beside the environment, not in it; setuptools, which makes our wheel, is the lock's.
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt set -eu; \
    if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi; \
    if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi; \
    export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    python3 -m venv /build/tools; \
    sed -n '/^setuptools==/,/# via/p' requirements.lock > tools.lock; \
    /build/tools/bin/pip install -qq --require-hashes --no-deps -r tools.lock; \
    python3 -m venv --without-pip /opt/shardlake; \
    /build/tools/bin/pip --python /opt/shardlake/bin/python install -qq --no-compile --only-binary :all: --no-deps --require-hashes -r requirements.runtime.lock
# What only a compiler, a test or a symbolic debugger reads. Nothing here speaks Arrow Flight.
RUN set -eu; for site in /opt/shardlake/lib/python3*/site-packages; do \
        for it in include src tests includes '*.pyx' '*.pxi' '*.pxd' '_flight.*.so' 'libarrow_flight.so*' 'libarrow_python_flight.so*'; do \
            find "$site/pyarrow" -maxdepth 1 -name "$it" -exec rm -rf {} +; \
        done; \
        find "$site" -type d -name tests -not -path "$site/prefect/*" -prune -exec rm -rf {} +; \
        find "$site" -name '*.pyi' -delete; \
        find "$site" -type f -name '*.so*' -exec strip --strip-unneeded {} +; \
    done
COPY pyproject.toml README.md LICENSE ./
COPY shardlake shardlake
COPY blocks blocks
COPY tasks tasks
COPY flows flows
COPY deployments deployments
COPY cli cli
COPY examples examples
# Compiled here, once: on a read-only root nothing could be compiled later, and every task would pay for it at its start. Ours must compile.
RUN set -eu; export PIP_NO_INDEX=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1; \
    /build/tools/bin/pip wheel -qq --no-deps --no-build-isolation --wheel-dir wheels .; \
    /build/tools/bin/pip --python /opt/shardlake/bin/python install -qq --no-deps --no-compile wheels/*.whl; \
    compile="/opt/shardlake/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash"; \
    for it in shardlake blocks tasks flows deployments cli examples; do $compile /opt/shardlake/lib/python3*/site-packages/"$it"; done; \
    if ! $compile /opt/shardlake/lib; then echo "The files above are of dependencies, written for another Python; they stay as they are."; fi
# Authorities that databases are verified by, such as RDS's, as /app/ca/bundle.pem where CA_BUNDLE says where they are had. Connections
# name the file as ${CA_BUNDLE_FILE}, which is another on the machine of somebody who runs a command.
ARG CA_BUNDLE=""
ARG CA_BUNDLE_SHA256=""
RUN --mount=type=secret,id=ca.crt set -eu; \
    if [ -s /run/secrets/ca.crt ]; then export SSL_CERT_FILE=/run/secrets/ca.crt; fi; \
    /opt/shardlake/bin/python -m deployments.ca_bundle "${CA_BUNDLE}" /build/ca/bundle.pem "${CA_BUNDLE_SHA256}"

FROM ${FINAL}
# Whatever could install or build something goes from the base as well.
RUN set -eu; \
    groupadd --gid 10001 shardlake; \
    useradd --uid 10001 --gid 10001 --home-dir /scratch --no-create-home --shell /usr/sbin/nologin shardlake; \
    mkdir /scratch /app; chown 10001:10001 /scratch; \
    for it in /usr/local/lib/python3* /usr/lib/python3*; do \
        rm -rf "$it"/ensurepip "$it"/dist-packages/pip* "$it"/site-packages/pip* "$it"/site-packages/setuptools* "$it"/site-packages/wheel*; \
    done; \
    rm -rf /usr/local/bin/pip* /usr/share/python-wheels /var/cache/apt /var/lib/apt/lists /root/.cache
COPY --from=builder /opt/shardlake /opt/shardlake
COPY --from=builder /build/ca /app/ca
WORKDIR /app
COPY views views
COPY prefect.yaml prefect.yaml
COPY deployments/connections.yaml deployments/connections.yaml
ARG VERSION=unknown
# All that is written goes to /scratch: spooled rows, Prefect's home, the readers' sockets. The root can be read-only.
ENV PATH=/opt/shardlake/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch \
    TMPDIR=/scratch \
    PREFECT_HOME=/scratch/prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    DO_NOT_TRACK=1 \
    PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER=json \
    CA_BUNDLE_FILE=/app/ca/bundle.pem \
    SHARDLAKE_VIEWS=/app/views \
    SHARDLAKE_CONNECTIONS=/app/deployments/connections.yaml \
    SHARDLAKE_PROJECT=/app/prefect.yaml \
    SHARDLAKE_VERSION=${VERSION}
VOLUME ["/scratch"]
USER 10001:10001
LABEL org.opencontainers.image.title="shardlake" \
      org.opencontainers.image.description="Keeps a Postgres warehouse and an Athena lake in step with sharded databases, and accounts for every row." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${VERSION}"
CMD ["shardlake", "--help"]
