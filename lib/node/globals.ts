/**
 * What the library needs of the web platform and Node 20 does not have: Web Workers, made of those of
 * `node:worker_threads`, and `Promise.withResolvers()`. Only what is missing is put in, so in Deno nothing happens.
 * Read next: `worker_main.ts`, the other end of such a Worker.
 *
 * @module
 */
import { Worker as NodeWorker } from "node:worker_threads";

/** As much of a Web Worker as the library uses. */
class WebWorker {
  /** Gets the Worker's messages. */
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  /** Gets its failure. */
  onerror: ((event: { readonly message: string; preventDefault(): void }) => void) | null = null;
  readonly #worker: NodeWorker;

  constructor(module: string | URL, options: { readonly name?: string } = {}) {
    this.#worker = new NodeWorker(new URL("./worker_main.js", import.meta.url), {
      workerData: { module: String(module) },
      name: options.name ?? "",
    });
    this.#worker.on("message", (data) => this.onmessage?.({ data }));
    this.#worker.on("error", (error) => {
      const message = error instanceof Error ? error.message : String(error);
      this.onerror?.({ message, preventDefault: () => {} });
    });
  }

  postMessage(message: unknown): void {
    this.#worker.postMessage(message);
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

/** What `Promise.withResolvers()` does (ECMA-262 §27.2.4.9). */
function withResolvers<T>(this: PromiseConstructor): PromiseWithResolvers<T> {
  let resolve: PromiseWithResolvers<T>["resolve"] = () => {}, reject: PromiseWithResolvers<T>["reject"] = () => {};
  const promise = new this<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Give an object a property that it lacks. */
function provide(object: object, name: string, value: unknown): void {
  if (!(name in object)) Object.defineProperty(object, name, { value, writable: true, configurable: true });
}

provide(globalThis, "Worker", WebWorker);
provide(Promise, "withResolvers", withResolvers);
