# syntax=docker/dockerfile:1

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
LABEL org.opencontainers.image.title="mcp-auth-gateway" \
      org.opencontainers.image.description="OAuth 2.1 gateway between MCP clients, one identity provider and stateless MCP servers" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY src src
USER node
EXPOSE 8080 9090
# The ops listener is on loopback by default, which is where this runs.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9090/livez').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm in between: the process gets its signals itself.
ENTRYPOINT ["node", "src/main.ts"]
CMD ["start", "--config", "/etc/mcp-auth-gateway/gateway.config.yaml"]
