/**
 * How the tests of hypercalls.c have to end, and what the harness looks at when a notification arrives. Read first:
 * `_cases.ts`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Generation } from "../../lib/platform/lguest/generation.ts";
import { INFO } from "./_layout.ts";
import type { GuestCase, GuestContext } from "./_run.ts";

const topic = "hypercalls";
/** In the ring: free. */
const FREE = 0xff;

/** Names of tests, and their Guests' ends. */
type Endings = Readonly<Record<string, NonNullable<GuestCase["ends"]>>>;

const ENDINGS: Endings = {
  bad_call_11: "Bad hypercall 11",
  bad_call_13: "Bad hypercall 13",
  bad_call_20: "Bad hypercall 20",
  bad_call_negative: "Bad hypercall -1",
  ring_bad_call: "Bad hypercall 99",
  ring_dies_once: "Bad hypercall 98",
  ring_shutdown: "CRASH: from the ring",
  shutdown_text: "CRASH: the quick brown fox",
  shutdown_poweroff: "CRASH: Power down",
  shutdown_without_end: `CRASH: ${Array.from({ length: 127 }, (_, i) => String.fromCharCode(97 + i % 26)).join("")}`,
  shutdown_at_top: "CRASH: up",
  shutdown_beyond_memory: (context) => `bad read address 0x${(context.info(INFO.MEMORY) - 127).toString(16)} len 128`,
  shutdown_wrapping: "bad read address 0xffffffc0 len 128",
};

/** The addresses that were notified. */
function notified({ exits }: GuestContext): number[] {
  return exits.map((exit) => exit.kind === "notify" ? exit.address : -1);
}

/** The statuses of the ring's first places. */
function ring({ memory, generation, info }: GuestContext, count: number): number[] {
  return [...memory.copy(info(INFO.DATA) + generation.data.hcallStatus, count)];
}

/** The tests whose notifications matter. */
const NOTIFYING: readonly GuestCase[] = [
  { topic, name: "notify_once", check: (context) => assertEquals(notified(context), [0x5000, 0x5000, 0x8ffff123]) },
  {
    topic,
    name: "notify_stops_ring",
    notify(address, context) {
      assertEquals(ring(context, 5), address === 0x6000 ? [FREE, FREE, 0, 0, 0] : [FREE, FREE, FREE, FREE, 0]);
    },
    check: (context) => assertEquals(notified(context), [0x6000, 0x7000]),
  },
  {
    topic,
    name: "notify_behind_ring",
    check: (context) => assertEquals(notified(context), [0x6000, 0x7000, 0x8000]),
  },
];

/** What hypercalls.c has for a Host. */
export function HYPERCALL_CASES(generation: Generation): GuestCase[] {
  const isPci = generation.transport === "pci";
  const plain = `registers_survive ring_runs_in_order ring_stops_at_gap ring_has_a_cursor ring_wraps ring_status_is_any
    ring_precedes_call ring_flush_in_ring vmcall_from_user ${
    generation.vmcall ? "vmcall_is_rewritten" : "vmcall_is_undefined"
  }`.split(/\s+/);
  const unknown = [...generation.loadGdt ? [18, 19] : [3], ...generation.ts ? [] : [8], ...isPci ? [17] : []];
  const endings: Endings = {
    ...ENDINGS,
    ...Object.fromEntries(unknown.map((number) => [`bad_call_${number}`, `Bad hypercall ${number}`])),
  };
  return [
    ...plain.map((name) => ({ topic, name })),
    ...Object.entries(endings).map(([name, ends]) => ({ topic, name, ends })),
    ...(isPci ? [] : NOTIFYING),
    { topic, name: "restart", restart: "shutdown_text", ends: "CRASH: the quick brown fox" },
    { topic, name: "restart_in_ring", restart: "shutdown_text", ends: "CRASH: the quick brown fox" },
    { topic, name: "restart_dirty", restart: "after_restart", ends: /^unhandled trap 6 at 0x1[0-9a-f]{5} \(0\)$/ },
  ];
}
