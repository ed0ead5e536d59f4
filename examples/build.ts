/**
 * A build in a Linux that is thrown away: sources go in, a program comes out, and whatever the build does to its system
 * is gone afterwards. Run it with `deno run -A examples/build.ts`.
 *
 * Both ways lead over disks, and nobody needs a file system for that: the first disk is a tar archive with the sources,
 * the second takes one with the result. The system is Debian's kernel, busybox, and the C compiler tcc with its
 * libraries, all in the initial RAM disk and fetched with apt.
 */
import { Guest, GuestError } from "@lguest/lguest";
import { join } from "@std/path";
import { fetchBusybox, fetchKernel, fetchModules, fetchPackages } from "../scripts/debian.ts";
import { buildInitramfs, INIT_DRIVERS, INIT_PREAMBLE, INIT_SHELL, QUICK_BOOT } from "../scripts/initramfs.ts";

const SOURCES = {
  "greeting.h": `#define GREETING "Hello from a program that was built in a Guest"\n`,
  "main.c": `#include <stdio.h>\n#include "greeting.h"\n\nint main(void) {\n  puts(GREETING);\n  return 42;\n}\n`,
};

const scratch = await Deno.makeTempDir({ prefix: "lguest-build-" });
try {
  const sources = join(scratch, "sources.tar"), result = join(scratch, "result.tar");
  for (const [name, text] of Object.entries(SOURCES)) await Deno.writeTextFile(join(scratch, name), text);
  await tar("-cf", sources, "-C", scratch, ...Object.keys(SOURCES));
  await Deno.writeFile(result, new Uint8Array(8 << 20));

  await build(sources, result);

  await tar("-xf", result, "-C", scratch);
  const program = await Deno.readFile(join(scratch, "hello"));
  console.log(`The result has ${program.length} bytes and is ${isElf(program) ? "an ELF program" : "something else"}`);
} finally {
  await Deno.remove(scratch, { recursive: true });
}

async function build(sources: string, result: string): Promise<void> {
  await using guest = await Guest.start({
    memory: 256,
    kernel: await fetchKernel(),
    initrd: buildInitramfs({
      busybox: await Deno.readFile(await fetchBusybox()),
      init: INIT_PREAMBLE + INIT_DRIVERS + INIT_SHELL,
      trees: [await fetchModules(), await fetchPackages(["libc6-dev", "tcc"])],
    }),
    commandLine: ["console=hvc0", ...QUICK_BOOT].join(" "),
    block: [{ path: sources, readOnly: true }, result],
  });
  await guest.console.expect("/root # ", { timeout: 300_000 });
  const run = async (command: string) => {
    const { stdout, status } = await guest.run(command);
    console.log(`$ ${command}\n${stdout}`.trimEnd());
    if (status !== 0) throw new GuestError(`"${command}" ended with status ${status}`);
  };
  await run("uname -srm");
  await run("mkdir build && cd build && tar -xf /dev/vda");
  await run("tcc -Wall -o hello main.c");
  await run("./hello; [ $? = 42 ]");
  await run("tar -cf /dev/vdb hello && sync");
}

async function tar(...args: string[]): Promise<void> {
  const { success } = await new Deno.Command("tar", { args }).output();
  if (!success) throw new GuestError(`tar ${args.join(" ")} failed`);
}

function isElf(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes.subarray(0, 4)) === "\x7fELF";
}
