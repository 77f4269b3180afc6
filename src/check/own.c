/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owner check. While the device owns a streaming buffer:
 *
 * - in a program with AddressSanitizer the bytes that the device may write are poisoned, and under
 *   valgrind they are not addressable, so that the tool reports the CPU's access;
 * - otherwise whole pages of RAM are protected (guard.c) from writes, and from reads as well if the
 *   device may write;
 * - memory that the device only reads also has a checksum for each line, which is compared when the
 *   CPU becomes the owner again. This covers parts of pages and memory outside RAM.
 *
 * Devices access RAM through a second mapping of its file, which is never protected. A page stays
 * unprotected if only a part of it belongs to the device, because a correct access must never be
 * reported. A scatterlist is handed over as a whole.
 */
#include "check/own.h"
#include "shadow/subbuf.h"
#include "base/alloc.h"
#include "base/asan.h"
#include "base/error.h"

#include <linux/dma-mapping.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND		 0
#define VALGRIND_MAKE_MEM_NOACCESS(p, n) (0)
#define VALGRIND_MAKE_MEM_DEFINED(p, n)	 (0)
#endif

#define LINE 64
#define OPEN 0 /* instead of a checksum: the CPU owns the line */

struct own_sums {
	u64 lines;
	u32 sum[];
};

/* Whether a tool checks every byte. Only for memory that the CPU may neither read nor write. */
static bool own_by_tool(enum dma_data_direction dir)
{
	return dir != DMA_TO_DEVICE && (asan_is_on() || RUNNING_ON_VALGRIND);
}

static void own_tool_close(void *p, u64 size)
{
	if (asan_is_on())
		asan_poison(p, size);
	(void)VALGRIND_MAKE_MEM_NOACCESS(p, size);
}

