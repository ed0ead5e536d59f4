/**
 * The MC146818 clock of a PC, with its battery-backed bytes: what time it is, an alarm, a periodic interrupt (IRQ 8).
 *
 * The time is the host's, in UTC, plus whatever the Guest has set it off by. Registers as in the Motorola MC146818
 * data sheet; the century at 0x32 where the ACPI tables say it is (`acpi.ts`). Flags are worked out when somebody
 * reads them; only an enabled interrupt has a deadline. Read next: `rtc_time.ts`, the registers' formats.
 *
 * @module
 */
import { ByteDevice } from "../bus.ts";
import type { Clock, InterruptLine, Timed } from "../interrupt.ts";
import { alarmMatches, decodeTime, encodeTime, isTimeRegister, REGISTER_CENTURY } from "./rtc_time.ts";

const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;

const A_UPDATING = 0x80;
const B_SET = 0x80;
const B_PERIODIC = 0x40;
const B_ALARM = 0x20;
const B_UPDATE = 0x10;
const B_SQUARE_WAVE = 0x08;
const C_REQUEST = 0x80;
const D_VALID = 0x80;

const SECOND = 1e9;
/** UIP is set this long before the registers change (MC146818 data sheet, "Update Cycle": 244 µs). */
const UPDATE_NOTICE = 244_000;
/** A day of seconds: an alarm set to a valid time has matched within it. */
const ALARM_HORIZON = 86_400;

/** What an {@link Rtc} is attached to. */
export interface RtcOptions {
  /** The Guest's time, for intervals. */
  readonly clock: Clock;
  /** IRQ 8. */
  readonly line: InterruptLine;
  /** Bytes of RAM: firmware leaves the size where old programs look for it. */
  readonly memorySize: number;
  /** The host's wall clock in milliseconds since 1970, UTC. */
  readonly wallClock: () => number;
}

/** The clock and its 128 bytes, ports 0x70 and 0x71. */
export class Rtc extends ByteDevice implements Timed {
  readonly #clock: Clock;
  readonly #line: InterruptLine;
  readonly #bytes = new Uint8Array(128);
  /** The time: {@link #phase} nanoseconds before the Guest's clock was 0 it was this second since 1970. */
  #epoch: number;
  /** Apart from the seconds, since nanoseconds since 1970 are more than a double holds exactly. */
  #phase: number;
  #index = REGISTER_D;
  #flags = 0;
  /** Up to when {@link #flags} were worked out, in the clock's nanoseconds. */
  #checked: number;
  #deadline = Infinity;

  /**
   * A clock that shows the host's time.
   *
   * @param options what the clock is attached to
   */
  constructor(options: RtcOptions) {
    super();
    this.#clock = options.clock;
    this.#line = options.line;
    const now = options.clock.now();
    const milliseconds = options.wallClock();
    this.#epoch = Math.floor(milliseconds / 1000);
    this.#phase = Math.round((milliseconds % 1000) * 1e6) - now;
    this.#checked = now;
    // 32768 Hz oscillator, 1024 Hz periodic rate; 24 hours, BCD: what firmware leaves.
    this.#bytes[REGISTER_A] = 0x26;
    this.#bytes[REGISTER_B] = 0x02;
    this.#bytes[REGISTER_D] = D_VALID;
    this.#describeMemory(options.memorySize);
  }

  /** The deadline of the next enabled interrupt. */
  get deadline(): number {
    return this.#deadline;
  }

  /** The RESET pin: time, calendar and RAM are the battery's and stay; interrupts are disabled. */
  reset(): void {
    this.#bytes[REGISTER_B] = this.#byte(REGISTER_B) & ~(B_PERIODIC | B_ALARM | B_UPDATE | B_SQUARE_WAVE);
    this.#index = REGISTER_D;
    this.#flags = 0;
    this.#checked = this.#clock.now();
    this.#update();
  }

  /** Raise the interrupt whose time has come. */
  expire(now: number): void {
    this.#collect(now);
    this.#update();
  }

  /** Read the register that port 0x70 selected. Port 0x70 itself gives nothing back. */
  readByte(offset: number): number {
    if (offset === 0) return 0xff;
    const index = this.#index;
    const now = this.#clock.now();
    switch (index) {
      case REGISTER_A:
        return this.#byte(index) | (this.#updating(now) ? A_UPDATING : 0);
      case REGISTER_C: {
        this.#collect(now);
        const flags = this.#flags | (this.#requesting() ? C_REQUEST : 0);
        this.#flags = 0;
        this.#update();
        return flags;
      }
      default:
        this.#refresh(now);
        return this.#byte(index);
    }
  }

