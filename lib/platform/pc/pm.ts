/**
 * ACPI's fixed hardware: the power management registers that `poweroff` writes and the timer that Linux may measure
 * the TSC against. `acpi.ts` tells the Guest where they are; they leave by {@link PowerManagementOptions.powerOff}.
 *
 * ACPI 6.5 §4.8.3. Nothing here is ever switched to "legacy" mode: SCI_EN is always set, so there is no SMI command
 * port. There are no fixed buttons (§4.8.2.2: the FADT says so). Read next: `acpi.ts`.
 *
 * @module
 */
import { ByteDevice, type Width } from "../bus.ts";
import type { Clock, InterruptLine, Timed } from "../interrupt.ts";

/** Ticks per second of the power management timer (ACPI 6.5 §4.8.3.3). */
export const PM_TIMER_HZ = 3_579_545;
/** SLP_TYP that means "soft off" here: what the DSDT's \_S5 object holds. */
export const SLEEP_TYPE_S5 = 5;

const TIMER_STATUS = 0x0001;
const RTC_STATUS = 0x0400;
const WAKE_STATUS = 0x8000;
/** Status bits that exist: timer, bus master, global lock, buttons, clock, PCIe wake, wake. */
const STATUS_BITS = 0xcf31;
const ENABLE_BITS = TIMER_STATUS | 0x0020 | 0x0300 | RTC_STATUS | 0x4000;
const CONTROL_SCI_ENABLE = 0x0001;
const CONTROL_SLEEP_ENABLE = 0x2000;
const CONTROL_SLEEP_TYPE = 0x1c00;
/** BM_RLD and SLP_TYP can be read back; GBL_RLS and SLP_EN are write-only. */
const CONTROL_KEPT = 0x0002 | CONTROL_SLEEP_TYPE;
/** TMR_STS is set whenever the timer's highest bit changes: bit 31, since the FADT says TMR_VAL_EXT. */
const TIMER_HALF = 2 ** 31;

/** What the {@link PowerManagement} registers are attached to. */
export interface PowerManagementOptions {
  /** The Guest's time. */
  readonly clock: Clock;
  /** The system control interrupt. */
  readonly line: InterruptLine;
  /** Called when the Guest turns the machine off. */
  readonly powerOff: () => void;
}

/** PM1a event block (4 ports), PM1a control block (2) and timer (4 more at offset 8). */
export class PowerManagement extends ByteDevice implements Timed {
  readonly #clock: Clock;
  readonly #line: InterruptLine;
  readonly #powerOff: () => void;
  #status = 0;
  #enable = 0;
  #control = CONTROL_SCI_ENABLE;
  /** How often the timer's highest bit had changed when the status was last worked out. */
  #checked = 0;
  #deadline = Infinity;

  /**
   * The registers after power-on.
   *
   * @param options what the registers are attached to
   */
  constructor(options: PowerManagementOptions) {
    super();
    this.#clock = options.clock;
    this.#line = options.line;
    this.#powerOff = options.powerOff;
  }

  /** When the timer's highest bit changes next, if the Guest wants to know. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Back to power-on. */
  reset(): void {
    this.#status = 0;
    this.#enable = 0;
    this.#control = CONTROL_SCI_ENABLE;
    this.#checked = this.#half();
    this.#update();
  }

  /** The timer's highest bit has changed. */
  expire(): void {
    this.#update();
  }

  /** Read; the timer is only meant to be read whole. */
  override read(offset: number, width: Width): number {
    if (offset === 8 && width === 4) return this.#timer();
    return super.read(offset, width);
  }

  /** Read one byte of a register. */
  readByte(offset: number): number {
    this.#collect();
    switch (offset & ~1) {
      case 0:
        return byteOf(this.#status, offset & 1);
      case 2:
        return byteOf(this.#enable, offset & 1);
      case 4:
        return byteOf(this.#control, offset & 1);
      case 8:
      case 10:
        return byteOf(this.#timer(), offset & 3);
      default:
        return 0;
    }
  }

  /** Write one byte of a register; the timer cannot be written. */
  writeByte(offset: number, value: number): void {
    this.#collect();
    const shifted = value << (8 * (offset & 1));
    const others = offset & 1 ? 0x00ff : 0xff00;
    switch (offset & ~1) {
      case 0: // write one to clear
        this.#status &= ~shifted;
        break;
      case 2:
        this.#enable = (this.#enable & others) | (shifted & ENABLE_BITS);
        break;
      case 4:
        this.#control = (this.#control & others) | (shifted & CONTROL_KEPT) | CONTROL_SCI_ENABLE;
        if (shifted & CONTROL_SLEEP_ENABLE) this.#sleep();
        break;
      default:
    }
    this.#update();
  }

  #sleep(): void {
    if ((this.#control & CONTROL_SLEEP_TYPE) >> 10 === SLEEP_TYPE_S5) this.#powerOff();
    // No other state is offered; a Guest that enters one all the same has slept and is awake.
    else this.#status |= WAKE_STATUS & STATUS_BITS;
  }

  #timer(): number {
    return Math.floor((this.#clock.now() * PM_TIMER_HZ) / 1e9) % 2 ** 32;
  }

  #half(): number {
    return Math.floor((this.#clock.now() * PM_TIMER_HZ) / 1e9 / TIMER_HALF);
  }

  #collect(): void {
    const half = this.#half();
    if (half !== this.#checked) this.#status |= TIMER_STATUS;
    this.#checked = half;
  }

  #update(): void {
    this.#collect();
    if (this.#status & this.#enable) this.#line.raise();
    else this.#line.lower();
    const wanted = (this.#enable & TIMER_STATUS) !== 0 && (this.#status & TIMER_STATUS) === 0;
    // A nanosecond late is on the right side of the change.
    this.#deadline = wanted ? Math.ceil(((this.#checked + 1) * TIMER_HALF * 1e9) / PM_TIMER_HZ) + 1 : Infinity;
  }
}

function byteOf(value: number, index: number): number {
  return (value >>> (8 * index)) & 0xff;
}
