import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type LaunchOptions, parseCommandLine, parseMemory, usage, UsageError } from "../../lib/cli/options.ts";

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

for (
  const [words, complaint] of [
    [[], "No memory size"],
    [["64"], "No kernel"],
    [["64", ""], "No kernel"],
    [["-64", "bzImage"], "negative"],
    [["64", "bzImage", "--initrd"], "--initrd=FILE"],
    [["64", "bzImage", "--initrd="], "--initrd=FILE"],
    [["64", "bzImage", "--verbose=yes"], "takes no value"],
    [["64", "bzImage", "--engine=kvm"], "not available yet"],
    [["64", "bzImage", "--engine=lguest"], "not available yet"],
    [["64", "bzImage", "--engine=fast"], "Unknown engine"],
    [["64", "bzImage", "--unpack=here"], "here"],
    [["64", "bzImage", "--block="], "--block=FILE[,readonly]"],
    [["64", "bzImage", "--block=,readonly"], "names no file"],
    [["64", "bzImage", "--tunnet=1.2.3"], '"1.2.3"'],
    [["64", "bzImage", "--tunnet=1.2.3.256"], "above 255"],
    [["64", "bzImage", "--tunnet=10.0.0.1:52:54:00"], "not 6"],
    [["64", "bzImage", "--tunnet=bridge:"], "bridge"],
    [["64", "bzImage", "--rng=yes"], "takes no value"],
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

Deno.test("usage() has a line for each option", () => {
  for (const option of ["--initrd=FILE", "--engine=NAME", "--unpack=WHERE", "-v, --verbose", "--help", "--version"]) {
    assertStringIncludes(usage(), option);
  }
});
