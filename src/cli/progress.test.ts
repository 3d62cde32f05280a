import { PassThrough } from "node:stream";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Output } from "./output.ts";
import { Progress } from "./progress.ts";

/** An output on a terminal or not, with all that was written to standard error, and a clock in hand. */
function setUp({ isTTY = false, quiet = false } = {}) {
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 100 });
  const clock = { ms: 0 };
  const output = new Output({ quiet }, { stdout: new PassThrough(), stderr });
  const progress = new Progress(output, "train", 200, "steps", 0, () => clock.ms);
  return { progress, clock, written: () => String(stderr.read() ?? "") };
}

afterEach(() => void vi.unstubAllEnvs());

describe("progress", () => {
  test("on a terminal draws a bar over itself with rate and time left", () => {
    const { progress, clock, written } = setUp({ isTTY: true });
    clock.ms = 5000;
    progress.update(50, "loss 0.5");
    const bar = `${"█".repeat(6)}${"░".repeat(18)}`;
    expect(written()).toBe(`train ${bar} 25 %  50/200 steps  10 steps/s  15 s left  loss 0.5`);
    clock.ms = 5050;
    progress.update(51);
    expect(written()).toBe("");
    clock.ms = 20_000;
    progress.update(200);
    expect(written()).toContain(`\r\u001b[Ktrain ${"█".repeat(24)} 100 %  200/200 steps  10 steps/s`);
    progress.finish();
    expect(written()).toBe("\n");
  });

  test("elsewhere writes a plain line every ten seconds and at the end", () => {
    const { progress, clock, written } = setUp();
    for (let step = 1; step <= 200; step++) {
      clock.ms = step * 125;
      progress.update(step);
    }
    expect(written().trim().split("\n")).toEqual([
      "train 0 %  1/200 steps  8.00 steps/s  25 s left",
      "train 40 %  81/200 steps  8.00 steps/s  15 s left",
      "train 80 %  161/200 steps  8.00 steps/s  4.9 s left",
      "train 100 %  200/200 steps  8.00 steps/s",
    ]);
  });

  test("writes nothing when quiet", () => {
    const { progress, written } = setUp({ isTTY: true, quiet: true });
    progress.update(200);
    progress.say("a line");
    progress.finish();
    expect(written()).toBe("");
  });

  test("draws the bar again below a line", () => {
    const { progress, clock, written } = setUp({ isTTY: true });
    clock.ms = 1000;
    progress.update(10);
    written();
    progress.say("epoch 1");
    const text = written();
    expect(text.startsWith("\r\u001b[Kepoch 1\n")).toBe(true);
    expect(text).toMatch(/train █░+ 5 %/);
  });
});

describe("an error's line", () => {
  test.each([
    ["is red on a terminal", "", "\u001b[31merror:\u001b[0m it broke"],
    ["is plain under NO_COLOR", "1", "error: it broke"],
  ])("%s", (_, noColor, expected) => {
    vi.stubEnv("NO_COLOR", noColor);
    const stderr = Object.assign(new PassThrough(), { isTTY: true });
    new Output({}, { stdout: new PassThrough(), stderr }).failure(new Error("it broke"));
    expect(String(stderr.read())).toContain(expected);
  });
});
