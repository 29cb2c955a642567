// Package vdso sets the clocks of a running process that knows nothing of it: how far its wall clock is off, how fast its clocks count,
// whether it jumps to and fro. Other processes, containers and the machine keep their time.
//
// Programs ask the kernel for the time through code that the kernel maps into each of them, the vDSO. The patch writes a payload
// behind that code, where its pages have room, and has clock_gettime, gettimeofday and time jump there. The payload asks the kernel
// itself and bends the answer by parameters that lie beside it. Both are written through /proc/PID/mem, which makes the pages the
// process's own. It takes the right to trace the process: the same user and no more capabilities than the caller, or SYS_PTRACE.
//
// What it cannot reach: programs that make the system call themselves or count the processor's cycles; CLOCK_MONOTONIC_RAW and the clocks of
// processor time; the kernel's own timeouts, so that a process that sleeps is woken in the machine's time. A process that is started
// anew has a clock that is right. It is for Linux on amd64, and programs of 64 bits.
//
// Monotonic time never goes back, whatever is set while threads read it. The parameters have a generation, which is odd while they are being
// set: a reading waits then, and counts only where the generation is the same from before the kernel was asked until the end; a thread that stood
// still in between reads again. So every reading by the old parameters was taken before the moment from which the new ones hold, and
// every one by the new after it. The payload itself writes nothing: the vDSO's pages are not the process's to write.
package vdso
