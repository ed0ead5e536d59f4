/**
 * The command line: words come in, a {@link Command} leaves, or a {@link UsageError}.
 *
 * `lguest [options] <mem> <kernel> [kernel arguments…]`, read as GNU getopt read the original's: options of the
 * launcher are recognised before, between and after the other words, until `--`, which is itself dropped. The first
 * two other words are memory and kernel; the rest is the kernel's and is not touched. A word of {@link COMMANDS} where
 * the memory size is due asks for something else than a Guest. Read next: `option_table.ts`, `launch.ts`.
 *
 * @module
 */
import { checkCombination } from "../platform_choice.ts";
import { SYNOPSIS } from "./help.ts";
import { COMMANDS, type CommandSpec, type LaunchOptions, OPTIONS, type OptionSpec, SHELLS } from "./option_table.ts";
import { asUsage, listing, parseChoice, parseMemory } from "./option_values.ts";
import { UsageError } from "./usage_error.ts";

/** What a command line means. */
export type Command =
  | { readonly kind: "run"; readonly options: LaunchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "man" }
  | { readonly kind: "completions"; readonly shell: typeof SHELLS[number] }
  | { readonly kind: "doctor"; readonly options: LaunchOptions };

/**
 * Read a command line.
 *
 * @param words the words after the program's name
 * @throws {UsageError} if it makes no sense
 */
export function parseCommandLine(words: readonly string[]): Command {
  const options: LaunchOptions = {
    memory: 0,
    kernel: "",
    kernelArguments: [],
    devices: [],
    platform: "auto",
    engine: "auto",
    abi: "auto",
    unpack: "host",
    json: false,
    verbose: false,
  };
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      rest.push(...words.slice(i + 1));
      break;
    }
    if (!isOption(word, rest.length)) {
      rest.push(word);
      continue;
    }
    for (const { spec, value } of splitOption(word)) {
      if (spec.instead) return { kind: spec.instead };
      if (spec.value === undefined) spec.apply(options, "");
      else spec.apply(options, value ?? checkValue(spec, words[++i] ?? ""));
    }
  }
  const [memory, kernel, ...kernelArguments] = rest;
  const command = COMMANDS.find(({ name }) => name === memory);
  if (command) return parseCommand(command, rest.slice(1), options);
  asUsage(() => checkCombination(options));
  if (memory === undefined) throw new UsageError(`No memory size and no kernel given; usage: ${SYNOPSIS}`);
  options.memory = parseMemory(memory);
  if (!kernel) throw new UsageError(`No kernel given; usage: ${SYNOPSIS}`);
  return { kind: "run", options: { ...options, kernel, kernelArguments } };
}

/**
 * Whether a command line asks for `--json`, also one that makes no sense.
 *
 * @param words the words after the program's name
 */
export function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? undefined : end).includes("--json");
}

function parseCommand({ name, words }: CommandSpec, given: readonly string[], options: LaunchOptions): Command {
  if (words.length > 0 && given[0] === undefined) {
    throw new UsageError(`Command "${name}" wants to know which: ${listing(words)} are there`);
  }
  const extra = given[words.length > 0 ? 1 : 0];
  if (extra !== undefined) throw new UsageError(`Command "${name}" has no use for "${extra}"`);
  switch (name) {
    case "completions":
      return { kind: "completions", shell: parseChoice("shell", SHELLS, given[0]!) };
    case "man":
      return { kind: "man" };
    case "doctor":
      return { kind: "doctor", options };
    default:
      throw new Error(`Command "${name}" is in the table only`);
  }
}

/** A lone dash is a word; so is a number with a sign where the memory size is due, to be refused as such there. */
function isOption(word: string, wordsBefore: number): boolean {
  return word.startsWith("-") && word !== "-" && !(wordsBefore === 0 && /^-\d/.test(word));
}

/** The options that one word holds: one long one, or letters after one dash. */
function splitOption(word: string): { spec: OptionSpec; value?: string }[] {
  if (!word.startsWith("--")) {
    return [...word.slice(1)].map((letter) => {
      const spec = OPTIONS.find((candidate) => candidate.letter === letter);
      if (!spec) throw unknownOption(word);
      return { spec };
    });
  }
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const spec = OPTIONS.find((candidate) => candidate.name === name);
  if (!spec) throw unknownOption(word);
  if (equals < 0) return [{ spec }];
  if (spec.value === undefined) throw new UsageError(`Option "--${name}" takes no value`);
  return [{ spec, value: checkValue(spec, word.slice(equals + 1)) }];
}

function checkValue({ name, value }: OptionSpec, given: string): string {
  if (given === "") throw new UsageError(`Option "--${name}" needs a value: --${name}=${value?.name}`);
  return given;
}

function unknownOption(word: string): UsageError {
  return new UsageError(
    `Unknown option "${word}"; --help lists the options, and words for the kernel that begin with a dash go behind --`,
  );
}
