/**
 * How a boot here differs from the recorded ones on the original lguest, and why. Whatever is not in this list fails the
 * check. What is said of all kernels comes first, then what comes of how a kernel was built.
 *
 * @module
 */
import type { ExpectedDifference } from "./transcript.ts";

const TSC =
  "the built-in CPU's time-stamp counter has one known rate, which the Host reports; the recorded one had none";
const CPU = "another processor";
const ROM = "the original's PCI devices looked as if they had ROMs, since their registers for it kept what was written";
const TICK =
  "printed from within a console's driver, it comes with the next tick of the clock, and the host's speed says when";
const ENTROPY = "how soon there is enough entropy depends on the interrupts that have come";
const INITRD = "another initramfs";
const MEMORY = "how much memory is left depends on the sizes of kernel and initramfs";
const BUILT = "when, where and as what it was built";
const BUILD = "what is built into the kernel";
const SIZES = "the kernel's own size, which depends on its configuration and compiler";

/**
 * Lines of drivers and subsystems that a kernel may have or not: what the recorded ones had, and others often have.
 */
const CONFIGURATION = new RegExp(
  [
    "^MPS support code is not built-in|^Using acpi=off or acpi=noirq|^ACPI: Interpreter disabled|^pnp: PnP ACPI: disabled",
    "^PCI: (Using ACPI for IRQ routing|System does not support PCI)|^(No local APIC present|Apic disabled)",
    "HIGHMEM available|^  HighMem |^Initializing HighMem|^    pkmap ",
    "^SLUB: |^MTRR: |^x86/PAT: |^Console: colour dummy device|^SCSI subsystem initialized",
    "^(Trying to unpack rootfs image as|Unpacking) initramfs|^io scheduler |^brd: |^loop: |^tun: |^cpuidle: ",
    "i8042|^PNP: No PS/2 controller|rtc_cmos|hctosys|^Write protecting the kernel|^futex hash table|^pid_max",
  ].join("|"),
);

/** Those that there are. */
export const EXPECTED: readonly ExpectedDifference[] = [
  { pattern: /^Linux version /, kinds: ["missing", "more", "numbers"], reason: BUILT },
  {
    pattern: /^(tsc: Marking TSC unstable|Marking TSC unstable)|^Calibrating delay loop\.\.\. /,
    kinds: ["missing"],
    reason: TSC,
  },
  {
    pattern: new RegExp(
      [
        "^(tsc: )?Detected .* MHz processor",
        "^Calibrating delay loop \\(skipped\\)",
        "^clocksource: tsc: ",
        "^(clocksource: )?Switch(ed|ing) to clocksource tsc",
        "^sched_clock: Marking stable",
      ].join("|"),
    ),
    kinds: ["more", "numbers"],
    reason: TSC,
  },
  { pattern: /^Switching to clocksource lguest/, kinds: ["missing"], reason: TSC },
  { pattern: /^tlb_flushall_shift|^Last level [id]TLB/, kinds: ["missing", "more", "numbers"], reason: CPU },
  { pattern: /^CPU: /, kinds: ["missing", "more", "numbers"], reason: CPU },
  { pattern: /^pci .*: BAR 6: assigned/, kinds: ["missing"], reason: ROM },
  { pattern: /^lguest: Console via virtio-pci emerg_wr/, kinds: ["moved"], reason: TICK },
  { pattern: /^random: .* init done/, kinds: ["moved", "missing", "more"], reason: ENTROPY },
  { pattern: /RAMDISK|^Freeing initrd memory/, kinds: ["numbers"], reason: INITRD },
  { pattern: /^Memory: |^msgmni has been set to/, kinds: ["numbers", "missing", "more"], reason: MEMORY },
  {
    pattern: /^ +(\.init|\.data|\.text|fixmap|vmalloc) *: |TEXT DATA BSS|^random: get_random_u32 called from/,
    kinds: ["numbers", "missing", "more"],
    reason: SIZES,
  },
  { pattern: /^Freeing unused kernel memory|^Write protecting the kernel/, kinds: ["numbers"], reason: SIZES },
  { pattern: CONFIGURATION, kinds: ["missing", "more", "numbers"], reason: BUILD },
];
