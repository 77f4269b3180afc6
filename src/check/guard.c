/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protection of pages from the CPU, the second mapping of RAM through which devices and the checker
 * access protected pages, and the handler of the CPU's faults. The handler reports the fault and
 * unprotects the page, and the access is repeated. Other faults are passed to the program's
 * handler.
 *
 * The handler searches the store, so no thread may access the program's memory through the first
 * mapping while it holds a lock of the store. A system call that is passed a protected page does
 * not fault; it fails with EFAULT.
 */
#include "check/own.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/trap.h"
#include "mem/ram.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u32 users; /* devices with the owner check; atomic, written under lock */
/* The second mapping, of view_span bytes; atomic; exists until no device is checked. */
static u8 *view;
static u64 view_span; /* under lock */

u8 *guard_view(void)
{
	return read_acquire(&view);
}

void guard_close(u64 pa, u64 size, bool readable)
{
	int saved = errno;

	/* the process may have too many mappings; these pages are then not checked */
	if (guard_view() && mprotect(mem.base + pa, size, readable ? PROT_READ : PROT_NONE))
		errno = saved;
}

void guard_open(u64 pa, u64 size)
{
	int saved = errno;

	if (guard_view() && mprotect(mem.base + pa, size, PROT_READ | PROT_WRITE))
		errno = saved;
}

static bool guard_find_mapping(struct store_range *r, void *arg)
{
	struct shadow_found *f = arg;

	if (!r->of->guarded)
		return true;
	shadow_copy(f, r->of);
	write_once(&r->of->caught, true);
	return false;
}

static bool guard_was_write(const ucontext_t *u, const struct shadow_found *f)
{
#if defined(__x86_64__)
	return u->uc_mcontext.gregs[REG_ERR] & 2;
#else
	return f->dir == DMA_TO_DEVICE; /* reads are allowed in this case */
#endif
}

/* The address of the access + 1, since a return address is behind its call. */
static const void *guard_fault_caller(const ucontext_t *u)
{
#if defined(__x86_64__)
	return (const void *)(uintptr_t)(u->uc_mcontext.gregs[REG_RIP] + 1);
#else
	return NULL;
#endif
}

static void guard_report_fault(const struct shadow_found *f, u64 pa, const ucontext_t *u)
{
	bool write = guard_was_write(u, f);
	struct report_about a =
		about_of(f->c, write ? DMAMAP_CHECK_OWN_CPU_WRITE : DMAMAP_CHECK_OWN_CPU_READ,
			 f->start, f->size, (enum dma_data_direction)f->dir, guard_fault_caller(u));

	a.what[0] = "mapped";
	a.at[0] = f->mapped;
	report_misuse(&a,
		      "the CPU %s %p, in the buffer mapped at %#llx, while the device %s it: "
		      "dma_sync_single_for_cpu() or unmap first",
		      write ? "wrote to" : "read", (void *)(mem.base + pa),
		      (unsigned long long)f->start, write ? "owned" : "may be writing");
}

static bool guard_on_fault(int sig, siginfo_t *info, void *context)
{
	u64 pa = (u64)((u8 *)info->si_addr - mem.base), page = align_down(pa, PAGE_BYTES);
	struct shadow_found f = {0};
	int saved = errno;

	if (sig != SIGSEGV || info->si_code != SEGV_ACCERR || !read_once(&users) || pa >= mem.span)
		return false;
	store_search(SPACE_PHYS, pa, 1, guard_find_mapping, &f);
	if (!f.any)
		store_search(SPACE_PHYS, page, PAGE_BYTES, guard_find_mapping, &f);
	guard_open(page, PAGE_BYTES);
	if (f.any)
		guard_report_fault(&f, pa, context);
	errno = saved;
	return true;
}

/* Under lock. */
static int guard_make_view(void)
{
	u8 *p = mem_reserve(mem.span, PROT_NONE, "the devices' view of RAM");
	int err;

	if (!p)
		return -ENOMEM;
	err = mem_map_at(p, PHYS(0), mem.low, PROT_READ | PROT_WRITE);
	if (!err && mem.span > MEM_DMA32_END)
		err = mem_map_at(p + MEM_DMA32_END, PHYS(MEM_DMA32_END), mem.span - MEM_DMA32_END,
				 PROT_READ | PROT_WRITE);
	if (err) {
		mem_unreserve(p, mem.span);
		return err;
	}
	view_span = mem.span;
	write_release(&view, p);
	return 0;
}

int check_own_begin(struct check_device *c, u8 **out)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (!view)
		err = guard_make_view();
	if (!err && !c->has_view) {
		c->has_view = true;
		if (!users)
			trap_set_first(guard_on_fault);
		write_once(&users, users + 1);
	}
	*out = view;
	pthread_mutex_unlock(&lock);
	return err;
}

void own_device_closed(struct check_device *c)
{
	if (!c->has_view)
		return;
	c->has_view = false;
	pthread_mutex_lock(&lock);
	write_once(&users, users - 1);
	if (!users)
		trap_set_first(NULL);
	pthread_mutex_unlock(&lock);
}

void guard_reset(void)
{
	pthread_mutex_lock(&lock);
	if (view)
		mem_unreserve(view, view_span);
	write_release(&view, NULL);
	pthread_mutex_unlock(&lock);
}

static void guard_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	users = 0;
	view = NULL;
}

FORK_HOOK(guard_hook, NULL, NULL, guard_fork_child);
