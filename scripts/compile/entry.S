/*
 * The first instructions of the single file, before Deno's own: they make `lguest WORDS…` into
 * `lguest run … LOADER WORDS…`, put a few variables before the environment, and go on where Deno begins. Nothing is
 * extracted and no file is opened: the loader and the archive (loader.ts, archive.ts) stand behind this code in the same
 * segment, so the system has mapped them already.
 *
 * Enters: the stack as the System V ABI for x86-64 has it at a program's entry (§3.4.1): argc, the arguments, 0, the
 * environment, 0, the auxiliary vector, and rdx, which Deno's entry wants to see. Leaves: a copy of that stack with more
 * in it, below the old one, whose strings it goes on using. It runs after the dynamic linker, so the C library has taken
 * the environment's address already and is told the new one.
 *
 * Everything is found relative to rip, since Deno may be loaded anywhere. The linker is given the addresses SEGMENT (of
 * this code), ENTRY (of Deno's) and ENVIRON (of the pointer by which Deno finds the C library's `environ`); the
 * assembler, the files `loader.url` and `archive`. Read next: single_file.ts, which does that.
 */
        .intel_syntax noprefix
        .text

/* Copy 8-byte words from rsi to rdi up to and with a zero. */
        .macro copy_list
1:      lodsq
        stosq
        test    rax, rax
        jnz     1b
        .endm

/* Write to rdi the address of each string in a table of offsets that ends with 0. */
        .macro add_strings table
        lea     rbx, [rip + \table]
        mov     r8, rbx
1:      movsxd  rax, dword ptr [r8]
        add     r8, 4
        test    rax, rax
        jz      2f
        add     rax, rbx
        stosq
        jmp     1b
2:
        .endm

        .globl  start
start:  mov     rbp, rsp
        mov     r12, rdx
        cld

/* Deno asks for its own path, and falls over in many lines if there is none. */
        mov     eax, 89                 /* readlink */
        lea     rdi, [rip + own_path]
        lea     rsi, [rsp - 16]
        mov     edx, 1
        syscall
        lea     rsi, [rip + no_proc]
        mov     edx, no_proc_end - no_proc
        test    rax, rax
        js      refuse

/* Where does the stack's list end? r15 = its bytes. A list without even the program's name has no place for words. */
        mov     rax, [rbp]
        lea     rsi, [rip + no_name]
        mov     edx, no_name_end - no_name
        test    rax, rax
        jz      refuse
        lea     rcx, [rbp + 8 * rax + 16]
1:      add     rcx, 8
        cmp     qword ptr [rcx - 8], 0
        jne     1b
1:      add     rcx, 16
        cmp     qword ptr [rcx - 16], 0
        jne     1b
        mov     r15, rcx
        sub     r15, rbp

/* The loader's URL with the archive's address behind it, in 16 hexadecimal digits. r13 = where it stands. */
        sub     rsp, loader_end - loader + 17
        mov     r13, rsp
        mov     rdi, r13
        lea     rsi, [rip + loader]
        mov     ecx, loader_end - loader
        rep movsb
        lea     rdx, [rip + archive]
        mov     ecx, 16
1:      rol     rdx, 4
        mov     eax, edx
        and     eax, 15
        add     eax, '0'
        cmp     eax, '9'
        jbe     2f
        add     eax, 'a' - '9' - 1
2:      stosb
        loop    1b
        mov     byte ptr [rdi], 0

/* The new stack, aligned as the ABI wants it. */
        sub     rsp, r15
        sub     rsp, 2 * (words_end - words + variables_end - variables)
        and     rsp, -16
        mov     rdi, rsp
        mov     rsi, rbp
        lodsq
        add     rax, (words_end - words) / 4
        stosq
        movsq
        add_strings words
        mov     rax, r13
        stosq
        copy_list
        mov     r14, rdi
        add_strings variables
        copy_list
1:      lodsq
        stosq
        movsq
        test    rax, rax
        jnz     1b

        mov     rax, [rip + ENVIRON]
        mov     [rax], r14
        mov     rdx, r12
        jmp     ENTRY

/* Write the line at rsi, of edx bytes, to stderr, and end. */
refuse: mov     edi, 2
        mov     eax, 1                  /* write */
        syscall
        mov     edi, 1
        mov     eax, 231                /* exit_group */
        syscall

own_path:
        .asciz  "/proc/self/exe"
no_proc:
        .ascii  "lguest: /proc is not there, which this program needs: mount -t proc proc /proc\n"
no_proc_end:
no_name:
        .ascii  "lguest: This program was started without its name: give it one as its first word\n"
no_name_end:

/* A string, of which a table as `add_strings` reads it keeps the place. */
        .macro string table, text
        .long   2f - \table
        .pushsection .text.strings, "ax"
2:      .asciz  "\text"
        .popsection
        .endm

/* Nothing of Deno's own may change what the program does: no configuration, no lock file, no packages, no cache. */
        .balign 4
words:  string  words, "run"
        string  words, "--allow-all"
        string  words, "--no-config"
        string  words, "--no-lock"
        string  words, "--no-npm"
        string  words, "--no-remote"
        string  words, "--no-code-cache"
        .long   0                       /* the URL's place among the words */
words_end:

/* Deno would look for a newer version of itself, for a package.json here, and for a program called node. What it keeps
   in files it keeps in memory if the directory for them cannot be made, and none can have a name of 256 letters; on a
   terminal it would tell that. */
variables:
        string  variables, "DENO_NO_UPDATE_CHECK=1"
        string  variables, "DENO_NO_PACKAGE_JSON=1"
        string  variables, "DENO_DISABLE_NODE_SHIM=1"
        string  variables, "DENO_LOG=info,deno::cache=off"
        .long   2f - variables
        .pushsection .text.strings, "ax"
2:      .ascii  "DENO_DIR=/"
        .fill   256, 1, 'x'
        .byte   0
        .popsection
        .long   0
variables_end:

loader: .incbin "loader.url"
loader_end:
        .balign 8
archive:
        .incbin "archive"
