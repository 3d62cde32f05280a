/** The manifests against the schemas that Kubernetes publishes (OpenAPI), as the package kubernetes-models compiles them. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

const folder = "deploy/kubernetes";
const objects = readdirSync(folder)
  .filter((name) => name !== "kustomization.yaml")
  .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), "utf8")))
  .map((document) => document.toJS() as KubernetesObject);

/** The kinds of one API version, by their name; they throw where an object does not fit. */
const importKinds = (apiVersion: string) => import(`kubernetes-models/${apiVersion}`);

const isInstalled = await importKinds("v1").then(
  () => true,
  () => false,
);
if (!isInstalled) console.warn("kubernetes-models is not installed: manifests are not checked against it");

async function validate(object: KubernetesObject): Promise<void> {
  const { [object.kind]: Kind } = await importKinds(object.apiVersion);
  new Kind(object).validate();
}

describe.skipIf(!isInstalled)("by the published schemas", () => {
  test.each(objects)("$kind $metadata.name holds", (object) => validate(object));

  test.each<[string, (spec: Record<string, never>) => object, RegExp]>([
    ["Deployment", (spec) => ({ ...spec, replicas: "3" }), /spec\/replicas must be integer/],
    ["Deployment", ({ template: _, ...spec }) => spec, /must have required property template/],
    ["Service", (spec) => ({ ...spec, ports: [{ name: "http" }] }), /must have required property port/],
    ["HorizontalPodAutoscaler", (spec) => ({ ...spec, maxReplicas: 1.5 }), /spec\/maxReplicas must be/],
    ["PodDisruptionBudget", (spec) => ({ ...spec, minAvailable: true }), /spec\/minAvailable must be/],
    ["NetworkPolicy", (spec) => ({ ...spec, policyTypes: "Ingress" }), /spec\/policyTypes must be array/],
  ])("a %s with a field that does not fit is refused", async (kind, spoil, reason) => {
    const object = objects.find((each) => each.kind === kind) as KubernetesObject & { spec: never };
    await expect(validate({ ...object, spec: spoil(object.spec) } as never)).rejects.toThrow(reason);
  });

  test("a ConfigMap whose data are no texts is refused", async () => {
    const object = objects.find(({ kind }) => kind === "ConfigMap")!;
    await expect(validate({ ...object, data: { rules: 1 } } as never)).rejects.toThrow(/data\/rules must be/);
  });
});
