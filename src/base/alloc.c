/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* read by hooks of free(), which the compiler does not see */
static _Thread_local volatile bool freeing;

bool alloc_is_freeing(void)
{
	return freeing;
}

static void *alloc_fail(size_t size)
{
	return error_null(ENOMEM,
			  "cannot allocate %zu bytes for the library's own use: "
			  "the process is out of memory",
			  size);
}

/*
 * A lock of AddressSanitizer's allocator stays locked in a child of fork if another thread holds it
 * at the time of the fork; the C library's allocator handles this. In a build with AddressSanitizer
 * the library's threads therefore hold asan_lock while they allocate, and fork waits for it.
 */
#ifdef BUILT_WITH_ASAN

static pthread_mutex_t asan_lock = PTHREAD_MUTEX_INITIALIZER;

void alloc_hold(void)
{
	pthread_mutex_lock(&asan_lock);
}

void alloc_let_go(void)
{
	pthread_mutex_unlock(&asan_lock);
}

static void alloc_fork_prepare(void)
{
	alloc_hold();
	thread_await_ends();
}

FORK_HOOK(alloc_hook, alloc_fork_prepare, alloc_let_go, alloc_let_go);

#endif

/* Not zeroed, so that the caller can choose huge pages before the memory is touched. */
static void *alloc_raw(size_t align, size_t size)
{
	void *p = NULL;
	int err;

	if (fail_here(FAIL_MEMORY, NULL) || size > PTRDIFF_MAX)
		return alloc_fail(size);
	alloc_hold();
	err = posix_memalign(&p, align, size);
	alloc_let_go();
	return err ? alloc_fail(size) : p;
}

void *alloc_aligned(size_t align, size_t size)
{
	void *p = alloc_raw(align < sizeof(void *) ? sizeof(void *) : align, size);

	return p ? memset(p, 0, size) : NULL;
}

void *alloc_huge(size_t size)
{
	void *p = alloc_raw(ALLOC_HUGE, size);
	int saved = errno;

	if (!p)
		return NULL;
	/* a hint; a system without huge pages refuses it without harm */
	madvise(p, size, MADV_HUGEPAGE);
	errno = saved;
	return memset(p, 0, size);
}

void *alloc_zeroed(size_t size)
{
	void *p;

	if (fail_here(FAIL_MEMORY, NULL))
		return alloc_fail(size);
	alloc_hold();
	p = calloc(1, size);
	alloc_let_go();
	return p ? p : alloc_fail(size);
}

void *alloc_array(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return alloc_fail(SIZE_MAX);
	return alloc_zeroed(bytes);
}

void *alloc_grow(void *old, size_t old_size, size_t size)
{
	char *p;

	if (fail_here(FAIL_MEMORY, NULL))
		return alloc_fail(size);
	alloc_hold();
	freeing = true;
	p = realloc(old, size);
	freeing = false;
	alloc_let_go();
	if (!p)
		return alloc_fail(size);
	if (size > old_size)
		memset(p + old_size, 0, size - old_size);
	return p;
}

char *alloc_string(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = alloc_zeroed(n);

	return p ? memcpy(p, s, n) : NULL;
}

void alloc_free(void *p)
{
	int saved = errno;

	alloc_hold();
	freeing = true;
	free(p);
	freeing = false;
	alloc_let_go();
	errno = saved;
}

void *alloc_sparse(size_t size)
{
	void *p = MAP_FAILED;

	if (!fail_here(FAIL_MEMORY, NULL))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? alloc_fail(size) : p;
}

void alloc_sparse_free(void *p, size_t size)
{
	int saved = errno;

	if (p)
		munmap(p, size);
	errno = saved;
}
