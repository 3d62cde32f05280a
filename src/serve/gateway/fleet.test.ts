/** A gateway's fleet against small gRPC servers that answer, are slow, refuse, hang or die. */

import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { RequestError, TesseraeError } from "../../errors.ts";
import { OverloadError } from "../problem.ts";
import { statusOf } from "../protocol/grpc-errors.ts";
import type { InferRequestMessage } from "../protocol/v2-proto.ts";
import { messageOfAnswer, requestOfMessage, V2Service } from "../protocol/v2-proto.ts";
import { BytesTensor } from "../protocol/v2-tensors.ts";
import { addControl } from "./control.ts";
import { Fleet } from "./fleet.ts";
import { RemoteModels } from "./remote-models.ts";
import { connectWorker } from "./worker-client.ts";

interface StandIn {
  readonly address: string;
  /** Requests that came, by their text. */
  readonly asked: string[];
  /** Deadlines of the requests, in milliseconds from their arrival. */
  readonly deadlinesMs: number[];
  behave: () => Promise<void>;
  isHung: boolean;
  kill(): void;
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const each of open.splice(0)) await each.close();
});

/** A worker that has one model, which answers each text with the worker's name. */
async function standIn(name: string, port = 0): Promise<StandIn> {
  const server = new Server();
  const asked: string[] = [];
  const deadlinesMs: number[] = [];
  addControl(server, {
    isReady: () => true,
    models: async () => {
      if (worker.isHung) await never();
      return [{ name: "echo", ref: "echo@1", source: "store", state: "ready", queueLength: 0 }];
    },
    swap: async () => "echo@1",
    async *stream() {
      yield `${name} `;
      await worker.behave();
      yield "writes";
      return { finish_reason: "length", generated_tokens: 2, input_length: 1 };
    },
  });
  type Call = ServerUnaryCall<InferRequestMessage, unknown>;
  server.addService(V2Service.service, {
    ModelInfer: (call: Call, callback: sendUnaryData<unknown>) => {
      const { inputs } = requestOfMessage(call.request);
      const [text] = (inputs[0]!.tensor as BytesTensor).texts();
      asked.push(text!);
      deadlinesMs.push(Number(call.getDeadline()) - Date.now());
      const answer = { name: "outputs", tensor: BytesTensor.ofTexts([1], [name]) };
      (worker.isHung ? never() : worker.behave()).then(
        () => callback(null, messageOfAnswer({ model: "echo", version: "1", outputs: [answer] })),
        (error) => callback(statusOf(error)),
      );
    },
  });
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, found) =>
      error ? reject(error) : resolve(found),
    ),
  );
  const worker: StandIn = {
    address: `127.0.0.1:${bound}`,
    asked,
    deadlinesMs,
    behave: async () => undefined,
    isHung: false,
    kill: () => server.forceShutdown(),
  };
  open.push({ close: worker.kill });
  return worker;
}

async function fleetOf(workers: readonly StandIn[], maxQueue = 100): Promise<Fleet> {
  const fleet = new Fleet({
    discover: async () => workers.map(({ address }) => address),
    connect: (address) => connectWorker(address, () => []),
    maxQueue,
    tell: () => undefined,
  });
  open.unshift(fleet);
  await fleet.start();
  return fleet;
}

interface AskOptions {
  readonly ref?: string;
  readonly cost?: number;
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/** The name of the worker that answered. */
const ask = (
  fleet: Fleet,
  text: string,
  { ref = "echo", cost = 1, ...options }: AskOptions = {},
): Promise<string> =>
  fleet.call(ref, { cost, ...options }, async (client, left) => {
    const inputs = [{ name: "inputs", tensor: BytesTensor.ofTexts([1], [text]) }];
    const { outputs } = await client.infer({ name: ref }, { inputs }, left);
    return (outputs[0]!.tensor as BytesTensor).texts()[0]!;
  });

const never = () => new Promise<never>(() => undefined);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe("a fleet", () => {
  test("spreads requests over its workers and carries the deadline to them", async () => {
    const workers = [await standIn("a"), await standIn("b"), await standIn("c")];
    for (const worker of workers) worker.behave = () => pause(10);
    const fleet = await fleetOf(workers);
    await Promise.all(Array.from({ length: 60 }, (_, at) => ask(fleet, `${at}`, { deadlineMs: 60_000 })));
    for (const { asked } of workers) expect(asked.length).toBeGreaterThan(12);
    const deadlines = workers.flatMap(({ deadlinesMs }) => deadlinesMs);
    expect(Math.max(...deadlines)).toBeLessThanOrEqual(60_001);
    expect(Math.min(...deadlines)).toBeGreaterThan(30_000);
  });

  test("loses nothing when a worker dies with requests under way, and finds it again", async () => {
    const workers = [await standIn("a"), await standIn("b")];
    workers[0]!.behave = never;
    const fleet = await fleetOf(workers);
    const answers = Promise.all(Array.from({ length: 20 }, (_, at) => ask(fleet, `${at}`)));
    await expect.poll(() => workers[0]!.asked.length, { interval: 5 }).toBeGreaterThan(3);
    workers[0]!.kill();
    expect(new Set(await answers)).toEqual(new Set(["b"]));
    const back = await standIn("a again", Number(workers[0]!.address.split(":")[1]));
    await expect.poll(() => ask(fleet, "more")).toBe("a again");
    expect(back.asked.length).toBeGreaterThan(0);
  });

  test("takes requests back from a worker that hangs, and sends it no more", async () => {
    const workers = [await standIn("a"), await standIn("b")];
    const fleet = await fleetOf(workers);
    workers[0]!.isHung = true;
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => ask(fleet, `${at}`)));
    expect(new Set(answers)).toEqual(new Set(["b"]));
    const before = workers[0]!.asked.length;
    expect(before).toBeGreaterThan(0);
    await Promise.all(Array.from({ length: 20 }, (_, at) => ask(fleet, `${at}`)));
    expect(workers[0]!.asked.length).toBe(before);
    workers[0]!.isHung = false;
    await expect.poll(() => ask(fleet, "more")).toBe("a");
  });

