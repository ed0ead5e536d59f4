/*
 * The parts of oracle.c that C cannot say: leaving through rt_sigreturn, coming back out of a signal handler without
 * returning from it, and a handler that first puts EFLAGS in order (a case may have set AC or NT).
 */
#define SYS_RT_SIGRETURN 173

        .text
        .globl _start, run_frame, back_to_runner, restorer, handler_entry
_start:
        mov     $own_stack_end, %esp
        call    main_loop
        hlt

/* void run_frame(struct frame *): returns when handle() calls back_to_runner(). */
run_frame:
        mov     4(%esp), %eax
        push    %ebp
        push    %ebx
        push    %esi
        push    %edi
        mov     %esp, runner_stack
        movl    $0, 4(%eax)
        mov     %eax, %esp
        mov     $SYS_RT_SIGRETURN, %eax
        int     $0x80
        hlt

back_to_runner:
        mov     runner_stack, %esp
        pop     %edi
        pop     %esi
        pop     %ebx
        pop     %ebp
        ret

restorer:
        mov     $SYS_RT_SIGRETURN, %eax
        int     $0x80

/* (return address, signal, siginfo, ucontext): as C wants it. */
handler_entry:
        pushl   $2
        popf
        cld
        jmp     handle

        .bss
        .align 4
runner_stack:
        .long   0
        .align  16
        .skip   65536
own_stack_end:
        .section .note.GNU-stack, "", @progbits
