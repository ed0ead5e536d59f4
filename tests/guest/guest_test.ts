import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MOST_MESSAGES } from "../../lib/backlog.ts";
import { Guest } from "../../lib/guest.ts";
import type { GuestOptions } from "../../lib/guest_options.ts";
import { GuestError } from "../../lib/guest_error.ts";
import type { HostConsole } from "../../lib/host_console.ts";
import { tinyKernel } from "./_kernel.ts";

const ignore = (["read", "write"] as const).some((name) => Deno.permissions.querySync({ name }).state !== "granted");

/** A console that types and remembers; after the last key there are no more. */
class ScriptedConsole implements HostConsole {
  text = "";
  readonly #keys: string[];

  constructor(...keys: string[]) {
    this.#keys = keys;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.text += new TextDecoder().decode(bytes);
    return Promise.resolve();
  }

  read(): Promise<Uint8Array | undefined> {
    const key = this.#keys.shift();
    return Promise.resolve(key === undefined ? undefined : new TextEncoder().encode(key));
  }
}

/** Options of a Guest that executes `commandLine`; its kernel's file is there while `action` runs. */
async function withOptions(commandLine: string, action: (options: GuestOptions) => Promise<void>): Promise<void> {
  const kernel = await Deno.makeTempFile({ prefix: "lguest-test-" });
  try {
    await Deno.writeFile(kernel, tinyKernel());
    const vcpuModule = new URL("./_fake_vcpu_worker.ts", import.meta.url);
    await action({ memory: 8 << 20, kernel, commandLine, vcpuModule });
  } finally {
    await Deno.remove(kernel);
  }
}

Deno.test({
  name: "Guest.run() ends with the engine's reason once all output has reached the console",
  ignore,
  fn: () =>
    withOptions("flood:1048576 poweroff", async (options) => {
      const console = new ScriptedConsole();
      assertEquals(await (await Guest.create(options)).run(console), { kind: "poweroff" });
      assertEquals(console.text.length, 1048576);
    }),
});

Deno.test({
  name: "Guest.run() loses no output to a console that is slow when the Guest powers off",
  ignore,
  fn: () =>
    // 2 KiB more than the ring between the threads holds: the serial port still has them at power-off.
    withOptions("say:ready echo flood:67584 poweroff", async (options) => {
      const console = new ScriptedConsole();
      const slow = Promise.withResolvers<Uint8Array>();
      const typed = [slow.promise];
      await (await Guest.create(options)).run({
        read: () => typed.splice(0, 1)[0] ?? Promise.resolve(undefined),
        write: async (bytes) => {
          slow.resolve(new TextEncoder().encode("q"));
          await new Promise((done) => setTimeout(done, 500));
          await console.write(bytes);
        },
      });
      assertEquals(console.text.length, "ready\n".length + 67584);
    }),
});

Deno.test({
  name: "Guest.run() hands the Guest the console's bytes in order",
  ignore,
  fn: () =>
    withOptions("echo die:enough", async (options) => {
      // More than the ring between the threads holds.
      const many = "c".repeat(66_000);
      const console = new ScriptedConsole("ab", many, "dq");
      assertEquals(await (await Guest.create(options)).run(console), { kind: "died", message: "enough" });
      assertEquals(console.text, `ab${many}d`);
    }),
});

Deno.test({
  name: "Guest.run() loads the kernel again when the Guest resets, though its file has gone",
  ignore,
  fn: () =>
    withOptions("say:hello reset poweroff", async (options) => {
      const console = new ScriptedConsole();
      const guest = await Guest.create(options);
      await Deno.writeTextFile(String(options.kernel), "gone");
      assertEquals(await guest.run(console), { kind: "poweroff" });
      assertEquals(console.text, "hello\nhello\n");
    }),
});

Deno.test({
  name: "Guest.run() has the virtual CPU close what it opened at the end, and not when the Guest resets",
  ignore,
  fn: () =>
    withOptions("say:hello reset poweroff", async (options) => {
      const lines: string[] = [];
      await (await Guest.create({ ...options, log: (line) => lines.push(line) })).run(new ScriptedConsole());
      const told = lines.filter((line) => /reboots|closed/.test(line));
      assertEquals(told, ["The Guest reboots", "The virtual CPU is closed"]);
    }),
});

