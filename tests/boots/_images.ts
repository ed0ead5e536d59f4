/**
 * Files to boot: Debian's kernels in each form that the loader takes, and initial RAM disks. Names and trees enter,
 * paths leave; what is made here lies in a directory of its own that is removed afterwards.
 */
import { join } from "@std/path";
import { parseBzImage } from "../../lib/boot/bzimage.ts";
import { identifyPayload, unpackPayload } from "../../lib/boot/payload/mod.ts";
import { fetchBusybox, fetchKernel, fetchModules, type KernelFlavour } from "../../scripts/debian.ts";
import { compileProgram } from "../../scripts/guest_compiler.ts";
import { buildInitramfs, type InitramfsOptions } from "../../scripts/initramfs.ts";
import { DEVICES_INIT, SHELL_INIT } from "./_shell.ts";

/** More than any kernel unpacks to. */
const LIMIT = 1 << 28;

/** A directory of files to boot. */
export class Images {
  readonly #directory = Deno.makeTempDirSync({ prefix: "lguest-boots-" });

  /** Remove what was made. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.#directory, { recursive: true });
  }

  /** A place for a file. */
  path(name: string): string {
    return join(this.#directory, name);
  }

  /** A kernel as Debian has it. */
  bzImage(flavour: KernelFlavour): Promise<string> {
    return fetchKernel(flavour);
  }

  /** The ELF file in it. */
  async vmlinux(flavour: KernelFlavour): Promise<string> {
    const { payload } = parseBzImage(await Deno.readFile(await fetchKernel(flavour)), flavour);
    const format = payload && identifyPayload(payload);
    if (!payload || !format) throw new Error(`Debian's ${flavour} kernel is packed in an unknown way`);
    const path = this.path(`vmlinux-${flavour}`);
    // The last four bytes are its size (Linux Documentation/arch/x86/boot.rst, "payload_length").
    await Deno.writeFile(path, unpackPayload(format, payload.subarray(0, -4), { limit: LIMIT, owner: flavour }));
    return path;
  }

  /** busybox, a shell on the console, and perhaps more. */
  async initrd(more: Partial<InitramfsOptions> = {}): Promise<string> {
    const path = this.path("initrd");
    await Deno.writeFile(
      path,
      buildInitramfs({ busybox: await Deno.readFile(await fetchBusybox()), init: SHELL_INIT, ...more }),
    );
    return path;
  }

  /** The same with the drivers of virtio devices, and ext4. */
  async devicesInitrd(flavour: KernelFlavour, more: Partial<InitramfsOptions> = {}): Promise<string> {
    const trees = [await fetchModules(flavour), ...more.trees ?? []];
    return await this.initrd({ init: DEVICES_INIT, ...more, trees });
  }

  /** A program of `scripts/guest`, compiled for the Guest. */
  async program(name: string): Promise<Uint8Array> {
    return await Deno.readFile(await compileProgram(`guest/${name}.c`, this.#directory));
  }

  /** The same program for the host; its path. */
  hostProgram(name: string): Promise<string> {
    return compileProgram(`guest/${name}.c`, this.#directory, "host");
  }
}
