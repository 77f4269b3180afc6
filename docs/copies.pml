/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model for spin of a page with a copy (src/odp/copy.c) and of the events that report changes of its memory
 * (src/odp/event_queue.c). There is one address; the memory at it has a generation. A thread
 * unmaps it, and the same or another thread maps other memory in its place, possibly before the
 * event of the first has been read. The process forks. The device writes. The program releases the
 * region.
 *
 *     spin -run docs/copies.pml
 *
 * Properties: an access of a simulated device reaches the memory that is mapped when it begins, unless
 * that memory is being unmapped. At the end, memory that is still mapped contains what the device wrote last
 * to its copy. Memory never receives what was written to a copy of other memory.
 *
 * Each -D below breaks one of them:
 *   NO_NUMBER     an event unlinks copies that were made after it was read
 *   LINK_EARLY    a copy is linked while an event is in flight
 *   RETURN_EARLY  bytes are copied back while an event is in flight
 *   NO_LOOK       bytes are copied back without an examination of the pending events
 *   NO_RECHECK    a copy is linked though an event was read after the fault began
 *   NO_ACCESS     an access uses a copy without an examination of the pending events
 *   FORK_LOSES    a fork is treated as an unmap
 *   UNLIST_FIRST  a region that is released is hidden from events before its page is unlinked
 *
 * The examination of the events and the write of the bytes are one step here. In src/odp/copy.c they are
 * several; its first comment describes the cases that this leaves open.
 */
#define EVENTS	 2 /* munmap() or fork() */
#define ACCESSES 2

mtype = { gone, forked };

byte memory = 1;	/* generation of the mapped memory; 0: none */
byte next = 2;		/* generation of the memory that is mapped next */
byte has, wrote;	/* contents of that memory; what the device wrote to it last; 0: nothing */
bool unmapping;		/* a thread is in munmap(), which returns when its event is read */
mtype unread;		/* the event in flight; 0: none. Its thread waits */

mtype kind[EVENTS];	/* of events, by number - 1 */
byte number, served;	/* of the last event that was read; of the last one that was processed */

bool lock;		/* of the region's page */
bool listed = true;	/* events can find the region */
bool open = true;	/* its page may be linked */
bool linked;
byte copy_of, linked_at;/* generation that the copy is of, number of the link */
byte written;		/* what the device wrote to the copy; 0: nothing */
byte done;

inline take() { atomic { !lock -> lock = true } }
inline give() { lock = false }

/* gone_since(n): a pending event after n reports that the memory was unmapped */
#define EVENT_SAYS(n, i) (number > i && served <= i && i + 1 > n && kind[i] == gone)
#define gone_since(n)	 (EVENT_SAYS(n, 0) || EVENT_SAYS(n, 1))

#ifdef LINK_EARLY
#define settled_to_link true
#else
#define settled_to_link (!unread)
#endif

#ifdef RETURN_EARLY
#define settled_to_return true
#else
#define settled_to_return (!unread)
#endif

#ifdef NO_LOOK
#define may_return(n) true
#else
#define may_return(n) (!gone_since(n))
#endif

#ifdef NO_RECHECK
#define changed(n) false
#else
#define changed(n) gone_since(n)
#endif

/* Needs the lock. Copies the bytes back unless an event since the link reports that the memory was unmapped. */
inline unlink()
{
	linked = false;
	if
	:: written ->
		atomic {
			settled_to_return;
			if
			:: may_return(linked_at) && memory ->
				assert(memory == copy_of);
				has = written
			:: else -> skip
			fi;
			written = 0
		}
	:: else -> skip
	fi
}

/* Reads the event in flight and assigns its number; the waiting thread continues. */
active proctype reader()
{
end:	do
	:: d_step { unread -> kind[number] = unread; unread = 0; number++ }
	od
}

active proctype server()
{
end:	do
	:: served < number ->
		if
		:: listed ->
			take();
			if
#ifdef NO_NUMBER
			:: linked ->
#else
			:: linked && linked_at <= served ->
#endif
				if
#ifdef FORK_LOSES
				:: true -> d_step { linked = false; written = 0 }
#else
				:: kind[served] == gone -> d_step { linked = false; written = 0 }
				:: else -> unlink()
#endif
				fi
			:: else -> skip
			fi;
			give()
		:: else -> skip
		fi;
		served++
	od
}

/* munmap(): the memory is unmapped, then the event is in flight, and the call returns when it was read. */
active proctype program()
{
	byte n;

	do
	:: n < EVENTS ->
		n++;
		if
		:: d_step { memory -> memory = 0; unmapping = true; unread = gone };
			d_step { !unread -> unmapping = false }
		:: d_step { memory -> unread = forked };
			!unread
		fi
	:: else -> break
	od;
	done++
}

/* mmap() in another thread, at any time after the memory was unmapped. */
active proctype mapper()
{
end:	do
	:: d_step { !memory -> memory = next; next++; has = 0; wrote = 0 }
	od
}

/*
 * A device's accesses. If no page is linked, the page is faulted in, or the program maps it.
 * Accesses of a simulated device examine the events first. Other devices cannot, and use the linked copy
 * until the event is processed.
 */
active proctype device()
{
	byte n, since, page, began;
	bool looks;

	if
	:: looks = true
	:: looks = false
	fi;
	do
	:: n < ACCESSES && open ->
		n++;
		/* while a thread is in munmap() the access may reach either memory */
		began = (unmapping || !looks -> 0 : memory);
again:		take();
#ifndef NO_ACCESS
		if
		:: looks && linked && gone_since(linked_at) -> unlink()
		:: else -> skip
		fi;
#endif
		if
		:: linked ->
			d_step {
				assert(copy_of >= began);
				written = n;
				if
				:: copy_of == memory -> wrote = n
				:: else -> skip
				fi
			};
			give()
		:: else ->
			give();
			since = number;
			take();
			page = memory;	/* copied */
			settled_to_link;
			if
			:: page && open && !changed(since) ->
				d_step { linked = true; copy_of = page; linked_at = since }
			:: else -> skip
			fi;
			give();
			if
			:: open -> goto again
			:: else -> skip
			fi
		fi;
		d_step { since = 0; page = 0; began = 0 }
	:: else -> break
	od;
	done++
}

active proctype releaser()
{
	open = false;
#ifdef UNLIST_FIRST
	listed = false;
#endif
	take();
	if
	:: linked -> unlink()
	:: else -> skip
	fi;
	give();
	listed = false;
	done++
}

active proctype check()
{
	timeout ->
	assert(done == 3 && !linked);
	assert(has == wrote)
}
