/**
 * The fields of Kubernetes objects that deploy/kubernetes uses, strictly: a field that is misspelt or misplaced is refused, as
 * the API server refuses it under strict validation. A manifest that needs another field of the API adds it here;
 * `published-schemas.test.ts` holds the manifests against the API's own schemas, which know all fields and refuse no unknown one.
 */

import { z } from "zod";

const dnsName = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const portName = z.string().regex(/^[a-z0-9-]{1,15}$/);
const portNumber = z.int().min(1).max(65_535);
const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/);
const labels = z.record(z.string(), z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/));

const metadata = z.strictObject({
  name: dnsName,
  labels: labels.optional(),
});
const selector = z.strictObject({ matchLabels: labels });

const probe = z
  .strictObject({
    httpGet: z.strictObject({ path: z.string().startsWith("/"), port: portName }).optional(),
    tcpSocket: z.strictObject({ port: portName }).optional(),
    grpc: z.strictObject({ port: portNumber }).optional(),
    periodSeconds: z.int().min(1).optional(),
    timeoutSeconds: z.int().min(1).optional(),
    failureThreshold: z.int().min(1).optional(),
  })
  .refine(({ httpGet, tcpSocket, grpc }) => [httpGet, tcpSocket, grpc].filter(Boolean).length === 1, {
    error: "needs one way of asking",
  });

const container = z.strictObject({
  name: dnsName,
  image: z.string().regex(/^[\w./-]+:[\w.-]+$/),
  args: z.array(z.string()),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
  ports: z.array(z.strictObject({ name: portName, containerPort: portNumber })).min(1),
  startupProbe: probe.optional(),
  livenessProbe: probe,
  readinessProbe: probe,
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ memory: quantity }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
  volumeMounts: z
    .array(
      z.strictObject({
        name: dnsName,
        mountPath: z.string().startsWith("/"),
        readOnly: z.boolean().optional(),
      }),
    )
    .optional(),
});

const volume = z
  .strictObject({
    name: dnsName,
    persistentVolumeClaim: z
      .strictObject({ claimName: dnsName, readOnly: z.boolean().optional() })
      .optional(),
    configMap: z.strictObject({ name: dnsName }).optional(),
    emptyDir: z.strictObject({ sizeLimit: quantity }).optional(),
  })
  .refine(({ name: _, ...sources }) => Object.keys(sources).length === 1, { error: "needs one source" });

const podTemplate = z.strictObject({
  metadata: z.strictObject({ labels, annotations: z.record(z.string(), z.string()).optional() }),
  spec: z.strictObject({
    automountServiceAccountToken: z.literal(false),
    terminationGracePeriodSeconds: z.int().positive().optional(),
    securityContext: z.strictObject({
      runAsNonRoot: z.literal(true),
      runAsUser: z.int().positive(),
      seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
    }),
    topologySpreadConstraints: z
      .array(
        z.strictObject({
          maxSkew: z.int().min(1),
          topologyKey: z.string(),
          whenUnsatisfiable: z.enum(["DoNotSchedule", "ScheduleAnyway"]),
          labelSelector: selector,
        }),
      )
      .optional(),
    containers: z.array(container).length(1),
    volumes: z.array(volume).optional(),
  }),
});

const deployment = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata,
  spec: z.strictObject({
    replicas: z.int().min(1),
    selector,
    strategy: z
      .strictObject({ rollingUpdate: z.strictObject({ maxUnavailable: z.int(), maxSurge: z.int() }) })
      .optional(),
    template: podTemplate,
  }),
});

const service = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata,
  spec: z.strictObject({
    clusterIP: z.literal("None").optional(),
    selector: labels,
    ports: z.array(z.strictObject({ name: portName, port: portNumber, targetPort: portName })).min(1),
  }),
});

const disruptionBudget = z.strictObject({
  apiVersion: z.literal("policy/v1"),
  kind: z.literal("PodDisruptionBudget"),
  metadata,
  spec: z
    .strictObject({ minAvailable: z.int().optional(), maxUnavailable: z.int().optional(), selector })
    .refine((spec) => (spec.minAvailable === undefined) !== (spec.maxUnavailable === undefined), {
      error: "needs one bound",
    }),
});

const scalingPolicies = z.strictObject({
  stabilizationWindowSeconds: z.int().min(0).max(3600),
  policies: z.array(
    z.strictObject({
      type: z.enum(["Pods", "Percent"]),
      value: z.int().positive(),
      periodSeconds: z.int().min(1).max(1800),
    }),
  ),
});

const metric = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("Pods"),
    pods: z.strictObject({
      metric: z.strictObject({ name: z.string() }),
      target: z.strictObject({ type: z.literal("AverageValue"), averageValue: quantity }),
    }),
  }),
  z.strictObject({
    type: z.literal("Resource"),
    resource: z.strictObject({
      name: z.enum(["cpu", "memory"]),
      target: z.strictObject({ type: z.literal("Utilization"), averageUtilization: z.int().positive() }),
    }),
  }),
]);

const autoscaler = z.strictObject({
  apiVersion: z.literal("autoscaling/v2"),
  kind: z.literal("HorizontalPodAutoscaler"),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({
      apiVersion: z.literal("apps/v1"),
      kind: z.literal("Deployment"),
      name: dnsName,
    }),
    minReplicas: z.int().min(1),
    maxReplicas: z.int().min(1),
    metrics: z.array(metric).min(1),
    behavior: z
      .strictObject({ scaleUp: scalingPolicies.optional(), scaleDown: scalingPolicies.optional() })
      .optional(),
  }),
});

const peer = z
  .strictObject({ podSelector: selector.optional(), namespaceSelector: selector.optional() })
  .refine((given) => Object.keys(given).length > 0, { error: "names nobody" });
const policyPorts = z.array(z.strictObject({ protocol: z.enum(["TCP", "UDP"]), port: portNumber })).min(1);

const networkPolicy = z.strictObject({
  apiVersion: z.literal("networking.k8s.io/v1"),
  kind: z.literal("NetworkPolicy"),
  metadata,
  spec: z.strictObject({
    podSelector: selector,
    policyTypes: z.tuple([z.literal("Ingress"), z.literal("Egress")]),
    ingress: z.array(z.strictObject({ from: z.array(peer).min(1).optional(), ports: policyPorts })),
    egress: z.array(z.strictObject({ to: z.array(peer).min(1).optional(), ports: policyPorts })),
  }),
});

const configMap = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("ConfigMap"),
  metadata,
  data: z.record(z.string(), z.string()),
});

const volumeClaim = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("PersistentVolumeClaim"),
  metadata,
  spec: z.strictObject({
    accessModes: z.array(z.enum(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"])).min(1),
    resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
  }),
});

export const manifestSchema = z.discriminatedUnion("kind", [
  deployment,
  service,
  disruptionBudget,
  autoscaler,
  networkPolicy,
  configMap,
  volumeClaim,
]);

export type Kubernetes = z.infer<typeof manifestSchema>;
export type KubernetesOf<K extends Kubernetes["kind"]> = Extract<Kubernetes, { kind: K }>;
