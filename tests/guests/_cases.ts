/**
 * Every test of the test kernels, and how it has to end on which Host. Read first: `_run.ts`; the tests themselves are
 * in the C file of each case's topic.
 *
 * @module
 */
import type { Generation } from "../../lib/platform/lguest/generation.ts";
import { INFO, PARAMETERS } from "./_layout.ts";
import type { GuestCase, GuestContext, TrapExit } from "./_run.ts";
import { HYPERCALL_CASES } from "./_hypercall_cases.ts";
import { PRIVILEGED_CASES } from "./_privileged_cases.ts";

/** The topics: C files. */
export const TOPICS = [
  "init",
  "hypercalls",
  "paging",
  "limits",
  "segments",
  "traps",
  "privileged",
  "interrupts",
  "floating",
] as const;

/** A part of what is to be run on one Host. */
type CaseList = (generation: Generation) => GuestCase[];

/** Cases that end well. */
function all(topic: string, names: string): GuestCase[] {
  return names.split(/\s+/).filter((name) => name !== "").map((name) => ({ topic, name }));
}

/** Cases that end with certain words. */
function dying(topic: string, ends: Record<string, GuestCase["ends"]>): GuestCase[] {
  return Object.entries(ends).map(([name, end]) => ({ topic, name, ends: end! }));
}

/** A number as the kernel's "%#lx" shows it. */
function hex(value: number): string {
  return value === 0 ? "0" : `0x${(value >>> 0).toString(16)}`;
}

/** "unhandled trap", at the instruction that the kernel named. */
function unhandled(trap: number, code: number) {
  return (context: GuestContext) => `unhandled trap ${trap} at ${hex(context.info(INFO.EXPECTED))} (${hex(code)})`;
}

const isOld = (generation: Generation) => generation.data.pgdir !== undefined;
const isPci = (generation: Generation) => generation.transport === "pci";

const init: CaseList = (generation) => [
  ...all("init", "first_registers init_writes init_leaves_ring"),
  ...(isOld(generation) ? all("init", "init_page_tables") : []),
  ...dying("init", {
    halt_before_init: "hypercall 10 before INIT",
    shutdown_before_init: "hypercall 2 before INIT",
    negative_before_init: "hypercall -1 before INIT",
    init_twice: "already have lguest_data",
    init_in_ring: "already have lguest_data",
    init_beyond_memory: /^bad guest page /,
    init_wrapping: /^bad guest page /,
    init_bad_vector: "bad syscall vector",
    init_kernel_in_switcher: "bad kernel address 0xfffff000",
  }),
  // Where the Host has made page tables, these do not reach the top: the device's page is there.
  isOld(generation)
    ? { topic: "init", name: "init_at_top", ends: /^unhandled trap 14 at / }
    : { topic: "init", name: "init_at_top" },
];

const paging: CaseList = (generation) => [
  ...all(
    "paging",
    `mapped_elsewhere accessed_and_dirty dirty_again accessed_and_dirty_by_user accessed_by_execution faults_of_kernel
    faults_of_user rights_of_tables fault_of_execution flush_user flush_user_removes flush_user_to_the_top flush_kernel
    flush_in_ring set_pte set_kernel_pte_in_all set_pgd set_of_strangers eight_page_tables same_table_changed`,
  ),
  ...(isOld(generation)
    ? []
    : [...all("paging", "linear_at_first"), ...dying("paging", { linear_beyond: "bad page table entry" })]),
];

const limits: CaseList = (generation) => [
  ...all(
    "limits",
    "bad_pte_out_of_reach harmless_flags good_pgd_flags below_switcher stack_of_no_pages stack_moves stack_across_pages",
  ),
  ...dying("limits", {
    bad_pte_pfn: "bad page table entry",
    bad_pte_pfn_huge: "bad page table entry",
    bad_pte_pse: "bad page table entry",
    bad_pte_by_user: "bad page table entry",
    bad_pte_set: "bad page table entry",
    bad_pgd_pfn: "bad page directory entry",
    bad_pgd_pfn_huge: "bad page directory entry",
    bad_pgd_pse: "bad page directory entry",
    bad_pgd_pwt: "bad page directory entry",
    bad_pgd_global: "bad page directory entry",
    pgtable_beyond_memory: /^bad read address 0x[0-9a-f]+ len 4$/,
    stack_bad_segment: "bad stack segment 104",
    stack_bad_segment_3: "bad stack segment 107",
    stack_too_many_pages: "bad stack pages 3",
    stack_not_there: "bad stack page 0x8000fff",
    stack_second_not_there: "bad stack page 0x8000fff",
    stack_read_only: "bad stack page 0x8000fff",
    stack_gone_with_table: "bad stack page 0x8000fff",
    stack_in_switcher: /^bad stack page 0xf/,
    stack_bad_at_fault: /^Bad address 0x80007f[0-9a-f]|^Bad address 0x8000800$/,
    switcher_set_pte: generation.switcherKills
      ? "attempt to access switcher pages"
      : "attempt to set pte into Switcher pages",
    switcher_read: generation.switcherKills ? "attempt to access switcher pages" : "CRASH: OK",
    set_pgd_beyond: generation.switcherKills ? "CRASH: set_pgd_beyond: survived" : "Attempt to set pgd 1025/1024",
  }),
  ...(isPci(generation)
    ? [
      ...all("limits", "mmio_linear mmio_mapped mmio_read_only mmio_set_pte mmio_injected"),
      ...dying("limits", { mmio_beyond: "bad page table entry", stack_in_mmio: "bad stack page 0x8000fff" }),
    ]
    : []),
];

