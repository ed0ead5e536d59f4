/**
 * The steps of a check: a name and something to do enter; a line that says "ok" or "FAILED" and how long it took
 * leaves.
 *
 * @module
 */

/** Something is not as it should be; what follows may be all right all the same. */
export class WrongError extends Error {
  override name = "WrongError";
}

/** See that something is as it should be. */
export function expect(is: boolean, otherwise: string): void {
  if (!is) throw new WrongError(otherwise);
}

/** Counts and prints. */
export class Steps {
  /** How many went well, failed, and were not done. */
  readonly counts: { ok: number; failed: number; skipped: number } = { ok: 0, failed: 0, skipped: 0 };

  /**
   * Do one.
   *
   * @param name what it shows
   * @param act does it, and may return a detail for the line; throws if something is not as it should be
   * @returns whether it went well
   * @throws what `act` throws, if that is no {@link WrongError}: what follows would be of no use
   */
  async step(name: string, act: () => Promise<string | void>): Promise<boolean> {
    const started = performance.now();
    const print = (word: string, detail: string | void) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
      console.log(`${word.padEnd(6)} ${seconds} s  ${name}${detail ? `: ${detail}` : ""}`);
    };
    try {
      print("ok", await act());
      this.counts.ok++;
      return true;
    } catch (error) {
      print("FAILED", error instanceof Error ? error.message : String(error));
      this.counts.failed++;
      if (error instanceof WrongError) return false;
      throw error;
    }
  }

  /** Say that one is not done, and why. */
  skip(name: string, reason: string): void {
    console.log(`-                ${name}: ${reason}`);
    this.counts.skipped++;
  }
}
