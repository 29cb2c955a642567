//go:build linux

#include "textflag.h"

// What is copied into the process: three functions of the vDSO's own names, each from its first byte to END. They are called by C's
// rules and change only registers that C lets them change; the pages that they lie in are not theirs to write. MARK stands for the address
// of the data, which is put in when they are copied. The offsets of the data are those of data_amd64.go.

#define MARK 0x4f52444c44415441
#define END QUAD $0x4f52444c454e4421

#define generation 0
#define monoBase 8
#define monoValue 16
#define rate 24
#define wallBase 32
#define offset 40
#define strobe 48
#define boot 56

#define CLOCK_GETTIME 228
#define GETTIMEOFDAY 96
#define SCHED_YIELD 24

// BEGIN takes the generation to R10. Where it is odd the clocks are just being set: it lets others run and goes to again.
#define BEGIN(again, ready) \
	MOVQ generation(R8), R10 \
	TESTQ $1, R10 \
	JEQ ready \
	MOVL $SCHED_YIELD, AX \
	SYSCALL \
	JMP again \
ready:

// CHECK goes to again where the generation is not that of R10 any more.
#define CHECK(again) \
	CMPQ generation(R8), R10 \
	JNE again

// SCALE multiplies AX by the rate, which has 32 binary places. It changes DX.
#define SCALE \
	IMULQ rate(R8) \
	SHRQ $32, DX, AX

// NANO is the timespec at SI in nanoseconds.
#define NANO(to) \
	LFENCE \
	MOVQ 0(SI), to \
	IMULQ $1000000000, to \
	ADDQ 8(SI), to

// WALL turns the machine's wall time in AX into the process's. It changes CX, DX and R11.
#define WALL \
	SUBQ wallBase(R8), AX \
	MOVQ AX, CX \
	SCALE \
	ADDQ wallBase(R8), AX \
	MOVQ AX, R11 \
	CMPQ strobe(R8), $0 \
	JEQ ahead \
	MOVQ CX, AX \
	MOVQ strobe(R8), CX \
	CQO \
	IDIVQ CX \
	TESTQ $1, AX \
	JNE right \
ahead: \
	ADDQ offset(R8), R11 \
right: \
	MOVQ R11, AX

// DIVIDE divides AX, and leaves the rest in DX. It changes CX.
#define DIVIDE(by) \
	XORL DX, DX \
	MOVL $by, CX \
	DIVQ CX

// int clock_gettime(clockid_t DI, struct timespec *SI)
TEXT clockGettime<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $MARK, R8
	CMPL DI, $0 // CLOCK_REALTIME
	JEQ  wall
	CMPL DI, $5 // CLOCK_REALTIME_COARSE
	JEQ  wall
	CMPL DI, $1 // CLOCK_MONOTONIC
	JEQ  mono
	CMPL DI, $6 // CLOCK_MONOTONIC_COARSE
	JEQ  mono
	CMPL DI, $7 // CLOCK_BOOTTIME
	JEQ  mono
	MOVL $CLOCK_GETTIME, AX
	SYSCALL
	RET

wall:
	BEGIN(wall, readWall)
	XORL DI, DI
	MOVL $CLOCK_GETTIME, AX
	SYSCALL
	TESTL AX, AX
	JNE  done
	NANO(AX)
	WALL
	CHECK(wall)
	JMP  give

mono:
	BEGIN(mono, readMono)
	MOVL DI, R9
	MOVL $1, DI
	MOVL $CLOCK_GETTIME, AX
	SYSCALL
	MOVL R9, DI
	TESTL AX, AX
	JNE  done
	NANO(AX)
	SUBQ monoBase(R8), AX
	SCALE
	ADDQ monoValue(R8), AX
	CMPL DI, $7
	JNE  awake
	ADDQ boot(R8), AX
awake:
	CHECK(mono)

give:
	DIVIDE(1000000000)
	MOVQ AX, 0(SI)
	MOVQ DX, 8(SI)
	XORL AX, AX
done:
	RET
	END

// int gettimeofday(struct timeval *DI, struct timezone *SI)
TEXT getTimeOfDay<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $MARK, R8
again:
	BEGIN(again, ready)
	MOVL $GETTIMEOFDAY, AX
	SYSCALL
	TESTL AX, AX
	JNE  done
	TESTQ DI, DI
	JEQ  done
	LFENCE
	MOVQ 0(DI), AX
	IMULQ $1000000, AX
	ADDQ 8(DI), AX
	IMULQ $1000, AX
	WALL
	CHECK(again)
	DIVIDE(1000)
	DIVIDE(1000000)
	MOVQ AX, 0(DI)
	MOVQ DX, 8(DI)
	XORL AX, AX
done:
	RET
	END

// time_t time(time_t *DI)
TEXT getTime<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $MARK, R8
	MOVQ SP, SI
	SUBQ $24, SI // below the stack, where signal handlers leave 128 bytes alone
	MOVQ DI, 16(SI)
again:
	BEGIN(again, ready)
	XORL DI, DI
	MOVL $CLOCK_GETTIME, AX
	SYSCALL
	NANO(AX)
	WALL
	CHECK(again)
	DIVIDE(1000000000)
	MOVQ 16(SI), DI
	TESTQ DI, DI
	JEQ  done
	MOVQ AX, 0(DI)
done:
	RET
	END

DATA ·clockGettimeAt(SB)/8, $clockGettime<>(SB)
GLOBL ·clockGettimeAt(SB), NOPTR|RODATA, $8
DATA ·getTimeOfDayAt(SB)/8, $getTimeOfDay<>(SB)
GLOBL ·getTimeOfDayAt(SB), NOPTR|RODATA, $8
DATA ·getTimeAt(SB)/8, $getTime<>(SB)
GLOBL ·getTimeAt(SB), NOPTR|RODATA, $8
