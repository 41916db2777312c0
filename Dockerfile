# syntax=docker/dockerfile:1

# What runs in production, and nothing else of it: no development dependency, no install script.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

# The development identity provider lets anybody in, so it is not even in the image.
FROM node:24-slim AS sources
WORKDIR /app
COPY src src
RUN ["rm", "-r", "src/dev"]

# For the compose file alone (`--target development`): the development identity provider and the sample MCP servers.
FROM node:24-slim AS development
WORKDIR /app
COPY package.json package-lock.json LICENSE ./
RUN npm ci --ignore-scripts
COPY src src
USER 1000:1000
ENTRYPOINT ["node"]

FROM node:24-slim
# No lockfile in it: a scanner finds in node_modules what is really there.
LABEL org.opencontainers.image.title="mcp-auth-gateway" \
      org.opencontainers.image.description="OAuth 2.1 gateway between MCP clients, your identity provider and stateless MCP servers" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/node:24-slim"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY --from=sources /app/src src
# By number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080 9090
# The ops listener is at port 9090 of loopback, unless the configuration says otherwise; Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9090/livez').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm in between: the process gets its signals itself.
ENTRYPOINT ["node", "src/main.ts"]
CMD ["start", "--config", "/etc/mcp-auth-gateway/gateway.config.yaml"]
