import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseRules } from "../../src/serve/gateway/rules.ts";
import { type Kubernetes, type KubernetesOf, manifestSchema } from "./kubernetes-schemas.ts";

const folder = "deploy/kubernetes";
const files = readdirSync(folder).filter((name) => name !== "kustomization.yaml");
const objects = files.flatMap((name) =>
  parseAllDocuments(readFileSync(join(folder, name), "utf8")).map((document) => ({
    name,
    json: document.toJS(),
  })),
);
const parsed = objects.map(({ json }) => manifestSchema.parse(json));

const ofKind = <K extends Kubernetes["kind"]>(kind: K) =>
  parsed.filter((object): object is KubernetesOf<K> => object.kind === kind);
const deployments = ofKind("Deployment");
const podLabels = deployments.map(({ spec }) => spec.template.metadata.labels);
const selects = (
  wanted: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean => Object.entries(wanted).every(([name, value]) => labels[name] === value);

describe("Kubernetes manifests", () => {
  test.each(objects)(
    "$name: $json.kind $json.metadata.name has known fields with fitting values",
    ({ json }) => {
      expect(manifestSchema.safeParse(json).error?.message).toBeUndefined();
    },
  );

  test("refuse a field that is misspelt", () => {
    const { json } = objects[0]!;
    expect(manifestSchema.safeParse({ ...json, spec: { ...json.spec, replica: 3 } }).success).toBe(false);
  });

  test("are all in the kustomization", () => {
    const { resources } = parse(readFileSync(join(folder, "kustomization.yaml"), "utf8"));
    expect([...resources].sort()).toEqual([...files].sort());
  });

  test("have selectors that find exactly one kind of pod", () => {
    const selectors = [
      ...deployments.map(({ spec }) => spec.selector.matchLabels),
      ...ofKind("Service").map(({ spec }) => spec.selector),
      ...ofKind("PodDisruptionBudget").map(({ spec }) => spec.selector.matchLabels),
      ...ofKind("NetworkPolicy").map(({ spec }) => spec.podSelector.matchLabels),
      ...ofKind("NetworkPolicy").flatMap(({ spec }) =>
        [
          ...spec.ingress.flatMap(({ from = [] }) => from),
          ...spec.egress.flatMap(({ to = [] }) => to),
        ].flatMap(({ podSelector }) => (podSelector ? [podSelector.matchLabels] : [])),
      ),
    ];
    for (const wanted of selectors)
      expect(podLabels.filter((labels) => selects(wanted, labels))).toHaveLength(1);
  });

  test("name ports, volumes, claims and deployments that exist", () => {
    for (const { spec } of deployments) {
      const { containers, volumes = [] } = spec.template.spec;
      const [{ ports, startupProbe, livenessProbe, readinessProbe, volumeMounts = [] }] = containers as [
        (typeof containers)[0],
      ];
      const known = ports.flatMap(({ name, containerPort }) => [name, containerPort]);
      for (const probe of [startupProbe, livenessProbe, readinessProbe])
        if (probe) expect(known).toContain((probe.httpGet ?? probe.tcpSocket ?? probe.grpc)!.port);
      expect(volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
      for (const { persistentVolumeClaim, configMap } of volumes) {
        if (persistentVolumeClaim)
          expect(ofKind("PersistentVolumeClaim")[0]!.metadata.name).toBe(persistentVolumeClaim.claimName);
        if (configMap) expect(ofKind("ConfigMap")[0]!.metadata.name).toBe(configMap.name);
      }
    }
    for (const { spec } of ofKind("Service")) {
      const { containers } = deployments.find((each) =>
        selects(spec.selector, each.spec.template.metadata.labels),
      )!.spec.template.spec;
      const names = containers[0]!.ports.map(({ name }) => name);
      for (const { targetPort } of spec.ports) expect(names).toContain(targetPort);
    }
    for (const { spec } of ofKind("HorizontalPodAutoscaler"))
      expect(deployments.map(({ metadata }) => metadata.name)).toContain(spec.scaleTargetRef.name);
  });

  test("let only gateways reach workers, and only workers Redis", () => {
    const policy = (name: string) =>
      ofKind("NetworkPolicy").find(({ metadata }) => metadata.name === name)!.spec;
    const callers = (name: string) =>
      policy(name).ingress.flatMap(({ from = [] }) => from.flatMap(({ podSelector }) => podSelector ?? []));
    expect(callers("tesserae-worker")).toEqual([policy("tesserae-gateway").podSelector]);
    expect(callers("tesserae-redis")).toEqual([policy("tesserae-worker").podSelector]);
    expect(policy("tesserae-redis").egress).toEqual([]);
  });

  test("give gateways rules that hold, and the name of the headless service", () => {
    const { data } = ofKind("ConfigMap")[0]!;
    expect(parseRules(data["rules.yaml"]!, "rules.yaml").rules.length).toBeGreaterThan(0);
    const gateway = deployments.find(({ metadata }) => metadata.name === "tesserae-gateway")!;
    const target = gateway.spec.template.spec.containers[0]!.args.find((arg) => arg.startsWith("dns:///"))!;
    const [name, port] = target.slice("dns:///".length).split(":");
    const headless = ofKind("Service").find(({ spec }) => spec.clusterIP === "None")!;
    expect([headless.metadata.name, headless.spec.ports[0]!.port]).toEqual([name, Number(port)]);
    const worker = deployments.find(({ metadata }) => metadata.name === "tesserae-worker")!;
    const redis = ofKind("Service").find(({ metadata }) => metadata.name === "tesserae-redis")!;
    const address = `redis://${redis.metadata.name}:${redis.spec.ports[0]!.port}`;
    expect(worker.spec.template.spec.containers[0]!.args).toContain(address);
  });
});
