import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { initialPairModel } from "./initial-pair-model.ts";
import { addInterleavedOptions, type InterleavedFlags, interleavedPrompts } from "./interleaved-inputs.ts";

/** What is asked of pictures with flags as they are typed. */
function asked(pictures: readonly string[], args: readonly string[], more: InterleavedFlags = {}) {
  const command = addInterleavedOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const flags = command.parse(args, { from: "user" }).opts<InterleavedFlags>();
  return interleavedPrompts(pictures, { ...flags, ...more });
}

describe("prompts of the command line", () => {
  test("have a picture each, behind the examples", () => {
    const shots = ["--shot", "a.png=two cats", "--shot", "b.png=1+1=2"];
    const examples = [
      { image: "a.png", text: "two cats" },
      { image: "b.png", text: "1+1=2" },
    ];
    expect(asked(["x.png", "y.png"], shots, { prompt: "a" })).toEqual([
      { image: "x.png", text: "a", examples },
      { image: "y.png", text: "a", examples },
    ]);
  });

  test("put the question to the examples too", () => {
    const [prompt] = asked(["x.png"], ["--shot", "a.png=red"], { question: "Which colour?" });
    expect(prompt).toEqual({
      image: "x.png",
      text: "Question:Which colour? Short answer:",
      examples: [{ image: "a.png", text: "Question:Which colour? Short answer:red" }],
    });
  });

  test("join the frames of videos", () => {
    const flags = ["--frames", "2", "--shot", "a.png,b.png=it falls"];
    expect(asked(["1.png", "2.png", "3.png", "4.png"], flags)).toMatchObject([
      { image: ["1.png", "2.png"], examples: [{ image: ["a.png", "b.png"], text: "it falls" }] },
      { image: ["3.png", "4.png"] },
    ]);
  });

  test("are about all pictures at once where marks say so", () => {
    const prompt = "<image> is larger than <image>";
    expect(asked(["x.png", "y.png"], [], { prompt })).toEqual([{ images: ["x.png", "y.png"], text: prompt }]);
  });

  test("that cannot be made are refused", () => {
    expect(() => asked(["x.png"], ["--frames", "2"])).toThrow(/no whole videos of 2 frames/);
    expect(() => asked(["x.png"], ["--shot", "a.png"])).toThrow(/picture=text/);
    expect(() => asked(["x.png"], [], { prompt: "<image>", question: "what?" })).toThrow(/stands alone/);
  });
});

describe("a Flamingo to be trained", () => {
  test("needs both of its parts, which nothing else has", async () => {
    await expect(initialPairModel("flamingo", { visionModel: "./clip" })).rejects.toThrow(
      /--vision-model \(a CLIP\) and --language-model \(a GPT-2\)/,
    );
    await expect(initialPairModel("blip-base", { visionModel: "./clip" })).rejects.toThrow(
      /make a flamingo, got blip-base/,
    );
  });
});
