/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the parts of the runtime share: the context of every thread, findings, and the
 * ledger of acquired objects.
 */
#ifndef KMOD_CORE_H
#define KMOD_CORE_H

#include <linux/workqueue.h>
#include "../host/host.h"

#define KMOD_HELD_MAX  24
#define KMOD_STACK_MAX 16

struct kmod_stack {
	unsigned int n;
	unsigned long pc[KMOD_STACK_MAX];
};

struct kmod_held {
	struct kmod_lock *lock;
	struct kmod_stack at;
};

/* The state of one thread. The kernel has this state for every processor and task. */
struct kmod_context {
	int preempt, bh_off, irqs_off; /* nesting depth of each kind */
	int hardirq, softirq;	       /* the thread runs such a handler */
	int rcu;
	unsigned int n_held;
	struct kmod_held held[KMOD_HELD_MAX];
	unsigned long id; /* not 0 */
	struct task_struct *task;
	const char *what; /* activity of the thread, for reports */
};
struct kmod_context *kmod_context(void);
/*
 * Used around every call into the driver: reports and releases what the function still holds when
 * it returns.
 */
struct kmod_mark {
	unsigned int n_held;
	int preempt, bh_off, irqs_off, rcu;
	unsigned long fn; /* 0: not known */
};
struct kmod_mark kmod_enter(void);
void kmod_returned(const struct kmod_mark *m, const char *what);
/* KMOD_CALL with the called function, which becomes the top of the stack of its findings. */
#define KMOD_CALL_FN(what, called, call)                                                           \
	do {                                                                                       \
		struct kmod_mark __mark = kmod_enter();                                            \
		__mark.fn = (unsigned long)(called);                                               \
		call;                                                                              \
		kmod_returned(&__mark, what);                                                      \
	} while (0)
#define KMOD_CALL(what, call)                                                                      \
	do {                                                                                       \
		struct kmod_mark __mark = kmod_enter();                                            \
		call;                                                                              \
		kmod_returned(&__mark, what);                                                      \
	} while (0)
bool kmod_context_atomic(const struct kmod_context *c);

/*
 * Findings. The first stack is that of the caller; `other` (may be NULL) is a second stack,
 * described by `label`.
 */
void kmod_finding_with(const char *kind, const struct kmod_stack *other, const char *label,
		       const char *fmt, ...) __printf(4, 5);
void kmod_finding_at(const char *kind, const struct kmod_stack *stack,
		     const struct kmod_stack *other, const char *label, const char *text);
/* A finding about the function `fn` after its return. */
void kmod_finding_of(unsigned long fn, const char *kind, const struct kmod_stack *other,
		     const char *label, const char *fmt, ...) __printf(5, 6);
void kmod_stack_take(struct kmod_stack *s);
u64 kmod_findings(void);
/* Writes a line of JSON for the command: an object with the members in `fmt`. */
void kmod_event(const char *fmt, ...) __printf(1, 2);
void kmod_json_string(char *out, size_t size, const char *in);
/* Ends the run at once: reports the ledger, then exits. */
void kmod_die(const char *why) __noreturn;
void kmod_print_named(const char *level, const char *who, const char *name, const char *fmt,
		      va_list args);
/* Reports progress to the watchdog. */
void kmod_progressed(void);
u64 kmod_progress(void); /* how often */
void kmod_watchdog_start(unsigned int seconds);

/* Fault injection of the runtime's own sites. Returns true if this call must fail. */
bool kmod_fail(const char *site);
/* Zeroed memory of the runtime's own, which the site may fail (NULL: none); for host_free(). */
void *kmod_calloc(const char *site, size_t n, size_t size);

/*
 * The ledger contains every object that a driver has acquired and must release. An entry is
 * identified by the address and the kind of the object. Its size and stack are used in reports.
 */
enum kmod_object {
	KMOD_MEMORY,
	KMOD_PAGES,
	KMOD_SKB,
	KMOD_TIMER,
	KMOD_WORK,
	KMOD_IRQ,
	KMOD_REGION,
	KMOD_IOMAP,
	KMOD_NETDEV,
	KMOD_NAPI,
	KMOD_WORKQUEUE,
	KMOD_KTHREAD,
	KMOD_CHARDEV,
	KMOD_FILE,
	KMOD_FIRMWARE,
	KMOD_CACHE,
	KMOD_POOL,
	KMOD_DRIVER,
	KMOD_ENABLED,
	KMOD_OBJECTS
};
void kmod_ledger_add(enum kmod_object kind, const void *object, size_t size);
/* Returns false if there is no such entry. */
bool kmod_ledger_del(enum kmod_object kind, const void *object);
/* Records that the object was passed to the driver's function `fn`, which reports then name. */
void kmod_ledger_given(enum kmod_object kind, const void *object, unsigned long fn);
bool kmod_ledger_find(enum kmod_object kind, const void *object, size_t *size,
		      struct kmod_stack *stack);
/*
 * Reports every entry in [p, p + n), which is about to be freed. An example is a timer that is
 * still armed.
 */
void kmod_ledger_freeing(const void *p, size_t n);
/*
 * Describes the live or freed object that contains `addr` or is near it. Returns false if there is
 * none.
 */
bool kmod_ledger_describe(const void *addr, char *text, size_t size, struct kmod_stack *allocated,
			  struct kmod_stack *freed);
void kmod_memory_start(void);
/* Reports the entries that are left. Returns their number. */
unsigned int kmod_ledger_report(void);

/* The number of work items that are queued or running, on all queues. */
bool kmod_work_busy(void);

/* Softirqs: `fn` runs soon in the softirq thread. */
void kmod_softirq_raise(void);
void kmod_softirq_start(void);
void kmod_softirq_stop(void);
bool kmod_napi_run(void);
void kmod_rcu_drain(void);

/* Values of the arguments that the command passed to the module and to the script. */
const char *kmod_option(const char *name);
long kmod_option_int(const char *name, long otherwise);

#endif
