/**
 * A Guest with programs in it, and the same programs on the host beside it. A flavour of kernel and package names
 * enter; a {@link Workbench} leaves, which the checks (`_compression.ts` and the like) work at.
 */
import { assertEquals } from "@std/assert";
import type { KernelFlavour } from "../../scripts/debian.ts";
import { Images } from "./_images.ts";
import { type HeldGuest, hold } from "./_machines.ts";
import { Packages } from "./_packages.ts";
import type { Shell } from "./_shell.ts";

/** RAM for the programs, which lie in RAM themselves, and their data. */
const MEMORY = 256 << 20;

/** What a check gets. */
export interface Workbench extends AsyncDisposable {
  /** The Guest's shell, in an empty directory. */
  readonly shell: Shell;
  /** The programs on the host. */
  readonly packages: Packages;
  /** Whether the host can run them, so that outputs can be compared. */
  readonly hasHost: boolean;
  /** Power the Guest off. */
  powerOff(): Promise<void>;
}

/**
 * Boot a Guest with packages.
 *
 * @param flavour which kernel
 * @param names Debian package names
 * @param files more files: path in the Guest, and contents
 */
export async function openWorkbench(
  flavour: KernelFlavour,
  names: readonly string[],
  files: Readonly<Record<string, string>> = {},
): Promise<Workbench> {
  const images = new Images();
  let guest: HeldGuest | undefined;
  const close = async () => {
    await guest?.[Symbol.asyncDispose]();
    images[Symbol.dispose]();
  };
  try {
    const packages = await Packages.fetch(names, images.path("tree"));
    guest = hold(`${flavour}, programs`, {
      memory: MEMORY,
      kernel: await images.bzImage(flavour),
      initrd: await images.initrd({ trees: [packages.tree], files }),
      commandLine: "console=ttyS0 quiet",
    });
    const { shell, stopped } = guest;
    await shell.ready();
    await shell.ask("export LC_ALL=C; mkdir /tmp/work && cd /tmp/work");
    return {
      shell,
      packages,
      hasHost: await packages.runsOnHost(),
      async powerOff() {
        await shell.leave("poweroff -f");
        assertEquals(await stopped, { kind: "poweroff" });
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
