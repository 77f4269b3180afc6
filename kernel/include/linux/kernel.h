/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic, strings, messages, and findings of the runtime. Linux:
 * Documentation/core-api/kernel-api.rst. */
#ifndef KMOD_LINUX_KERNEL_H
#define KMOD_LINUX_KERNEL_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <stdarg.h>
#include <limits.h>
#include <linux/limits.h>
#include <asm/byteorder.h>

/* These codes are exchanged between drivers and the kernel and are never returned to a program. */
#define ERESTARTSYS  512
#define EPROBE_DEFER 517

#define U8_MAX	((u8)~0U)
#define S8_MAX	0x7f
#define U16_MAX ((u16)~0U)
#define S16_MAX 0x7fff
#define U32_MAX ((u32)~0U)
#define S32_MAX ((s32)(U32_MAX >> 1))
#define U64_MAX ((u64)~0ULL)
#define S64_MAX ((s64)(U64_MAX >> 1))

#define ALIGN(x, a)		 (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)	 ((x) & ~((__typeof__(x))(a)-1))
#define PTR_ALIGN(p, a)		 ((__typeof__(p))ALIGN((unsigned long)(p), (a)))
#define IS_ALIGNED(x, a)	 (((x) & ((__typeof__(x))(a)-1)) == 0)
#define DIV_ROUND_UP(n, d)	 (((n) + (d)-1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	 DIV_ROUND_UP((unsigned long long)(n), (d))
#define DIV_ROUND_CLOSEST(x, d)	 (((x) + ((d) / 2)) / (d))
#define DIV_ROUND_DOWN_ULL(n, d) ((unsigned long long)(n) / (d))
#define roundup(x, y)		 ((((x) + (y)-1) / (y)) * (y))
#define round_up(x, y)		 ((((x)-1) | ((__typeof__(x))((y)-1))) + 1)
#define round_down(x, y)	 ((x) & ~((__typeof__(x))((y)-1)))
#define rounddown(x, y)		 ((x) - ((x) % (y)))
#define upper_32_bits(n)	 ((u32)(((n) >> 16) >> 16))
#define lower_32_bits(n)	 ((u32)((n)&0xffffffff))
#define upper_16_bits(n)	 ((u16)((n) >> 16))
#define lower_16_bits(n)	 ((u16)((n)&0xffff))

#define min(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) __a = (a);                                                           \
		__typeof__(b) __b = (b);                                                           \
		__a < __b ? __a : __b;                                                             \
	})
#define max(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) __a = (a);                                                           \
		__typeof__(b) __b = (b);                                                           \
		__a > __b ? __a : __b;                                                             \
	})
#define min_t(t, a, b)	    min((t)(a), (t)(b))
#define max_t(t, a, b)	    max((t)(a), (t)(b))
#define min3(a, b, c)	    min(min(a, b), c)
#define max3(a, b, c)	    max(max(a, b), c)
#define clamp(v, lo, hi)    min(max(v, lo), hi)
#define clamp_t(t, v, l, h) clamp((t)(v), (t)(l), (t)(h))
#define clamp_val(v, l, h)  clamp_t(__typeof__(v), v, l, h)
#define swap(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) __swap = (a);                                                        \
		(a) = (b);                                                                         \
		(b) = __swap;                                                                      \
	} while (0)
#define abs(x)                                                                                     \
	({                                                                                         \
		__typeof__(x) __abs = (x);                                                         \
		__abs < 0 ? -__abs : __abs;                                                        \
	})
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d) __builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
static inline size_t size_mul(size_t a, size_t b)
{
	size_t bytes;

	return check_mul_overflow(a, b, &bytes) ? (size_t)-1 : bytes;
}

static inline size_t size_add(size_t a, size_t b)
{
	size_t bytes;

	return __builtin_add_overflow(a, b, &bytes) ? (size_t)-1 : bytes;
}

#define do_div(n, base)                                                                            \
	({                                                                                         \
		u32 __rem = (u32)((n) % (base));                                                   \
		(n) /= (base);                                                                     \
		__rem;                                                                             \
	})
static inline u64 div_u64(u64 n, u32 d)
{
	return n / d;
}
static inline u64 div64_u64(u64 n, u64 d)
{
	return n / d;
}
static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	*rem = (u32)(n % d);
	return n / d;
}
#define div64_ul(n, d) ((unsigned long)((n) / (d)))
#define int_sqrt64(x)  ((u32)int_sqrt(x))
#define need_resched() false
static inline s64 div_s64(s64 n, s32 d)
{
	return n / d;
}
unsigned long int_sqrt(unsigned long x);

/*
 * Messages: one line each, with the time since start. The format supports %pM, %pI4, %pI6, %ps, %pe
 * and %*ph.
 */
int _printk(const char *format, ...) __printf(1, 2);
#define printk(fmt, ...) _printk(fmt, ##__VA_ARGS__)
#define KERN_SOH	 "\001"
#define KERN_EMERG	 KERN_SOH "0"
#define KERN_CRIT	 KERN_SOH "2"
#define KERN_ALERT                                                                                 \
	"\001"                                                                                     \
	"1"
