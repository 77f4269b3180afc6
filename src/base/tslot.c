/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invariants, under `global`:
 *  - key ids are unique among live keys; id 0 is never given, so a zeroed key finds no slot;
 *  - slot->table is the table of the one live thread that has it, and then
 *    slot->table->slot[key->id] is the slot;
 *  - a thread's table grows only under `global`, by that thread, so destroy may clear an entry of
 *    another thread's table.
 * What may overflow: ids (u32, reused, bounded by memory), nothing else.
 */
#include "base/tslot.h"
#include "base/alloc.h"
#include "base/error.h"

#include <pthread.h>
#include <string.h>

#define SLOT_ALIGN 128 /* two cache lines: the neighbour's prefetcher does not pull ours */

_Thread_local struct tslot_table tslot_tls __attribute__((tls_model("initial-exec")));

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;
static int thread_end_error;
static struct tslot_key **keys; /* by id */
static u32 n_keys;

static void thread_ends(void *arg)
{
	struct tslot_table *t = arg;

	pthread_mutex_lock(&global);
	for (u32 id = 1; id < t->n; id++) {
		struct tslot *s = t->slot[id];

		if (!s)
			continue;
		if (keys[id]->retire)
			keys[id]->retire(keys[id], s);
		s->table = NULL;
		write_once(&t->slot[id], NULL);
	}
	alloc_free(t->slot);
	t->slot = NULL;
	t->n = 0;
	pthread_mutex_unlock(&global);
}

/* A child of fork has one thread and owns no device; the lock must not stay taken in it. */
static void tslot_fork_prepare(void)
{
	pthread_mutex_lock(&global);
}

static void fork_done(void)
{
	pthread_mutex_unlock(&global);
}

static void tslot_init_once(void)
{
	thread_end_error = pthread_key_create(&thread_end, thread_ends);
	if (!thread_end_error)
		thread_end_error = pthread_atfork(tslot_fork_prepare, fork_done, fork_done);
}

static int grow_keys(void)
{
	u32 n = n_keys ? n_keys * 2 : 16;
	void *p = alloc_grow(keys, n_keys * sizeof(*keys), n * sizeof(*keys));

	if (!p)
		return -ENOMEM;
	keys = p;
	n_keys = n;
	return 0;
}

int tslot_key_init(struct tslot_key *key, size_t size,
		   void (*attach)(struct tslot_key *, struct tslot *),
		   void (*retire)(struct tslot_key *, struct tslot *))
{
	int err = 0;
	u32 id;

	*key = (struct tslot_key){.size = (u32)size, .attach = attach, .retire = retire};
	pthread_once(&once, tslot_init_once);
	if (thread_end_error)
		return error_set(thread_end_error, "cannot create a thread-specific key: "
						   "the process has too many");
	pthread_mutex_lock(&global);
	for (id = 1; id < n_keys && keys[id]; id++)
		;
	if (id >= n_keys)
		err = grow_keys();
	if (!err) {
		keys[id] = key;
		key->id = id;
	}
	pthread_mutex_unlock(&global);
	return err;
}

void tslot_key_destroy(struct tslot_key *key)
{
	struct tslot *s, *next;

	if (!key->id)
		return;
	pthread_mutex_lock(&global);
	for (s = key->all; s; s = s->next) {
		if (!s->table)
			continue;
		if (key->retire)
			key->retire(key, s);
		write_once(&s->table->slot[key->id], NULL);
	}
	keys[key->id] = NULL;
	pthread_mutex_unlock(&global);
	for (s = key->all; s; s = next) {
		next = s->next;
		alloc_free(s);
	}
	key->all = NULL;
	key->id = 0;
}

/* Makes this thread's table long enough for `id`. Under `global`. */
static int grow_table(u32 id)
{
	struct tslot_table *t = &tslot_tls;
	u32 n = n_keys;
	void *p;

	if (id < t->n)
		return 0;
	p = alloc_grow(t->slot, t->n * sizeof(*t->slot), n * sizeof(*t->slot));
	if (!p)
		return -ENOMEM;
	t->slot = p;
	t->n = n;
	return pthread_setspecific(thread_end, t) ? -ENOMEM : 0;
}

static struct tslot *take_slot(struct tslot_key *key)
{
	struct tslot *s;

	for (s = key->all; s && s->table; s = s->next)
		;
	if (s)
		return s;
	s = alloc_aligned(SLOT_ALIGN, (key->size + SLOT_ALIGN - 1) & ~(size_t)(SLOT_ALIGN - 1));
	if (!s)
		return NULL;
	s->next = key->all;
	write_release(&key->all, s);
	return s;
}

struct tslot *tslot_get_slow(struct tslot_key *key)
{
	struct tslot *s = NULL;

	if (!key->id)
		return NULL;
	pthread_mutex_lock(&global);
	if (!grow_table(key->id))
		s = take_slot(key);
	if (s) {
		s->table = &tslot_tls;
		write_once(&tslot_tls.slot[key->id], s);
	}
	pthread_mutex_unlock(&global);
	if (s && key->attach)
		key->attach(key, s);
	return s;
}