  /** Select a register (0x70; bit 7 masks NMI, which nothing here raises) or write the one selected. */
  writeByte(offset: number, value: number): void {
    if (offset === 0) {
      this.#index = value & 0x7f;
      return;
    }
    const index = this.#index;
    const now = this.#clock.now();
    this.#collect(now);
    this.#refresh(now);
    switch (index) {
      case REGISTER_A:
        this.#bytes[index] = value & ~A_UPDATING;
        break;
      case REGISTER_B: {
        const setting = (this.#byte(index) & B_SET) !== 0;
        // SET drops UIE (data sheet, "Register B").
        this.#bytes[index] = value & B_SET ? value & ~B_UPDATE : value;
        if (setting && (value & B_SET) === 0) this.#set(now);
        break;
      }
      case REGISTER_C:
      case REGISTER_D:
        break;
      default:
        this.#bytes[index] = value;
        if (isTimeRegister(index) && (this.#byte(REGISTER_B) & B_SET) === 0) this.#set(now);
    }
    this.#update();
  }

  #byte(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  /** Put the time into the registers, unless the Guest holds them still. */
  #refresh(now: number): void {
    if (this.#byte(REGISTER_B) & B_SET) return;
    encodeTime(this.#second(now), this.#byte(REGISTER_B), this.#bytes);
  }

  /** The registers are the time from now on. */
  #set(now: number): void {
    const seconds = decodeTime(this.#bytes, this.#byte(REGISTER_B));
    // A program that writes the registers out of hold passes through dates that do not exist: wait for the rest.
    if (Number.isNaN(seconds)) return;
    this.#epoch += seconds - this.#second(now);
    this.#checked = now;
  }

  #second(now: number): number {
    return this.#epoch + Math.floor((now + this.#phase) / SECOND);
  }

  #untilNextSecond(now: number): number {
    return SECOND - ((now + this.#phase) % SECOND);
  }

  #updating(now: number): boolean {
    if (this.#byte(REGISTER_B) & B_SET) return false;
    return this.#untilNextSecond(now) <= UPDATE_NOTICE;
  }

  /** Nanoseconds between periodic interrupts, 0 for none (data sheet, table 5, for the 32768 Hz oscillator). */
  #period(): number {
    const rate = this.#byte(REGISTER_A) & 0x0f;
    if (rate === 0) return 0;
    // Rates 1 and 2 are 8 and 9 again.
    return SECOND * 2 ** ((rate < 3 ? rate + 7 : rate) - 1) / 32_768;
  }

  /** Set the flags of what happened since the last look: once each, however often it happened. */
  #collect(now: number): void {
    const since = this.#checked;
    this.#checked = now;
    const period = this.#period();
    if (period > 0 && Math.floor(now / period) > Math.floor(since / period)) this.#flags |= B_PERIODIC;
    if (this.#byte(REGISTER_B) & B_SET) return;
    const last = this.#second(now);
    const first = Math.max(this.#second(since) + 1, last - ALARM_HORIZON + 1);
    if (first > last) return;
    this.#flags |= B_UPDATE;
    for (let second = first; second <= last && (this.#flags & B_ALARM) === 0; second++) {
      if (alarmMatches(second, this.#bytes, this.#byte(REGISTER_B))) this.#flags |= B_ALARM;
    }
  }

  #requesting(): boolean {
    // The flags in C stand at the same bits as their enables in B.
    return (this.#flags & this.#byte(REGISTER_B) & (B_PERIODIC | B_ALARM | B_UPDATE)) !== 0;
  }

  #update(): void {
    if (this.#requesting()) this.#line.raise();
    else this.#line.lower();
    this.#schedule(this.#clock.now());
  }

  #schedule(now: number): void {
    const enabled = this.#byte(REGISTER_B) & ~this.#flags;
    let deadline = Infinity;
    const period = this.#period();
    // While the line is high nothing new can be reported: reading C starts the next round.
    if (!this.#requesting()) {
      if (enabled & B_PERIODIC && period > 0) deadline = (Math.floor(now / period) + 1) * period;
      if (enabled & (B_ALARM | B_UPDATE) && (enabled & B_SET) === 0) {
        deadline = Math.min(deadline, now + this.#untilNextSecond(now));
      }
    }
    this.#deadline = Math.ceil(deadline);
  }

  /** Where a PC's firmware leaves the memory size, and that there is a coprocessor but no floppy disk. */
  #describeMemory(size: number): void {
    const word = (index: number, value: number) => {
      this.#bytes[index] = value & 0xff;
      this.#bytes[index + 1] = value >> 8;
    };
    const aboveOneMegabyte = Math.max(0, Math.min(0xffff, (size - (1 << 20)) / 1024));
    this.#bytes[0x14] = 0x02;
    word(0x15, 640);
    word(0x17, aboveOneMegabyte);
    word(0x30, aboveOneMegabyte);
    word(0x34, Math.max(0, Math.min(0xffff, (size - (16 << 20)) / 65536)));
    // The checksum over 0x10 to 0x2D, high byte first.
    const sum = this.#bytes.subarray(0x10, 0x2e).reduce((total, byte) => total + byte, 0);
    this.#bytes[0x2e] = sum >> 8;
    this.#bytes[0x2f] = sum & 0xff;
    this.#bytes[REGISTER_CENTURY] = 0x20;
  }
}
