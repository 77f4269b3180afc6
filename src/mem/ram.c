/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM: the sparse file, the address window where it is mapped, and their creation and destruction.
 *
 * `users` counts the users of RAM: open devices, vmalloc areas and allocated pages. RAM is created
 * when `users` leaves 0 and destroyed when it reaches 0, both under `life`. All other changes of
 * `users` are made without a lock. A thread that owns a count may therefore use `mem` without a
 * lock. `areas` is the part of the count that is not pages.
 *
 * The window is aligned to the largest block, so that every block is also aligned to its size in
 * CPU addresses. The window is reserved without memory; only touched pages use memory. Counts are
 * bounded by RAM's pages and the devices in memory; nothing can overflow.
 */
#include "mem/mem.h"
#include "mem/page.h"
#include "mem/cpu_cache.h"
#include "mem/ram.h"
#include "mem/watch.h"

#include "base/copy.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WINDOW_ALIGN	    GIB
#define PUNCH_MIN	    (2 * MIB)
#define LARGE_BYTES	    (2 * MIB)
#define MADV_COLLAPSE_LINUX 25 /* Debian 12's headers lack MADV_COLLAPSE */
#define RAM_PROT	    (PROT_READ | PROT_WRITE)

const struct mem_watch *mem_watch;
struct mem mem = {.base = MEM_NOWHERE, .vm_base = MEM_NOWHERE, .fd = -1};

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static struct mem_layout now; /* the layout while mem.span is not 0; under life */
static u64 users, areas;      /* atomic */

/*
 * A hole in the file would separate the process from pages that a device has pinned. Under
 * punch_lock.
 */
static bool pinned;
static pthread_mutex_t punch_lock = PTHREAD_MUTEX_INITIALIZER;

/* Held while RAM is being mapped, so that no child of fork has a mapping without MADV_DONTFORK. */
static pthread_mutex_t map_lock = PTHREAD_MUTEX_INITIALIZER;

static void *ram_reserve(u64 size, int prot, const char *what)
{
	void *p = MAP_FAILED;

	if (!fail_here(FAIL_MEMORY, NULL))
		p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return error_null(
			ENOMEM,
			"cannot reserve %llu MiB of address space for %s: give a "
			"smaller ram, or raise the limits (ulimit -v, vm.overcommit_memory)",
			(unsigned long long)(size / MIB), what);
	return p;
}

void *mem_reserve(u64 size, int prot, const char *what)
{
	void *p = ram_reserve(size, prot, what);

	if (p)
		fork_range_add(p, size);
	return p;
}

void mem_unreserve(void *p, u64 size)
{
	fork_range_remove(p);
	munmap(p, size);
}

/* The size of the window is rounded up, like that of the page map. */
static u8 *ram_window_make(u64 span, const char *what)
{
	u64 size = align_up(span, WINDOW_ALIGN);
	u8 *p = ram_reserve(size + WINDOW_ALIGN, PROT_NONE, what);
	u64 head;

	if (!p)
		return NULL;
	head = align_up((uintptr_t)p, WINDOW_ALIGN) - (uintptr_t)p;
	if (head)
		munmap(p, head);
	munmap(p + head + size, WINDOW_ALIGN - head);
	fork_range_add(p + head, size);
	return p + head;
}

static void ram_window_free(u8 *base, u64 span)
{
	mem_unreserve(base, align_up(span, WINDOW_ALIGN));
}

/* The mapping is absent in a child of fork. */
static bool ram_map_absent(void *at, u64 size, int prot, int flags, int fd, u64 offset)
{
	bool mapped;

	pthread_mutex_lock(&map_lock);
	mapped = mmap(at, size, prot, flags, fd, (off_t)offset) != MAP_FAILED;
	if (mapped)
		madvise(at, size, MADV_DONTFORK);
	pthread_mutex_unlock(&map_lock);
	return mapped;
}

