/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports. Each is counted, then dropped (suppressed, or past first=N of its line), or put in words
 * and told. Nothing is locked while the program's callback runs, so it may map, and other threads
 * may report. A thread that is telling one report counts others and does not tell them, since a
 * callback that misuses the API would else never end.
 */
#include "check/report.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/lock.h"
#include "check/options.h"

#include <dmamap/device.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LONGEST 12288
#define PLACES	     4096 /* of first=N; what does not find room is told */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*callback)(const struct dmamap_report *, void *); /* under lock */
static void *callback_arg;				       /* under lock */
static u64 counts[DMAMAP_CHECK_KINDS];			       /* atomic; 0: all */

static struct {
	u64 key;
	u32 n;
} places[PLACES]; /* under places_lock */
static struct lock places_lock;

/* Of the thread's current call. */
static _Thread_local struct {
	const void *caller;
	bool said; /* the checker named the misuse: the library's own report would be the second */
	bool telling;
} now;

void check_enter(const void *caller)
{
	now.caller = caller;
	now.said = false;
}

const char *report_dir(enum dma_data_direction dir)
{
	switch ((int)dir) {
	case DMA_BIDIRECTIONAL:
		return "BIDIRECTIONAL";
	case DMA_TO_DEVICE:
		return "TO_DEVICE";
	case DMA_FROM_DEVICE:
		return "FROM_DEVICE";
	default:
		return "NONE";
	}
}

struct text {
	size_t n;
	char s[TEXT_LONGEST];
};

static __attribute__((format(printf, 2, 3))) void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n = t->n + (size_t)n < sizeof(t->s) ? t->n + (size_t)n : sizeof(t->s) - 1;
}

static void add_line(const char *words, void *t)
{
	text_add(t, "\n    %s", words);
}

static void add_stack(struct text *t, const char *what, const struct stack *s)
{
	if (!s || !what)
		return;
	text_add(t, "\n  %s:", what);
	for (u32 i = 0; i < s->n; i++)
		symbol_of(s->ip[i], add_line, t);
}

static bool stack_matches(const struct stack *s, const char *pattern)
{
	for (u32 i = 0; s && i < s->n; i++)
		if (symbol_matches(s->ip[i], pattern))
			return true;
	return false;
}

static bool report_is_suppressed(const struct about *a, const struct stack *here)
{
	const struct suppressions *all = check_options.suppress;

	for (u64 i = 0; all && i < all->n; i++) {
		const struct suppression *s = &all->list[i];

		if (!fnmatch(s->kind, dmamap_check_name(a->kind), 0) &&
		    !fnmatch(s->device, dev_name(a->dev), 0) &&
		    (!strcmp(s->function, "*") || stack_matches(here, s->function) ||
		     stack_matches(a->at[0], s->function) || stack_matches(a->at[1], s->function)))
			return true;
	}
	return false;
}

static void hash_words(const char *words, void *arg)
{
	u64 *key = arg;

	for (const char *p = words; *p; p++)
		*key = (*key ^ (u8)*p) * 0x100000001b3ull;
}

/* first=N: this kind was told often enough of this line. */
static bool told_enough(const struct about *a, const struct stack *here)
{
	const struct stack *s = here ? here : a->at[0];
	u64 key = (u64)a->kind;
	bool enough = false;

	if (!check_options.first)
		return false;
	/* not by the address: a compiler makes several of one line */
	if (s)
		symbol_of(s->ip[0], hash_words, &key);
	lock_acquire(&places_lock);
	for (u64 i = 0, at = key * 0x9e3779b97f4a7c15ull >> 52; i < PLACES;
	     i++, at = (at + 1) % PLACES) {
		if (places[at].key && places[at].key != key)
			continue;
		places[at].key = key;
		enough = places[at].n++ >= check_options.first;
		break;
	}
	lock_release(&places_lock);
	return enough;
}

static void report_deliver(const struct about *a, const struct text *t, size_t sentence)
{
	struct dmamap_report r = {.kind = a->kind,
				  .name = dmamap_check_name(a->kind),
				  .dev = a->dev,
				  .addr = a->addr,
				  .size = a->size,
				  .dir = a->dir,
				  .text = t->s};
	void (*fn)(const struct dmamap_report *, void *);
	void *arg;

	pthread_mutex_lock(&lock);
	fn = callback;
	arg = callback_arg;
	pthread_mutex_unlock(&lock);
	if (check_options.json >= 0)
		report_json(check_options.json, &r, sentence);
	if (fn)
		fn(&r, arg);
	else
		fprintf(stderr, "dmamap: check: %s: %s: %s\n", dev_name(r.dev), r.name, r.text);
	if (check_options.abort)
		abort();
}