#define KERN_ERR     KERN_SOH "3"
#define KERN_WARNING KERN_SOH "4"
#define KERN_NOTICE  KERN_SOH "5"
#define KERN_INFO    KERN_SOH "6"
#define KERN_DEBUG   KERN_SOH "7"
#define KERN_CONT    KERN_SOH "c"
#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define no_printk(fmt, ...)                                                                        \
	({                                                                                         \
		if (0)                                                                             \
			printk(fmt, ##__VA_ARGS__);                                                \
		0;                                                                                 \
	})
#define pr_alert(fmt, ...)	     printk(KERN_ALERT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...)	     printk(KERN_ERR pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...)	     printk(KERN_WARNING pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice(fmt, ...)	     printk(KERN_NOTICE pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)	     printk(KERN_INFO pr_fmt(fmt), ##__VA_ARGS__)
#define pr_cont(fmt, ...)	     printk(KERN_CONT fmt, ##__VA_ARGS__)
#define pr_debug(fmt, ...)	     no_printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info_once(fmt, ...)	     pr_info(fmt, ##__VA_ARGS__)
#define printk_once(fmt, ...)	     printk(fmt, ##__VA_ARGS__)
#define pr_warn_once(fmt, ...)	     pr_warn(fmt, ##__VA_ARGS__)
#define pr_err_ratelimited(fmt, ...) pr_err(fmt, ##__VA_ARGS__)
#define net_ratelimit()		     1
#define printk_ratelimit()	     1
#define pr_err_once(fmt, ...)	     pr_err(fmt, ##__VA_ARGS__)
enum { DUMP_PREFIX_NONE, DUMP_PREFIX_ADDRESS, DUMP_PREFIX_OFFSET };
void print_hex_dump(const char *level, const char *prefix, int prefix_type, int rowsize,
		    int groupsize, const void *buf, size_t len, bool ascii);

int kmod_vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
int kmod_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int kmod_scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
char *kasprintf(gfp_t gfp, const char *fmt, ...) __printf(2, 3);
#define vsnprintf	       kmod_vsnprintf
#define snprintf	       kmod_snprintf
#define scnprintf	       kmod_scnprintf
#define sprintf(buf, fmt, ...) kmod_snprintf(buf, INT_MAX, fmt, ##__VA_ARGS__)
int kstrtoul(const char *s, unsigned int base, unsigned long *res);
int kstrtoint(const char *s, unsigned int base, int *res);
int kstrtouint(const char *s, unsigned int base, unsigned int *res);
int kstrtou32(const char *s, unsigned int base, u32 *res);
unsigned long simple_strtoul(const char *s, char **end, unsigned int base);
bool mac_pton(const char *s, u8 *mac);

/*
 * Reports a finding: its kind, a message, and the caller's stack. kmod_oops() also ends the run, as
 * the kernel would.
 */
void kmod_finding(const char *kind, const char *fmt, ...) __printf(2, 3);
void kmod_oops(const char *kind, const char *fmt, ...) __printf(2, 3) __noreturn;

#define BUG() kmod_oops("bug", "BUG() in %s", __func__)
#define BUG_ON(c)                                                                                  \
	do {                                                                                       \
		if (unlikely(c))                                                                   \
			kmod_oops("bug", "BUG_ON(%s) in %s", #c, __func__);                        \
	} while (0)
#define WARN(c, fmt, ...)                                                                          \
	({                                                                                         \
		bool __warn = !!(c);                                                               \
		if (unlikely(__warn))                                                              \
			kmod_finding("warning", fmt, ##__VA_ARGS__);                               \
		unlikely(__warn);                                                                  \
	})
#define WARN_ON(c)	       WARN(c, "WARN_ON(%s) in %s", #c, __func__)
#define WARN_ON_ONCE(c)	       WARN_ON(c)
#define WARN_ONCE(c, fmt, ...) WARN(c, fmt, ##__VA_ARGS__)
#define dump_stack()	       kmod_finding("dump-stack", "dump_stack() in %s", __func__)
#define panic(fmt, ...)	       kmod_oops("panic", fmt, ##__VA_ARGS__)

/* Execution context. Each of these reports a call that may sleep where sleeping is not allowed. */
void kmod_might_sleep(const char *what);
#define might_sleep() kmod_might_sleep(__func__)
#define might_sleep_if(c)                                                                          \
	do {                                                                                       \
		if (c)                                                                             \
			might_sleep();                                                             \
	} while (0)
#define cond_resched() kmod_might_sleep("cond_resched")
bool in_interrupt(void);
bool in_hardirq(void);
bool in_softirq(void);
bool in_atomic(void);
bool irqs_disabled(void);
#define in_irq()  in_hardirq()
#define in_task() (!in_interrupt())
/*
 * Used by allocators: returns `gfp` unchanged after the check that it may be used in this context.
 */
gfp_t kmod_gfp(gfp_t gfp);

#define smp_processor_id() 0
#define is_kdump_kernel()  false
#define num_online_cpus()  2u
#define cpu_relax()	   kmod_relax()
void kmod_relax(void);
#define MAX_NUMNODES	       1
#define NUMA_NO_NODE	       (-1)
#define node_possible(n)       ((n) == 0)
#define cpumask_of_node(n)     ((const void *)0)
#define dev_to_node(d)	       ((void)(d), -1)
#define for_each_online_cpu(c) for ((c) = 0; (c) < 2; (c)++)
enum { SYSTEM_RUNNING = 3, SYSTEM_HALT, SYSTEM_POWER_OFF, SYSTEM_RESTART };
#define system_state SYSTEM_RUNNING

struct module;
extern struct module __this_module;

#endif
