/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device has for its two-step ranges from open to close: a mark of 16 bits, which no other
 * open device has and which the states of its ranges carry, and the limits that the inline part of
 * <linux/dma-mapping.h> reads.
 *
 * Marks are bits of one array, set and cleared by atomic operations. They are given in turn, so
 * that the states of a device that was closed are refused as long as possible.
 */
#include "map/twostep.h"
#include "base/alloc.h"
#include "map/device.h"

#define MARKS (1u << 16)

static u64 marks_taken[MARKS / 64]; /* atomic words; mark 0 is not used */
static u32 mark_next;		    /* atomic */

/* 0: none is left. */
static u64 mark_take(void)
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

static void mark_give(u64 mark)
{
	__atomic_fetch_and(&marks_taken[mark / 64], ~(1ull << mark % 64), __ATOMIC_RELAXED);
}

#ifdef dma_iova_link
/* RAM is there and stays as long as the device is open. */
static int limits_make(struct device *dev)
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

static void limits_free(struct device *dev)
{
	alloc_free((void *)(uintptr_t)dev->link_limits);
	dev->link_limits = NULL;
}
#else
static int limits_make(struct device *dev)
{
	return 0;
}

static void limits_free(struct device *dev)
{
}
#endif

int twostep_open(struct device *dev)
{
	int err;

	dev->link_mark = mark_take();
	if (!dev->link_mark)
		return error_set(ENOSPC, "%s: more than 65535 devices are open at once: close some",
				 dev->name);
	err = limits_make(dev);
	if (err)
		mark_give(dev->link_mark);
	return err;
}

void twostep_close(struct device *dev)
{
	limits_free(dev);
	mark_give(dev->link_mark);
}