void report_v(const struct about *a, const char *fmt, va_list ap)
{
	const void *caller = a->caller ? a->caller : now.caller;
	const struct stack *here = a->no_stack ? NULL : stack_here(caller);
	int saved = errno;
	struct text t;
	size_t sentence;

	now.said = true;
	if (report_is_suppressed(a, here))
		goto out;
	__atomic_fetch_add(&counts[a->kind], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counts[0], 1, __ATOMIC_RELAXED);
	if (now.telling || told_enough(a, here))
		goto out;
	now.telling = true;
	t.n = 0;
	vsnprintf(t.s, 1024, fmt, ap);
	t.n = sentence = strlen(t.s);
	add_stack(&t, "here", here);
	add_stack(&t, a->what[0], a->at[0]);
	add_stack(&t, a->what[1], a->at[1]);
	report_deliver(a, &t, sentence);
	now.telling = false;
out:
	errno = saved;
}

void report_misuse(const struct about *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_v(a, fmt, ap);
	va_end(ap);
}

/* What the checker finds before the library does; these front doors begin with check_enter(). */
static bool may_be_second(enum dmamap_check_kind kind)
{
	switch (kind) {
	case DMAMAP_CHECK_UNMAP_NOT_MAPPED:
	case DMAMAP_CHECK_UNMAP_SIZE:
	case DMAMAP_CHECK_SYNC_NOT_MAPPED:
	case DMAMAP_CHECK_SYNC_RANGE:
	case DMAMAP_CHECK_COHERENT_NOT_OWNED:
	case DMAMAP_CHECK_COHERENT_MISMATCH:
	case DMAMAP_CHECK_IOVA_DIRECTION:
		return true;
	default:
		return false;
	}
}

static __attribute__((format(printf, 3, 0))) int report_refusal(const struct about *a, bool on,
								const char *fmt, va_list ap)
{
	char text[400];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (on && !(now.said && may_be_second(a->kind)))
		report_misuse(a, "%s", text);
	return error_set(EINVAL, "%s: %s", dev_name(a->dev), text);
}

int check_report(const struct device *dev, bool on, enum dmamap_check_kind kind, dma_addr_t addr,
		 size_t size, enum dma_data_direction dir, const char *fmt, ...)
{
	const struct about a = {.dev = dev,
				.kind = kind,
				.addr = addr,
				.size = size,
				.dir = dir,
				.no_stack = kind == DMAMAP_CHECK_LEAK};
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = report_refusal(&a, on, fmt, ap);
	va_end(ap);
	return err;
}

int check_report_history(const struct device *dev, bool on, enum dmamap_check_kind kind,
			 dma_addr_t addr, size_t size, enum dma_data_direction dir,
			 const struct check_history *history, const char *fmt, ...)
{
	const struct about a = {.dev = dev,
				.kind = kind,
				.addr = addr,
				.size = size,
				.dir = dir,
				.no_stack = kind == DMAMAP_CHECK_LEAK,
				.what = {history->what[0], history->what[1]},
				.at = {history->at[0], history->at[1]}};
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = report_refusal(&a, on, fmt, ap);
	va_end(ap);
	return err;
}

void dmamap_check_on_report(void (*fn)(const struct dmamap_report *, void *arg), void *arg)
{
	pthread_mutex_lock(&lock);
	callback = fn;
	callback_arg = arg;
	pthread_mutex_unlock(&lock);
}

u64 dmamap_check_count(int kind)
{
	return kind >= 0 && kind < DMAMAP_CHECK_KINDS ? read_once(&counts[kind]) : 0;
}

/* The program's function stays; what the parent reported does not count. */
static void report_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	places_lock = (struct lock)LOCK_INIT;
	if (counts[0])
		memset(places, 0, sizeof(places));
	memset(counts, 0, sizeof(counts));
}

FORK_HOOK(report_hook, NULL, NULL, report_fork_child);
