/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that maps and unmaps at random against a device that reads and writes at random,
 * compared with an oracle, which stores for each buffer what the device must read of it and which
 * accesses must be refused.
 *
 * Each slot has three pages of its own, which are mapped at most once at a time, from any offset.
 * Bytes of a slot outside its mapping are SECRET: a device that must not access anything beside a
 * mapping (untrusted=1) reads zeros there and cannot change them.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOTS	   8
#define SLOT_PAGES 3
#define SLOT_SIZE  (SLOT_PAGES * PAGE_SIZE)
#define SECRET	   0xee
#define MAX_ACCESS (2 * SLOT_SIZE)

struct slot {
	u8 *memory;
	size_t offset, size; /* the part that is mapped */
	enum dma_data_direction dir;
	dma_addr_t addr;
	bool live;
	/* the device's view: `span` bytes, which begin `front` bytes before addr */
	size_t front, span;
	u8 seen[SLOT_SIZE + PAGE_SIZE];
};

struct config {
	const char *spec;
	bool exact;  /* an access outside live mappings is always refused */
	bool whole;  /* the device can read and write the rest of a mapped page */
	bool secret; /* the device can never read it */
	bool lines;  /* only whole cache lines are mapped */
	u32 mask;    /* DMA address bits; 0: 64 */
};

static const struct config configs[] = {
	{"sim,ram=64M,policy=strict", .exact = true, .whole = true},
	{"sim,ram=64M,policy=strict,untrusted=1", .exact = true, .secret = true},
	{"sim,ram=64M,policy=strict,coherent=0", .exact = true, .lines = true},
	{"sim,ram=64M,policy=lazy", .whole = true},
	{"sim,ram=64M,policy=lazy,untrusted=1", .exact = true, .secret = true},
	{"sim,ram=64M,policy=identity", .whole = true},
	{"sim,ram=64M,policy=persistent", .whole = true},
	{"sim,ram=64M,iommu=0"},
	{"sim,ram=64M,iommu=0,coherent=0", .lines = true},
	{"sim,ram=64M,iommu=0,addr-bits=25", .mask = 25},
};

static const struct config *config;
static struct device *dev;
static struct slot slots[SLOTS];
static _Alignas(4096) u8 foreign[SLOTS / 2][SLOT_SIZE];
static const uint8_t *input, *input_end;

#define check(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s: line %d: not %s\n", config->spec, __LINE__, #what);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static u32 take(u32 limit)
{
	u32 value = 0;

	for (int i = 0; i < 2 && input < input_end; i++)
		value = value << 8 | *input++;
	return value % limit;
}

static bool may(const struct slot *s, bool write)
{
	return s->dir == DMA_BIDIRECTIONAL || s->dir == (write ? DMA_FROM_DEVICE : DMA_TO_DEVICE);
}

/*
 * Behind an IOMMU the device can access whole pages. The bytes beside the mapping are the slot's
 * own bytes, or zeros.
 */
