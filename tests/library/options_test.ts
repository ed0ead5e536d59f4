import { assertEquals, assertThrows } from "@std/assert";
import { guestOptions } from "../../lib/library/options.ts";

Deno.test("guestOptions() counts memory in MiB", () => {
  assertEquals(guestOptions({ memory: 64, kernel: "bzImage" }), {
    memory: 64 << 20,
    kernel: "bzImage",
    commandLine: "",
    devices: [],
  });
  assertEquals(guestOptions({ memory: 1, kernel: "k", commandLine: "quiet" }).commandLine, "quiet");
});

Deno.test("guestOptions() makes devices of disks, networks and random numbers, each kind in its order", () => {
  const block = ["a.img", { path: "b.img", readOnly: true }, { path: "c.img" }];
  const { devices } = guestOptions({ memory: 64, kernel: "k", rng: true, block, tunnet: ["bridge:br0", "10.0.0.1"] });
  assertEquals(devices, [
    { kind: "block", path: "a.img", readOnly: false },
    { kind: "block", path: "b.img", readOnly: true },
    { kind: "block", path: "c.img", readOnly: false },
    { kind: "net", tunnet: { kind: "bridge", bridge: "br0" } },
    { kind: "net", tunnet: { kind: "ip", ip: "10.0.0.1" } },
    { kind: "rng" },
  ]);
});

Deno.test("guestOptions() hands on what else a Guest can be told, and nothing that was not said", () => {
  const said = {
    initrd: new Uint8Array(3),
    engine: "soft",
    platform: "pc",
    abi: "3.11",
    device: "/dev/lguest",
    library: "lib.so",
    unpack: "guest",
  } as const;
  const { memory: _memory, kernel: _kernel, commandLine: _words, devices: _devices, ...rest } = guestOptions({
    memory: 64,
    kernel: "k",
    window: { columns: 80, rows: 25 },
    verbose: true,
    ...said,
  });
  assertEquals(rest, said);
});

Deno.test("guestOptions() refuses memory and networks that cannot be", () => {
  for (const memory of [0, -1, 0.5, 3585, NaN, Infinity]) {
    assertThrows(
      () => guestOptions({ memory, kernel: "k" }),
      RangeError,
      `1 to 3584 MiB, a whole number: got "${memory}"`,
    );
  }
  assertThrows(() => guestOptions({ memory: 64, kernel: "k", tunnet: ["nonsense"] }), RangeError, "nonsense");
});
