/*
 * The parts of a test kernel that C cannot say: the first instructions, the handlers' beginnings and ends, the way to
 * user code and back. Read first: lguest.h. Read next: kernel.c.
 */
#include "lguest.h"
#define IRQ_ENABLED data /* the first word of lguest_data */

        .text
        .globl _start
_start:
        mov     %eax, first
        mov     %ebx, first + 4
        mov     %ecx, first + 8
        mov     %edx, first + 12
        mov     %esi, first + 16
        mov     %edi, first + 20
        mov     %ebp, first + 24
        mov     %esp, first + 28
        mov     $boot_stack_top, %esp
        pushf
        popl    first + 32
        mov     %cs, first + 36
        mov     %ds, first + 40
        mov     %es, first + 44
        mov     %ss, first + 48
        mov     %fs, first + 52
        mov     %gs, first + 56
        call    kernel_main
        ud2

/*
 * 256 handlers, 16 bytes each: an error code (0 where the processor has none), the vector, and on. Those of the vectors
 * 8, 10 to 14 and 17 have one already.
 */
        .globl stubs
        .balign 16
stubs:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
        push    $0
        .endif
        push    $vector
        jmp     trap_entry
        .set    vector, vector + 1
        .endr
        .balign 16

trap_entry:
        pusha
        push    %ds
        push    %es
        mov     $KERNEL_DS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        cld
        push    %esp
        call    trap
        add     $4, %esp
        pop     %es
        pop     %ds
        popa
        add     $8, %esp
        /* and fall into */

/*
 * Return from a trap. The Host must not deliver an interrupt between the moment when irq_enabled says that it may, and
 * the IRET: Linux 4.x tells it of the one address, its elders of a range.
 */
        .globl guest_iret, noirq_iret, noirq_end
guest_iret:
        push    %eax
        mov     12(%esp), %eax
        and     $IF, %eax
        mov     %eax, %ss:IRQ_ENABLED
#if !LG_RANGE
        pop     %eax
noirq_iret:
#else
noirq_iret:
        pop     %eax
#endif
        iret
noirq_end:

/* u32 enter_user(void *code, u32 argument, u32 eflags): EAX has the argument there. */
        .globl enter_user
enter_user:
        push    %ebp
        push    %ebx
        push    %esi
        push    %edi
        mov     20(%esp), %ecx
        mov     24(%esp), %eax
        mov     28(%esp), %edx
        mov     %esp, user_from
        pushl   $USER_DS
        pushl   $user_stack_top
        push    %edx
        pushl   $USER_CS
        push    %ecx
        mov     $USER_DS, %ecx
        mov     %ecx, %ds
        mov     %ecx, %es
        xor     %ecx, %ecx
        jmp     guest_iret

/* void leave_user(u32 result): enter_user returns it. */
        .globl leave_user
leave_user:
        mov     4(%esp), %eax
        mov     user_from, %esp
        pop     %edi
        pop     %esi
        pop     %ebx
        pop     %ebp
        ret

        .bss
        .balign 4
user_from:
        .skip   4
        .globl first
first:  .skip   60
        .balign 4096
        .skip   8192
boot_stack_top:
        .globl stack_top
        .skip   4096
stack_top:

        .section .userdata, "aw", @progbits
        .globl user_stack_top
        .skip   4096
user_stack_top:
        .section .note.GNU-stack, "", @progbits
