/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model for spin of the monitor of src/odp/monitor.c and of a cached registration of
 * src/regcache/table.c. Two threads read and process events. A program unmaps memory while it holds a lock
 * that the processing may need, and maps other memory in its place for the device; another program unmaps
 * unrelated memory. At the end the monitor stops, while the other program may still unmap. A thread that ends
 * discards its stack, which is registered, too.
 *
 *     spin -run docs/invalidation.pml
 *
 * Properties: neither a program nor the stopping monitor waits forever for an event to be read. A
 * registration that the cache serves or creates after munmap() has returned is of the memory that is mapped
 * then, and no event of older memory removes it. docs/copies.pml models the case that other memory is mapped
 * before munmap() has returned.
 *
 * Each -D below breaks one of them: READ_FIRST (`unserved` is incremented after the read), NOT_ASKED (a
 * thread that maps does not check it), WAIT_TO_SERVE (a thread that has read an event waits until the
 * other has processed its own), JOIN_FIRST (the threads end before the descriptor is closed).
 */
#define EVENTS 2

mtype = { none, mine, other };

bool unread_mine, unread_other;	  /* events that the kernel holds; their programs wait */
byte queued_mine, queued_other;	  /* read, but not processed */
byte unserved;			  /* the count that monitor_caught_up() checks */
bool serving;
bool allocator;			  /* a lock of the C library */
byte memory;			  /* the generation of the memory at the address */
bool kept, in_use;		  /* the cached registration of the address; its user has not unmapped it */
byte kept_of;			  /* its generation */
byte done;
bool stopping, closed;		  /* the monitor: its threads stop, its descriptor is closed */
byte unread_own;		  /* events of the threads' own stacks */
byte parked, ended;		  /* of the two threads */
bool program_done;

/* An event that is read, or that the closed descriptor ends. */
#define over(unread) (!unread || closed)

inline take() { atomic { !allocator -> allocator = true } }
inline give() { allocator = false }

inline serve_all()
{
	do
	:: atomic { queued_mine > 0 -> queued_mine-- };
		/* freeing page tables, a callback */
		take();
		give();
		atomic { assert(!in_use); kept = false };
		unserved--
	:: atomic { queued_other > 0 -> queued_other-- };
		take();
		give();
		unserved--
	:: atomic { queued_mine + queued_other == 0 -> serving = false; break }
	od
}

active [2] proctype worker()
{
	mtype what;
	bool serves;

	do
	:: stopping -> break
	:: unread_mine || unread_other || unread_own > 0 ->
#ifndef READ_FIRST
		unserved++;
#endif
		atomic {
			if
			:: unread_mine -> unread_mine = false; what = mine
			:: unread_other -> unread_other = false; what = other
			:: unread_own > 0 -> unread_own--; what = other
			:: else -> what = none
			fi
		};
#ifdef READ_FIRST
		unserved++;
#endif
		if
		:: what == none -> unserved--
		:: else ->
			if
			:: what == mine -> queued_mine++
			:: else -> queued_other++
			fi;
#ifdef WAIT_TO_SERVE
			atomic { !serving -> serving = true; serves = true };
#else
			atomic { serves = !serving; serving = true };
#endif
			if
			:: serves -> serve_all()
			:: else -> skip
			fi
		fi
	od;
	parked++;
#ifndef JOIN_FIRST
	closed;
#endif
	/* madvise() of the stack */
	atomic { !closed -> unread_own++ } unless { closed };
	(unread_own == 0 || closed);
	ended++
}

active proctype stopper()
{
	(program_done);		/* there is no user any more */
	stopping = true;
	parked == 2;
#ifdef JOIN_FIRST
	ended == 2;
#endif
	closed = true;
	ended == 2;
	done++
}

active proctype program()
{
	byte i;

	do
	:: i < EVENTS ->
		i++;
		take();
		unread_mine = true;
		over(unread_mine);		/* munmap returns */
		memory++;		/* mmap at the same address */
		give();
		if
#ifndef NOT_ASKED
		:: unserved > 0 -> skip	/* a mapping that is not cached */
#endif
		:: else ->
			atomic {
				if
				:: kept -> assert(kept_of == memory)
				:: else -> kept = true; kept_of = memory
				fi;
				in_use = true
			};
			in_use = false
		fi
	:: else -> break
	od;
	program_done = true;
	done++
}

active proctype somebody()
{
	byte i;

	do
	:: i < EVENTS -> i++; unread_other = !closed; over(unread_other)
	:: else -> break
	od;
	done++
}

active proctype watch()
{
	timeout -> assert(done == 3)
}
