import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { useTemporaryFolder } from "../../test/support/folder.ts";
import { measureEnergy } from "./energy.ts";

const folder = useTemporaryFolder();
const none = join(folder, "none");
const nothing = async (): Promise<void> => {};

afterEach(() => {
  delete process.env.TESSERAE_CPU_WATTS;
});

function setCounter(name: string, microjoules: number): void {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "energy_uj"), `${microjoules}\n`);
  writeFileSync(join(folder, name, "max_energy_range_uj"), "1000000000\n");
}

describe("energy", () => {
  test("is what the packages' counters say, also when one starts again; parts of a package are not counted twice", async () => {
    setCounter("intel-rapl:0", 5_000_000);
    setCounter("intel-rapl:1", 999_000_000);
    setCounter("intel-rapl:0:0", 1);
    const { joules, source } = await measureEnergy(
      async () => {
        setCounter("intel-rapl:0", 7_500_000);
        setCounter("intel-rapl:1", 1_000_000);
        setCounter("intel-rapl:0:0", 900_000);
      },
      { counters: folder },
    );
    expect(source).toBe("rapl");
    expect(joules).toBeCloseTo(2.5 + 2, 9);
  });

  test("is watts times time where no counter can be read", async () => {
    process.env.TESSERAE_CPU_WATTS = "40";
    const { joules, seconds, source } = await measureEnergy(nothing, { counters: none });
    expect([joules, source]).toEqual([40 * seconds, "configured"]);
  });

  test("is assumed by thread where nothing is known", async () => {
    const { joules, seconds, source } = await measureEnergy(nothing, { counters: none, threads: 4 });
    expect([joules, source]).toEqual([12 * seconds, "assumed"]);
  });

  test("refuses watts that are none", async () => {
    process.env.TESSERAE_CPU_WATTS = "many";
    await expect(measureEnergy(nothing, { counters: none })).rejects.toThrow(
      /TESSERAE_CPU_WATTS: .*got "many"/,
    );
  });
});
