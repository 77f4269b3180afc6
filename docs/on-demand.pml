/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate of src/odp/odp.h, for spin: faults that look a page up and install it, notices that take
 * it away, two of each at once. Holds: when all notices have ended, what is linked is what the
 * process has there. Memory changes before its notice begins, as userfaultfd tells it.
 *
 *     spin -run docs/on-demand.pml
 *
 * Each -D below breaks the protocol, and spin then finds how a page that is no more stays linked:
 * NO_RUNNING (the count of running notices is not asked), NO_SEQ (the number is not), LATE_START
 * (a notice closes the gate after it unlinked).
 */
byte memory;	/* which memory stands there: its generation */
bool linked;
byte linked_to;	/* the generation that the device sees */
byte seq, running;
bool lock;
byte ended;

#define NOTICES 2

inline take() { atomic { !lock -> lock = true } }
inline give() { lock = false }

active [2] proctype fault()
{
	byte saw_seq, page, tries;

	do
	:: tries < 2 ->
		tries++;
		saw_seq = seq;
		page = memory;	/* brought in, looked up */
		take();
		if
#ifndef NO_RUNNING
		:: running > 0 -> skip
#endif
#ifndef NO_SEQ
		:: seq != saw_seq -> skip
#endif
		:: else ->
			if
			:: !linked -> linked_to = page; linked = true
			:: else -> skip
			fi
		fi;
		give()
	:: else -> break
	od
}

active [NOTICES] proctype notice()
{
	/* munmap, then other memory at the same place */
	memory++;
#ifndef LATE_START
	running++;
#endif
	take();
	linked = false;
	give();
#ifdef LATE_START
	running++;
#endif
	seq++;
	running--;
	ended++
}

/* An installed page is the process's own once nobody is about to tell otherwise. */
active proctype check()
{
	atomic {
		ended == NOTICES && !lock;
		assert(!linked || linked_to == memory)
	}
}
