/**
 * Colours of a terminal, for those who want them.
 *
 * @module
 */

/** Escape sequences (ECMA-48 §8.3.117, SGR): what they begin, {@link paint} ends. */
export const COLOR = { red: "\x1b[1;31m", yellow: "\x1b[1;33m", green: "\x1b[32m" } as const;

const RESET = "\x1b[0m";

/** What {@link wantsColor} looks at. */
export interface ColorSurroundings {
  /** Whether a terminal is there to show it. */
  readonly isTerminal: boolean;
  /** The environment variable NO_COLOR. */
  readonly noColor: string | undefined;
  /** The environment variable TERM. */
  readonly term: string | undefined;
}

/** Whether colours are shown and wanted: a terminal, not a dumb one, and no NO_COLOR (https://no-color.org). */
export function wantsColor({ isTerminal, noColor, term }: ColorSurroundings): boolean {
  return isTerminal && !noColor && term !== "dumb";
}

/**
 * {@link wantsColor} of this program's stdout or stderr.
 *
 * @param stream one of the two
 */
export function streamWantsColor(stream: { isTerminal(): boolean }): boolean {
  return wantsColor({ isTerminal: stream.isTerminal(), noColor: variable("NO_COLOR"), term: variable("TERM") });
}

/** A text in a colour, if there is one. */
export function paint(text: string, color: string | undefined): string {
  return color === undefined ? text : `${color}${text}${RESET}`;
}

function variable(name: string): string | undefined {
  return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
    ? Deno.env.get(name)
    : undefined;
}
