import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { findCases, readCase } from "../../src/parity/case.ts";
import { compareCase } from "../../src/parity/compare.ts";
import { reportLine, runCase } from "../../src/parity/run.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { useTemporaryFolder } from "../support/folder.ts";

const fixtures = fileURLToPath(new URL("./fixtures", import.meta.url));
const folder = useTemporaryFolder();

/** A copy of a fixture with one text in one of its JSON files replaced. */
function changedCase(name: string, file: string, from: string, to: string): string {
  const target = join(folder, `${name}-${file}-${to.replaceAll(/\W/g, "")}`);
  cpSync(join(fixtures, name), target, { recursive: true });
  const path = join(target, file);
  const text = readFileSync(path, "utf8");
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
  return target;
}

describe("parity with the reference implementations", async () => {
  for (const path of await findCases([fixtures])) {
    test(basename(path), async () => {
      const report = await runCase(path);
      expect(report.failures).toEqual([]);
      expect(report.status, reportLine(report)).toBe("passed");
      expect(report.compared).toBe((await readCase(path)).expected.size);
    });
  }
});

describe("a parity run", () => {
  test("fails when one number of the model is another", async () => {
    const path = changedCase(
      "bert-sequence-classification",
      "config.json",
      '"layer_norm_eps": 1e-12',
      '"layer_norm_eps": 1e-3',
    );
    const report = await runCase(path);
    expect(report.status).toBe("failed");
    expect(reportLine(report)).toMatch(/FAILED .* tensors differ, worst .* × tolerance/);
  });

  test("reports an unknown architecture as unsupported", async () => {
    const path = changedCase("bert-base-model", "config.json", '"BertModel"', '"NoSuchModel"');
    expect(await runCase(path)).toMatchObject({
      status: "unsupported",
      message: expect.stringContaining("NoSuchModel"),
    });
  });

  test("reports a case with a file missing as an error", async () => {
    const path = join(folder, "incomplete");
    cpSync(join(fixtures, "adamw"), path, {
      recursive: true,
      filter: (name) => !name.endsWith("expected.safetensors"),
    });
    expect((await runCase(path)).status).toBe("error");
  });

  test("rejects a folder without cases", async () => {
    await expect(findCases([join(fixtures, "..", "..", "support")])).rejects.toThrow(/no case\.json/);
  });

  test("lets pictures differ by their pipeline's tolerance, in the largest and in the mean difference", async () => {
    const parityCase = await readCase(join(fixtures, "image-preprocessing"));
    const { max, mean } = parityCase.tolerance.image!.vit!;
    const differing = (share: number, by: number): string[] => {
      const actual = new Map(parityCase.expected);
      for (const [name, tensor] of actual) {
        const { dtype, shape } = tensor;
        if (!name.startsWith("vit.")) continue;
        const values = tensor.toNumbers();
        const step = dtype === "uint8" ? Math.ceil(by) : by;
        const changed = values.map((value, i) =>
          i < share * values.length ? value + (value > 0 ? -step : step) : value,
        );
        actual.set(name, Tensor.from(dtype, shape, changed));
      }
      return compareCase(parityCase, actual).flatMap(({ name, passed }) =>
        passed ? [] : [name.split(".")[2]!],
      );
    };
    expect(differing(0.01, max * 0.99)).toEqual([]);
    expect(new Set(differing((2 * mean) / max, max * 0.99))).toEqual(new Set(["pixel_values"]));
    expect(new Set(differing(0.001, 1.5))).toEqual(new Set(["pixel_values", "resized"]));
  });

  test("counts NaN, a missing tensor and another shape as failures", async () => {
    const parityCase = await readCase(join(fixtures, "lr-schedules"));
    const actual = new Map(parityCase.expected);
    const [first, second, third] = [...actual.keys()] as [string, string, string];
    actual.set(first, Tensor.from("float64", [200], Array(200).fill(Number.NaN)));
    actual.delete(second);
    actual.set(third, Tensor.zeros("float64", [100]));
    const failed = compareCase(parityCase, actual).filter(({ passed }) => !passed);
    expect(failed.map(({ name }) => name)).toEqual([first, second, third]);
  });
});
