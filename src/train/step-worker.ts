/** Thread of a training run. */

import { serveThread } from "../runtime/index.ts";
import { createStepApi } from "./step-api.ts";

serveThread(createStepApi);
