import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { Guest, GuestError, GuestTimeoutError, type StartOptions } from "../../lib/mod.ts";
import { echoKernel, FLOOD } from "./_echo_kernel.ts";

/** The Workers' modules are files. */
const ignore = Deno.permissions.querySync({ name: "read" }).state !== "granted";
const ignoreFiles = ignore || Deno.permissions.querySync({ name: "write" }).state !== "granted";

/** Long enough for any machine; nothing waits for its end but a test that fails. */
const PATIENCE = { timeout: 120_000 };

/** A Guest that echoes. */
function startEcho(options: Partial<StartOptions> = {}): Promise<Guest> {
  return Guest.start({ memory: 8, kernel: echoKernel(), ...options });
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) text += decoder.decode(bytes, { stream: true });
  return text;
}

Deno.test({
  name: "Guest.start() boots a kernel that is talked to, and exited tells that it powered itself off",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    const told: unknown[] = [];
    guest.addEventListener("stop", (event) => told.push(event.detail));
    assertEquals(guest.state, "running");
    assertEquals((await guest.console.expect("ready\r\n", PATIENCE)).before, "");
    await guest.console.write("hello.");
    assertEquals((await guest.console.expect(/l(l)(x)?o/, PATIENCE)).captures, ["l", undefined]);
    await guest.console.write("q");
    assertEquals(await guest.exited, { kind: "poweroff" });
    assertEquals(guest.state, "stopped");
    assertEquals(told, [{ kind: "poweroff" }]);
    await assertRejects(
      () => guest.console.expect("more"),
      GuestError,
      `The Guest stopped (poweroff) before "more" came; the last it wrote: "ready\\r\\nhello."`,
    );
    assertEquals((await guest.console.expect(".")).text, ".");
  },
});

Deno.test({
  name: "Guest tells of reboots, and its console goes on",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    let reboots = 0;
    guest.addEventListener("reboot", () => reboots++);
    await guest.console.expect("ready", PATIENCE);
    await guest.console.write("r");
    await guest.console.expect("ready", PATIENCE);
    assertEquals(reboots, 1);
  },
});

Deno.test({
  name: "Guest.exited tells of what a Guest died, and nobody has to ask",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    await guest.console.write("d");
    await assertRejects(() => guest.console.expect("never", PATIENCE), GuestError, "it died: It jumped to 0x70000000");
    assertEquals((await guest.exited).kind, "died");
  },
});

Deno.test({
  name: "Guest.stop() cuts the power, also twice, and the end of a block does",
  ignore,
  fn: async () => {
    let outer: Guest;
    {
      await using guest = await startEcho();
      outer = guest;
    }
    assertEquals(outer.state, "stopped");
    assertEquals(await outer.exited, { kind: "terminated" });
    assertEquals(await outer.stop(), { kind: "terminated" });
  },
});

Deno.test({
  name: "Guest.pause() has a Guest stand still until resume()",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    const told: string[] = [];
    for (const type of ["pause", "resume"] as const) guest.addEventListener(type, () => told.push(type));
    await guest.console.expect("ready\r\n", PATIENCE);
    await Promise.all([guest.pause(), guest.pause()]);
    assertEquals(guest.state, "paused");
    await guest.console.write("x");
    await assertRejects(() => guest.console.expect("x", { timeout: 300 }), GuestTimeoutError, `"x" did not come`);
    guest.resume();
    assertEquals(guest.state, "running");
    await guest.console.expect("x", PATIENCE);
    guest.resume();
    assertEquals(told, ["pause", "resume"]);
  },
});

Deno.test({
  name: "Guest.pause() waits for nobody who is slow to read",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    using _reader = withReader(guest.console.readable);
    await guest.console.write("f");
    await guest.console.expect("###", PATIENCE);
    await guest.pause();
    assertEquals(guest.state, "paused");
  },
});

function withReader(stream: ReadableStream<Uint8Array>): Disposable {
  const reader = stream.getReader();
  return { [Symbol.dispose]: () => reader.releaseLock() };
}

Deno.test({
  name: "Guest.pause() that is taken back at once leaves the Guest running",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    const paused = guest.pause();
    guest.resume();
    await paused;
    assertEquals(guest.state, "running");
    await guest.console.write("still here");
    await guest.console.expect("still here", PATIENCE);
  },
});

Deno.test({
  name: "Guest.stop() ends a Guest that is paused; then it can be neither paused nor resumed",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    await guest.pause();
    assertEquals(await guest.stop(), { kind: "terminated" });
    await assertRejects(() => guest.pause(), GuestError, "cannot be paused: it has stopped");
    assertThrows(() => guest.resume(), GuestError, "cannot go on: it has stopped");
  },
});

