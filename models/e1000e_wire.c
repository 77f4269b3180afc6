/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire=pair:NAME: a cable between the two cards of this process that have this name in their spec.
 * A cable has one queue per direction, a ring of RING_BYTES. A record is a header with length and
 * flags, then the frame, padded to 8 bytes. No record wraps; a SKIP record fills the ring's end.
 * The sender's worker writes head and the receiver's worker writes tail. Both only increase; the
 * offset in the ring is the value modulo RING_BYTES.
 *
 *   sender                           receiver
 *     frame and length in the ring      head (acquire)       (B)
 *     head (release)       (A)          frame
 *     tail (acquire)       (D)          tail (release)       (C)
 *
 * A pairs with B, C with D. Each side caches the other's word and reads it again only when the
 * cached value says full or empty.
 *
 * Cables are in a list under `registry`. A cable's `lock` guards its ends: a card may be woken by
 * its peer until it has left the cable.
 */
#include "e1000e.h"

#include <string.h>

#define RING_BYTES (256u << 10)
#define NAME_MAX_  31
#define SKIP	   UINT32_MAX
#define BAD	   1u

struct wire_ring {
	u64 head cacheline; /* written by the sender */
	u64 added, tail_seen;
	u64 tail cacheline; /* written by the receiver */
	u64 taken, head_seen;
	u8 data[RING_BYTES] cacheline;
};

struct wire_record {
	u32 len, flags;
};

struct wire_end {
	struct e1000esim *card; /* under lock */
	u32 present;		/* atomic */
	u32 accepts;		/* atomic: WIRE_* */
	u64 missed;		/* atomic: frames lost because the queue was full */
	u64 reported;		/* used by this card only: the part of `missed` that was reported */
};

struct e1000e_wire {
	char name[NAME_MAX_ + 1];
	struct e1000e_wire *next; /* under registry */
	struct dmamap_model_lock lock;
	struct wire_end end[2] cacheline;
	struct wire_ring ring[2]; /* [i]: frames sent by end i */
};

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct e1000e_wire *wires;

/* Under registry. */
static struct e1000e_wire *e1000esim_wire_find_or_make(const char *name)
{
	struct e1000e_wire *w;

	for (w = wires; w && strcmp(w->name, name) != 0; w = w->next)
		;
	if (w)
		return w;
	w = dmamap_model_alloc(sizeof(*w));
	if (!w)
		return NULL;
	memcpy(w->name, name, strlen(name) + 1);
	w->next = wires;
	wires = w;
	return w;
}

static void e1000esim_wire_wake_twin(struct e1000e_wire *w, int end, u32 pending)
{
	dmamap_model_lock(&w->lock);
	if (w->end[1 - end].card)
		e1000e_ring_bell(w->end[1 - end].card, pending);
	dmamap_model_unlock(&w->lock);
}

struct e1000e_wire *e1000e_wire_get(const char *name, struct e1000esim *card, int *end)
{
	struct e1000e_wire *w;
	size_t len = strlen(name);

	if (!len || len > NAME_MAX_) {
		dmamap_model_error(
			EINVAL,
			"sim:e1000e cannot have wire=pair:%.64s: the name of a cable has "
			"1 to %d characters",
			name, NAME_MAX_);
		return NULL;
	}
	pthread_mutex_lock(&registry);
	w = e1000esim_wire_find_or_make(name);
	if (w && w->end[0].card && w->end[1].card) {
		dmamap_model_error(EBUSY,
				   "sim:e1000e cannot be on wire=pair:%s: two cards are on it "
				   "already; name another or close one of them",
				   name);
		w = NULL;
	}
	if (w) {
		*end = w->end[0].card ? 1 : 0;
		dmamap_model_lock(&w->lock);
		w->end[*end].card = card;
		dmamap_model_unlock(&w->lock);
		write_once(&w->end[*end].accepts, 0);
		write_release(&w->end[*end].present, 1);
		e1000esim_wire_wake_twin(w, *end, E1000E_PEND_LINK);
	}
	pthread_mutex_unlock(&registry);
	return w;
}

void e1000e_wire_put(struct e1000e_wire *w, int end)
{
	struct e1000e_wire **p;

	if (!w)
		return;
	pthread_mutex_lock(&registry);
	dmamap_model_lock(&w->lock);
	w->end[end].card = NULL;
	dmamap_model_unlock(&w->lock);
	write_once(&w->end[end].accepts, 0);
	write_release(&w->end[end].present, 0);
	e1000esim_wire_wake_twin(w, end, E1000E_PEND_LINK);
	if (!w->end[1 - end].card) {
		for (p = &wires; *p != w; p = &(*p)->next)
			;
		*p = w->next;
		dmamap_model_free(w);
	}
	pthread_mutex_unlock(&registry);
}

void e1000e_wire_leave(struct e1000e_wire *w, int end)
{
	e1000e_wire_accept(w, end, 0);
	write_release(&w->end[end].present, 0);
	e1000esim_wire_wake_twin(w, end, E1000E_PEND_LINK);
}

