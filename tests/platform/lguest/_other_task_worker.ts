/**
 * Another thread than the one that began a Guest: it tries to run the Guest, then raises an interrupt. It is posted the
 * device's descriptor and what to write, and posts back what the two calls returned, each as soon as it has.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { openLibrary } from "../../../ffi/library.ts";

/** What is posted to it. */
export interface OtherTaskRequest {
  readonly fd: number;
  readonly interrupt: Uint8Array<ArrayBuffer>;
}

self.addEventListener("message", ({ data: { fd, interrupt } }: MessageEvent<OtherTaskRequest>) => {
  const library = openLibrary();
  self.postMessage(library.lguest_pread(fd, new Uint8Array(64), 64, 0));
  self.postMessage(library.lguest_pwrite(fd, interrupt, interrupt.length, 0));
  self.close();
});
