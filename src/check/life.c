/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of checked devices, and the leaks of a device that is closed. When the last one is
 * closed, all records are freed. A few leaks are reported one by one; many leaks of one line of
 * code make one report.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "check/find.h"
#include "check/freed.h"
#include "check/own.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REPORTED_EACH 8 /* leaks of one stack and function that are reported individually */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct check_device **devices; /* under lock, like the variables below */
static u64 n_devices, capacity;
static u64 n_checked; /* open devices, in the list or not */

static void life_list_add(struct check_device *c)
{
	struct check_device **p;

	if (n_devices == capacity) {
		p = alloc_grow(devices, capacity * sizeof(*p), (2 * capacity + 8) * sizeof(*p));
		if (!p)
			/*
			 * an unmap by another device is then reported as an unmap of an unmapped
			 * address
			 */
			return;
		devices = p;
		capacity = 2 * capacity + 8;
	}
	devices[n_devices++] = c;
}

void check_open(struct check_device *c, const struct device *dev, u64 space, u64 bus_offset,
		bool coherent, bool lazy)
{
	int saved = errno;

	*c = (struct check_device){.dev = dev,
				   .space = space,
				   .bus_offset = bus_offset,
				   .coherent = coherent,
				   .lazy = lazy,
				   .counted = true};
	pthread_mutex_lock(&lock);
	life_list_add(c);
	/* until now a thread may have been using stored stacks in a report */
	if (!n_checked++) {
		stack_reset();
		freed_watch();
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
}

void check_each_device(void (*fn)(struct check_device *, void *), void *arg)
{
	pthread_mutex_lock(&lock);
	for (u64 i = 0; i < n_devices; i++)
		fn(devices[i], arg);
	pthread_mutex_unlock(&lock);
}

void check_close(struct check_device *c)
{
	if (!c->counted)
		return;
	own_device_closed(c);
	history_forget(c->dev);
	pthread_mutex_lock(&lock);
	for (u64 i = 0; i < n_devices; i++)
		if (devices[i] == c) {
			devices[i] = devices[--n_devices];
			break;
		}
	if (!--n_checked) {
		freed_unwatch();
		alloc_free(devices);
		devices = NULL;
		capacity = 0;
		store_reset();
		history_reset();
		shadow_reset();
		guard_reset();
	}
	pthread_mutex_unlock(&lock);
	c->counted = false;
}

/* ---- leaks ---- */

struct life_gather {
	const struct check_device *c;
	struct shadow *list;
	u64 n;
};

static bool life_gather(struct store_range *r, void *arg)
{
	struct life_gather *q = arg;
	struct shadow *s = r->of;

	if (r == &s->dma && s->c == q->c && !s->claimed) {
		s->claimed = true;
		s->next = q->list;
		q->list = s;
		q->n++;
	}
	return true;
}

static int life_compare(const void *a, const void *b)
{
	const struct shadow *x = *(struct shadow *const *)a, *y = *(struct shadow *const *)b;

	if (x->mapped != y->mapped)
		return (uintptr_t)x->mapped < (uintptr_t)y->mapped ? -1 : 1;
	if (x->call != y->call)
		return x->call - y->call;
	return (x->dma.start > y->dma.start) - (x->dma.start < y->dma.start);
}

static bool life_is_one_line(const struct shadow *x, const struct shadow *y)
{
	return x->mapped == y->mapped && x->call == y->call;
}

static void life_report_one(const struct shadow *s)
{
	struct report_about a = about_of(s->c, DMAMAP_CHECK_LEAK, s->dma.start, s->dma.size,
					 (enum dma_data_direction)s->dir, NULL);

	a.no_stack = true;
	a.what[0] = "made";
	a.at[0] = s->mapped;
	report_misuse(&a, "%llu bytes at %#llx, by %s, were never %s",
		      (unsigned long long)s->dma.size, (unsigned long long)s->dma.start,
		      check_call_names[s->call],
		      s->call == CALL_COHERENT || s->call == CALL_RANGE ? "freed" : "unmapped");
}

static void life_report_group(struct shadow *const *s, u64 n)
{
	struct report_about a = about_of(s[0]->c, DMAMAP_CHECK_LEAK, s[0]->dma.start, 0,
					 (enum dma_data_direction)s[0]->dir, NULL);

	for (u64 i = 0; i < n; i++)
		a.size += s[i]->dma.size;
	a.no_stack = true;
	a.what[0] = "made";
	a.at[0] = s[0]->mapped;
	report_misuse(&a, "%llu by %s, of %llu bytes in all, the first at %#llx, were never undone",
		      (unsigned long long)n, check_call_names[s[0]->call],
		      (unsigned long long)a.size, (unsigned long long)a.addr);
}

static void life_report_sorted(struct shadow **s, u64 n)
{
	alloc_hold(); /* qsort() allocates */
	qsort(s, n, sizeof(*s), life_compare);
	alloc_let_go();
	for (u64 i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && life_is_one_line(s[i], s[k]); k++)
			;
		if (k - i > REPORTED_EACH) {
			life_report_group(s + i, k - i);
			continue;
		}
		for (u64 j = i; j < k; j++)
			life_report_one(s[j]);
	}
}

u64 check_leaks(struct check_device *c)
{
	struct life_gather q = {.c = c};
	struct shadow **all, *s, *next;
	u64 n = 0;

	if (!c->counted)
		return 0;
	check_enter(NULL);
	store_walk(life_gather, &q);
	all = q.n ? alloc_array(q.n, sizeof(*all)) : NULL;
	for (s = q.list; s; s = s->next)
		if (all && !read_once(&s->of_pool))
			all[n++] = s;
	if (n)
		life_report_sorted(all, n);
	alloc_free(all);
	for (s = q.list; s; s = next) {
		next = s->next;
		own_end(s, NULL);
		shadow_drop(s);
	}
	return n;
}

/* ---- pools ---- */

const struct stack *check_stack(const void *caller)
{
	return stack_take(caller);
}

const struct stack *check_line(const void *caller)
{
	return stack_line(caller);
}

void check_pool_leak(struct check_device *c, const char *name, u64 block, u64 chunks,
		     const struct stack *made)
{
	struct report_about a = about_of(c, DMAMAP_CHECK_LEAK, 0, block, DMA_NONE, NULL);

	a.no_stack = true;
	a.what[0] = "made";
	a.at[0] = made;
	report_misuse(
		&a,
		"dma pool '%s' of %llu-byte blocks, with %llu pieces of coherent memory, was never "
		"destroyed",
		name, (unsigned long long)block, (unsigned long long)chunks);
}

static bool life_set_pool(struct store_range *r, void *arg)
{
	const u64 *addr = arg;

	if (r == &r->of->dma && r->start == *addr && r->of->call == CALL_COHERENT)
		write_once(&r->of->of_pool, true);
	return true;
}

void check_pool_chunk(struct check_device *c, dma_addr_t addr, u64 size)
{
	store_search(c->space, addr, size, life_set_pool, &addr);
}

/* A child has no checked device, and no records of the parent's mappings. */
static void life_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	if (!n_checked)
		return;
	fork_forget(&devices, sizeof(devices));
	n_devices = capacity = n_checked = 0;
	store_forget();
	history_forget_all();
	shadow_forget_all();
	stack_forget_all();
}

FORK_HOOK(life_hook, NULL, NULL, life_fork_child);
