/**
 * Offline stand-in for `@std/cli`: the functions this project uses, with the real package's names and signatures.
 * The launcher's own command line is read by `lib/cli/options.ts`, whose rules (GNU permutation, words for the kernel)
 * no general parser has; this one serves the scripts.
 *
 * @module
 */

/** What {@link parseArgs} takes for which kind of option. */
export interface ParseOptions {
  /** Arguments that take no value; they are `false` unless given. */
  boolean?: readonly string[];
  /** Arguments whose value stays text. */
  string?: readonly string[];
  /** Values of arguments that are not given. */
  default?: Record<string, unknown>;
  /** Put what follows a `--` into the result's `--` instead of `_`. */
  "--"?: boolean;
}

/** What {@link parseArgs} found: options by name, the other words in `_`. */
export interface Args {
  /** Words that are no options. */
  _: (string | number)[];
  /** Words after `--`, if asked for. */
  "--"?: string[];
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
}

/** Split a command line into long options and other words. */
export function parseArgs(args: string[], options: ParseOptions = {}): Args {
  const result: Args = { _: [] };
  for (const name of options.boolean ?? []) result[name] = false;
  Object.assign(result, options.default);
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word === "--") {
      const rest = args.slice(i + 1);
      if (options["--"]) result["--"] = rest;
      else result._.push(...rest);
      return result;
    }
    if (!word.startsWith("--")) {
      result._.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    if (equals >= 0) result[name] = word.slice(equals + 1);
    else if (options.string?.includes(name)) result[name] = args[++i] ?? "";
    else result[name] = true;
  }
  if (options["--"]) result["--"] = [];
  return result;
}
