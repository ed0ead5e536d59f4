/*
 * What travels between oracle.c and oracle.ts, and where the pages stand that a case may use. Both sides, and
 * machine.ts, which builds the same address space for our own CPU, must agree on every number here.
 *
 * Each region: an unmapped page, two writable pages, a read-only page (in the code's region: unmapped, too), an
 * unmapped page. Read next: oracle.c.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

#define PAGE 4096u
#define REGION_LOW 0x00007000u  /* for 16-bit addresses; absent if the kernel forbids low mappings */
#define REGION_MID 0x10000000u
#define REGION_HIGH 0xe0000000u /* addresses with the top bit set */
#define REGION_CODE 0x20000000u /* its writable pages are executable, too */
#define REGIONS 4
#define WRITABLE 2 /* writable pages in a region, from its second page on */

#define MAX_BATCH 1024u
#define MAX_CHANGES 1024u
#define MAX_STEPS 5000u
#define POKES 8

/* Case flags. */
#define CASE_REPEAT 1 /* a string instruction: go on while EIP stays */

/* The registers are in the order of their encoding: EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI. */
struct request {
  u32 regs[8];
  u32 eflags;
  u32 eip; /* offset in CS */
  u8 code[16];
  u8 length, flags, pokes, ignored;
  u16 segments[6]; /* ES, CS, SS, DS, FS, GS; RPL is forced to 3 */
  u32 code_at;     /* linear address of the code */
  struct {
    u32 address, value;
  } poke[POKES];
};

#define TRAP_TOO_LONG 0xffu

struct reply {
  u32 regs[8];
  u32 eflags;
  u32 eip;
  u32 trap; /* vector: 1 if the instruction was executed without fault */
  u32 error;
  u32 cr2;
  u16 segments[6];
  u32 changes; /* then so many {address, value} of changed 32-bit words */
};
