import { afterAll, describe, expect, test } from "vitest";
import { createFastify } from "./http-server.ts";
import { defaultLimits } from "./limits.ts";

describe("a server for this machine alone", () => {
  const server = createFastify({ limits: defaultLimits, isLocal: true });
  server.get("/", async () => "here");
  afterAll(() => server.close());
  const statusFor = async (host: string): Promise<number> =>
    (await server.inject({ url: "/", headers: { host } })).statusCode;

  test("answers to its own names and not to a stranger's that means this machine", async () => {
    const own = ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080"];
    expect(await Promise.all(own.map(statusFor))).toEqual([200, 200, 200, 200]);
    const strange = ["rebind.example.org:8080", "10.0.0.1", "127.0.0.1.example.org"];
    expect(await Promise.all(strange.map(statusFor))).toEqual([403, 403, 403]);
  });
});
