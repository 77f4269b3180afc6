/* SPDX-License-Identifier: BSD-2-Clause */
/* PTP clocks: CONFIG_PTP_1588_CLOCK is not set, so a clock is never registered, as in a kernel
 * without it. */
#ifndef KMOD_LINUX_PTP_CLOCK_KERNEL_H
#define KMOD_LINUX_PTP_CLOCK_KERNEL_H

#include <linux/timer.h>
#include <linux/device.h>

#define PTP_EV_PORT 319
struct ptp_clock;
struct ptp_clock_request;
struct system_device_crosststamp;
struct ptp_system_timestamp {
	struct timespec64 pre_ts, post_ts;
};
struct ptp_clock_info {
	struct module *owner;
	char name[32];
	s32 max_adj;
	int n_alarm, n_ext_ts, n_per_out, n_pins, pps;
	int (*adjfine)(struct ptp_clock_info *p, long ppm);
	int (*adjtime)(struct ptp_clock_info *p, s64 delta);
	int (*gettimex64)(struct ptp_clock_info *p, struct timespec64 *ts,
			  struct ptp_system_timestamp *sts);
	int (*getcrosststamp)(struct ptp_clock_info *p, struct system_device_crosststamp *x);
	int (*settime64)(struct ptp_clock_info *p, const struct timespec64 *ts);
	int (*enable)(struct ptp_clock_info *p, struct ptp_clock_request *r, int on);
};
struct ptp_clock *ptp_clock_register(struct ptp_clock_info *info, struct device *parent);
int ptp_clock_unregister(struct ptp_clock *clock);
int ptp_clock_index(struct ptp_clock *clock);
static inline void ptp_read_system_prets(struct ptp_system_timestamp *s)
{
	if (s)
		s->pre_ts = ns_to_timespec64(ktime_get_real());
}
static inline void ptp_read_system_postts(struct ptp_system_timestamp *s)
{
	if (s)
		s->post_ts = ns_to_timespec64(ktime_get_real());
}
static inline s64 timespec64_to_ns(const struct timespec64 *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}
/*
 * Returns the part of `base` that a correction of scaled_ppm (2^-16 ppm) amounts to. True: the
 * correction is negative.
 */
static inline bool diff_by_scaled_ppm(u64 base, long scaled_ppm, u64 *diff)
{
	u64 ppm = scaled_ppm < 0 ? 0 - (u64)scaled_ppm : (u64)scaled_ppm;

	*diff = (u64)((unsigned __int128)base * ppm / (1000000ull << 16));
	return scaled_ppm < 0;
}

static inline u64 adjust_by_scaled_ppm(u64 base, long scaled_ppm)
{
	u64 diff;

	return diff_by_scaled_ppm(base, scaled_ppm, &diff) ? base - diff : base + diff;
}

/* A cycle counter and its conversion to nanoseconds. */
struct cyclecounter {
	u64 (*read)(const struct cyclecounter *cc);
	u64 mask;
	u32 mult, shift;
};
struct timecounter {
	const struct cyclecounter *cc;
	u64 cycle_last, nsec, mask, frac;
};
#define CYCLECOUNTER_MASK(bits) ((u64)((bits) < 64 ? ((1ULL << (bits)) - 1) : ~0ULL))
void timecounter_init(struct timecounter *tc, const struct cyclecounter *cc, u64 start);
u64 timecounter_read(struct timecounter *tc);
u64 timecounter_cyc2time(const struct timecounter *tc, u64 cycle);
static inline void timecounter_adjtime(struct timecounter *tc, s64 delta)
{
	tc->nsec += (u64)delta;
}

#endif