static void map_view(struct slot *s)
{
	s->front = 0;
	s->span = s->size;
	if (config->exact || config->whole) {
		s->front = s->addr & (PAGE_SIZE - 1);
		s->span = (s->front + s->size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	}
	check(s->span <= sizeof(s->seen));
	memset(s->seen, 0, s->span);
	memcpy(s->seen + s->front, s->memory + s->offset, s->size);
	if (config->whole) {
		check(s->front == (s->offset & (PAGE_SIZE - 1)));
		memcpy(s->seen, s->memory + s->offset - s->front, s->span);
	}
}

static void map(struct slot *s)
{
	u32 unit = config->lines ? 64 : 1;

	s->offset = take(SLOT_SIZE / unit) * unit;
	s->size = (take((u32)(SLOT_SIZE - s->offset) / unit) + 1) * unit;
	s->dir = (enum dma_data_direction)take(3);
	memset(s->memory, SECRET, SLOT_SIZE);
	for (size_t i = 0; i < s->size; i++)
		s->memory[s->offset + i] = (u8)(i * 7 + s->offset) & 0x7f;
	s->addr = dma_map_single(dev, s->memory + s->offset, s->size, s->dir);
	s->live = !dma_mapping_error(dev, s->addr);
	if (s->live)
		map_view(s);
	else
		check(*dmamap_strerror());
}

static bool holds_what_was_seen(const struct slot *s)
{
	return memcmp(s->memory + s->offset, s->seen + s->front, s->size) == 0;
}

static void unmap(struct slot *s)
{
	size_t first = s->offset - (config->whole ? s->front : 0);
	size_t span = config->whole ? s->span : s->size;

	dma_unmap_single(dev, s->addr, s->size, s->dir);
	s->live = false;
	check(holds_what_was_seen(s));
	if (config->whole)
		check(memcmp(s->memory + first, s->seen, span) == 0);
	for (size_t i = 0; i < SLOT_SIZE; i++)
		if (i < first || i - first >= span)
			check(s->memory[i] == SECRET);
}

/* Returns the slot, and the place in its view, to which the device address refers. */
static struct slot *find(dma_addr_t addr, size_t *at)
{
	for (struct slot *s = slots; s < slots + SLOTS; s++) {
		*at = addr - (s->addr - s->front);
		if (s->live && *at < s->span)
			return s;
	}
	return NULL;
}

enum verdict { REFUSED, ALLOWED, UNKNOWN };

/* The oracle's result for an access. Unknown ones are not tried where they could do harm. */
static enum verdict judge(dma_addr_t addr, size_t len, bool write)
{
	enum verdict verdict = ALLOWED;
	size_t at;

	for (size_t i = 0; i < len; i++) {
		struct slot *s = find(addr + i, &at);

		if (s && config->exact && !may(s, write))
			return REFUSED;
		if (s && may(s, write))
			continue;
		if (config->exact)
			return REFUSED;
		verdict = UNKNOWN;
	}
	return verdict;
}

static void see_read(dma_addr_t addr, const u8 *buf, size_t len)
{
	size_t at;

	for (size_t i = 0; i < len; i++) {
		struct slot *s = find(addr + i, &at);

		/* on a machine that is not coherent the rest of the page has older contents */
		if (s && (!config->lines || (at >= s->front && at - s->front < s->size)))
			check(buf[i] == s->seen[at]);
	}
}

static void see_write(dma_addr_t addr, const u8 *buf, size_t len)
{
	size_t at;

	for (size_t i = 0; i < len; i++) {
		struct slot *s = find(addr + i, &at);

		if (s)
			s->seen[at] = buf[i];
	}
}

static void see_fault(dma_addr_t addr, size_t len, bool write)
{
	struct dmamap_fault fault;

	check(dmamap_bus_fault_next(dev, &fault) == 1);
	check(fault.addr >= addr && fault.addr - addr < len);
	check(fault.write == write && fault.reason > 0);
	check(dmamap_bus_fault_next(dev, &fault) == 0);
}

/* Accesses memory by copying, or through the segments of dmamap_bus_map(). */
static int access_memory(dma_addr_t addr, u8 *buf, size_t len, bool write, bool segments)
{
	struct iovec iov[64];
	size_t done = 0;
	int n;

	if (!segments)
		return write ? dmamap_bus_write(dev, addr, buf, len)
			     : dmamap_bus_read(dev, addr, buf, len);
	n = dmamap_bus_map(dev, addr, len, write, iov, 64);
	if (n < 0)
		return n;
	for (int i = 0; i < n; done += iov[i++].iov_len) {
		check(iov[i].iov_len <= len - done);
		if (write)
			memcpy(iov[i].iov_base, buf + done, iov[i].iov_len);
		else
			memcpy(buf + done, iov[i].iov_base, iov[i].iov_len);
	}
	check(done == len);
	dmamap_bus_unmap(dev, iov, n, write);
	return 0;
}

static void access_bus(struct slot *s, bool write, bool segments)
{
	static u8 buf[MAX_ACCESS];
	dma_addr_t addr = s->addr - s->front + take((u32)s->span + 64) - 32;
	size_t len = take(MAX_ACCESS - 1) + 1;
	enum verdict verdict;
	int err;

	if (take(16))
		len = len % 512 + 1;
	if (take(32) == 0) /* any address: far from all mappings, or wrapping */
		addr = (u64)take(65536) << 48 | (u64)take(65536) << 12;
	verdict = judge(addr, len, write);
	if (verdict == UNKNOWN)
		return;
	memset(buf, (int)take(128), len);
	err = access_memory(addr, buf, len, write, segments);
	if (verdict == REFUSED) {
		check(err == -EFAULT);
		see_fault(addr, len, write);
		return;
	}
	check(err == 0);
	if (write)
		see_write(addr, buf, len);
	else
		see_read(addr, buf, len);
}

static void step(void)
{
	u32 what = take(8);
	struct slot *s = &slots[take(SLOTS)];

	if (what >= 3) {
		access_bus(s, what & 1, what >= 6);
	} else if (!s->live) {
		map(s);
	} else if (what == 0) {
		unmap(s);
	} else if (what == 1) {
		dma_sync_single_for_cpu(dev, s->addr, s->size, s->dir);
		check(holds_what_was_seen(s));
	} else {
		/* For the device only after it was for the CPU, as the API requires. */
		dma_sync_single_for_cpu(dev, s->addr, s->size, s->dir);
		dma_sync_single_for_device(dev, s->addr, s->size, s->dir);
	}
}

static bool take_memory(struct page **pages)
{
	for (int i = 0; i < SLOTS; i++) {
		pages[i] = i & 1 ? alloc_pages(GFP_KERNEL, 2) : NULL;
		if (i & 1 && !pages[i])
			return false;
		slots[i].memory = i & 1 ? page_address(pages[i]) : foreign[i / 2];
		slots[i].live = false;
		slots[i].addr = slots[i].front = slots[i].span = 0;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct page *pages[SLOTS] = {NULL};

	if (size < 8)
		return 0;
	input = data;
	input_end = data + size;
	config = &configs[take(sizeof(configs) / sizeof(configs[0]))];
	dev = dmamap_open(config->spec);
	check(dev);
	check(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(config->mask ? config->mask : 64)) == 0);
	check(take_memory(pages));
	while (input < input_end)
		step();
	for (int i = 0; i < SLOTS; i++) {
		if (slots[i].live)
			unmap(&slots[i]);
		if (pages[i])
			__free_pages(pages[i], 2);
	}
	dmamap_close(dev);
	return 0;
}
