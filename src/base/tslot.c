/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invariants, under `global`:
 *
 * - Key ids are unique among live keys. Id 0 is never assigned, so a zeroed key has no slot.
 * - A slot is on its key's list exactly while a live thread owns it. Its table is that thread's
 *   table, and table->slot[key->id] is the slot.
 * - A thread's table grows only under `global` and only by that thread, so destroy may clear an
 *   entry of another thread's table.
 * - A key that a child of fork inherited is not live in the child. The parent's ids are not
 *   assigned again there, so an inherited key never finds another key's slot.
 *
 * Ids are 32-bit and reused; they are bounded by memory, and by nested forks. Nothing else can
 * overflow.
 */
#include "base/fork.h"
#include "base/tslot.h"
#include "base/alloc.h"
#include "base/error.h"

#include <pthread.h>
#include <string.h>

/* two cache lines, so that the adjacent-line prefetcher does not cause false sharing */
#define SLOT_ALIGN 128

_Thread_local struct tslot_table tslot_tls __attribute__((tls_model("initial-exec")));

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;
static int thread_end_error;
static struct tslot_key **keys; /* by id */
static u32 n_keys;
static u32 first_id = 1; /* changes only in a child of fork */
static u32 ids_end = 1;	 /* no id at or above this one was assigned; atomic */

void tslot_lock(void)
{
	pthread_mutex_lock(&global);
}

void tslot_unlock(void)
{
	pthread_mutex_unlock(&global);
}

/* Under global. */
static bool tslot_key_lives(const struct tslot_key *key)
{
	return key->id < n_keys && keys[key->id] == key;
}

/* The fields of a slot that only this file uses, after the owner's part. Under global. */
struct tslot_links {
	struct tslot *prev; /* in the list; for an unused slot: the next unused one */
	struct tslot_table *table;
};

static size_t tslot_links_offset(const struct tslot_key *key)
{
	return (key->size + _Alignof(struct tslot_links) - 1) & ~(_Alignof(struct tslot_links) - 1);
}

static struct tslot_links *tslot_links(const struct tslot_key *key, struct tslot *s)
{
	return (struct tslot_links *)((char *)s + tslot_links_offset(key));
}

/* Under global. */
static void tslot_link(struct tslot_key *key, struct tslot *s)
{
	tslot_links(key, s)->prev = NULL;
	write_release(&s->next, key->all);
	if (key->all)
		tslot_links(key, key->all)->prev = s;
	write_release(&key->all, s);
}

/* Under global. `next` stays valid for walkers that are at this slot. */
static void tslot_unlink(struct tslot_key *key, struct tslot *s)
{
	struct tslot_links *l = tslot_links(key, s);

	write_release(l->prev ? &l->prev->next : &key->all, s->next);
	if (s->next)
		tslot_links(key, s->next)->prev = l->prev;
	l->prev = key->unused;
	key->unused = s;
}

/* Under global. Called when the slot's thread or key ends. */
static void tslot_retire(struct tslot_key *key, struct tslot *s)
{
	if (key->retire)
		key->retire(key, s);
	write_once(&tslot_links(key, s)->table->slot[key->id], NULL);
	tslot_unlink(key, s);
}

static void tslot_thread_end(void *arg)
{
	struct tslot_table *t = arg;

	pthread_mutex_lock(&global);
	for (u32 id = 1; id < t->n; id++)
		if (t->slot[id])
			tslot_retire(keys[id], t->slot[id]);
	alloc_free(t->slot);
	t->slot = NULL;
	t->n = 0;
	pthread_mutex_unlock(&global);
}

static void tslot_init_once(void)
{
	thread_end_error = pthread_key_create(&thread_end, tslot_thread_end);
}

static int tslot_keys_grow(void)
{
	u32 n = n_keys ? n_keys * 2 : first_id + 15;
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
	for (id = first_id; id < n_keys && keys[id]; id++)
		;
	if (id >= n_keys)
		err = tslot_keys_grow();
	if (!err) {
		keys[id] = key;
		key->id = id;
		if (id >= ids_end)
			write_once(&ids_end, id + 1);
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
	if (!tslot_key_lives(key)) { /* inherited from the parent */
		pthread_mutex_unlock(&global);
		return;
	}
	while (key->all)
		tslot_retire(key, key->all);
	keys[key->id] = NULL;
	pthread_mutex_unlock(&global);
	for (s = key->unused; s; s = next) {
		next = tslot_links(key, s)->prev;
		alloc_free(s);
	}
	key->unused = NULL;
	key->id = 0;
}

/* Extends this thread's table so that it has an entry for `id`. Under global. */
static int tslot_table_grow(u32 id)
{
	struct tslot_table *t = &tslot_tls;
	u32 n = n_keys;
	void *p;
	int err;

	if (id < t->n)
		return 0;
	p = alloc_grow(t->slot, t->n * sizeof(*t->slot), n * sizeof(*t->slot));
	if (!p)
		return -ENOMEM;
	t->slot = p;
	t->n = n;
	alloc_hold(); /* pthread_setspecific() may allocate */
	err = pthread_setspecific(thread_end, t);
	alloc_let_go();
	return err ? -ENOMEM : 0;
}

/* Returns an unused slot or allocates one; it is on no list. Under global. */
static struct tslot *tslot_alloc(struct tslot_key *key)
{
	size_t size = tslot_links_offset(key) + sizeof(struct tslot_links);
	struct tslot *s = key->unused;

	if (s) {
		key->unused = tslot_links(key, s)->prev;
		return s;
	}
	return alloc_aligned(SLOT_ALIGN, (size + SLOT_ALIGN - 1) & ~(size_t)(SLOT_ALIGN - 1));
}

struct tslot *tslot_get_slow(struct tslot_key *key)
{
	struct tslot *s = NULL;

	if (!key->id)
		return NULL;
	pthread_mutex_lock(&global);
	if (tslot_key_lives(key) && !tslot_table_grow(key->id))
		s = tslot_alloc(key);
	if (s) {
		tslot_links(key, s)->table = &tslot_tls;
		tslot_link(key, s);
		write_once(&tslot_tls.slot[key->id], s);
	}
	pthread_mutex_unlock(&global);
	if (s && key->attach)
		key->attach(key, s);
	return s;
}

static void tslot_fork_child(void)
{
	first_id = ids_end;
	pthread_mutex_init(&global, NULL);
	fork_forget(&tslot_tls, sizeof(tslot_tls));
	fork_forget(&keys, sizeof(keys));
	n_keys = 0;
}

FORK_HOOK(tslot_hook, NULL, NULL, tslot_fork_child);