bool e1000e_wire_twin(const struct e1000e_wire *w, int end)
{
	return read_acquire(&w->end[1 - end].present);
}

void e1000e_wire_accept(struct e1000e_wire *w, int end, u32 how)
{
	if (read_once(&w->end[end].accepts) == how)
		return;
	write_release(&w->end[end].accepts, how);
	e1000esim_wire_wake_twin(w, end, E1000E_PEND_WORK);
}

u32 e1000e_wire_accepts(const struct e1000e_wire *w, int end)
{
	return read_acquire(&w->end[1 - end].accepts);
}

static u32 e1000esim_wire_record_bytes(u32 len)
{
	return (u32)(sizeof(struct wire_record) + util_align_up(len, 8));
}

/* Whether [head, head + need) is free. */
static bool e1000esim_wire_has_room(struct wire_ring *r, u64 head, u64 need)
{
	if (head + need - r->tail_seen <= RING_BYTES)
		return true;
	r->tail_seen = read_acquire(&r->tail);
	return head + need - r->tail_seen <= RING_BYTES;
}

/* Returns the place for the next frame of at most `len` bytes; NULL: the queue is full. */
u8 *e1000e_wire_room(struct e1000e_wire *w, int end, u32 len)
{
	struct wire_ring *r = &w->ring[end];
	u64 at = r->added % RING_BYTES, left = RING_BYTES - at,
	    need = e1000esim_wire_record_bytes(len);
	const struct wire_record skip = {SKIP, 0};

	if (left >= need)
		return e1000esim_wire_has_room(r, r->added, need) ? r->data + at + sizeof(skip)
								  : NULL;
	if (!e1000esim_wire_has_room(r, r->added, left + need))
		return NULL;
	memcpy(r->data + at, &skip, sizeof(skip));
	r->added += left;
	return r->data + sizeof(skip);
}

/* Adds the record of the frame that was stored at e1000e_wire_room()'s result. */
void e1000e_wire_add(struct e1000e_wire *w, int end, u32 len, bool bad)
{
	struct wire_ring *r = &w->ring[end];
	const struct wire_record rec = {len, bad ? BAD : 0};

	memcpy(r->data + r->added % RING_BYTES, &rec, sizeof(rec));
	r->added += e1000esim_wire_record_bytes(len);
}

/* Publishes the added records to the peer. */
void e1000e_wire_show(struct e1000e_wire *w, int end)
{
	if (w->ring[end].added == read_once(&w->ring[end].head))
		return;
	write_release(&w->ring[end].head, w->ring[end].added);
	e1000esim_wire_wake_twin(w, end, E1000E_PEND_WORK);
}

void e1000e_wire_miss(struct e1000e_wire *w, int end)
{
	__atomic_add_fetch(&w->end[1 - end].missed, 1, __ATOMIC_RELAXED);
}

u64 e1000e_wire_missed(struct e1000e_wire *w, int end)
{
	u64 n = read_once(&w->end[end].missed), more = n - w->end[end].reported;

	w->end[end].reported = n;
	return more;
}

bool e1000e_wire_peek(struct e1000e_wire *w, int end, struct e1000e_frame *f)
{
	struct wire_ring *r = &w->ring[1 - end];
	struct wire_record rec;

	for (;;) {
		if (r->taken == r->head_seen) {
			r->head_seen = read_acquire(&r->head);
			if (r->taken == r->head_seen)
				return false;
		}
		memcpy(&rec, r->data + r->taken % RING_BYTES, sizeof(rec));
		if (rec.len != SKIP)
			break;
		r->taken += RING_BYTES - r->taken % RING_BYTES;
	}
	*f = (struct e1000e_frame){r->data + r->taken % RING_BYTES + sizeof(rec), rec.len,
				   rec.flags & BAD};
	return true;
}

void e1000e_wire_take(struct e1000e_wire *w, int end, u32 len)
{
	w->ring[1 - end].taken += e1000esim_wire_record_bytes(len);
}

/* Frees the space of the consumed records and wakes a peer that may be waiting for it. */
void e1000e_wire_free(struct e1000e_wire *w, int end)
{
	struct wire_ring *r = &w->ring[1 - end];

	if (r->taken == read_once(&r->tail))
		return;
	write_release(&r->tail, r->taken);
	if (read_once(&w->end[end].accepts) & WIRE_PAUSES)
		e1000esim_wire_wake_twin(w, end, E1000E_PEND_WORK);
}

/*
 * A child of fork has no card. It does not free the parent's cables, since another thread may have
 * been changing them; `lost` keeps them reachable for LeakSanitizer.
 */
static void e1000esim_wire_fork_child(void)
{
	static struct e1000e_wire *volatile lost;

	pthread_mutex_init(&registry, NULL);
	lost = wires;
	(void)lost;
	wires = NULL;
}

__attribute__((constructor)) static void e1000esim_wire_init(void)
{
	pthread_atfork(NULL, NULL, e1000esim_wire_fork_child);
}