Deno.test({
  name: "Guests do not know of each other",
  ignore,
  fn: async () => {
    await using first = await startEcho();
    await using second = await startEcho();
    await using third = await startEcho();
    await second.pause();
    await Promise.all([first, second, third].map((guest, index) => guest.console.write(`to ${index}`)));
    assertEquals((await first.console.expect(/to \d/, PATIENCE)).text, "to 0");
    assertEquals((await third.console.expect(/to \d/, PATIENCE)).text, "to 2");
    await first.console.write("q");
    assertEquals(await first.exited, { kind: "poweroff" });
    second.resume();
    assertEquals((await second.console.expect(/to \d/, PATIENCE)).text, "to 1");
    await third.console.write("r");
    await third.console.expect("ready", PATIENCE);
  },
});

Deno.test({
  name: "GuestConsole.readable gives everything from the first byte to the last, and makes the Guest wait",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    const all = readAll(guest.console.readable);
    const writer = guest.console.writable.getWriter();
    await writer.write(new TextEncoder().encode("a"));
    await writer.write(new TextEncoder().encode("fzq"));
    assertEquals(await all, `ready\r\na${"#".repeat(FLOOD)}z`);
    assertEquals(await guest.exited, { kind: "poweroff" });
    await writer.write(new TextEncoder().encode("nobody hears this"));
  },
});

Deno.test({
  name: "GuestConsole.readable keeps the last MiB while nobody reads it, and holds nobody up",
  ignore,
  fn: async () => {
    await using guest = await startEcho();
    await guest.console.write("fq");
    assertEquals(await guest.exited, { kind: "poweroff" });
    const kept = await readAll(guest.console.readable);
    assert(kept.length >= 1 << 20 && kept.length < 2 << 20, `${kept.length} bytes`);
  },
});

Deno.test({
  name: "GuestConsole.readable may be cancelled or left; the Guest goes on",
  ignore,
  fn: async () => {
    await using left = await startEcho();
    const reader = left.console.readable.getReader();
    await reader.read();
    await left.console.write("f");
    await left.console.expect("###", PATIENCE);
    reader.releaseLock();
    await left.console.write("q");
    assertEquals(await left.exited, { kind: "poweroff" });

    await using cancelled = await startEcho();
    await cancelled.console.readable.cancel();
    await cancelled.console.write("fq");
    assertEquals(await cancelled.exited, { kind: "poweroff" });
  },
});

Deno.test({
  name: "Guest tells its log from the beginning, if that is wanted",
  ignore,
  fn: async () => {
    await using guest = await startEcho({ verbose: true });
    const lines: string[] = [];
    guest.addEventListener("log", (event) => lines.push(event.detail));
    await guest.console.write("q");
    await guest.exited;
    assertStringIncludes(lines[0]!, "Platform pc, engine soft");
  },
});

Deno.test({
  name: "Guest.start() closes what it has opened when it fails",
  ignore: ignoreFiles,
  fn: async () => {
    const directory = await Deno.makeTempDir({ prefix: "lguest-library-" });
    try {
      const disk = join(directory, "disk");
      await Deno.writeFile(disk, new Uint8Array(4096));
      const missing = join(directory, "missing");
      await assertRejects(() => startEcho({ block: [disk], kernel: missing }), GuestError, "does not exist");
      await assertRejects(() => startEcho({ block: [disk, missing] }), GuestError, "does not exist");
      await assertRejects(() => startEcho({ block: [disk, disk] }), GuestError, "already in use");
      await assertRejects(
        () => startEcho({ block: [disk], kernel: new Uint8Array(9) }),
        GuestError,
        "not a Linux kernel",
      );
      await assertRejects(() => startEcho({ memory: 0 }), RangeError, "1 to 3584 MiB");
      // A disk that was not closed would be locked.
      await using guest = await startEcho({ block: [disk], rng: true });
      await assertRejects(() => startEcho({ block: [disk] }), GuestError, "already in use");
      await guest.stop();
      await using other = await startEcho({ block: [{ path: disk, readOnly: true }, { path: disk, readOnly: true }] });
      assertEquals(other.state, "running");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: "Guest.start() takes a kernel's path as well as its bytes",
  ignore: ignoreFiles,
  fn: async () => {
    const kernel = await Deno.makeTempFile({ prefix: "lguest-library-" });
    try {
      await Deno.writeFile(kernel, echoKernel());
      await using guest = await startEcho({ kernel });
      await guest.console.expect("ready", PATIENCE);
    } finally {
      await Deno.remove(kernel);
    }
  },
});
