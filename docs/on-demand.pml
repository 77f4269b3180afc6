/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of the invalidation sequence of src/odp/odp.h for spin: two faults that look a page up and link it,
 * and two invalidations that unlink it, run concurrently. Property: after all invalidations, the linked page
 * is the one that the process has. Memory changes before its invalidation begins, as with userfaultfd.
 *
 *     spin -run docs/on-demand.pml
 *
 * Each -D below breaks the protocol, and spin then finds an execution in which an old page stays linked:
 * NO_RUNNING (the count of running invalidations is not checked), NO_SEQ (the sequence number is not
 * checked), LATE_START (an invalidation is counted only after it unlinked).
 */
byte memory;	/* the generation of the memory at the address */
bool linked;
byte linked_to;	/* the generation that the device accesses */
byte seq, running;
bool lock;
byte ended;

#define EVENTS 2

inline take() { atomic { !lock -> lock = true } }
inline give() { lock = false }

active [2] proctype fault()
{
	byte saw_seq, page, tries;

	do
	:: tries < 2 ->
		tries++;
		saw_seq = seq;
		page = memory;	/* faulted in and looked up */
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

active [EVENTS] proctype event()
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

/* A linked page is the process's own when no invalidation is pending. */
active proctype check()
{
	atomic {
		ended == EVENTS && !lock;
		assert(!linked || linked_to == memory)
	}
}