bool mem_map_zero(void *at, u64 size, int prot)
{
	return ram_map_absent(at, size, prot,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static int ram_map_fixed(void *at, u64 size, int prot, int fd, u64 offset)
{
	int flags = MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	bool mapped = false;

	if (!fail_here(FAIL_MEMORY, NULL))
		mapped = ram_map_absent(at, size, prot, flags, fd, offset);
	if (!mapped)
		return error_set(ENOMEM,
				 "cannot map %llu KiB of RAM: the process has too many mappings "
				 "(vm.max_map_count) or too little address space",
				 (unsigned long long)(size / KIB));
	return 0;
}

/* Maps both parts of a window, from a file or anonymously (fd -1). */
static int ram_window_fill(u8 *base, const struct mem_layout *l, int fd)
{
	int err = ram_map_fixed(base, l->low, RAM_PROT, fd, 0);

	if (!err && l->span > l->low)
		err = ram_map_fixed(base + MEM_DMA32_END, l->ram - l->low, RAM_PROT, fd, l->low);
	return err;
}

/* The device view of RAM, followed by its counts (mem/cpu_cache.h). */
static u64 cpu_cache_span(u64 span)
{
	return span + cpu_cache_counts_size(span);
}

/* Growing a file beyond RLIMIT_FSIZE would raise SIGXFSZ. */
static int ram_file_size_ok(u64 size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY ||
	    size <= limit.rlim_cur)
		return 0;
	return error_set(ENOMEM,
			 "cannot make %llu MiB of RAM: files may have %llu MiB here; give a "
			 "smaller ram or raise the limit (ulimit -f)",
			 (unsigned long long)(size / MIB),
			 (unsigned long long)(limit.rlim_cur / MIB));
}

static int ram_file_make(u64 size)
{
	int fd, err = ram_file_size_ok(size);

	if (err)
		return err;
	if (fail_here(FAIL_MEMORY, NULL))
		return error_set(ENOMEM, "cannot make the file behind RAM: no memory");
	fd = memfd_create("dmamap-ram", MFD_CLOEXEC);
	if (fd < 0)
		return error_set(errno, "cannot make the file behind RAM (memfd_create): %s",
				 strerror(errno));
	if (ftruncate(fd, (off_t)size)) {
		err = error_set(errno,
				"cannot make %llu MiB of RAM (ftruncate): %s; give a smaller ram",
				(unsigned long long)(size / MIB), strerror(errno));
		close(fd);
		return err;
	}
	fork_fd_add(fd);
	return fd;
}

/* Rounded up, so that the buddy of every block has an entry. */
static u64 ram_map_bytes(u64 span)
{
	return align_up(span, WINDOW_ALIGN) >> (PAGE_BITS - PAGE_STRUCT_BITS);
}

/*
 * Readers without a lock may read an old or a new value of each word; mem.h explains why both work.
 */
static void ram_publish(u8 *base, struct page *map, const struct mem_layout *l, int fd)
{
	mem.low = l->low;
	mem.bounce_start = l->bounce_start;
	mem.bounce_size = l->bounce_size;
	mem.fd = fd;
	now = *l;
	write_once(&mem.map, map);
	write_once(&mem.base, base);
	write_once(&mem.span, l->span);
}

/* Under life. */
static int ram_make(const struct mem_config *want)
{
	struct mem_layout l;
	struct page *map;
	int fd, err;
	u8 *base;

	err = mem_layout_make(want, &l);
	if (err)
		return err;
	fd = ram_file_make(l.ram);
	if (fd < 0)
		return fd;
	err = -ENOMEM;
	base = ram_window_make(l.span, "RAM");
	if (!base)
		goto no_window;
	err = ram_window_fill(base, &l, fd);
	if (err)
		goto no_map;
	err = -ENOMEM;
	map = mem_reserve(ram_map_bytes(l.span), RAM_PROT, "the page map");
	if (!map)
		goto no_map;
	err = poison_init(l.span);
	if (err)
		goto no_poison;
	ram_publish(base, map, &l, fd);
	zones_init();
	return 0;

no_poison:
	mem_unreserve(map, ram_map_bytes(l.span));
no_map:
	ram_window_free(base, l.span);
no_window:
	fork_fd_close(fd);
	return err;
}

/* Under life, without users; RAM exists. */
static void ram_unmake(void)
{
	const struct mem_layout none = {0}, was = now;
	struct page *map = mem.map;
	u8 *base = mem.base;
	int saved = errno, fd = mem.fd;

	poison_fini();
	vm_forget();
	pinned = false; /* no device is left that has pinned pages */
	write_once(&mem.span, 0);
	if (mem.device_view)
		ram_window_free(mem.device_view, cpu_cache_span(was.span));
	mem.device_view = NULL;
	ram_publish(MEM_NOWHERE, NULL, &none, -1);
	mem_unreserve(map, ram_map_bytes(was.span));
	ram_window_free(base, was.span);
	fork_fd_close(fd);
	errno = saved;
}

/* Adds n users, unless there are none; in that case RAM may be being destroyed. */
static bool ram_users_join(u64 n)
{
	u64 seen = read_once(&users);

	while (seen)
		if (__atomic_compare_exchange_n(&users, &seen, seen + n, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* Returns true if these were the last users. */
static bool ram_users_leave(u64 n)
{
	return __atomic_sub_fetch(&users, n, __ATOMIC_ACQ_REL) == 0;
}

/* Under life: adds n users and creates RAM if needed. */
static int ram_users_start(const struct mem_config *want, u64 n)
{
	int err;

	if (ram_users_join(n))
		return 0;
	if (mem.span)
		ram_unmake(); /* the last user is waiting for `life` to do this */
	err = ram_make(want);
	if (!err)
		write_release(&users, n);
	return err;
}

static int ram_charge(u64 n)
{
	static const struct mem_config any;
	int err;

	if (likely(ram_users_join(n)))
		return 0;
	pthread_mutex_lock(&life);
	err = ram_users_start(&any, n);
	pthread_mutex_unlock(&life);
	return err;
}

static void ram_uncharge(u64 n)
{
	if (likely(!ram_users_leave(n)))
		return;
	pthread_mutex_lock(&life);
	if (!read_acquire(&users) && mem.span)
		ram_unmake();
	pthread_mutex_unlock(&life);
}

int mem_use_pages(u64 n)
{
	return ram_charge(n);
}

void mem_unuse_pages(u64 n)
{
	ram_uncharge(n);
}

int mem_use_area(void)
{
	int err = ram_charge(1);

	if (!err)
		__atomic_add_fetch(&areas, 1, __ATOMIC_RELAXED);
	return err;
}

void mem_unuse_area(void)
{
	__atomic_sub_fetch(&areas, 1, __ATOMIC_RELAXED);
	ram_uncharge(1);
}

u64 mem_pages_used(void)
{
	u64 others = read_once(&areas), all = read_once(&users);

	return all > others ? all - others : 0;
}

static int ram_key_differs(const char *key, u64 is, u64 want)
{
	return error_set(EBUSY,
			 "%s is %llu KiB and cannot change until the last device is closed and the "
			 "last page is freed; %llu KiB was requested: use the same size, or none",
			 key, (unsigned long long)(is / KIB), (unsigned long long)(want / KIB));
}

/* Under life: compares the existing RAM with the request. Only sizes that were given count. */
static int ram_compare(const struct mem_config *want)
{
	struct mem_config full = *want;
	struct mem_layout l;
	int err;

	if (!full.ram)
		full.ram = now.ram;
	err = mem_layout_make(&full, &l);
	if (err)
		return err;
	if (l.ram != now.ram)
		return ram_key_differs("ram", now.ram, l.ram);
	if (want->low_max && l.low != now.low)
		return ram_key_differs("RAM below 4 GiB", now.low, l.low);
	if (want->swiotlb && l.bounce_size != now.bounce_size)
		return ram_key_differs("swiotlb", now.bounce_size, l.bounce_size);
	return 0;
}

int mem_get(const struct mem_config *want)
{
	int err;

	pthread_mutex_lock(&life);
	err = ram_users_start(want, 1);
	if (!err && want->pinned) {
		pthread_mutex_lock(&punch_lock);
		pinned = true;
		pthread_mutex_unlock(&punch_lock);
	}
	if (!err) {
		__atomic_add_fetch(&areas, 1, __ATOMIC_RELAXED);
		err = ram_compare(want);
		if (err) {
			__atomic_sub_fetch(&areas, 1, __ATOMIC_RELAXED);
			if (ram_users_leave(1))
				ram_unmake();
		}
	}
	pthread_mutex_unlock(&life);
	return err;
}

void mem_put(void)
{
	mem_unuse_area();
}

int mem_need_device_view(void)
{
	int err = 0;
	u8 *device_view;

	pthread_mutex_lock(&life);
	if (mem.device_view)
		goto out;
	err = -ENOMEM;
	device_view = ram_window_make(cpu_cache_span(now.span), "the device view of RAM");
	if (!device_view)
		goto out;
	err = ram_window_fill(device_view, &now, -1);
	if (!err)
		err = ram_map_fixed(device_view + now.span, cpu_cache_counts_size(now.span),
				    RAM_PROT, -1, 0);
	if (err)
		ram_window_free(device_view, cpu_cache_span(now.span));
	else
		write_release(&mem.device_view, device_view);
out:
	pthread_mutex_unlock(&life);
	return err;
}

static u64 ram_file_offset(u64 pa)
{
	return pa < mem.low ? pa : pa - MEM_DMA32_END + mem.low;
}

/*
 * Whether the range is in one part of RAM, or crosses both parts and there is no gap between them.
 */
static bool ram_contains(u64 pa, u64 size)
{
	if (pa < mem.low && size <= mem.low - pa)
		return true;
	if (pa < MEM_DMA32_END && mem.low < MEM_DMA32_END)
		return false;
	return range_within(pa, size, mem.span);
}

int mem_map_at(void *va, phys_t pa, u64 size, int prot)
{
	if (((uintptr_t)va | pa.v | size) & (PAGE_BYTES - 1) || !size || !ram_contains(pa.v, size))
		return error_set(EINVAL,
				 "cannot map %llu bytes at physical address 0x%llx to %p: "
				 "not whole pages of RAM",
				 (unsigned long long)size, (unsigned long long)pa.v, va);
	return ram_map_fixed(va, size, prot, mem.fd, ram_file_offset(pa.v));
}

static bool ram_punch_hole(phys_t pa, u64 size)
{
	bool done;

	pthread_mutex_lock(&punch_lock);
	done = !pinned && !fallocate(mem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     (off_t)ram_file_offset(pa.v), (off_t)size);
	pthread_mutex_unlock(&punch_lock);
	return done;
}

void mem_zero(phys_t pa, u64 size)
{
	int saved = errno;

	if (size < PUNCH_MIN || !ram_punch_hole(pa, size))
		zero_unchecked(mem.base + pa.v, size);
	errno = saved;
}

/*
 * MADV_COLLAPSE exists since Linux 6.1 and works with every setting of transparent huge pages; on
 * older kernels RAM has small pages. A range without any page is not collapsed (EINVAL), so one
 * page of each piece is faulted in first, by reading a hole of the file.
 */
static void ram_make_large(u8 *at, u64 size)
{
	size = align_down(size, LARGE_BYTES);
	madvise(at, size, MADV_HUGEPAGE);
	for (u64 pos = 0; pos < size; pos += LARGE_BYTES)
		(void)*(const volatile u8 *)(at + pos);
	madvise(at, size, MADV_COLLAPSE_LINUX);
}

void mem_make_large(void)
{
	int saved = errno;

	ram_make_large(mem.base, mem.low);
	if (mem.span > MEM_DMA32_END)
		ram_make_large(mem.base + MEM_DMA32_END, mem.span - MEM_DMA32_END);
	errno = saved;
}

static void ram_fork_prepare(void)
{
	pthread_mutex_lock(&map_lock);
}

static void ram_fork_parent(void)
{
	pthread_mutex_unlock(&map_lock);
}

/*
 * The parent's RAM is absent in the child (base/fork.h). The child's RAM is created at its first
 * use.
 */
static void ram_fork_child(void)
{
	const struct mem_layout none = {0};

	pthread_mutex_unlock(&map_lock);
	pthread_mutex_init(&life, NULL);
	pthread_mutex_init(&punch_lock, NULL);
	pinned = false;
	users = areas = 0;
	mem.device_view = NULL;
	ram_publish(MEM_NOWHERE, NULL, &none, -1);
}

FORK_HOOK(ram_hook, ram_fork_prepare, ram_fork_parent, ram_fork_child);
