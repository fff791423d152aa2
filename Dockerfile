# posezoo with what `posezoo run` needs, for any user ID and a read-only root: docs/container.md.
# A Debian or Ubuntu release with Python 3.11 or newer.
ARG BASE=debian:bookworm-slim

# hadolint ignore=DL3006
FROM ${BASE} AS python
# Debian's archive keeps only the newest version of a package, so that no version can be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*

FROM python AS install
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
WORKDIR /source
COPY . .
# pip stays: posezoo downloads wheels with it. PIP_CONSTRAINT also pins what builds posezoo.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,required=false \
    python3 -m venv /opt/posezoo \
 && PIP_CONSTRAINT=constraints.txt /opt/posezoo/bin/pip install --no-cache-dir '.[run]' \
 && /opt/posezoo/bin/pip uninstall --yes setuptools

FROM python
ARG VERSION= REVISION=
LABEL org.opencontainers.image.title="posezoo" \
      org.opencontainers.image.description="A human-pose model zoo, and the toolkit that runs its models on OpenVINO" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=install /opt/posezoo /opt/posezoo
# Anyone may write to the cache and to the working folder, as to /tmp: the user ID is chosen when the image is run.
RUN mkdir --mode=1777 /cache /work
ENV PATH=/opt/posezoo/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/cache \
    XDG_CACHE_HOME=/cache
WORKDIR /work
USER 65532:0
ENTRYPOINT ["posezoo"]
CMD ["run", "--output", "quickstart"]
