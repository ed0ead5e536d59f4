/**
 * What a Guest's console is connected to, seen from the main thread: bytes in, bytes out, each when it is ready. The
 * launcher connects its terminal (`cli/terminal.ts`); a test or another program whatever it likes. (The virtual CPU's
 * end of the same console, which may not wait, is `platform/console.ts`.)
 *
 * @module
 */
import type { WindowSize } from "./platform/console.ts";

/** The far end of a Guest's console. */
export interface HostConsole {
  /** The Guest wrote `bytes`; it gets to write more when the promise is done. */
  write(bytes: Uint8Array): Promise<void>;
  /** The next bytes for the Guest, at least one; `undefined` when there will be no more. */
  read(): Promise<Uint8Array | undefined>;
  /** The size of its window now; absent if it has none. */
  readonly window?: WindowSize | undefined;
  /** Set by a Guest that wants to be told when {@link window} changes. */
  onresize?: () => void;
}
