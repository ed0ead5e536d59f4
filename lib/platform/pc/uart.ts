/**
 * A 16550A UART: the PC's serial port, where a stock kernel has its console. Bytes that the Guest sends enter a
 * {@link ConsoleBackend}, bytes typed come out of it.
 *
 * The wire is infinitely fast: a byte written has left before the next instruction, so that "transmitter empty" is
 * true unless the backend is full; the bytes then wait here, the Guest sees "not empty" and a driver that looks waits
 * too. The terminal at the other end obeys RTS (hardware flow control): it sends only while the Guest's driver has
 * the port open, so that what was typed or piped before that is kept. It sends a FIFO full at a time and pauses a
 * little, or a pasted file would be stuffed into the kernel's buffers before any program could read it.
 *
 * Registers as in the National Semiconductor PC16550D data sheet (1995), sections cited as "16550D §". Read next:
 * `../console.ts`.
 *
 * @module
 */
import { ByteDevice } from "../bus.ts";
import type { ConsoleBackend } from "../console.ts";
import type { Clock, InterruptLine, Timed } from "../interrupt.ts";

const IER_RECEIVE = 0x01;
const IER_TRANSMIT = 0x02;
const IER_LINE = 0x04;
const IER_MODEM = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_TRANSMIT = 0x02;
const IIR_RECEIVE = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFO_ENABLED = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVE = 0x02;

const LCR_DLAB = 0x80;

const MCR_RTS = 0x02;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;

const LSR_DATA = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;

/** Clear to send, data set ready, carrier detect: a terminal is attached and ready. */
const MSR_ATTACHED = 0xb0;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RING = 0x40;
const MSR_DCD = 0x80;

const FIFO_SIZE = 16;
/** Receive trigger levels, FCR bits 7:6 (16550D §8.4). */
const TRIGGERS = [1, 4, 8, 14];
/** Between two FIFOs full of typed bytes: 32 KB/s, which a shell in an interpreted Guest can follow. */
const RECEIVE_PAUSE = 500_000;
/** How soon a full backend is tried again. */
const TRANSMIT_RETRY = 1_000_000;
/** Bytes kept for a full backend; a driver that sends more without asking is stopped until there is room. */
const BACKLOG_LIMIT = 4096;

/** What a {@link Uart} is attached to. */
export interface UartOptions {
  /** Its interrupt request. */
  readonly line: InterruptLine;
  /** The terminal. */
  readonly console: ConsoleBackend;
  /** For the pauses between bursts of input. */
  readonly clock: Clock;
  /** Asked while the Guest is stopped by a full terminal: whether to give up, since the Guest is to end. */
  readonly abandoned?: () => boolean;
}

/** One serial port: eight registers. */
export class Uart extends ByteDevice implements Timed {
  readonly #line: InterruptLine;
  readonly #console: ConsoleBackend;
  readonly #clock: Clock;
  readonly #abandoned: () => boolean;
  #deadline = Infinity;
  readonly #received: number[] = [];
  #backlog: number[] = [];
  #divisor = 12;
  #ier = 0;
  #fcr = 0;
  #lcr = 0;
  #mcr = 0;
  #scratch = 0;
  #modemDelta = 0;
  #overrun = false;
  #transmitPending = false;
  /** The line may have more than what was read last. */
  #inputWaits = true;
  #nextReceive = 0;
  #nextTransmit = Infinity;

  /**
   * A port after power-on.
   *
   * @param options what the port is attached to
   */
  constructor(options: UartOptions) {
    super();
    this.#line = options.line;
    this.#console = options.console;
    this.#clock = options.clock;
    this.#abandoned = options.abandoned ?? (() => false);
    this.#schedule();
  }

