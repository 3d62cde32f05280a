/** A victim that tells its parent its address and its defects, and ends when the parent disconnects. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startVictim, type VictimMessage } from "./victim.ts";

const tell = (message: VictimMessage): void => void process.send?.(message);

const folder = await mkdtemp(join(tmpdir(), "tesserae-victim-"));
const { server, url } = await startVictim(folder, (defect) => tell({ defect }));
process.once("disconnect", async () => {
  await server.close();
  await rm(folder, { recursive: true });
});
tell({ url });
