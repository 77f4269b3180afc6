/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sequences of two-step calls with any arguments, on several ranges at a time, compared with an
 * oracle that stores for each granule its page and direction. The result of each call and the
 * device's access must match the oracle. At the end nothing may be left.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RANGES	 3
#define GRANULES 16
#define ORDER	 4 /* order of the number of pages of memory */

struct range {
	struct dma_iova_state state;
	u64 in, size, closed;
	u8 dir[GRANULES]; /* direction + 1; 0: not linked */
	u8 page[GRANULES];
};

static const char *const specs[] = {"sim,ram=64M", "sim,ram=64M,untrusted=1",
				    "sim,ram=64M,coherent=0", "sim,ram=64M,policy=lazy",
				    "sim,ram=64M,coherent=0,untrusted=1"};
static const char *spec;
static struct device *dev;
static struct range ranges[RANGES];
static u8 *memory;
static const uint8_t *input, *input_end;

#define check(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s: line %d: not %s: %s\n", spec, __LINE__, #what,        \
				dmamap_strerror());                                                \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static u64 take(u64 limit)
{
	u64 value = 0;

	for (int i = 0; i < 2 && input < input_end; i++)
		value = value << 8 | *input++;
	return value % limit;
}

/* Returns a length that is mostly near a granule's boundary, sometimes near 2^64. */
static u64 take_length(const struct range *r)
{
	u64 kind = take(16), v = take(GRANULES + 1) * PAGE_SIZE;

	if (kind == 0)
		return ~0ull - take(3 * PAGE_SIZE);
	if (kind == 1)
		return 1ull << take(64);
	if (kind < 4)
		return v + take(200);
	return v > r->in ? v - r->in : v;
}

static u64 granules(const struct range *r)
{
	return (r->in + r->size + PAGE_SIZE - 1) / PAGE_SIZE;
}

static bool within(u64 offset, u64 size, u64 limit)
{
	return offset <= limit && size <= limit - offset;
}

/* Returns the result that dma_iova_link() must have; 0: the link is entered. */
static int oracle_link(struct range *r, u64 offset, u64 size, u64 page, int dir)
{
	u64 first, last, end;

	if (!size || !within(offset, size, r->size) || (unsigned int)dir > DMA_FROM_DEVICE)
		return -EINVAL;
	first = (r->in + offset) / PAGE_SIZE;
	end = r->in + offset + size;
	last = (end - 1) / PAGE_SIZE;
	if ((offset && (r->in + offset) % PAGE_SIZE) || (r->closed && offset >= r->closed))
		return -EINVAL;
	for (u64 i = last + 1; end % PAGE_SIZE && i < granules(r); i++)
		if (r->dir[i])
			return -EINVAL;
	for (u64 i = first; i <= last; i++)
		if (r->dir[i])
			return -EEXIST;
	for (u64 i = first; i <= last; i++) {
		r->dir[i] = (u8)(dir + 1);
		r->page[i] = (u8)(page + (i - first));
	}
	if (end % PAGE_SIZE)
		r->closed = offset + size;
	return 0;
}

static void oracle_unlink(struct range *r, u64 offset, u64 size)
{
	u64 limit = r->closed ? r->closed : r->size;

	if (!size || !within(offset, size, r->size))
		return;
	for (u64 i = 0; i < granules(r); i++) {
		u64 start = i ? i * PAGE_SIZE - r->in : 0, end = (i + 1) * PAGE_SIZE - r->in;

		end = end < limit ? end : limit;
		if (!r->dir[i] || start < offset || end > offset + size)
			continue;
		r->dir[i] = 0;
		if (r->closed == end)
			r->closed = 0;
	}
}

static void do_link(struct range *r)
{
	u64 offset = take_length(r), size = take_length(r), page = take(1 << ORDER), phys;
	int dir = (int)take(20) - 1, want, got;

	dir = dir < 3 ? dir : dir % 3;
	if (within(offset, size, r->size) && size &&
	    page + (((r->in + offset) % PAGE_SIZE) + size - 1) / PAGE_SIZE >= 1u << ORDER)
		return; /* the call would link memory after the harness's pages */
	phys = virt_to_phys(memory) + page * PAGE_SIZE + (r->in + offset) % PAGE_SIZE;
	want = oracle_link(r, offset, size, page, dir);
	got = dma_iova_link(dev, &r->state, phys, offset, size, (enum dma_data_direction)dir,
			    take(4) ? 0 : DMA_ATTR_SKIP_CPU_SYNC);
	check(got == want);
	check(!got || *dmamap_strerror());
	check(dma_iova_sync(dev, &r->state, 0, r->size) == 0);
}

