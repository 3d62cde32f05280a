/** `tesserae compress`: a smaller and faster form of a classifier that keeps a contract. */

import { join } from "node:path";
import type { Command } from "commander";
import { type CompressResult, compress, type Measured } from "../compress/compress.ts";
import { cellsOf, contractLine, searchReport, trialColumns } from "../compress/search-report.ts";
import { writeFileAtomic } from "../weights/atomic.ts";
import { commandLine, createCommand, interruptSignal, runs } from "./command.ts";
import { addCompressOptions, type CompressFlags } from "./compress-flags.ts";
import { setUpCompress } from "./compress-setup.ts";
import { applyConfigFile } from "./config-file.ts";
import { showTable } from "./format.ts";
import type { Output } from "./output.ts";
import { trainProgress } from "./train-progress.ts";

export function compressCommand(): Command {
  const command = createCommand("compress [model]", "Search for a smaller and faster form of a classifier.", [
    "compress reviews --data train.csv --validation dev.csv --max-drop 1",
    "compress reviews --data train.csv --validation dev.csv --target-latency 5ms --target-size 5MB",
    "compress reviews --data train.csv --validation dev.csv --layers 1,2 --widths 128 --epochs 10",
    "compress --config examples/compress-sst2.yaml",
  ]).argument("[model]", "the teacher: name, name@version, or a folder");
  addCompressOptions(command);
  return runs<CompressFlags, [string | undefined]>(command, async ({ options, output }, given) => {
    const inFile = options.config ? await applyConfigFile(command, options.config, "model") : undefined;
    const flags = command.opts<CompressFlags>();
    const request = await setUpCompress(given ?? inFile, flags, output);
    const { signal, dispose } = interruptSignal(() => output.note("\nstopping; finished trials are kept"));
    const { onEvent, finish } = trainProgress(output);
    const lineage = { command: commandLine(), config: { ...flags } };
    const log = (line: string): void => output.note(line);
    try {
      const result = await compress({ ...request, lineage }, { log, onEvent, signal });
      const report = join(request.output, "report.html");
      await writeFileAtomic(report, searchReport(request.name, request.contract, result));
      show(output, result, contractLine(request.contract), report);
      return result.isMet ? 0 : 1;
    } finally {
      finish();
      dispose();
    }
  });
}

function show(output: Output, result: CompressResult, contract: string, report: string): void {
  const { trials, front, chosen, isMet, published, teacherAccuracy } = result;
  const rows = front.map((trial: Measured) => [
    `${trial === chosen ? "* " : "  "}${trial.name}`,
    ...cellsOf(trial),
  ]);
  const header = trialColumns.map((name) => name.toUpperCase());
  const table = showTable(
    [`  ${header[0]}`, ...header.slice(1)],
    rows,
    header.slice(1).map((_, at) => at + 1),
  );
  const refused = trials.filter((trial) => trial.refused !== undefined);
  const lines = [
    `${contract}; the teacher has ${(100 * teacherAccuracy).toFixed(2)} %`,
    table,
    ...refused.map(({ name, refused: reason }) => `  refused ${name}: ${reason}`),
    isMet ? `stored as ${published!.ref}` : "nothing meets the contract; * is the best found",
    `chart in ${report}`,
  ];
  output.result({ isMet, ...published, chosen, front, trials, teacherAccuracy, report }, lines.join("\n"));
}
