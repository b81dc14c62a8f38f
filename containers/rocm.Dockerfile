# The environment for AMD GPUs: vLLM's own image for ROCm, with its torch, and those packages of requirements/gpu.lock that
# are not bound to CUDA. The project itself is mounted when the container runs. Build in the project's folder:
#   docker build -f containers/rocm.Dockerfile -t reasonlite-dvc:rocm .
FROM vllm/vllm-openai-rocm:v0.33.0

# git for DVC, a compiler for what DeepSpeed and torch compile at run time.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/reasonlite
COPY requirements requirements
# An environment on top of the image's, whose torch, triton and vLLM stay where they are. Stages look for the program vllm
# beside their python.
RUN python3 requirements/environment.py shared > shared.lock \
    && python3 -m venv --system-site-packages .venv \
    && .venv/bin/python -m pip install --no-cache-dir --constraint shared.lock pip setuptools wheel packaging ninja \
    && .venv/bin/python -m pip install --no-cache-dir --no-deps --build-constraint shared.lock -r shared.lock \
    && ln -sf "$(command -v vllm)" .venv/bin/vllm

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
