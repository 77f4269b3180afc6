/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Call stacks are captured by the unwinder, because most programs are compiled without frame
 * pointers. It stops at the end of the stack, or after check_options.stacks frames.
 */
#include "report/stack.h"
#include "base/alloc.h"
#include "base/fork.h"
#include "base/lock.h"
#include "report/options.h"

#include <string.h>
#include <unwind.h>

#define BUCKETS	   1024
#define SKIP_MAX   24 /* maximum number of the library's frames before the program's first */
#define STACKS_MAX (1u << 20)

static struct lock locks[BUCKETS / 16];
static struct stack *buckets[BUCKETS]; /* each under its lock; stored stacks do not change */
static u32 stacks;		       /* atomic */

struct stack_walk {
	uintptr_t caller;
	u32 n, max, skipped;
	bool inside; /* the walk has passed the library's own frames */
	uintptr_t ip[STACK_MAX];
};

static _Unwind_Reason_Code stack_step(struct _Unwind_Context *context, void *arg)
{
	struct stack_walk *w = arg;
	int interrupted = 0;
	uintptr_t ip = _Unwind_GetIPInfo(context, &interrupted);

	if (!ip)
		return _URC_END_OF_STACK;
	/* a return address is behind its call; the address of an interrupted frame is not */
	ip += (uintptr_t)interrupted;
	if (!w->inside && ip != w->caller)
		return ++w->skipped > SKIP_MAX ? _URC_END_OF_STACK : _URC_NO_REASON;
	w->inside = true;
	w->ip[w->n++] = ip;
	return w->n == w->max ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static u64 stack_hash_of(const struct stack_walk *w)
{
	u64 h = w->n;

	for (u32 i = 0; i < w->n; i++)
		h = (h ^ w->ip[i]) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

static struct stack *stack_find(u64 bucket, u64 hash, const struct stack_walk *w)
{
	struct stack *s;

	for (s = buckets[bucket]; s; s = s->next)
		if (s->hash == hash && s->n == w->n &&
		    !memcmp(s->ip, w->ip, w->n * sizeof(w->ip[0])))
			return s;
	return NULL;
}

static const struct stack *stack_store(const struct stack_walk *w)
{
	u64 hash = stack_hash_of(w), bucket = hash % BUCKETS;
	struct lock *lock = &locks[bucket / 16];
	struct stack *s;

	lock_acquire(lock);
	s = stack_find(bucket, hash, w);
	if (!s && read_once(&stacks) < STACKS_MAX) {
		s = alloc_zeroed(sizeof(*s) + w->n * sizeof(s->ip[0]));
		if (s) {
			s->hash = hash;
			s->n = w->n;
			memcpy(s->ip, w->ip, w->n * sizeof(s->ip[0]));
			s->next = buckets[bucket];
			buckets[bucket] = s;
			__atomic_fetch_add(&stacks, 1, __ATOMIC_RELAXED);
		}
	}
	lock_release(lock);
	return s;
}

const struct stack *stack_walk(const void *caller)
{
	struct stack_walk w = {.caller = (uintptr_t)caller,
			       .max = read_once(&check_options.stacks)};

	if (!w.max)
		return NULL;
	_Unwind_Backtrace(stack_step, &w);
	if (!w.n) {
		/* the function was reached by a jump; only the line itself is known */
		w.ip[0] = (uintptr_t)caller;
		w.n = 1;
	}
	return stack_store(&w);
}

const struct stack *stack_line(const void *caller)
{
	struct stack_walk w;

	if (!read_once(&check_options.stacks))
		return NULL;
	w.n = 1;
	w.ip[0] = (uintptr_t)caller;
	return stack_store(&w);
}

u32 stack_capture(uintptr_t *ip)
{
	struct stack_walk w = {.max = STACK_MAX, .inside = true};

	if (!read_once(&check_options.stacks))
		return 0;
	_Unwind_Backtrace(stack_step, &w);
	memcpy(ip, w.ip, w.n * sizeof(w.ip[0]));
	return w.n;
}

void stack_reset(void)
{
	for (u32 i = 0; i < BUCKETS; i++)
		while (buckets[i]) {
			struct stack *s = buckets[i];

			buckets[i] = s->next;
			alloc_free(s);
		}
	write_once(&stacks, 0);
}

void stack_forget_all(void)
{
	fork_forget(buckets, sizeof(buckets));
	memset(locks, 0, sizeof(locks));
	write_once(&stacks, 0);
}
