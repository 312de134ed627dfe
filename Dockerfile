# The image with all apps and the operator. The command says which of them a container is: payment, ledger, notifier,
# tenant, fraud, ingest or operator; migrate APP brings the databases of an app up to date.
#
# ./payflow image builds the same without a container engine. With one, for two kinds of processors, and the same bytes
# each time:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg SOURCE_DATE_EPOCH=0 --sbom=true \
#     --output type=oci,dest=payflow-image.tar,rewrite-timestamp=true .
ARG BUN_VERSION=1.4.5

# What is built is the same for every processor, so it is built on this machine's.
FROM --platform=$BUILDPLATFORM oven/bun:${BUN_VERSION}-debian AS build
WORKDIR /src
COPY . .
RUN bun install --frozen-lockfile --ignore-scripts
RUN bun scripts/release/image/app-part.ts dist/image-app

# Bun, the C library and nothing else: no shell, no package manager.
FROM oven/bun:${BUN_VERSION}-distroless
COPY --from=build /src/dist/image-app/ /
LABEL org.opencontainers.image.title="PayFlow"
LABEL org.opencontainers.image.description="A payment platform that a company runs itself, on Kubernetes or on one machine."
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="0.1.0"
ENV PATH=/usr/local/bin
ENV NODE_ENV=production
ENV TZ=UTC
ENV BUN_RUNTIME_TRANSPILER_CACHE_PATH=0
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/bun", "--no-env-file", "--no-install", "/app/payflow.js"]
CMD ["payment"]
