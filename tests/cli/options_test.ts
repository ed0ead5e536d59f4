import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { usage } from "../../lib/cli/help.ts";
import { COMMANDS, type LaunchOptions, OPTIONS } from "../../lib/cli/option_table.ts";
import { parseMemory } from "../../lib/cli/option_values.ts";
import { parseCommandLine, wantsJson } from "../../lib/cli/options.ts";
import { UsageError } from "../../lib/cli/usage_error.ts";

const MIB = 2 ** 20;

function parsed(...words: string[]): LaunchOptions {
  const command = parseCommandLine(words);
  if (command.kind !== "run") throw new Error(`"${words.join(" ")}" is a wish for ${command.kind}`);
  return command.options;
}

for (
  const [text, mib] of [
    ["64", 64],
    ["64m", 64],
    ["64M", 64],
    ["64MB", 64],
    ["64MiB", 64],
    ["1g", 1024],
    ["1GiB", 1024],
    ["65536k", 64],
    ["3584", 3584],
  ] as const
) {
  Deno.test(`parseMemory() takes "${text}" for ${mib} MiB`, () => {
    assertEquals(parseMemory(text), mib * MIB);
  });
}

Deno.test("parseMemory() rounds down to whole pages", () => {
  assertEquals(parseMemory("1026k"), 1024 * 1024);
});

for (
  const [text, complaint] of [
    ["0", "too small"],
    ["0g", "too small"],
    ["1023k", "too small"],
    ["-64", "negative"],
    ["abc", "not a number"],
    ["64x", "not a number"],
    ["6 4", "not a number"],
    ["1.5g", "not a number"],
    ["0x40", "not a number"],
    ["", "not a number"],
    ["3585", "too large"],
    ["4g", "too large"],
    ["1t", "too large"],
    ["99999999999999999999999", "too large"],
  ] as const
) {
  Deno.test(`parseMemory() refuses "${text}" as ${complaint}`, () => {
    const error = assertThrows(() => parseMemory(text), UsageError, complaint);
    assertStringIncludes(error.message, `"${text}"`);
  });
}

Deno.test("parseCommandLine() passes the words after the kernel on untouched", () => {
  const options = parsed("64", "bzImage", "root=/dev/vda", "single", 'dyndbg="file a.c +p"', "", "-");
  assertEquals(options.kernelArguments, ["root=/dev/vda", "single", 'dyndbg="file a.c +p"', "", "-"]);
  assertEquals(options.kernel, "bzImage");
  assertEquals(options.memory, 64 * MIB);
});

Deno.test("parseCommandLine() uses auto, host and silence unless told otherwise", () => {
  const { engine, unpack, verbose, initrd } = parsed("64", "bzImage");
  assertEquals([engine, unpack, verbose, initrd], ["auto", "host", false, undefined]);
});

for (const at of [0, 1, 2, 3]) {
  Deno.test(`parseCommandLine() recognises options behind ${at} other words`, () => {
    const words = ["64", "bzImage", "quiet"];
    words.splice(at, 0, "--initrd=i.cpio", "-v", "--engine", "soft", "--unpack=guest");
    const options = parsed(...words);
    assertEquals(options.initrd, "i.cpio");
    assertEquals(options.verbose, true);
    assertEquals(options.engine, "soft");
    assertEquals(options.unpack, "guest");
    assertEquals(options.kernelArguments, ["quiet"]);
  });
}

Deno.test("parseCommandLine() gives the kernel all that follows --, a second -- too", () => {
  const options = parsed("64", "bzImage", "quiet", "--", "--verbose", "-s", "--", "--initrd=x");
  assertEquals(options.kernelArguments, ["quiet", "--verbose", "-s", "--", "--initrd=x"]);
  assertEquals(options.verbose, false);
});

Deno.test("parseCommandLine() takes memory and kernel from behind -- where they are still due", () => {
  assertEquals(parsed("-v", "--", "64", "-odd-name").kernel, "-odd-name");
});

Deno.test("parseCommandLine() keeps the value of an option that begins with a dash", () => {
  assertEquals(parsed("64", "bzImage", "--initrd", "--odd").initrd, "--odd");
});

for (const word of ["--blocks=x", "--init", "--xyz", "-s", "-vx", "--VERBOSE"]) {
  Deno.test(`parseCommandLine() refuses "${word}" and tells about --`, () => {
    const error = assertThrows(() => parsed("64", "bzImage", word), UsageError, `"${word}"`);
    assertStringIncludes(error.message, "go behind --");
  });
}

Deno.test("parseCommandLine() keeps the devices in the order in which they are given, with the value apart or not", () => {
  const { devices } = parsed(
    "--block=a.img",
    "64",
    "bzImage",
    "--rng",
    "--block",
    "b.img,readonly",
    "--tunnet=10.0.0.1",
  );
  assertEquals(devices, [
    { kind: "block", path: "a.img", readOnly: false },
    { kind: "rng" },
    { kind: "block", path: "b.img", readOnly: true },
    { kind: "net", tunnet: { kind: "ip", ip: "10.0.0.1" } },
  ]);
});

Deno.test("parseCommandLine() takes a user, a root directory and a library", () => {
  const { username, chroot, library } = parsed(
    "64",
    "bzImage",
    "--username=nobody",
    "--chroot",
    "/srv",
    "--library=l.so",
  );
  assertEquals([username, chroot, library], ["nobody", "/srv", "l.so"]);
});

