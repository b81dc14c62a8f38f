# The environment of `make`, from requirements/cpu.lock. The project itself is mounted when the container runs. Build in
# the project's folder:
#   docker build -f containers/cpu.Dockerfile -t reasonlite-dvc:cpu .
FROM python:3.11-slim

# git for DVC, a compiler for what DeepSpeed and vLLM compile at run time, a library that vLLM for CPUs is linked to.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git g++ libnuma1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/reasonlite
COPY pyproject.toml ./
COPY requirements requirements
ENV PIP_NO_CACHE_DIR=1
RUN python3 requirements/environment.py install cpu

RUN useradd --uid 10001 reasonlite \
    && mkdir -m 1777 /home/any /project \
    && git config --system --add safe.directory /project \
    && git config --system user.name reasonlite-dvc \
    && git config --system user.email reasonlite-dvc@localhost
# Any --user may run it: a home that all may write to, and a name for who has none, also for the commits that DVC makes
# of experiments (a repository's own goes first).
ENV PATH="/opt/reasonlite/.venv/bin:${PATH}" HOME=/home/any USER=reasonlite DVC_NO_ANALYTICS=1
USER 10001
WORKDIR /project
ENTRYPOINT ["dvc"]
CMD ["repro"]
