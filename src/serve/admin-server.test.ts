import { afterAll, describe, expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { buildAdmin } from "./admin-server.ts";
import { ServerMetrics } from "./metrics.ts";

describe("the admin port", () => {
  const asked: unknown[] = [];
  const server = buildAdmin({
    metrics: new ServerMetrics(() => [{ model: { ref: "reviews@3:int8" }, state: "ready", queueLength: 0 }]),
    controls: {
      swap: async (name, ref) => {
        asked.push([name, ref]);
        if (name === "none") throw new ConfigError("model none: is not here", { code: "not_found" });
        return `${name}@2`;
      },
      drain: () => asked.push("drain"),
    },
  });
  afterAll(() => server.close());
  const post = (url: string, payload: object = {}) => server.inject({ method: "POST", url, payload });

  test("swaps, drains, and says what it cannot", async () => {
    expect((await post("/admin/swap", { name: "reviews", ref: "reviews@2" })).json()).toEqual({
      ref: "reviews@2",
    });
    expect((await post("/admin/swap", { name: "none" })).statusCode).toBe(404);
    expect((await post("/admin/swap", { name: 1 })).statusCode).toBe(400);
    expect((await post("/admin/rules/reload")).statusCode).toBe(404); // it has no rules
    expect((await post("/admin/drain")).statusCode).toBe(200);
    expect(asked).toEqual([["reviews", "reviews@2"], ["none", undefined], "drain"]);
  });

  test("tells Prometheus what runs, with a reference's parts", async () => {
    const { body } = await server.inject("/metrics");
    expect(body).toMatch(/tesserae_build_info\{version="[^"]+",node="[^"]+"\} 1/);
    expect(body).toContain(
      'tesserae_model_info{model="reviews@3:int8",name="reviews",version="3",variant="int8"} 1',
    );
  });
});