Deno.test("parseCommandLine() takes platform, ABI and device, auto and none unless given", () => {
  const { platform, engine, abi, device } = parsed("64", "bzImage");
  assertEquals([platform, engine, abi, device], ["auto", "auto", "auto", undefined]);
  const words = ["--platform=lguest", "--engine", "lguest", "--abi=2.6.32", "--device=/tmp/lguest"];
  const given = parsed(...words, "64", "bzImage");
  assertEquals([given.platform, given.engine, given.abi, given.device], ["lguest", "lguest", "2.6.32", "/tmp/lguest"]);
});

for (const abi of ["auto", "4.13", "3.11", "2.6.32", "4.13.19"]) {
  Deno.test(`parseCommandLine() takes --abi=${abi}`, () => {
    assertEquals(parsed("64", "bzImage", `--abi=${abi}`).abi, abi);
  });
}

for (
  const [words, complaint] of [
    [[], "No memory size"],
    [["64"], "No kernel"],
    [["64", ""], "No kernel"],
    [["-64", "bzImage"], "negative"],
    [["64", "bzImage", "--initrd"], "--initrd=FILE"],
    [["64", "bzImage", "--initrd="], "--initrd=FILE"],
    [["64", "bzImage", "--verbose=yes"], "takes no value"],
    [["64", "bzImage", "--engine=kvm"], "--engine=soft"],
    [["64", "bzImage", "--engine=lguest", "--platform=pc"], "--engine=soft --platform=pc"],
    [["64", "bzImage", "--platform=pc", "--engine=lguest"], "--engine=lguest --platform=lguest"],
    [["64", "bzImage", "--platform=arm"], 'Unknown platform "arm"'],
    [["64", "bzImage", "--abi=4"], 'ABI "4"'],
    [["64", "bzImage", "--abi=4.13-rc1"], 'ABI "4.13-rc1"'],
    [["64", "bzImage", "--abi=2.6.32.69"], 'ABI "2.6.32.69"'],
    [["64", "bzImage", "--device="], "--device=FILE"],
    [["64", "bzImage", "--engine=fast"], "Unknown engine"],
    [["64", "bzImage", "--unpack=here"], "here"],
    [["64", "bzImage", "--block="], "--block=FILE[,readonly]"],
    [["64", "bzImage", "--block=,readonly"], "names no file"],
    [["64", "bzImage", "--tunnet=1.2.3"], '"1.2.3"'],
    [["64", "bzImage", "--tunnet=1.2.3.256"], "above 255"],
    [["64", "bzImage", "--tunnet=10.0.0.1:52:54:00"], "not 6"],
    [["64", "bzImage", "--tunnet=bridge:"], "bridge"],
    [["64", "bzImage", "--rng=yes"], "takes no value"],
    [["64", "bzImage", "--json=yes"], "takes no value"],
    [["64", "bzImage", "--log="], "--log=FILE"],
    [["completions"], "bash, zsh and fish"],
    [["completions", "tcsh"], 'Unknown shell "tcsh"; there are bash, zsh and fish'],
    [["completions", "bash", "zsh"], 'no use for "zsh"'],
    [["man", "64"], 'no use for "64"'],
    [["doctor", "--frobnicate"], '"--frobnicate"'],
  ] as const
) {
  Deno.test(`parseCommandLine() refuses "${words.join(" ")}"`, () => {
    assertThrows(() => parsed(...words), UsageError, complaint);
  });
}

Deno.test("parseCommandLine() grants a wish for help whatever else is missing", () => {
  assertEquals(parseCommandLine(["--help"]).kind, "help");
  assertEquals(parseCommandLine(["64", "-h"]).kind, "help");
  assertEquals(parseCommandLine(["--version"]).kind, "version");
  assertEquals(parseCommandLine(["64", "bzImage", "--", "--help"]).kind, "run");
});

for (
  const [words, command] of [
    [["man"], { kind: "man" }],
    [["completions", "zsh"], { kind: "completions", shell: "zsh" }],
    [["-v", "completions", "fish"], { kind: "completions", shell: "fish" }],
  ] as const
) {
  Deno.test(`parseCommandLine() takes "${words.join(" ")}" for a command`, () => {
    assertEquals(parseCommandLine(words), command);
  });
}

Deno.test("parseCommandLine() gives the command doctor the options that it looks at", () => {
  const command = parseCommandLine(["doctor", "--json", "--device=d"]);
  assert(command.kind === "doctor");
  assertEquals([command.options.json, command.options.device], [true, "d"]);
});

Deno.test("parseCommandLine() takes a kernel of a command's name", () => {
  assertEquals(parsed("64", "man", "doctor").kernel, "man");
});

Deno.test("parseCommandLine() takes a file for the log and a wish for JSON", () => {
  const { log, json } = parsed("64", "bzImage", "--log=l.txt", "--json");
  assertEquals([log, json], ["l.txt", true]);
  assertEquals([parsed("64", "bzImage").log, parsed("64", "bzImage").json], [undefined, false]);
});

Deno.test("wantsJson() finds --json in a command line that is wrong too, but not behind --", () => {
  assertEquals(wantsJson(["--frobnicate", "--json"]), true);
  assertEquals(wantsJson(["64", "bzImage", "--", "--json"]), false);
  assertEquals(wantsJson([]), false);
});

Deno.test("usage() has a line for each option and each command, none wider than 120", () => {
  const lines = usage().split("\n");
  for (const { name, help } of [...OPTIONS, ...COMMANDS]) {
    assert(lines.some((line) => line.includes(name) && line.endsWith(help)), name);
  }
  assertEquals(lines.filter((line) => line.length > 120), []);
});
