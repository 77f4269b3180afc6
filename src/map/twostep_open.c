/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of a device for its two-step ranges, from open to close: a mark of 16 bits, which is
 * unique among open devices and is stored in the states of its ranges, and the limits that the
 * inline part of <dmamap/iova.h> reads.
 *
 * Allocated marks are bits in an array, set and cleared by atomic operations. They are allocated in
 * turn, so that states of a closed device are rejected for as long as possible.
 */
#include "map/twostep.h"
#include "base/alloc.h"

#define MARKS (1u << 16)

static u64 marks_taken[MARKS / 64]; /* atomic words; mark 0 is not used */
static u32 mark_next;		    /* atomic */

/* Allocates a mark; 0: all are in use. */
static u64 twostep_mark_alloc(void)
{
	for (u32 tries = 0; tries < MARKS; tries++) {
		u32 mark = __atomic_add_fetch(&mark_next, 1, __ATOMIC_RELAXED) % MARKS;
		u64 bit = 1ull << mark % 64;

		if (mark &&
		    !(__atomic_fetch_or(&marks_taken[mark / 64], bit, __ATOMIC_RELAXED) & bit))
			return mark;
	}
	return 0;
}

static void twostep_mark_free(u64 mark)
{
	__atomic_fetch_and(&marks_taken[mark / 64], ~(1ull << mark % 64), __ATOMIC_RELAXED);
}

#ifdef dma_iova_link
/* RAM exists and stays as long as the device is open, so its limits do not change. */
static int twostep_limits_make(struct device *dev)
{
	struct __dma_link_limits *limits = alloc_zeroed(sizeof(*limits));

	if (!limits)
		return -ENOMEM;
	limits->ram_end[0] = mem.low;
	limits->ram_end[1] = mem.span;
	limits->refuse = &fail_armed;
	limits->live = dev->link_mark << LIVE_MARK_SHIFT;
	dev->link_limits = limits;
	return 0;
}

static void twostep_limits_free(struct device *dev)
{
	alloc_free((void *)(uintptr_t)dev->link_limits);
	dev->link_limits = NULL;
}
#else
static int twostep_limits_make(struct device *dev)
{
	return 0;
}

static void twostep_limits_free(struct device *dev)
{
}
#endif

int twostep_open(struct device *dev)
{
	int err;

	dev->link_mark = twostep_mark_alloc();
	if (!dev->link_mark)
		return error_set(ENOSPC, "%s: more than 65535 devices are open at once: close some",
				 dev->name);
	err = twostep_limits_make(dev);
	if (err)
		twostep_mark_free(dev->link_mark);
	return err;
}

void twostep_close(struct device *dev)
{
	twostep_limits_free(dev);
	twostep_mark_free(dev->link_mark);
}
