/**
 * The two 8259A interrupt controllers of a PC, the second one's output on the first one's input 2, and the
 * edge/level registers that PCI chipsets added. Lines enter, one wire to the CPU leaves.
 *
 * All figures are from the Intel 8259A data sheet (order 231468); ELCR from the Intel 82371AB (PIIX4) data sheet
 * §4.2.3. Only the 8086 mode exists: nothing on a PC can use the 8080 call sequence. Read next: `pit.ts`, who asks most.
 *
 * @module
 */
import { ByteDevice } from "../bus.ts";
import type { InterruptLine, InterruptSource } from "../interrupt.ts";

/** Input of the first controller where the second one's output arrives. */
const CASCADE = 2;

const ICW1_SELECT = 0x10;
const ICW1_ICW4_NEEDED = 0x01;
const ICW1_SINGLE = 0x02;
const ICW1_LEVEL = 0x08;
const ICW4_AUTO_EOI = 0x02;
const ICW4_SPECIAL_FULLY_NESTED = 0x10;
const OCW3_SELECT = 0x08;

/** One 8259A: eight inputs, two ports. */
class Chip extends ByteDevice {
  /** Which inputs are level-triggered by the chipset's ELCR, whatever ICW1 said. */
  levelInputs = 0;
  /** Whether the INT output is high. */
  output = false;
  readonly #changed: () => void;
  readonly #isMaster: boolean;
  #lines = 0;
  #requests = 0;
  #inService = 0;
  #mask = 0;
  #vectorBase = 0;
  /** The input with the lowest priority; the one after it has the highest. */
  #lowest = 7;
  /** The next initialization word expected: 2, 3, 4, or 0 when none is. */
  #nextWord = 0;
  #icw1 = 0;
  #autoEoi = false;
  #rotateOnAutoEoi = false;
  #specialMask = false;
  #specialFullyNested = false;
  #readInService = false;
  #polled = false;

  constructor(isMaster: boolean, changed: () => void) {
    super();
    this.#isMaster = isMaster;
    this.#changed = changed;
  }

  reset(): void {
    this.levelInputs = 0;
    this.#lines = 0;
    this.#vectorBase = 0;
    this.#initialize(0);
    this.#nextWord = 0;
    this.#update();
  }

  /** The input `irq` (0 to 7) goes high or low. */
  setLine(irq: number, high: boolean): void {
    const bit = 1 << irq;
    if (high === ((this.#lines & bit) !== 0)) return;
    if (high) {
      this.#lines |= bit;
      this.#requests |= bit;
    } else {
      // "The IR inputs must remain high until after the falling edge of the first INTA", in either mode.
      this.#lines &= ~bit;
      this.#requests &= ~bit;
    }
    this.#update();
  }

  /** INTA: the input that is taken; 7 with nothing in service if the request is gone ("default IR7"). */
  acknowledge(): { irq: number; spurious: boolean } {
    const irq = this.#highestRequest();
    if (irq < 0) return { irq: 7, spurious: true };
    const bit = 1 << irq;
    if ((this.#levels() & bit) === 0) this.#requests &= ~bit;
    if (!this.#autoEoi) this.#inService |= bit;
    else if (this.#rotateOnAutoEoi) this.#lowest = irq;
    this.#update();
    return { irq, spurious: false };
  }

  vector(irq: number): number {
    return this.#vectorBase | irq;
  }

  readByte(offset: number): number {
    if (this.#polled) {
      // OCW3 with P: the next read is the acknowledge cycle (data sheet, "Poll Command").
      this.#polled = false;
      const { irq, spurious } = this.acknowledge();
      return spurious ? 0 : 0x80 | irq;
    }
    if (offset === 1) return this.#mask;
    return this.#readInService ? this.#inService : this.#requests;
  }

  writeByte(offset: number, value: number): void {
    if (offset === 0) {
      if (value & ICW1_SELECT) this.#initialize(value);
      else if (value & OCW3_SELECT) this.#control3(value);
      else this.#control2(value);
    } else {
      this.#data(value);
    }
    this.#update();
  }

  #initialize(icw1: number): void {
    this.#icw1 = icw1;
    this.#nextWord = 2;
    this.#mask = 0;
    this.#inService = 0;
    this.#lowest = 7;
    this.#specialMask = false;
    this.#readInService = false;
    this.#polled = false;
    // The edge sense circuit is reset: an input must go low and high again. Level inputs that are high still ask.
    this.#requests = this.#lines & this.#levels();
    if ((icw1 & ICW1_ICW4_NEEDED) === 0) this.#control4(0);
  }

  #data(value: number): void {
    switch (this.#nextWord) {
      case 2:
        this.#vectorBase = value & 0xf8;
        this.#nextWord = this.#icw1 & ICW1_SINGLE ? this.#afterIcw3() : 3;
        break;
      case 3:
        // How the two are wired cannot be changed by a program.
        this.#nextWord = this.#afterIcw3();
        break;
      case 4:
        this.#control4(value);
        this.#nextWord = 0;
        break;
      default:
        this.#mask = value;
    }
  }

  #afterIcw3(): number {
    return this.#icw1 & ICW1_ICW4_NEEDED ? 4 : 0;
  }

  #control4(value: number): void {
    this.#autoEoi = (value & ICW4_AUTO_EOI) !== 0;
    this.#specialFullyNested = (value & ICW4_SPECIAL_FULLY_NESTED) !== 0;
    if (!this.#autoEoi) this.#rotateOnAutoEoi = false;
  }

  #control2(value: number): void {
    const level = value & 7;
    switch (value >> 5) {
      case 0: // rotate in automatic EOI mode: clear
        this.#rotateOnAutoEoi = false;
        break;
      case 4: // and set
        this.#rotateOnAutoEoi = true;
        break;
      case 1: // non-specific EOI
      case 5: { // and rotate
        const irq = this.#highestOf(this.#specialMask ? this.#inService & ~this.#mask : this.#inService);
        if (irq < 0) break;
        this.#inService &= ~(1 << irq);
        if (value & 0x80) this.#lowest = irq;
        break;
      }
      case 3: // specific EOI
        this.#inService &= ~(1 << level);
        break;
      case 7: // and rotate
        this.#inService &= ~(1 << level);
        this.#lowest = level;
        break;
      case 6: // set priority
        this.#lowest = level;
        break;
      default: // no operation
    }
  }

  #control3(value: number): void {
    if (value & 0x40) this.#specialMask = (value & 0x20) !== 0;
    if (value & 0x04) this.#polled = true;
    else if (value & 0x02) this.#readInService = (value & 0x01) !== 0;
  }

  #levels(): number {
    return this.#icw1 & ICW1_LEVEL ? 0xff : this.levelInputs;
  }

  /** The set bit of highest priority, or -1. */
  #highestOf(bits: number): number {
    if (bits === 0) return -1;
    const start = (this.#lowest + 1) & 7;
    // Rotate so that the highest priority is bit 0; then the lowest set bit wins.
    const rotated = ((bits >> start) | (bits << (8 - start))) & 0xff;
    return (31 - Math.clz32(rotated & -rotated) + start) & 7;
  }

  /** The input whose turn it is, or -1: requested, not masked, and above everything in service. */
  #highestRequest(): number {
    const irq = this.#highestOf(this.#requests & ~this.#mask);
    if (irq < 0) return -1;
    let busy = this.#inService;
    if (this.#specialMask) {
      // Special mask mode: a service whose input is masked holds up nobody else.
      busy &= ~this.#mask;
    }
    // The first controller must let a higher input of the second one through while an earlier one is in service.
    if (this.#specialFullyNested && this.#isMaster) busy &= ~(1 << CASCADE);
    const current = this.#highestOf(busy);
    if (current < 0) return irq;
    return this.#rank(irq) < this.#rank(current) ? irq : -1;
  }

  #rank(irq: number): number {
    return (irq - this.#lowest - 1) & 7;
  }

  #update(): void {
    // A level input that is still high asks again as soon as its service ends.
    this.#requests |= this.#lines & this.#levels();
    const output = this.#nextWord === 0 && this.#highestRequest() >= 0;
    if (output === this.output) return;
    this.output = output;
    this.#changed();
  }