  test("tells a bad request as the worker does, and asks no other", async () => {
    const workers = [await standIn("a"), await standIn("b")];
    for (const worker of workers)
      worker.behave = () => Promise.reject(new RequestError("inputs: expected a text"));
    const fleet = await fleetOf(workers);
    const error = await ask(fleet, "bad").catch((reason) => reason);
    expect([error.code, error.message]).toEqual(["request", "inputs: expected a text"]);
    expect(workers.flatMap(({ asked }) => asked)).toEqual(["bad"]);
  });

  test("asks another worker when one refuses, and sets aside one that keeps failing", async () => {
    const workers = [await standIn("a"), await standIn("b")];
    workers[0]!.behave = () => Promise.reject(new OverloadError("full", 3));
    const fleet = await fleetOf(workers);
    for (let at = 0; at < 10; at++) expect(await ask(fleet, `${at}`)).toBe("b");
    workers[0]!.behave = () => Promise.reject(new TesseraeError("runtime", "broken"));
    const statesAfterOne = async () => {
      expect(await ask(fleet, "one")).toBe("b");
      return fleet.workers.map(({ state }) => state);
    };
    await expect.poll(statesAfterOne, { interval: 1 }).toEqual(["ejected", "ready"]);
  });

  test("asks the only worker that refuses once", async () => {
    const worker = await standIn("a");
    worker.behave = () => Promise.reject(new OverloadError("full", 3));
    const fleet = await fleetOf([worker]);
    const error = await ask(fleet, "x").catch((reason) => reason);
    expect([error.code, error.retryAfterSeconds, worker.asked]).toEqual(["overloaded", 3, ["x"]]);
  });

  test("repeats a stream elsewhere only while nothing of it was written", async () => {
    const workers = [await standIn("a"), await standIn("b")];
    for (const worker of workers)
      worker.behave = () => Promise.reject(new TesseraeError("runtime", "broken"));
    const model = await new RemoteModels(await fleetOf(workers)).host("echo");
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const piece of model.stream({ inputs: "x", parameters: {} })) pieces.push(piece);
    })();
    await expect(reading).rejects.toThrow("broken");
    expect(pieces).toHaveLength(1);
    for (const worker of workers) worker.behave = async () => undefined;
    const again: string[] = [];
    for await (const piece of model.stream({ inputs: "x", parameters: {} })) again.push(piece);
    expect(again).toEqual([expect.stringMatching(/^[ab] $/), "writes"]);
  });

  test("sheds what would wait too long or too many, with the seconds to wait", async () => {
    const worker = await standIn("a");
    worker.behave = () => pause(100);
    const fleet = await fleetOf([worker], 10);
    const answers = Array.from({ length: 60 }, (_, at) => ask(fleet, `${at}`));
    const results = await Promise.allSettled(answers);
    const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(refused).toHaveLength(60 - 32 - 10); // the first limit, and the queue
    expect(refused[0]).toBeInstanceOf(OverloadError);
    expect(refused[0].retryAfterSeconds).toBeGreaterThanOrEqual(1);
  });

  test("ends with the deadline while it waits and while it is computed", async () => {
    const worker = await standIn("a");
    worker.behave = () => pause(1500);
    const fleet = await fleetOf([worker]);
    const underWay = ask(fleet, "slow", { deadlineMs: 100 }).catch(({ code }) => code);
    const full = ask(fleet, "many", { cost: 31 });
    const waiting = ask(fleet, "late", { cost: 20, deadlineMs: 100 }).catch(({ code }) => code);
    expect(await Promise.all([underWay, waiting])).toEqual(["deadline", "deadline"]);
    expect(await full).toBe("a");
  });

  test("frees the place of a caller that went away", async () => {
    const worker = await standIn("a");
    worker.behave = () => pause(2000);
    const fleet = await fleetOf([worker]);
    const gone = new AbortController();
    const dropped = ask(fleet, "gone", { cost: 32, signal: gone.signal }).catch(({ code }) => code);
    const behind = ask(fleet, "next");
    await expect.poll(() => [fleet.queueLength, worker.asked]).toEqual([1, ["gone"]]);
    gone.abort();
    expect([await dropped, await behind]).toEqual(["interrupted", "a"]);
  });

  test("waits a while for a model whose only worker is away, then says so", async () => {
    const worker = await standIn("a");
    const fleet = await fleetOf([worker]);
    worker.kill();
    await expect.poll(() => fleet.workers[0]!.state).toBe("gone");
    expect(await ask(fleet, "x", { deadlineMs: 100 }).catch(({ code }) => code)).toBe("unavailable");
    expect(fleet.models()).toMatchObject([{ ref: "echo@1" }]);
    vi.useFakeTimers({ toFake: ["performance"] }); // its patience does not end, however long a connection takes
    const answer = ask(fleet, "patient");
    await standIn("back", Number(worker.address.split(":")[1]));
    expect(await answer).toBe("back");
  });
});
