import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { completionScript } from "../../lib/cli/completions.ts";
import { COMMANDS, OPTIONS, SHELLS } from "../../lib/cli/option_table.ts";
import { MAY_RUN, runInTerminal } from "./_run.ts";
import { hasTool } from "./_tools.ts";

/** The directory of the files that are offered, and of the scripts. */
async function withFiles(action: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "lguest-test-" });
  try {
    for (const shell of SHELLS) await Deno.writeTextFile(`${directory}/script.${shell}`, completionScript(shell));
    for (const name of ["bzImage", "disk one.img", "disk=two.img"]) {
      await Deno.writeTextFile(`${directory}/${name}`, "");
    }
    await Deno.mkdir(`${directory}/boot`);
    await action(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** What a script prints, line by line. */
async function lines(directory: string, program: string, ...args: string[]): Promise<string[]> {
  const command = new Deno.Command(program, {
    args,
    cwd: directory,
    stdin: "null",
    env: { HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory },
  });
  const { stdout, stderr } = await command.output();
  assertEquals(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

/** What bash would offer at the end of a line: its words are taken apart as bash does it. */
function bashOffers(directory: string, ...words: string[]): Promise<string[]> {
  const parts = words.flatMap((word) => word === "" ? [""] : word.split(/([=:])/).filter((part) => part !== ""));
  const script = `source script.bash
    compopt() { :; }
    COMP_WORDS=(lguest "$@") COMP_CWORD=$#
    _lguest lguest
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return lines(directory, "bash", "--norc", "-c", script, "bash", ...parts);
}

/** What fish would offer. */
async function fishOffers(directory: string, line: string): Promise<string[]> {
  const script = `source script.fish; complete -C ${JSON.stringify(line)}`;
  return (await lines(directory, "fish", "--no-config", "-c", script)).map((offer) => offer.split("\t")[0]!);
}

const OPTION_WORDS = OPTIONS.map(({ name }) => `--${name}`);

Deno.test("completionScript() names every option and every command to every shell", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell);
    for (const { name } of COMMANDS) assertStringIncludes(script, name);
    for (const { name } of OPTIONS) assertStringIncludes(script, shell === "fish" ? `-l ${name}` : `--${name}`);
  }
});

for (
  const [words, wanted] of [
    [["--pl"], ["--platform="]],
    [["--platform="], ["auto", "pc", "lguest"]],
    [["--platform=l"], ["lguest"]],
    [["--platform", "p"], ["pc"]],
    [["--unpack=h", ""], ["doctor", "completions", "man", "64", "128", "256", "512", "1g"]],
    [["--initrd=bz"], ["bzImage"]],
    [["--initrd", "bz"], ["bzImage"]],
    [["--block=disk=t"], ["two.img"]],
    [["--block=disk\\ o"], ["disk one.img"]],
    [["--tunnet=b"], ["bridge:"]],
    [["--tunnet=bridge:br0:52:54:00:00:00:01", "6"], ["64"]],
    [["--chroot=b"], ["boot"]],
    [["--username=roo"], ["root"]],
    [["comp"], ["completions"]],
    [["completions", ""], ["bash", "zsh", "fish"]],
    [["completions", "z"], ["zsh"]],
    [["doctor", ""], []],
    [["doctor", "--js"], ["--json"]],
    [["64", "bz"], ["bzImage"]],
    [["--rng", "64", "--engine", "soft", "bz"], ["bzImage"]],
    [["64", "bzImage", "bz"], []],
    [["64", "bzImage", "--rn"], ["--rng"]],
    [["64", "bzImage", "--", "--rn"], []],
  ] as const
) {
  Deno.test({
    name: `completionScript() has bash offer ${wanted.join(", ") || "nothing"} for "lguest ${words.join(" ")}"`,
    ignore: !hasTool("bash"),
    fn: () =>
      withFiles(async (directory) => {
        assertEquals((await bashOffers(directory, ...words)).toSorted(), [...wanted].toSorted());
      }),
  });
}

Deno.test({
  name: "completionScript() has bash offer all options",
  ignore: !hasTool("bash"),
  fn: () =>
    withFiles(async (directory) => {
      const offers = await bashOffers(directory, "--");
      assertEquals(offers.map((offer) => offer.replace("=", "")).toSorted(), OPTION_WORDS.toSorted());
    }),
});

for (
  const [line, wanted] of [
    ["lguest --pl", ["--platform"]],
    ["lguest --platform=", ["--platform=auto", "--platform=lguest", "--platform=pc"]],
    ["lguest --platform p", ["pc"]],
    ["lguest comp", ["completions"]],
    ["lguest completions ", ["bash", "fish", "zsh"]],
    ["lguest doctor ", []],
    ["lguest 64 bz", ["bzImage"]],
    ["lguest --initrd=bz", ["--initrd=bzImage"]],
    ["lguest --rng 64 --engine soft bz", ["bzImage"]],
    ["lguest 64 bzImage bz", []],
    ["lguest 64 bzImage -- --rn", []],
    ["lguest 64 bzImage --rn", ["--rng"]],
  ] as const
) {
  Deno.test({
    name: `completionScript() has fish offer ${wanted.join(", ") || "nothing"} for "${line}"`,
    ignore: !hasTool("fish"),
    fn: () =>
      withFiles(async (directory) => {
        assertEquals((await fishOffers(directory, line)).toSorted(), [...wanted]);
      }),
  });
}

Deno.test({
  name: "completionScript() has fish offer all options",
  ignore: !hasTool("fish"),
  fn: () =>
    withFiles(async (directory) => {
      const offers = await fishOffers(directory, "lguest --");
      assertEquals(offers.toSorted(), OPTION_WORDS.toSorted());
    }),
});

/** Type in a shell's own terminal; what was completed is printed by a function of the program's name. */
async function typeInShell(command: string, setup: string, keys: readonly string[]): Promise<string> {
  const steps: [string, string][] = [["#>", `${setup}; lguest() { printf '<%s>' "$@"; echo; }; echo rea""dy\r`]];
  for (const [at, line] of keys.entries()) steps.push([at === 0 ? "ready\r" : ">\r", `${line}\r`]);
  steps.push([">\r", "exit\r"]);
  return (await runInTerminal(command, steps)).stdout;
}

const TYPED: readonly (readonly [keys: string, seen: string])[] = [
  ["lguest --platf\tp\t 64 bzI\t quiet", "<--platform=pc><64><bzImage><quiet>"],
  ["lguest --block=disk\\ \t 6\t", "<--block=disk one.img><64>"],
  ["lguest compl\tfi\t", "<completions><fish>"],
  ["lguest --chroot bo\t --unpack=g\t", "<--chroot><boot><--unpack=guest>"],
];

/** bash leaves the slash behind a directory, zsh takes it away when a space follows. */
function assertTyped(screen: string): void {
  const plain = screen.replaceAll("/>", ">");
  for (const [keys, seen] of TYPED) assert(plain.includes(seen), `${keys}: no ${seen} in ${screen}`);
}

Deno.test({
  name: "completionScript() completes what is typed in bash with Tab",
  ignore: !MAY_RUN || !hasTool("bash"),
  fn: () =>
    withFiles(async (directory) => {
      const screen = await typeInShell(
        `cd ${directory}; env PS1='#> ' HISTFILE= bash --norc --noprofile -i`,
        "source ./script.bash",
        TYPED.map(([keys]) => keys),
      );
      assertTyped(screen);
    }),
});

Deno.test({
  name: "completionScript() completes what is typed in zsh with Tab",
  ignore: !MAY_RUN || !hasTool("zsh"),
  fn: () =>
    withFiles(async (directory) => {
      const screen = await typeInShell(
        `cd ${directory}; env HOME=${directory} PS1='#> ' zsh -f -i`,
        "PROMPT_EOL_MARK=; autoload -Uz compinit; compinit -u -D; source ./script.zsh",
        TYPED.map(([keys]) => keys),
      );
      assertTyped(screen);
    }),
});