  /** The chipset says which inputs are level-triggered. */
  setLevelInputs(bits: number): void {
    this.levelInputs = bits;
    this.#update();
  }
}

/** Both controllers of a PC: sixteen lines in, one interrupt out. */
export class Pic implements InterruptSource {
  /** The first controller's ports, 0x20 and 0x21. */
  readonly master: ByteDevice;
  /** The second controller's ports, 0xA0 and 0xA1. */
  readonly slave: ByteDevice;
  /** The edge/level registers, 0x4D0 and 0x4D1. */
  readonly elcr: ByteDevice;
  readonly #master: Chip;
  readonly #slave: Chip;
  /** Interrupts that the CPU has taken since the controllers were made. */
  taken = 0;
  /** Whether an interrupt waits to be taken: the first controller's INT wire. */
  pending = false;

  /** Both controllers as after power-on: a program must initialize them. */
  constructor() {
    this.#master = new Chip(true, () => {
      this.pending = this.#master.output;
    });
    this.#slave = new Chip(false, () => this.#master.setLine(CASCADE, this.#slave.output));
    this.master = this.#master;
    this.slave = this.#slave;
    this.elcr = new EdgeLevelRegisters([this.#master, this.#slave]);
  }

  /** Back to power-on. */
  reset(): void {
    this.#slave.reset();
    this.#master.reset();
  }

  /**
   * The wire of one interrupt request.
   *
   * @param irq 0 to 15, but not 2: the second controller is there
   * @throws {RangeError} if there is no such wire
   */
  line(irq: number): InterruptLine {
    if (!Number.isInteger(irq) || irq < 0 || irq > 15 || irq === CASCADE) {
      throw new RangeError(`No interrupt line "${irq}": want 0 to 15 without ${CASCADE}`);
    }
    const chip = irq < 8 ? this.#master : this.#slave;
    const input = irq & 7;
    return { raise: () => chip.setLine(input, true), lower: () => chip.setLine(input, false) };
  }

  /** The CPU takes the interrupt: its vector. */
  acknowledge(): number {
    this.taken++;
    const { irq, spurious } = this.#master.acknowledge();
    if (irq !== CASCADE || spurious) return this.#master.vector(irq);
    return this.#slave.vector(this.#slave.acknowledge().irq);
  }
}

/** ELCR: one bit a line, set for level-triggered; the timer, the cascade, the clock and others are always edges. */
class EdgeLevelRegisters extends ByteDevice {
  static readonly #WRITABLE = [0xf8, 0xde];
  readonly #chips: readonly Chip[];

  constructor(chips: readonly Chip[]) {
    super();
    this.#chips = chips;
  }

  readByte(offset: number): number {
    return this.#chips[offset]?.levelInputs ?? 0xff;
  }

  writeByte(offset: number, value: number): void {
    this.#chips[offset]?.setLevelInputs(value & (EdgeLevelRegisters.#WRITABLE[offset] ?? 0));
  }
}
