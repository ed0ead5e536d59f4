/**
 * The first module of a Worker in Node: gives the module that is to run the `self` of a Web Worker, and runs it. What
 * was posted before it listened waits for it. Read next: `globals.ts`, which starts it.
 *
 * @module
 */
import "./globals.ts";
import { parentPort, workerData } from "node:worker_threads";

const self = {
  addEventListener(_: "message", listener: (event: { readonly data: unknown }) => void, options?: { once?: boolean }) {
    const hear = (data: unknown) => listener({ data });
    if (options?.once) parentPort?.once("message", hear);
    else parentPort?.on("message", hear);
  },
  postMessage: (message: unknown) => parentPort?.postMessage(message),
  close: () => parentPort?.close(),
};
Object.defineProperty(globalThis, "self", { value: self, configurable: true });

await import((workerData as { readonly module: string }).module);
