/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings of descriptors. The card owns those from head up to tail, which the driver writes; head
 * stays below the ring's size, whatever the driver does. Up to E1000E_CACHE of them are fetched in
 * one access, never across the ring's end. Whoever cannot be reached halts the ring: nothing of it
 * moves until the unit is switched off and on, as after a PCI Express error on the card.
 */
#include "base/math.h"
#include "e1000e.h"

#define BYTES	  sizeof(struct e1000e_desc)
#define WORDS_MAX 8u /* 128 bytes: written in whole words that go up, see <dmamap/bus.h> */

u32 e1000e_ring_room(const struct e1000e_ring *r, u32 tail)
{
	if (tail >= r->size || r->head >= r->size)
		return 0;
	return tail >= r->head ? tail - r->head : tail + r->size - r->head;
}

/* Those that were fetched and not used are forgotten. */
void e1000e_ring_restart(struct e1000e_ring *r, u32 head)
{
	r->head = head;
	r->have = r->next = r->written = 0;
}

/* What was used must be written back before. False: none is there, or the ring halts. */
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
