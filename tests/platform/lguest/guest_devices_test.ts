/**
 * Virtio devices of both buses under test kernels of our own, driven by hand through the whole machine: what they do
 * for a driver, and what becomes of a wrong one. Read first: `tests/guests/_machine.ts`, bus.c, pci.c.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { GuestMemory } from "../../../lib/memory.ts";
import { generationOf, GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { guestsMissing, testsOf } from "../../guests/_build.ts";
import { MEMORY, RAM } from "../../guests/_layout.ts";
import { createTestMachine } from "../../guests/_machine.ts";
import { Watchdog } from "../../guests/_run.ts";

const ignore = guestsMissing() !== undefined;

/** How long a Host may be silent, on a machine with a lot to do. */
const PATIENCE = 600_000;

/** A case: tests that follow each other, what the last one's end must say, what the console has then. */
interface DeviceCase {
  readonly names: readonly string[];
  /** How it stops, and the message; else the Guest says "OK" itself. */
  readonly stops?: RegExp;
  readonly prints?: string;
}

const good = (...names: string[]): DeviceCase[] => names.map((name) => ({ names: [name] }));

const BUS: readonly DeviceCase[] = [
  ...good("bus_descriptors", "bus_rng", "bus_early_start", "bus_reset", "bus_page_corrupted"),
  { names: ["bus_console"], prints: "hello, bus\n" },
  { names: ["bus_early_console"], prints: "early words\n" },
  { names: ["bus_reboot", "bus_after_reboot"] },
  { names: ["bus_reboot", "bus_reboot", "bus_rng"] },
  { names: ["bus_notify_beyond"], stops: /^died: Bad NOTIFY 0x40a000: / },
  { names: ["bus_buffer_beyond"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["bus_buffer_across"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["bus_chain_loops"], stops: /^died: Virtio rng request queue: the driver .*loop/ },
  { names: ["bus_next_beyond"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["bus_head_beyond"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["bus_index_jumps"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["bus_readable"], stops: /^died: Virtio rng request queue: the driver queued a device-readable buffer/ },
];

const PCI: readonly DeviceCase[] = [
  ...good("pci_identity", "pci_port_widths", "pci_bar_size", "pci_rng", "pci_reset", "pci_window", "pci_no_register"),
  { names: ["pci_console"], prints: "hello, pci\n" },
  { names: ["pci_emergency"], prints: "early words\n" },
  { names: ["pci_reboot", "pci_after_reboot"] },
  { names: ["pci_reboot", "pci_reboot", "pci_rng"] },
  { names: ["pci_status_jumps"], stops: /^died: Virtio rng: the driver set / },
  { names: ["pci_features_not_offered"], stops: /^died: Virtio rng: the driver / },
  { names: ["pci_queue_beyond"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["pci_wrong_width"], stops: /^died: Virtio rng: the driver / },
  { names: ["pci_buffer_beyond"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["pci_buffer_in_registers"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["pci_chain_loops"], stops: /^died: Virtio rng request queue: the driver .*loop/ },
  { names: ["pci_next_beyond"], stops: /^died: Virtio rng request queue: the driver / },
  { names: ["pci_readable"], stops: /^died: Virtio rng request queue: the driver queued a device-readable buffer/ },
  { names: ["pci_index_jumps"], stops: /^died: Virtio rng request queue: the driver / },
];

for (const generation of GENERATIONS) {
  const topic = generation.transport;
  Deno.test({
    name:
      `devices on the ${topic} of Linux ${generation.versions} do what a driver of our own wants, and stop a wrong one`,
    ignore,
    async fn(t) {
      const memory = GuestMemory.allocate(topic === "pci" ? RAM : MEMORY);
      using watchdog = new Watchdog(memory.attention, PATIENCE);
      for (const { names, stops = /^crashed: CRASH: OK$/, prints = "" } of topic === "pci" ? PCI : BUS) {
        await t.step(names.join(", then "), () => {
          watchdog.feed();
          const machine = createTestMachine(topic, memory, generation);
          const reason = machine.run(...names);
          assertMatch(`${reason.kind}: ${"message" in reason ? reason.message : ""}`, stops);
          assertEquals(machine.console.text, prints);
        });
      }
    },
  });
}

Deno.test({
  name: "every test of the kernels with devices is run",
  ignore,
  fn() {
    const names = (cases: readonly DeviceCase[]) => [...new Set(cases.flatMap((one) => one.names))].sort();
    assertEquals(names(BUS), testsOf("bus", generationOf("2.6.31")).sort());
    assertEquals(names(PCI), testsOf("pci", generationOf("4.10")).sort());
  },
});
