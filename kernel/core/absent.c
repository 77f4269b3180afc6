/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Subsystems that are not configured: PTP clocks and the arithmetic of their counters. The stubs
 * return what those of a kernel without the subsystem return.
 */
#include "core.h"
#include <linux/ptp_clock_kernel.h>

struct ptp_clock *ptp_clock_register(struct ptp_clock_info *info, struct device *parent)
{
	return NULL;
}

int ptp_clock_unregister(struct ptp_clock *clock)
{
	return 0;
}

int ptp_clock_index(struct ptp_clock *clock)
{
	return -1;
}

void timecounter_init(struct timecounter *tc, const struct cyclecounter *cc, u64 start)
{
	tc->cc = cc;
	tc->cycle_last = cc->read(cc);
	tc->nsec = start;
	tc->frac = 0;
	tc->mask = (1ull << cc->shift) - 1;
}

u64 timecounter_read(struct timecounter *tc)
{
	u64 now = tc->cc->read(tc->cc), delta = (now - tc->cycle_last) & tc->cc->mask;
	u64 ns = delta * tc->cc->mult + tc->frac;

	tc->frac = ns & tc->mask;
	tc->nsec += ns >> tc->cc->shift;
	tc->cycle_last = now;
	return tc->nsec;
}

u64 timecounter_cyc2time(const struct timecounter *tc, u64 cycle)
{
	u64 delta = (cycle - tc->cycle_last) & tc->cc->mask;

	if (delta > tc->cc->mask / 2) {
		delta = (tc->cycle_last - cycle) & tc->cc->mask;
		return tc->nsec - ((delta * tc->cc->mult - tc->frac) >> tc->cc->shift);
	}
	return tc->nsec + ((delta * tc->cc->mult + tc->frac) >> tc->cc->shift);
}
