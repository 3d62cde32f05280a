/** `tesserae parity`: our models against stored results of the original implementations. */

import type { Command } from "commander";
import { findCases } from "../parity/case.ts";
import { type CaseReport, reportLine, runCase } from "../parity/run.ts";
import { createCommand, runs } from "./command.ts";

export function parityCommand(): Command {
  const command = createCommand("parity <folder...>", "Compare models with stored reference results.", [
    "parity test/parity/fixtures",
    "parity ./cases/bert-base --json",
  ]).argument("<folder...>", "folders of cases, or of folders of cases");
  return runs<object, [string[]]>(command, async ({ output }, folders) => {
    const reports: CaseReport[] = [];
    for (const folder of await findCases(folders)) {
      const report = await runCase(folder);
      output.line(reportLine(report));
      reports.push(report);
    }
    const passed = reports.filter(({ status }) => status === "passed").length;
    const summary = `${passed} of ${reports.length} cases passed`;
    output.result({ passed, total: reports.length, cases: reports }, summary);
    return passed === reports.length ? 0 : 1;
  });
}
