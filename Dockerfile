# One image, many roles: the command says which (docker-compose.yml). No BuildKit features, so that any engine builds it.

# Package manifests alone, so that a change in the sources does not install everything again.
FROM node:24-bookworm-slim AS manifests
WORKDIR /src
COPY . .
RUN find . -name package.json -o -name package-lock.json -o -name .npmrc | xargs cp --parents -t /tmp \
 && cp -r --parents native tools /tmp

FROM node:24-bookworm-slim AS build
WORKDIR /downpour
# The built-in data set fashion-mnist is a Debian package.
COPY libs/datasets/fetch-fashion-mnist.mjs libs/datasets/
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-pip make g++ ca-certificates \
 && node libs/datasets/fetch-fashion-mnist.mjs \
 && rm -rf /var/lib/apt/lists/*
# Packages, TensorFlow and the tfjs-node addon.
COPY --from=manifests /tmp/ ./
RUN node tools/setup.mjs --no-build
COPY . .
RUN node tools/setup.mjs \
 && npm prune --omit=dev --no-audit \
 && rm -rf .native/bin .native/tmp .native/tensorflow/include

FROM node:24-bookworm-slim
ENV NODE_ENV=production HTTP_HOST=0.0.0.0 HTTP_PORT=8080
WORKDIR /downpour
COPY --from=build --chown=root:root /downpour /downpour
USER node
EXPOSE 8080
# Every role serves its health under the same path.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT}/healthz`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/gateway/dist/main.js"]
