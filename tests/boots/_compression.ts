/**
 * Compressors: what they pack is, byte for byte, what the same program packs on the host, and unpacking it gives back
 * what went in. Their input is a library, code and data of a few MB, so nothing has to be brought into the Guest.
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { assertEquals } from "@std/assert";
import type { Workbench } from "./_workbench.ts";

/** The packages that {@link checkCompression} needs. */
export const COMPRESSORS = ["bzip2", "gzip", "openssl", "xz-utils", "zstd"] as const;

const LARGE = "/usr/lib/i386-linux-gnu/libcrypto.so.3";
const SMALL = "/usr/lib/i386-linux-gnu/libssl.so.3";

/** Paths, since busybox's shell prefers commands of its own. The slow ones get the small input. */
const RUNS: readonly (readonly [command: string, input: string])[] = [
  ["/bin/gzip -n -c", LARGE],
  ["/bin/gzip -n -9 -c", SMALL],
  ["/bin/bzip2 -c", SMALL],
  ["/usr/bin/xz -T1 -c", SMALL],
  ["/usr/bin/xz -T1 -0 --format=lzma -c", LARGE],
  ["/usr/bin/zstd -q -T1 -c", LARGE],
  ["/usr/bin/zstd -q -T1 -19 -c", SMALL],
];

/** Pack and unpack with each program. */
export async function checkCompression({ shell, packages, hasHost }: Workbench): Promise<void> {
  for (const [command, input] of RUNS) {
    const [program, ...args] = command.split(" ");
    const sum = sha256(await Deno.readFile(join(packages.tree, input)));
    assertEquals(
      await shell.ask(`${command} ${input} >packed && ${program} -dc <packed | sha256sum`),
      `${sum}  -`,
      `"${command}" does not give back "${input}"`,
    );
    if (!hasHost) continue;
    const { stdout } = await packages.runOnHost(program!, [...args, join(packages.tree, input)]);
    assertEquals(
      await shell.ask("sha256sum <packed"),
      `${sha256(stdout)}  -`,
      `"${command}" packs "${input}" otherwise than on the host`,
    );
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
