/** What a gateway tells Prometheus of its workers. */

import { Counter, Gauge, type Registry } from "prom-client";
import type { Fleet } from "./fleet.ts";

export function addFleetGauges(registry: Registry, fleet: Fleet): void {
  const registers = [registry];
  new Gauge({
    name: "tesserae_gateway_queue_texts",
    help: "Inputs that wait for a worker.",
    registers,
    collect() {
      this.set(fleet.queueLength);
    },
  });
  new Counter({
    name: "tesserae_gateway_retries_total",
    help: "Requests that were sent to another worker.",
    registers,
    collect() {
      this.reset();
      this.inc(fleet.retries);
    },
  });
  const perWorker = (
    name: string,
    help: string,
    measure: (worker: Fleet["workers"][number]) => number,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ["worker"],
      registers,
      collect() {
        this.reset();
        for (const worker of fleet.workers) this.set({ worker: worker.address }, measure(worker));
      },
    });
  };
  perWorker("tesserae_worker_up", "1 where a worker takes requests.", ({ isUsable }) => Number(isUsable));
  perWorker("tesserae_worker_outstanding_texts", "Inputs under way there.", ({ limit }) => limit.outstanding);
  perWorker(
    "tesserae_worker_limit_texts",
    "Inputs that may be under way there.",
    ({ limit }) => limit.current,
  );
}
