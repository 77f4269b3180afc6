/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constructors add hooks, one at a time, and no hook is ever removed. Descriptors and ranges are
 * under `lock`, which is held during a fork. In the child, therefore, every recorded descriptor is
 * open and every recorded range is mapped, and both belong to the library.
 */
#include "base/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

u32 fork_depth;

static struct fork_hook *hooks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u64 fds[FORK_FDS / 64]; /* bit map; under lock */
static int fds_end;	       /* no bit at or above this number is set; under lock */
static struct fork_range {
	void *p; /* NULL: unused */
	size_t n;
	bool absent;   /* not present in a child, because of MADV_DONTFORK */
} ranges[FORK_RANGES]; /* under lock */

static void fork_prepare(void)
{
	for (struct fork_hook *h = hooks; h; h = h->next)
		if (h->prepare)
			h->prepare();
	pthread_mutex_lock(&lock);
}

static void fork_parent(void)
{
	pthread_mutex_unlock(&lock);
	for (struct fork_hook *h = hooks; h; h = h->next)
		if (h->parent)
			h->parent();
}

static void fork_close_fds(void)
{
	for (int fd = 0; fd < fds_end; fd++)
		if (fds[fd / 64] >> fd % 64 & 1)
			close(fd);
	memset(fds, 0, (size_t)(fds_end + 63) / 64 * sizeof(fds[0]));
	fds_end = 0;
}

static bool fork_occupy(u8 *p, size_t n, int how)
{
	return mmap(p, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | how, -1, 0) !=
	       MAP_FAILED;
}

/*
 * In a child the ranges are absent (MADV_DONTFORK). Reserves their addresses, so that no other
 * memory is mapped there. If a fork handler of another library has already mapped something in a
 * range, reserves the rest by halves.
 */
static void fork_occupy_hole(u8 *p, size_t n)
{
	size_t half = n / 2 & ~(size_t)(PAGE_BYTES - 1);

	if (fork_occupy(p, n, MAP_FIXED_NOREPLACE) || errno != EEXIST || !half)
		return;
	fork_occupy_hole(p, half);
	fork_occupy_hole(p + half, n - half);
}

static void fork_occupy_ranges(void)
{
	for (int i = 0; i < FORK_RANGES; i++)
		if (ranges[i].p && ranges[i].absent)
			fork_occupy_hole(ranges[i].p, ranges[i].n);
		else if (ranges[i].p)
			fork_occupy(ranges[i].p, ranges[i].n, MAP_FIXED);
	memset(ranges, 0, sizeof(ranges));
}

static void fork_child(void)
{
	int saved = errno;

	fork_depth++;
	fork_close_fds();
	fork_occupy_ranges();
	pthread_mutex_unlock(&lock);
	for (struct fork_hook *h = hooks; h; h = h->next)
		if (h->child)
			h->child();
	errno = saved;
}

void fork_hook_add(struct fork_hook *h)
{
	/* fails only without memory at program start; then fork() behaves as without hooks */
	if (!hooks && pthread_atfork(fork_prepare, fork_parent, fork_child))
		return;
	h->next = hooks;
	hooks = h;
}

#ifdef BUILT_WITH_ASAN

/* The state that fork_forget() has saved, latest fork first. */
static struct fork_forgotten {
	struct fork_forgotten *before;
	u64 state[];
} * forgotten;

void fork_forget(void *state, size_t n)
{
	struct fork_forgotten *f = malloc(sizeof(*f) + n + sizeof(u64));

	if (f) {
		f->before = forgotten;
		memcpy(f->state, state, n);
		forgotten = f;
	}
	memset(state, 0, n);
}

#else

void fork_forget(void *state, size_t n)
{
	memset(state, 0, n);
}

#endif

void fork_fd_add(int fd)
{
	if (fd < 0 || fd >= FORK_FDS)
		return;
	pthread_mutex_lock(&lock);
	fds[fd / 64] |= 1ull << fd % 64;
	if (fd >= fds_end)
		fds_end = fd + 1;
	pthread_mutex_unlock(&lock);
}

void fork_fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0 && fd < FORK_FDS) {
		pthread_mutex_lock(&lock);
		fds[fd / 64] &= ~(1ull << fd % 64);
		pthread_mutex_unlock(&lock);
	}
	close(fd);
	errno = saved;
}

void fork_range_add(void *p, size_t n)
{
	int saved = errno;
	bool absent = !madvise(p, n, MADV_DONTFORK);

	errno = saved;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < FORK_RANGES; i++)
		if (!ranges[i].p) {
			ranges[i] = (struct fork_range){p, n, absent};
			break;
		}
	pthread_mutex_unlock(&lock);
}

void fork_range_remove(void *p)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < FORK_RANGES; i++)
		if (ranges[i].p == p)
			ranges[i].p = NULL;
	pthread_mutex_unlock(&lock);
}
