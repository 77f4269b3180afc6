/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptor rings. The card owns the descriptors from head up to the tail that the driver writes.
 * The head stays below the ring's size, whatever the driver writes. Up to E1000E_CACHE descriptors
 * are fetched in one access, which never crosses the ring's end. If the bus refuses an access to
 * the ring, the ring is halted until the unit is switched off and on, as after a PCI Express error
 * on the card.
 */
#include "e1000e.h"

#define BYTES sizeof(struct e1000e_desc)
/* 128 bytes: the bus writes whole words in ascending order, see <dmamap/bus.h> */
#define WORDS_MAX 8u

u32 e1000e_ring_room(const struct e1000e_ring *r, u32 tail)
{
	if (tail >= r->size || r->head >= r->size)
		return 0;
	return tail >= r->head ? tail - r->head : tail + r->size - r->head;
}

/* Discards the fetched descriptors that were not used. */
void e1000e_ring_restart(struct e1000e_ring *r, u32 head)
{
	r->head = head;
	r->have = r->next = r->written = 0;
}

/*
 * The used descriptors must have been written back. Returns false if no descriptor is available or
 * if the ring is halted.
 */
bool e1000e_ring_fetch(struct e1000esim *c, struct e1000e_ring *r, u32 tail)
{
	u32 n = e1000e_ring_room(r, tail);

	r->at = r->head;
	r->have = r->next = r->written = 0;
	if (n > r->size - r->head)
		n = r->size - r->head;
	if (n > E1000E_CACHE)
		n = E1000E_CACHE;
	if (!n)
		return false;
	if (dmamap_bus_read(c->dev, r->base + r->head * BYTES, r->desc, n * BYTES)) {
		r->halted = true;
		return false;
	}
	r->have = n;
	return true;
}

void e1000e_ring_done(struct e1000e_ring *r)
{
	r->next++;
	r->head = r->head + 1 == r->size ? 0 : r->head + 1;
}

void e1000e_ring_write(struct e1000esim *c, struct e1000e_ring *r, u32 from, u32 n)
{
	u32 part;

	for (; n && !r->halted; from += part, n -= part) {
		part = n < WORDS_MAX ? n : WORDS_MAX;
		if (dmamap_bus_write(c->dev, r->base + (r->at + from) * BYTES, r->desc + from,
				     part * BYTES))
			r->halted = true;
	}
}
