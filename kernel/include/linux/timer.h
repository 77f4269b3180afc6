/* SPDX-License-Identifier: BSD-2-Clause */
/* Time, delays, timers and high-resolution timers. Linux: Documentation/timers,
 * core-api/timekeeping.rst. */
#ifndef KMOD_LINUX_TIMER_H
#define KMOD_LINUX_TIMER_H

#include <linux/spinlock.h>

#define HZ	      CONFIG_HZ
#define NSEC_PER_SEC  1000000000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_USEC 1000L
#define USEC_PER_SEC  1000000L
#define USEC_PER_MSEC 1000L
#define MSEC_PER_SEC  1000L

unsigned long kmod_jiffies(void);
#define jiffies			  kmod_jiffies()
#define jiffies_64		  ((u64)kmod_jiffies())
#define INITIAL_JIFFIES		  ((unsigned long)(unsigned int)(-300 * HZ))
#define msecs_to_jiffies(m)	  ((unsigned long)(m)*HZ / 1000)
#define usecs_to_jiffies(u)	  DIV_ROUND_UP((unsigned long)(u)*HZ, 1000000)
#define jiffies_to_msecs(j)	  ((unsigned int)((j)*1000 / HZ))
#define jiffies_to_usecs(j)	  ((unsigned int)((j)*1000000 / HZ))
#define secs_to_jiffies(s)	  ((s)*HZ)
#define time_after(a, b)	  ((long)((b) - (a)) < 0)
#define time_before(a, b)	  time_after(b, a)
#define time_after_eq(a, b)	  ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b)	  time_after_eq(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a)  time_before(jiffies, a)
#define round_jiffies(j)	  (j)

struct timespec64 {
	time64_t tv_sec;
	long tv_nsec;
};
ktime_t ktime_get(void);
ktime_t ktime_get_real(void);
time64_t ktime_get_real_seconds(void);
#define ktime_get_ns()	     ((u64)ktime_get())
#define ktime_to_ns(t)	     (t)
#define ktime_to_us(t)	     ((t) / 1000)
#define ktime_to_ms(t)	     ((t) / 1000000)
#define ns_to_ktime(n)	     ((ktime_t)(n))
#define ms_to_ktime(m)	     ((ktime_t)(m)*1000000)
#define ktime_sub(a, b)	     ((a) - (b))
#define ktime_add(a, b)	     ((a) + (b))
#define ktime_add_ns(a, n)   ((a) + (ktime_t)(n))
#define ktime_us_delta(a, b) (((a) - (b)) / 1000)
#define ktime_ms_delta(a, b) (((a) - (b)) / 1000000)
struct timespec64 ns_to_timespec64(s64 ns);

/* The short delays may be used in any context and spin; the others sleep. */
void udelay(unsigned long us);
void ndelay(unsigned long ns);
#define mdelay(m) udelay((unsigned long)(m)*1000)
void msleep(unsigned int ms);
unsigned long msleep_interruptible(unsigned int ms);
void usleep_range(unsigned long min, unsigned long max);
void ssleep(unsigned int seconds);
void fsleep(unsigned long us);
long schedule_timeout(long timeout);
#define schedule_timeout_interruptible(t)   schedule_timeout(t)
#define schedule_timeout_uninterruptible(t) schedule_timeout(t)
void schedule(void);

#define TIMER_IRQSAFE 0x4
struct timer_list {
	struct list_head entry; /* in the list of armed timers; next is NULL if it is not armed */
	unsigned long expires;
	void (*function)(struct timer_list *t);
	u32 flags, magic;
};
#define KMOD_TIMER_MAGIC 0x74696d65u
void kmod_timer_setup(struct timer_list *t, void (*fn)(struct timer_list *t), u32 flags);
#define timer_setup(t, fn, flags)	  kmod_timer_setup(t, fn, flags)
#define DEFINE_TIMER(n, fn)		  struct timer_list n = {.function = fn, .magic = KMOD_TIMER_MAGIC}
#define from_timer(var, t, field)	  container_of(t, __typeof__(*(var)), field)
#define timer_container_of(var, t, field) from_timer(var, t, field)
void add_timer(struct timer_list *t);
int mod_timer(struct timer_list *t, unsigned long expires);
int timer_delete(struct timer_list *t);
int timer_delete_sync(struct timer_list *t);
int timer_shutdown_sync(struct timer_list *t);
int timer_pending(const struct timer_list *t);
#define del_timer(t)	  timer_delete(t)
#define del_timer_sync(t) timer_delete_sync(t)

enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };
enum hrtimer_mode { HRTIMER_MODE_ABS, HRTIMER_MODE_REL, HRTIMER_MODE_REL_SOFT = 5 };
struct hrtimer {
	struct list_head entry;
	ktime_t expires;
	enum hrtimer_restart (*function)(struct hrtimer *t);
};
#define CLOCK_REALTIME	0
#define CLOCK_MONOTONIC 1
void hrtimer_init(struct hrtimer *t, int clock, enum hrtimer_mode mode);
void hrtimer_start(struct hrtimer *t, ktime_t when, enum hrtimer_mode mode);
int hrtimer_cancel(struct hrtimer *t);
u64 hrtimer_forward_now(struct hrtimer *t, ktime_t interval);

/* Performance counters are replaced by the cycle counter. */
#define native_read_pmc(n) ((u64)__builtin_ia32_rdtsc())
#define get_cycles()	   ((u64)__builtin_ia32_rdtsc())

/* Polls until a condition holds. Returns 0 or -ETIMEDOUT. */
#define read_poll_timeout(op, val, cond, sleep_us, timeout_us, before, args...)                    \
	({                                                                                         \
		u64 __until = (u64)ktime_get() + (u64)(timeout_us)*1000;                           \
		bool __ok;                                                                         \
		if (before)                                                                        \
			usleep_range(sleep_us, (sleep_us) + 1);                                    \
		for (;;) {                                                                         \
			(val) = op(args);                                                          \
			__ok = (cond);                                                             \
			if (__ok || ((timeout_us) && (u64)ktime_get() > __until))                  \
				break;                                                             \
			if (sleep_us)                                                              \
				usleep_range(sleep_us, (sleep_us) + 1);                            \
			else                                                                       \
				cpu_relax();                                                       \
		}                                                                                  \
		__ok ? 0 : -ETIMEDOUT;                                                             \
	})
#define readl_poll_timeout(addr, val, cond, s, t) read_poll_timeout(readl, val, cond, s, t, 0, addr)
#define readl_poll_timeout_atomic(addr, val, cond, s, t)                                           \
	read_poll_timeout(readl, val, cond, 0, t, 0, addr)

#endif