static bool may(const struct range *r, u64 at, u64 len, bool write)
{
	for (u64 i = at / PAGE_SIZE; i <= (at + len - 1) / PAGE_SIZE; i++)
		if (i >= granules(r) || !r->dir[i] ||
		    r->dir[i] == 1 + (write ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
			return false;
	return true;
}

static void do_access(struct range *r)
{
	static u8 buf[3 * PAGE_SIZE];
	u64 at = take(granules(r) * PAGE_SIZE), len = take(2 * PAGE_SIZE) + 1;
	bool write = take(2), plain = !strchr(spec, '1') && !strstr(spec, "coherent=0");
	struct dmamap_fault fault;
	u64 i, behind;
	int err;

	if (!may(r, at, len, write) && strstr(spec, "lazy"))
		return;
	/* another range may follow */
	if (at + len > granules(r) * PAGE_SIZE)
		return;
	err = write ? dmamap_bus_write(dev, r->state.addr - r->in + at, buf, len)
		    : dmamap_bus_read(dev, r->state.addr - r->in + at, buf, len);
	check(err == (may(r, at, len, write) ? 0 : -EFAULT));
	while (dmamap_bus_fault_next(dev, &fault))
		;
	for (i = 0; !err && !write && plain && i < len; i += 97) {
		behind = r->page[(at + i) / PAGE_SIZE] * PAGE_SIZE + (at + i) % PAGE_SIZE;
		check(buf[i] == memory[behind]);
	}
}

static void step(void)
{
	struct range *r = &ranges[take(RANGES)];
	u64 what = take(12), offset, size;

	if (!dma_use_iova(&r->state)) {
		memset(r, 0, sizeof(*r));
		r->in = take(2) ? take(PAGE_SIZE) : 0;
		r->size = take(GRANULES * PAGE_SIZE - r->in) + 1;
		check(dma_iova_try_alloc(dev, &r->state, r->in, r->size));
		return;
	}
	offset = take_length(r);
	size = take_length(r);
	if (what < 4) {
		do_link(r);
	} else if (what < 6) {
		oracle_unlink(r, offset, size);
		dma_iova_unlink(dev, &r->state, offset, size, (enum dma_data_direction)take(5), 0);
	} else if (what == 6) {
		dma_iova_sync_for_cpu(dev, &r->state, offset, size,
				      (enum dma_data_direction)take(5));
	} else if (what == 7) {
		dma_iova_sync_for_device(dev, &r->state, offset, size,
					 (enum dma_data_direction)take(5));
	} else if (what == 8 && take(4) == 0) {
		dma_iova_destroy(dev, &r->state, size, (enum dma_data_direction)take(5), 0);
		check(!dma_use_iova(&r->state));
	} else {
		do_access(r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dmamap_stats stats = {.size = sizeof(stats)};

	if (size < 4)
		return 0;
	input = data;
	input_end = data + size;
	spec = specs[take(sizeof(specs) / sizeof(specs[0]))];
	dev = dmamap_open(spec);
	check(dev);
	memory = (u8 *)__get_free_pages(GFP_KERNEL, ORDER);
	check(memory);
	for (u64 i = 0; i < PAGE_SIZE << ORDER; i++)
		memory[i] = (u8)(i * 7 + (i >> 12));
	memset(ranges, 0, sizeof(ranges));
	while (input < input_end)
		step();
	for (int i = 0; i < RANGES; i++)
		if (dma_use_iova(&ranges[i].state))
			dma_iova_free(dev, &ranges[i].state);
	check(!dmamap_stats(dev, &stats) && !stats.iova_ranges && !stats.bounce_full);
	free_pages((unsigned long)memory, ORDER);
	dmamap_close(dev);
	return 0;
}