static void own_tool_open(void *p, u64 size)
{
	if (asan_is_on())
		asan_unpoison(p, size);
	(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
}

/* Computes the pages that are completely in the range. Returns false if there are none. */
static bool own_whole_pages(u64 pa, u64 size, u64 *first, u64 *bytes)
{
	u64 from = align_up(pa, PAGE_BYTES), end = align_down(pa + size, PAGE_BYTES);

	*first = from;
	*bytes = from < end ? end - from : 0;
	return *bytes && pa < PHYS_FOREIGN;
}

static void own_close_part(u64 pa, u64 size, enum dma_data_direction dir)
{
	u64 first, bytes;

	if (pa >= PHYS_FOREIGN)
		return;
	if (own_by_tool(dir))
		own_tool_close(mem.base + pa, size);
	else if (own_whole_pages(pa, size, &first, &bytes))
		guard_close(first, bytes, dir == DMA_TO_DEVICE);
}

static void own_open_part(u64 pa, u64 size, enum dma_data_direction dir)
{
	if (pa >= PHYS_FOREIGN)
		return;
	if (own_by_tool(dir))
		own_tool_open(mem.base + pa, size);
	else
		guard_open(align_down(pa, PAGE_BYTES),
			   align_up(pa + size, PAGE_BYTES) - align_down(pa, PAGE_BYTES));
}

/* ---- checksums ---- */

static __attribute__((no_sanitize("address"))) u32 own_sum_of(const u8 *p, u64 n)
{
	u64 h = 0xcbf29ce484222325ull;

	for (u64 i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	h ^= h >> 32;
	return (u32)h == OPEN ? 1 : (u32)h;
}

/*
 * Reads memory. The process's memory is read by a system call, since it may have been unmapped;
 * returns false in that case.
 */
static bool own_read_memory(u64 pa, void *out, u64 n)
{
	struct iovec to = {out, n}, from = {phys_ptr(PHYS(pa)), n};

	if (pa < PHYS_FOREIGN) {
		/* by the second mapping, because the first may be protected */
		memcpy(out, guard_view() ? guard_view() + pa : mem.base + pa, n);
		return true;
	}
	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)n;
}

struct own_change {
	bool any;
	u64 offset;
};

/*
 * Processes the lines of the mapping's memory at [pa, pa + size) that overlap [from, end): compares
 * their checksums and marks them as owned by the CPU, or computes their checksums. The first line
 * has number `line`.
 */
static void own_each_line(struct own_sums *sums, u64 line, u64 pa, u64 size, u64 from, u64 end,
			  bool compare, struct own_change *change)
{
	u8 buf[LINE];

	for (u64 off = 0; off < size && line < sums->lines; off += LINE, line++) {
		u64 n = min_u64(LINE, size - off), at = pa + off;

		if (at >= end || at + n <= from)
			continue;
		if (!own_read_memory(at, buf, n)) {
			sums->sum[line] = OPEN;
			continue;
		}
		if (!compare) {
			sums->sum[line] = own_sum_of(buf, n);
			continue;
		}
		if (sums->sum[line] != OPEN && sums->sum[line] != own_sum_of(buf, n) &&
		    !change->any)
			*change = (struct own_change){true, line * LINE};
		sums->sum[line] = OPEN;
	}
}

static u64 own_lines_of(u64 size)
{
	return (size + LINE - 1) / LINE;
}

/* Processes the part [from, end) of the mapping's memory. */
static void own_sums_do(struct shadow *s, u64 from, u64 end, bool compare,
			struct own_change *change)
{
	u64 line = own_lines_of(s->phys.size);

	own_each_line(s->sums, 0, s->phys.start, s->phys.size, from, end, compare, change);
	for (struct store_range *r = s->dma.more; r; r = r->more)
		if (r->space == SPACE_PHYS) {
			own_each_line(s->sums, line, r->start, r->size, from, end, compare, change);
			line += own_lines_of(r->size);
		}
}

/* Memory that the CPU owns initially has no checksums yet. */
static void own_sums_make(struct shadow *s)
{
	u64 lines = own_lines_of(s->phys.size);
	struct own_change none;
	int saved = errno;

	for (struct store_range *r = s->dma.more; r; r = r->more)
		if (r->space == SPACE_PHYS)
			lines += own_lines_of(r->size);
	s->sums = alloc_zeroed(sizeof(*s->sums) + lines * sizeof(s->sums->sum[0]));
	if (s->sums) {
		s->sums->lines = lines;
		if (!subbuf_begins_as_cpu(s->call, s->attrs))
			own_sums_do(s, 0, ~0ull, false, &none);
	}
	errno = saved;
}

static void own_sums_compare(struct shadow *s, u64 from, u64 end, const void *caller)
{
	struct own_change change = {0};
	struct report_about a;

	own_sums_do(s, from, end, true, &change);
	if (!change.any || __atomic_exchange_n(&s->caught, false, __ATOMIC_RELAXED))
		return;
	a = about_of(s->c, DMAMAP_CHECK_OWN_CPU_WRITE, s->dma.start, s->dma.size,
		     (enum dma_data_direction)s->dir, caller);
	a.what[0] = "mapped";
	a.at[0] = s->mapped;
	report_misuse(
		&a,
		"the CPU wrote to the buffer at %#llx, at byte %llu or up to %d behind it, while "
		"the "
		"device owned it: dma_sync_single_for_cpu() first",
		(unsigned long long)s->dma.start, (unsigned long long)change.offset, LINE - 1);
}

/* ---- owners ---- */

static bool own_is_watched(const struct shadow *s)
{
	return s->phys.size && s->call != CALL_COHERENT && s->call != CALL_RANGE && !s->shared;
}

static void own_each_part(struct shadow *s, void (*fn)(u64, u64, enum dma_data_direction))
{
	fn(s->phys.start, s->phys.size, (enum dma_data_direction)s->dir);
	for (struct store_range *r = s->dma.more; r; r = r->more)
		if (r->space == SPACE_PHYS)
			fn(r->start, r->size, (enum dma_data_direction)s->dir);
}

void own_begin(struct shadow *s)
{
	if (likely(!read_once(&s->c->own)) || !own_is_watched(s))
		return;
	s->guarded = true;
	if (s->dir == DMA_TO_DEVICE)
		own_sums_make(s);
	if (!subbuf_begins_as_cpu(s->call, s->attrs))
		own_each_part(s, own_close_part);
}

void own_end(struct shadow *s, const void *caller)
{
	if (likely(!s->guarded))
		return;
	own_each_part(s, own_open_part);
	if (s->sums && caller)
		own_sums_compare(s, 0, ~0ull, caller);
	alloc_free(s->sums);
	s->sums = NULL;
	s->guarded = false;
}

/*
 * Computes the memory of [addr, addr + size). Returns false if the mapping's memory is in several
 * pieces.
 */
static bool own_part_of(const struct shadow *s, u64 addr, u64 size, u64 *pa)
{
	if (s->call == CALL_SG || s->dma.more || addr < s->dma.start ||
	    !range_within(addr - s->dma.start, size, s->dma.size))
		return false;
	*pa = s->phys.start + (addr - s->dma.start);
	return true;
}

/* Widens a part to whole pages, within the mapping. */
static void own_widen_to_pages(const struct shadow *s, u64 *addr, u64 *size)
{
	u64 offset = s->phys.start - s->dma.start, from = align_down(*addr + offset, PAGE_BYTES),
	    end = align_up(*addr + *size + offset, PAGE_BYTES);

	from = max_u64(from, s->phys.start);
	end = min_u64(end, s->phys.start + s->phys.size);
	*addr = from - offset;
	*size = end - from;
}

static bool own_open_all(struct store_range *r, void *arg)
{
	if (r == &r->of->dma && r->of->c == arg && r->of->guarded)
		own_each_part(r->of, own_open_part);
	return true;
}

void check_own_end(struct check_device *c)
{
	store_walk(own_open_all, c);
}

void own_to_cpu(struct shadow *s, const struct own_part *p, const void *caller)
{
	u64 pa = 0, open_addr = p->open_addr, open_size = p->open_size;
	struct own_change ignored = {0};
	bool part;

	if (likely(!s->guarded))
		return;
	part = !p->whole && own_part_of(s, p->addr, p->size, &pa);
	if (part && !open_size) {
		open_addr = p->addr;
		open_size = p->size;
		own_widen_to_pages(s, &open_addr, &open_size);
	}
	if (part)
		own_open_part(s->phys.start + (open_addr - s->dma.start), open_size,
			      (enum dma_data_direction)s->dir);
	else
		own_each_part(s, own_open_part);
	if (!s->sums)
		return;
	own_sums_compare(s, part ? pa : 0, part ? pa + p->size : ~0ull, caller);
	if (part && p->open_size) /* the CPU may write the rest of the open part from now on */
		own_sums_do(s, s->phys.start + (open_addr - s->dma.start),
			    s->phys.start + (open_addr - s->dma.start) + open_size, true, &ignored);
}

void own_to_device(struct shadow *s, u64 addr, u64 size, bool whole)
{
	struct own_change none;
	bool part;
	u64 pa = 0;

	if (likely(!s->guarded))
		return;
	whole |= s->call != CALL_SG && addr == s->dma.start && size == s->dma.size;
	part = !whole && own_part_of(s, addr, size, &pa);
	if (!whole && !part)
		/* it is not known which pages belong to the part, so the CPU keeps them */
		return;
	if (s->sums)
		own_sums_do(s, part ? pa : 0, part ? pa + size : ~0ull, false, &none);
	if (part)
		own_close_part(pa, size, (enum dma_data_direction)s->dir);
	else
		own_each_part(s, own_close_part);
}