for (const verb of ["hang", "spin"]) {
  Deno.test({
    name: `Guest.terminate() ends a Guest that would ${verb} for ever`,
    ignore,
    fn: () =>
      withOptions(`say:hello ${verb}`, async (options) => {
        const guest = await Guest.create(options);
        const console = new ScriptedConsole();
        const run = guest.run({
          read: () => console.read(),
          write: (bytes) =>
            console.write(bytes).then(() => console.text.endsWith("\n") ? guest.terminate() : undefined),
        });
        assertEquals(await run, { kind: "terminated" });
        assertEquals(console.text, "hello\n");
      }),
  });
}

Deno.test({
  name: "Guest.run() rejects when the virtual CPU's program fails",
  ignore,
  fn: () =>
    withOptions("throw:oops", async (options) => {
      const guest = await Guest.create(options);
      await assertRejects(() => guest.run(new ScriptedConsole()), Error, "oops");
    }),
});

Deno.test({
  name: "Guest.create() rejects when the Worker's module cannot be loaded",
  ignore,
  fn: () =>
    withOptions("hang", async (options) => {
      const vcpuModule = new URL("./nonexistent.ts", import.meta.url);
      await assertRejects(() => Guest.create({ ...options, vcpuModule }), Error, "Worker failed");
    }),
});

Deno.test({
  name: "Guest refuses a file that is no kernel with the loader's words",
  ignore,
  fn: () =>
    withOptions("", async (options) => {
      await Deno.writeTextFile(String(options.kernel), "#!/bin/sh\n");
      const error = await assertRejects(() => Guest.create(options), GuestError, "not a Linux kernel");
      assertStringIncludes(error.message, String(options.kernel));
    }),
});

Deno.test({
  name: "Guest tells what it does to whoever wants to know",
  ignore,
  fn: () =>
    withOptions("poweroff", async (options) => {
      const lines: string[] = [];
      await (await Guest.create({ ...options, log: (line) => lines.push(line) })).run(new ScriptedConsole());
      const loaded = lines.findIndex((line) => line.startsWith(`Kernel "${options.kernel}" loaded`));
      assertStringIncludes(lines[0]!, "Platform pc, engine soft");
      assertStringIncludes(lines[loaded + 1]!, "First instruction");
    }),
});

Deno.test({
  name: "Guest tells everything, also where that is more than may be on its way at a time",
  ignore,
  fn: () =>
    withOptions(`pci:${3 * MOST_MESSAGES} poweroff`, async (options) => {
      let accesses = 0;
      const log = (line: string) => {
        if (line.startsWith("PCI")) accesses++;
      };
      await (await Guest.create({ ...options, log })).run(new ScriptedConsole());
      assertEquals(accesses, 3 * MOST_MESSAGES);
    }),
});

Deno.test({
  name: "Guest.statistics counts over reboots, and startedAt is when the first life began",
  ignore,
  fn: () =>
    withOptions("say:hello pci:1000 reset poweroff", async (options) => {
      const guest = await Guest.create(options);
      assertEquals([guest.startedAt, guest.statistics.exits], [undefined, {}]);
      const created = performance.now();
      await guest.run(new ScriptedConsole());
      assert(guest.startedAt! >= created && guest.startedAt! <= performance.now());
      const { exits, bytes } = guest.statistics;
      assertEquals(bytes["console"], { in: 0, out: "hello\nhello\n".length });
      assert(exits["port"]! >= 2000 + "hellohello".length, `${exits["port"]} port accesses`);
      assertEquals(Object.keys(exits).toSorted(), ["halt", "interrupt", "mmio", "port"]);
    }),
});

Deno.test({
  name: "Guest.statistics counts what is typed",
  ignore,
  fn: () =>
    withOptions("echo poweroff", async (options) => {
      const guest = await Guest.create(options);
      await guest.run(new ScriptedConsole("ab", "q"));
      assertEquals(guest.statistics.bytes["console"], { in: 3, out: 2 });
    }),
});

Deno.test({
  name: "Guest.statistics is there when the Guest was terminated",
  ignore,
  fn: () =>
    withOptions("pci:100 say:hello hang", async (options) => {
      const guest = await Guest.create(options);
      const console = new ScriptedConsole();
      await guest.run({
        read: () => console.read(),
        write: (bytes) => console.write(bytes).then(() => console.text.endsWith("\n") ? guest.terminate() : undefined),
      });
      assert(guest.statistics.exits["port"]! >= 100);
    }),
});
