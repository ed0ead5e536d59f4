/**
 * The module of the virtual CPU's Worker: a platform with its virtio devices and the engine that executes it, run by
 * `vcpu.ts`. Read next: `vcpu_machines.ts`.
 *
 * @module
 */
import { serveVcpu } from "./vcpu.ts";
import { createMachine } from "./vcpu_machines.ts";

serveVcpu(createMachine);
