/** What a user of the chart sets. */
export type Values = Record<string, unknown> & { config: Record<string, unknown> }

/** Where the chart puts the files of the Secret. */
export const SECRETS = '/run/secrets/mcp-auth-gateway'

/** The least that it works with. */
export const REQUIRED: Values = {
  image: { repository: 'registry.example.com/mcp-auth-gateway' },
  existingSecret: 'gateway-secrets',
  config: {
    publicUrl: 'https://mcp.example.com',
    keys: [`file:${SECRETS}/gateway-key`],
    redis: { url: `file:${SECRETS}/redis-url` },
    upstream: {
      provider: 'oidc',
      issuer: 'https://login.example.com',
      clientId: 'gateway',
      clientSecret: `file:${SECRETS}/client-secret`,
    },
    backends: [{ path: '/crm/mcp', instances: ['http://crm-1:8080/mcp'] }],
  },
}

export const MONITORING = {
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } },
}

/** Each a way to use the chart. */
export const CASES: Readonly<Record<string, Values>> = {
  'what is required': REQUIRED,
  'a single replica without a store': {
    ...REQUIRED,
    config: { ...REQUIRED.config, redis: undefined },
    autoscaling: { enabled: false },
    replicaCount: 1,
  },
  'a fixed number of replicas': {
    ...REQUIRED,
    autoscaling: { enabled: false },
    replicaCount: 5,
    config: { ...REQUIRED.config, drain: { delay: '1500ms', deadline: '2m' } },
  },
  'an ingress with TLS': {
    ...REQUIRED,
    ingress: {
      enabled: true,
      className: 'nginx',
      tlsSecret: 'mcp-example-com',
      annotations: { 'nginx.ingress.kubernetes.io/proxy-buffering': 'off' },
    },
  },
  'nothing that can be left out': {
    ...REQUIRED,
    autoscaling: { enabled: false },
    podDisruptionBudget: { enabled: false },
    networkPolicy: { enabled: false },
    serviceAccount: { create: false },
  },
  everything: {
    ...REQUIRED,
    image: { repository: 'registry.example.com/gateway', digest: `sha256:${'0'.repeat(64)}` },
    imagePullSecrets: [{ name: 'registry' }],
    config: {
      ...REQUIRED.config,
      trustedProxies: ['10.0.0.0/8'],
      ops: { token: `file:${SECRETS}/ops-token`, host: '127.0.0.1', port: 1 },
    },
    extraEnv: [{ name: 'EXTRA', valueFrom: { secretKeyRef: { name: 'other', key: 'extra' } } }],
    extraVolumes: [{ name: 'ca', configMap: { name: 'ca' } }],
    extraVolumeMounts: [{ name: 'ca', mountPath: '/etc/ca', readOnly: true }],
    networkPolicy: {
      publicFrom: [MONITORING],
      opsFrom: [MONITORING],
      egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 6379 }] }],
    },
    ingress: { enabled: true },
    httpRoute: { enabled: true, parentRefs: [{ name: 'public', namespace: 'edge' }] },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    service: { type: 'LoadBalancer', annotations: { a: 'b' } },
    serviceAccount: { annotations: { 'azure.workload.identity/client-id': 'x' } },
    podAnnotations: { a: 'b' },
    podLabels: { team: 'platform' },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ key: 'edge', operator: 'Exists', effect: 'NoSchedule' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'high',
    topologySpreadConstraints: [
      {
        topologyKey: 'zone',
        maxSkew: 1,
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { a: 'b' } },
      },
    ],
    fullnameOverride: 'gateway',
  },
}
