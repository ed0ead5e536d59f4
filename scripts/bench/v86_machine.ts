/**
 * v86 as a process: memory, kernel, initramfs, firmware and command line enter as words, the Guest's first serial port
 * is on stdin and stdout. Only the benchmark uses v86; it comes from npm when this is run, by a name that the type
 * checker does not follow, so that the project neither needs it nor pins it.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

/** The version that the table's figures belong to. */
const PACKAGE = "npm:v86@0.5.462";

/** What is used of the package. */
interface V86Module {
  readonly V86: new (options: Readonly<Record<string, unknown>>) => V86Machine;
}

interface V86Machine {
  add_listener(event: "serial0-output-byte", listener: (byte: number) => void): void;
  serial_send_bytes(port: number, bytes: Uint8Array): void;
}

if (import.meta.main) await main(Deno.args);

async function main(words: readonly string[]): Promise<void> {
  const { V86 }: V86Module = await import(PACKAGE);
  if (words[0] === "--version") {
    console.log(PACKAGE.slice(PACKAGE.lastIndexOf("@") + 1));
    Deno.exit();
  }
  const [memory, kernel, initrd, firmware, commandLine] = words;
  if (!memory || !kernel || !initrd || !firmware) throw new Error("Want memory, kernel, initramfs and firmware");
  const machine = new V86({
    wasm_path: fromFileUrl(new URL("./v86.wasm", import.meta.resolve(PACKAGE))),
    memory_size: Number(memory) * 2 ** 20,
    bios: image(firmware),
    bzimage: image(kernel),
    initrd: image(initrd),
    cmdline: commandLine,
    autostart: true,
    disable_speaker: true,
  });
  const pending: number[] = [];
  machine.add_listener("serial0-output-byte", (byte) => {
    if (pending.push(byte) === 1) queueMicrotask(() => flush(pending));
  });
  for await (const bytes of Deno.stdin.readable) machine.serial_send_bytes(0, bytes);
}

function image(path: string): { readonly buffer: ArrayBuffer } {
  return { buffer: Deno.readFileSync(path).buffer };
}

/** What one slice of the machine's time wrote, in one system call. */
function flush(pending: number[]): void {
  const bytes = new Uint8Array(pending.splice(0));
  let written = 0;
  while (written < bytes.length) written += Deno.stdout.writeSync(bytes.subarray(written));
}
