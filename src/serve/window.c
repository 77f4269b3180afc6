/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's memory. A window whose file descriptor the client passed is mapped into this process
 * and into the device's address space, so that the device's accesses need no lock. A window enters
 * the page table before the list and leaves the list before the page table, so the page table
 * allows every access that the list allows.
 *
 * The client may shrink the file at any time. An access beyond its new end fails (base/trap.h).
 */
#include "base/alloc.h"
#include "base/error.h"
#include "serve/served.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define HUGETLBFS_TYPE 0x958458f6
#define LARGE	       (2 * MIB)

void windows_init(struct serve_windows *w)
{
	pthread_mutex_init(&w->lock, NULL);
}

void windows_fini(struct serve_windows *w)
{
	alloc_free(w->list);
	pthread_mutex_destroy(&w->lock);
}

/* The index of the first window that ends after addr. Called with the lock held. */
static u32 window_index(const struct serve_windows *w, u64 addr)
{
	u32 low = 0, high = w->n;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (w->list[middle].addr + (w->list[middle].size - 1) < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool window_find(struct serve_windows *w, u64 addr, struct serve_window *out)
{
	bool found;
	u32 i;

	pthread_mutex_lock(&w->lock);
	i = window_index(w, addr);
	found = i < w->n;
	if (found)
		*out = w->list[i];
	pthread_mutex_unlock(&w->lock);
	return found;
}

bool window_was_there(struct serve_windows *w, u64 addr, u64 size)
{
	bool found = false;

	pthread_mutex_lock(&w->lock);
	for (u32 i = 0; i < SERVE_HISTORY && !found; i++) {
		u64 at = w->gone[i].addr, n = w->gone[i].size;

		found = n && (at < addr ? addr - at < n : at - addr < size);
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

void window_forget(struct serve_windows *w)
{
	pthread_mutex_lock(&w->lock);
	memset(w->gone, 0, sizeof(w->gone));
	pthread_mutex_unlock(&w->lock);
}

/* Reserves addresses so that the window can have large leaves in the page table. */
static u8 *window_reserve(struct serve_window *w, u64 leaf)
{
	u8 *base, *at;

	if (w->size > SIZE_MAX - leaf)
		return NULL;
	base = mmap(NULL, w->size + leaf, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	at = base + ((w->addr - (uintptr_t)base) & (leaf - 1));
	if (at != base)
		munmap(base, (size_t)(at - base));
	if (leaf != (u64)(at - base))
		munmap(at + w->size, leaf - (u64)(at - base));
	return at;
}

static int window_mmap(struct serve_window *w, int fd, u64 offset, u64 granule)
{
	u64 leaf = w->size >= GIB ? GIB : w->size >= LARGE ? LARGE : PAGE_BYTES;
	u64 before = offset & (granule - 1);
	int prot = (w->flags & VFUSER_MAP_READ ? PROT_READ : 0) |
		   (w->flags & VFUSER_MAP_WRITE ? PROT_READ | PROT_WRITE : 0);
	u8 *at = granule > PAGE_BYTES ? NULL : window_reserve(w, leaf), *p;

	if (granule == PAGE_BYTES && !at)
		return ENOMEM;
	w->map_size = align_up(before + w->size, granule);
	p = mmap(at, w->map_size, prot, MAP_SHARED | MAP_NORESERVE | (at ? MAP_FIXED : 0), fd,
		 (off_t)(offset - before));
	if (p == MAP_FAILED) {
		int err = errno;

		if (at)
			munmap(at, w->size);
		return err == EINVAL || err == EACCES || err == ENODEV ? err : ENOMEM;
	}
	madvise(p, w->map_size, MADV_DONTFORK);
	w->map = p;
	w->mem = p + before;
	return 0;
}

/* Maps the file into this process. 0, or a positive errno. */
static int window_open_file(struct serve_window *w, int fd, u64 offset)
{
	struct statfs fs;
	struct stat st;
	u64 granule = PAGE_BYTES;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    !range_within(offset, w->size, (u64)st.st_size) || offset & (PAGE_BYTES - 1))
		return EINVAL;
	if (!fstatfs(fd, &fs) && (u32)fs.f_type == HUGETLBFS_TYPE && is_pow2((u64)fs.f_bsize))
		granule = max_u64(granule, (u64)fs.f_bsize);
	if (w->size > INT64_MAX - 2 * granule)
		return EINVAL;
	return window_mmap(w, fd, offset, granule);
}

static void window_close_file(struct serve_window *w)
{
	if (w->map)
		munmap(w->map, w->map_size);
	w->map = NULL;
}

/* Makes the window's memory accessible for the device. 0, -errno. */
static int window_publish(struct served *s, const struct serve_window *w)
{
	u64 flags = (w->flags & VFUSER_MAP_READ ? PT_READ : 0) |
		    (w->flags & VFUSER_MAP_WRITE ? PT_WRITE : 0);
	struct backend_space *space;
	int err;

	if (!w->mem || !s->dev)
		return 0;
	space = &s->dev->domain->space;
	err = domain_check_tables(w->size >= GIB ? LARGE : PAGE_BYTES, w->size);
	if (!err)
		err = space->ops->map(space, IOVA(w->addr), phys_of(w->mem), w->size, flags);
	return err;
}

/* When it returns, the device does not access the window's memory. */
static void window_withdraw(struct served *s, const struct serve_window *w)
{
	struct domain *dom;

	if (!w->mem || !s->dev)
		return;
	dom = s->dev->domain;
	dom->space.ops->unmap(&dom->space, IOVA(w->addr), w->size);
	domain_cut_off(dom, w->addr >> PAGE_BITS, w->size >> PAGE_BITS);
}

/* Called with the lock held. 0, or a positive errno. */
static int window_grow(struct serve_windows *w)
{
	u32 room = w->room ? 2 * w->room : 16;
	void *p;

	if (w->n < w->room)
		return 0;
	if (w->n >= SERVE_WINDOWS)
		return ENOSPC;
	p = alloc_grow(w->list, w->room * sizeof(*w->list), room * sizeof(*w->list));
	if (!p)
		return ENOMEM;
	w->list = p;
	w->room = room;
	return 0;
}

/* Checks that the range is free and that there is an entry for it. 0, or a positive errno. */
static int window_check_free(struct serve_windows *w, u64 addr, u64 size)
{
	int err;
	u32 i;

	pthread_mutex_lock(&w->lock);
	i = window_index(w, addr);
	err = i < w->n && (w->list[i].addr <= addr || w->list[i].addr - addr < size)
		      ? EEXIST
		      : window_grow(w);
	pthread_mutex_unlock(&w->lock);
	return err;
}

static void window_insert(struct serve_windows *w, const struct serve_window *new)
{
	u32 i;

	pthread_mutex_lock(&w->lock);
	i = window_index(w, new->addr);
	memmove(&w->list[i + 1], &w->list[i], (w->n - i) * sizeof(*w->list));
	w->list[i] = *new;
	w->n++;
	pthread_mutex_unlock(&w->lock);
}

int window_map(struct served *s, const struct vfuser_dma_map *m, int fd)
{
	struct serve_window w = {.addr = m->address, .size = m->size, .flags = m->flags};
	int err;

	if (m->argsz < sizeof(*m) || !m->flags ||
	    m->flags & ~(VFUSER_MAP_READ | VFUSER_MAP_WRITE) || !m->size ||
	    (m->address | m->size) & (PAGE_BYTES - 1) ||
	    !range_within(m->address, m->size, 1ull << PT_IOVA_BITS))
		return EINVAL;
	err = window_check_free(&s->windows, w.addr, w.size);
	if (!err && fd >= 0)
		err = window_open_file(&w, fd, m->offset);
	if (err)
		return err;
	err = -window_publish(s, &w);
	if (err) {
		window_close_file(&w);
		return err;
	}
	window_insert(&s->windows, &w);
	return 0;
}

/* Removes the window of this index from the list and the device. */
static void window_remove(struct served *s, u32 i)
{
	struct serve_windows *w = &s->windows;
	struct serve_window old = w->list[i];

	pthread_mutex_lock(&w->lock);
	w->n--;
	memmove(&w->list[i], &w->list[i + 1], (w->n - i) * sizeof(*w->list));
	w->gone[w->gone_next].addr = old.addr;
	w->gone[w->gone_next].size = old.size;
	w->gone_next = (w->gone_next + 1) % SERVE_HISTORY;
	pthread_mutex_unlock(&w->lock);
	window_withdraw(s, &old);
	window_close_file(&old);
}

int window_unmap(struct served *s, u64 addr, u64 size)
{
	struct serve_windows *w = &s->windows;
	u32 i = window_index(w, addr); /* only this thread changes the list */

	if (i == w->n || w->list[i].addr != addr || w->list[i].size != size)
		return ENOENT;
	window_remove(s, i);
	return 0;
}

void window_unmap_all(struct served *s)
{
	while (s->windows.n)
		window_remove(s, s->windows.n - 1);
}

int window_restore(struct served *s)
{
	int err = 0;

	for (u32 i = 0; i < s->windows.n && !err; i++)
		err = window_publish(s, &s->windows.list[i]);
	return err;
}
