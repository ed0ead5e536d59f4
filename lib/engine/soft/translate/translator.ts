import type { Block, CodeCache } from "../code_cache.ts";
import type { Cpu } from "../cpu.ts";
export class Translator {
  constructor(_cpu: Cpu, _cache: CodeCache) {}
  request(block: Block): void { block.tried = true; }
  enter(_block: Block): void {}
}
