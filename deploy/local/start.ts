/**
 * Starts a cluster on this machine and runs until Ctrl-C: npm run build && node --import tsx deploy/local/start.ts
 * Models are those of TESSERAE_HOME and the bundled ones; PORT is where clients connect, 8080 by default.
 */

import { once } from "node:events";
import { defaultStoreRoot } from "../../src/store/store.ts";
import { Cluster, missingPrograms } from "./cluster.ts";

const missing = missingPrograms();
if (missing.length > 0) {
  console.error(`cluster: needs ${missing.join(" and ")}; on Debian: apt-get install haproxy redis-server`);
  process.exit(2);
}
const cluster = await Cluster.start({
  home: defaultStoreRoot(),
  port: Number(process.env.PORT ?? 8080),
  log: (line) => console.error(line),
});
console.log(`HAProxy → 2 gateways → 3 workers → Redis: ${cluster.url}`);
await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
await cluster.stop();