const segments: CaseList = (generation) => [
  ...all(
    "segments",
    `gdt_at_first gdt_is_fixed gdt_zero_entry gdt_ignored gdt_base gdt_limit load_not_present load_bad_selectors
    tls_from_user tls_is_kept tls_in_ring tls_is_fixed`,
  ),
  ...dying("segments", {
    gdt_too_many: generation.loadGdt ? "too many gdt entries 33" : "too many gdt entries 32",
    tls_beyond_memory: /^bad read address 0x[0-9a-f]+ len 24$/,
    tls_wrapping: "bad read address 0xfffffff8 len 24",
    segment_vanishes: /^unhandled trap 256 at 0x1[0-9a-f]{5} \(/,
    stack_segment_vanishes: /^unhandled trap 256 at 0x1[0-9a-f]{5} \(/,
  }),
  ...(generation.loadGdt ? dying("segments", { gdt_beyond_memory: /^bad read address 0x[0-9a-f]+ len 256$/ }) : []),
];

const traps: CaseList = (generation) => [
  ...all(
    "traps",
    `traps_of_kernel traps_of_user_by_interrupt_gates traps_of_user_by_trap_gates system_calls_by_trap_gate
    system_calls_by_interrupt_gate irq_enabled_and_trap_gate irq_enabled_and_interrupt_gate irq_enabled_and_page_fault
    flags_survive nested_traps int_by_level int_has_no_error_code int_of_hosts_vectors idt_ignored idt_is_filtered
    idt_in_ring iret_to_nowhere single_steps_by_trap_gate thousand_traps`,
  ),
  ...(isPci(generation) ? all("traps", "single_steps_by_interrupt_gate") : []),
  ...dying("traps", {
    idt_out_of_range: "Setting idt entry 256",
    idt_out_of_range_absent: "Setting idt entry 65539",
    idt_bad_type: "bad IDT type 5",
    idt_bad_type_task: "bad IDT type 5",
    unhandled_divide: unhandled(0, 0),
    unhandled_undefined: unhandled(6, 0),
    unhandled_page_fault: unhandled(14, 0x40001234),
    unhandled_protection: unhandled(13, 0x1234),
    unhandled_system_call: unhandled(13, 0x402),
    unhandled_before_init: isOld(generation) ? unhandled(14, 0x7f001230) : unhandled(6, 0),
  }),
];

const interrupts: CaseList = (generation) => [
  ...all(
    "interrupts",
    `delivered delivered_by_trap_gate each_interrupt raised_twice irq_pending lowest_first one_at_a_time blocked
    no_handler halt_and_clock clock_again_and_again clock_is_one_shot clock_cancelled clock_replaced clock_in_ring
    halt_with_pending halt_with_blocked halt_without_handler busy_kernel busy_user time_goes_on enabled_is_if`,
  ),
  ...all(
    "interrupts",
    generation.data.noirqEnd === undefined
      ? "at_the_iret before_the_iret"
      : "in_the_quiet_range before_the_quiet_range",
  ),
  { topic: "interrupts", name: "raised_before_start", raise: [2] },
  {
    topic: "interrupts",
    name: "halts_until_told",
    mayBeInterrupted: true,
    look: ({ interruptions, memory }) => memory.setUint32(PARAMETERS + INFO.EXPECTED, interruptions()),
  },
  ...(generation.data.noirqEnd === undefined
    ? [{ topic: "interrupts", name: "user_at_the_iret", trap: moveToIret }]
    : []),
];

const HLT = 0xf4;

/** A program's HLT: have it go on at the place where the kernel wants no interrupt, and raise one. */
function moveToIret({ instruction }: TrapExit, { device, memory, generation, info }: GuestContext): boolean {
  if (instruction[0] !== HLT) return false;
  device.setRegister("eip", memory.getUint32(info(INFO.DATA) + generation.data.noirqStart));
  device.raiseInterrupt(3);
  return true;
}

const floating: CaseList = (generation) => [
  ...all("floating", "state_survives state_survives_halt"),
  ...(generation.ts
    ? [...all("floating", "ts ts_in_ring ts_lazily"), ...dying("floating", { ts_unhandled: unhandled(7, 0) })]
    : []),
];

/** All cases of a topic on a Host. */
export function casesOf(topic: string, generation: Generation): GuestCase[] {
  const lists: Record<string, CaseList> = {
    init,
    hypercalls: HYPERCALL_CASES,
    paging,
    limits,
    segments,
    traps,
    privileged: PRIVILEGED_CASES,
    interrupts,
    floating,
  };
  return lists[topic]!(generation);
}