  /** When {@link expire} has something to move. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Back to power-on. Bytes that the Guest has sent still leave, bytes it has not read are still typed. */
  reset(): void {
    this.#received.length = 0;
    this.#divisor = 12;
    this.#ier = 0;
    this.#fcr = 0;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#scratch = 0;
    this.#modemDelta = 0;
    this.#overrun = false;
    this.#transmitPending = false;
    this.#inputWaits = true;
    this.#update();
    this.#schedule();
  }

  /** The terminal has something to say: look at once. */
  attend(): void {
    this.#inputWaits = true;
    this.expire(this.#clock.now());
  }

  /** Move bytes both ways as there is room. */
  expire(now: number): void {
    if (now >= this.#nextTransmit) this.#drain(now);
    if (now >= this.#nextReceive) this.#fill(now);
    this.#update();
    this.#schedule();
  }

  /** Read a register (16550D §8). */
  readByte(offset: number): number {
    switch (offset) {
      case 0:
        return this.#lcr & LCR_DLAB ? this.#divisor & 0xff : this.#receive();
      case 1:
        return this.#lcr & LCR_DLAB ? this.#divisor >> 8 : this.#ier;
      case 2: {
        const cause = this.#cause();
        if (cause === IIR_TRANSMIT) {
          this.#transmitPending = false;
          this.#update();
        }
        return cause | (this.#fcr & FCR_ENABLE ? IIR_FIFO_ENABLED : 0);
      }
      case 3:
        return this.#lcr;
      case 4:
        return this.#mcr;
      case 5: {
        const status = this.#lineStatus();
        this.#overrun = false;
        this.#update();
        return status;
      }
      case 6: {
        const status = this.#modemLines() | this.#modemDelta;
        this.#modemDelta = 0;
        this.#update();
        return status;
      }
      default:
        return this.#scratch;
    }
  }

  /** Write a register (16550D §8). */
  writeByte(offset: number, value: number): void {
    switch (offset) {
      case 0:
        if (this.#lcr & LCR_DLAB) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#send(value);
        break;
      case 1:
        if (this.#lcr & LCR_DLAB) this.#divisor = (this.#divisor & 0xff) | (value << 8);
        else this.#setInterrupts(value & 0x0f);
        break;
      case 2:
        this.#setFifo(value);
        break;
      case 3:
        this.#lcr = value;
        break;
      case 4:
        this.#setModem(value & 0x1f);
        break;
      case 7:
        this.#scratch = value;
        break;
      default: // line and modem status are for factory tests only
    }
    this.#update();
  }

  #receive(): number {
    const byte = this.#received.shift() ?? 0;
    this.#update();
    this.#schedule();
    return byte;
  }

  #send(byte: number): void {
    // The interrupt line falls before it rises again for the byte's departure: the controller waits for an edge.
    this.#transmitPending = false;
    this.#update();
    if (this.#mcr & MCR_LOOP) {
      this.#store(byte);
      this.#transmitPending = true;
      return;
    }
    if (this.#backlog.length === 0 && this.#console.write(byte)) {
      this.#transmitPending = true;
      return;
    }
    this.#backlog.push(byte);
    this.#nextTransmit = Math.min(this.#nextTransmit, this.#clock.now() + TRANSMIT_RETRY);
    while (this.#backlog.length >= BACKLOG_LIMIT && this.#console.waitForRoom && !this.#abandoned()) {
      this.#console.waitForRoom(100);
      this.#drain(this.#clock.now());
    }
    this.#schedule();
  }

  /** A byte arrives; a full FIFO loses it (16550D §8.6.1). */
  #store(byte: number): void {
    if (this.#received.length < this.#depth()) this.#received.push(byte);
    else this.#overrun = true;
  }

  #drain(now: number): void {
    if (this.#backlog.length === 0) return;
    let sent = 0;
    while (sent < this.#backlog.length && this.#console.write(this.#backlog[sent] ?? 0)) sent++;
    this.#backlog = this.#backlog.slice(sent);
    if (this.#backlog.length === 0) {
      this.#nextTransmit = Infinity;
      this.#transmitPending = true;
    } else {
      this.#nextTransmit = now + TRANSMIT_RETRY;
    }
  }

  #fill(now: number): void {
    if (!this.#listening()) return;
    let taken = 0;
    while (this.#received.length < this.#depth()) {
      const byte = this.#console.read();
      if (byte < 0) {
        this.#inputWaits = false;
        break;
      }
      this.#received.push(byte);
      taken++;
    }
    if (taken > 0) this.#nextReceive = now + RECEIVE_PAUSE;
  }

  #setInterrupts(value: number): void {
    const changed = value ^ this.#ier;
    this.#ier = value;
    // "THR empty" is reported again whenever it is enabled while the THR is empty: what Linux's driver probes for.
    if (changed & IER_TRANSMIT) this.#transmitPending = (value & IER_TRANSMIT) !== 0 && this.#backlog.length === 0;
  }

  #setFifo(value: number): void {
    const toggled = (value ^ this.#fcr) & FCR_ENABLE;
    // The other bits must be written together with the enable bit (16550D §8.4).
    this.#fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
    if (toggled || (value & FCR_ENABLE && value & FCR_CLEAR_RECEIVE)) this.#received.length = 0;
    // Nothing to clear on the transmit side: what was written has left, and a backlog is on the wire.
    this.#schedule();
  }

  #setModem(value: number): void {
    const before = this.#modemLines();
    this.#mcr = value;
    const after = this.#modemLines();
    const changed = before ^ after;
    this.#modemDelta |= (changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4;
    // TERI reports only the end of ringing.
    if (changed & before & MSR_RING) this.#modemDelta |= MSR_RING >> 4;
    this.#schedule();
  }

  #modemLines(): number {
    const mcr = this.#mcr;
    if ((mcr & MCR_LOOP) === 0) return MSR_ATTACHED;
    // Loopback: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD (16550D §8.7).
    return (mcr & 0x02 ? MSR_CTS : 0) | (mcr & 0x01 ? MSR_DSR : 0) | (mcr & 0x04 ? MSR_RING : 0) |
      (mcr & 0x08 ? MSR_DCD : 0);
  }

  #lineStatus(): number {
    return (this.#received.length > 0 ? LSR_DATA : 0) | (this.#overrun ? LSR_OVERRUN : 0) |
      (this.#backlog.length === 0 ? LSR_THRE | LSR_TEMT : 0);
  }

  #depth(): number {
    return this.#fcr & FCR_ENABLE ? FIFO_SIZE : 1;
  }

  #listening(): boolean {
    return (this.#mcr & (MCR_RTS | MCR_LOOP)) === MCR_RTS;
  }

  /** The interrupt of highest priority, as IIR bits 3:0 (16550D table III). */
  #cause(): number {
    const enabled = this.#ier;
    if (enabled & IER_LINE && this.#overrun) return IIR_LINE;
    if (enabled & IER_RECEIVE && this.#received.length > 0) {
      const trigger = this.#fcr & FCR_ENABLE ? TRIGGERS[this.#fcr >> 6] ?? 1 : 1;
      // Below the trigger level the time-out reports; four character times on an infinitely fast wire are none.
      return this.#received.length >= trigger ? IIR_RECEIVE : IIR_TIMEOUT;
    }
    if (enabled & IER_TRANSMIT && this.#transmitPending) return IIR_TRANSMIT;
    if (enabled & IER_MODEM && this.#modemDelta) return IIR_MODEM;
    return IIR_NONE;
  }

  #update(): void {
    // On a PC, OUT2 connects the port to its interrupt line; in loopback the pin is inactive.
    const connected = (this.#mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
    if (connected && this.#cause() !== IIR_NONE) this.#line.raise();
    else this.#line.lower();
  }

  #schedule(): void {
    const receives = this.#inputWaits && this.#listening() && this.#received.length < this.#depth();
    this.#deadline = Math.min(this.#nextTransmit, receives ? this.#nextReceive : Infinity);
  }
}
