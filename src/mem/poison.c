/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In a build with AddressSanitizer, RAM that was freed is poisoned, so that a driver's use after
 * free is found. RAM that was never allocated is not poisoned, since the shadow of all RAM would
 * need an eighth of its size. Poison survives munmap(), so `touched` has a bit for every 2 MiB that
 * were ever poisoned, and these are cleared before RAM is unmapped.
 */
#include "mem/ram.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"

#include <errno.h>

#define CHUNK_BITS 21

static u64 *touched; /* NULL: nothing is marked */
static u64 words;

int poison_init(u64 span)
{
	if (!asan_is_on())
		return 0;
	words = (align_up(span, GIB) >> CHUNK_BITS) / 64 + 1;
	touched = alloc_array(words, sizeof(*touched));
	return touched ? 0 : -ENOMEM;
}

void poison_fini(void)
{
	for (u64 i = 0; touched && i < words * 64; i++)
		if (touched[i / 64] >> i % 64 & 1)
			asan_unpoison(mem.base + (i << CHUNK_BITS), 1ull << CHUNK_BITS);
	alloc_free(touched);
	touched = NULL;
	words = 0;
}

void poison_mark(const void *p, u64 size)
{
	u64 first = (u64)((const u8 *)p - mem.base) >> CHUNK_BITS;
	u64 last = (u64)((const u8 *)p + size - 1 - mem.base) >> CHUNK_BITS;

	if (!touched || !size)
		return;
	asan_poison(p, size);
	for (u64 i = first; i <= last; i++)
		__atomic_fetch_or(&touched[i / 64], 1ull << i % 64, __ATOMIC_RELAXED);
}

static void poison_fork_child(void)
{
	fork_forget(&touched, sizeof(touched));
	words = 0;
}

FORK_HOOK(poison_hook, NULL, NULL, poison_fork_child);
