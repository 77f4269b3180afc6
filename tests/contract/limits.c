/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every path to a device address obeys the device's limits: both masks, the longest segment, the
 * boundary that no segment crosses, and the address bits that a bounced mapping preserves. The
 * limits are random, all paths are used, and check_segment() verifies each result.
 */
#include "contract.h"

#include <linux/dmapool.h>
#include <linux/scatterlist.h>

#ifdef __SANITIZE_THREAD__
#define ROUNDS 25 /* one thread has no races to detect and runs ten times slower */
#else
#define ROUNDS 120
#endif
#define ENTRIES 40
#define BUFFERS 6

static struct {
	u64 mask, coherent_mask, boundary, align;
	unsigned int max_seg;
} lim;

/* A device outside this process takes long for each byte, and has memory of its own to map. */
static bool is_simulated(void)
{
	return has_fault_records() && !accesses_take_long();
}

static u64 random_mask(int (*set)(struct device *dev, u64 mask))
{
	static const unsigned int bits[] = {64, 48, 40, 36, 34, 33, 32, 30, 28, 26, 25};

	for (;;) {
		unsigned int n = bits[rnd(COUNT(bits))];

		if (n <= config->mask_bits && (n >= 32 || is_simulated()) && !set(dev, mask_of(n)))
			return mask_of(n);
	}
}

static void random_limits(void)
{
	static const u64 boundaries[] = {0xffff, 0xfff,	 0x1fff,     0xfffff,
					 0x7ff,	 0x3fff, 0xffffffff, ~0ull};
	static const unsigned int max_segs[] = {65536, 4096, 20000, 512, 8192, 1 << 20};
	static const unsigned int aligns[] = {0, 0xfff, 0x3f, 0x1ff, 0x7ff};

	lim.mask = random_mask(dma_set_mask);
	lim.coherent_mask = random_mask(dma_set_coherent_mask);
	lim.boundary = boundaries[rnd(COUNT(boundaries))];
	lim.max_seg = max_segs[rnd(COUNT(max_segs))];
	lim.align = aligns[rnd(COUNT(aligns))];
	assert_int_equal(dma_set_max_seg_size(dev, lim.max_seg), 0);
	assert_int_equal(dma_set_seg_boundary(dev, lim.boundary), 0);
	assert_int_equal(dma_set_min_align_mask(dev, (unsigned int)lim.align), 0);
}

/*
 * What check_segment() checks: one segment, which was made of `entries` pieces of memory, the first
 * of them at physical address `phys`.
 */
struct segment {
	const char *by;
	dma_addr_t addr;
	size_t len;
	u64 phys;
	int entries; /* 0: memory that the library allocated, with the address */
	u64 mask;
};

static void violated(const struct segment *s, const char *what)
{
	fail_msg("%s: %zu bytes of %#llx at %#llx, made of %d entries: %s (mask %#llx, boundary "
		 "%#llx, longest %u, kept bits %#llx)",
		 s->by, s->len, (unsigned long long)s->phys, (unsigned long long)s->addr,
		 s->entries, what, (unsigned long long)s->mask, (unsigned long long)lim.boundary,
		 lim.max_seg, (unsigned long long)lim.align);
}

/*
 * No address for it is within the boundary, and no rule splits one entry: the memory's address bits
 * that this path preserves force a crossing, or the device uses the memory's own address.
 */
static bool must_cross(const struct segment *s)
{
	u64 kept = has_iommu() ? PAGE_SIZE - 1 : lim.align | (is_coherent() ? 0 : 63);

	if (s->entries > 1)
		return false;
	if (!protects_ram() && s->addr - bus_offset() == s->phys)
		return true;
	return (s->phys & lim.boundary & kept) + s->len - 1 > lim.boundary;
}

static void check_segment(const struct segment *s)
{
	if (!s->len || s->addr < bus_offset() || s->addr > s->mask ||
	    s->len - 1 > s->mask - s->addr)
		violated(s, "it is not within the mask");
	if (s->entries > 1 && s->len > lim.max_seg)
		violated(s, "it is too long");
	if ((s->addr & lim.boundary) + s->len - 1 > lim.boundary && !must_cross(s))
		violated(s, "it crosses the boundary");
	if ((s->addr ^ s->phys) & lim.align)
		violated(s, "it does not keep the address bits");
}

/* The device reads what the CPU wrote, and the CPU reads what the device wrote. */
static void both_ways(dma_addr_t addr, size_t n, u32 seed)
{
	u8 *bytes = malloc(n);

	assert_non_null(bytes);
	assert_true(device_sees(addr, n, seed));
	fill(bytes, n, seed + 1);
	device_writes(addr, bytes, n);
	free(bytes);
}

static void try_single(u32 seed)
{
	size_t max = dma_max_mapping_size(dev), offset = rnd(2) ? 0 : rnd(4096), n;
	struct segment s = {.by = "dma_map_single", .entries = 1, .mask = lim.mask};
	struct buffer b;
	u32 how = rnd(3);

	n = 1 + rnd(rnd(2) ? 5000 : 100000);
	n = n < max ? n : max;
	b = buffer_get((enum kind)rnd(KINDS), offset + n);
	fill(b.cpu + offset, n, seed);
	s.phys = virt_to_phys(b.cpu + offset);
	s.len = n;
	if (how == 0)
		s.addr = dma_map_single(dev, b.cpu + offset, n, DMA_BIDIRECTIONAL);
	else if (how == 1)
		s.addr = dma_map_page(dev, virt_to_page(b.cpu + offset),
				      offset_in_page(b.cpu + offset), n, DMA_BIDIRECTIONAL);
	else
		s.addr = dma_map_phys(dev, s.phys, n, DMA_BIDIRECTIONAL, 0);
	if (dma_mapping_error(dev, s.addr))
		violated(&s, dmamap_strerror());
	check_segment(&s);
	both_ways(s.addr, n, seed);
	if (how == 0)
		dma_unmap_single(dev, s.addr, n, DMA_BIDIRECTIONAL);
	else if (how == 1)
		dma_unmap_page(dev, s.addr, n, DMA_BIDIRECTIONAL);
	else
		dma_unmap_phys(dev, s.addr, n, DMA_BIDIRECTIONAL, 0);
	assert_true(holds(b.cpu + offset, n, seed + 1));
	buffer_put(&b);
}

/*
 * Buffers that are divided into entries, so that a list has adjacent entries, whole pages and odd
 * pieces.
 */
struct list {
	struct sg_table sgt;
	struct buffer b[BUFFERS];
	size_t total;
	int n;
};

/*
 * Returns the length of the next entry: `left` bytes of the buffer remain, and the entry begins at
 * `at`.
 */
static size_t cut_length(const u8 *at, size_t left)
{
	size_t n = 1 + rnd(rnd(2) ? 3000 : 20000);

	if (rnd(2)) /* to the end of a page */
		n += (4096 - ((uintptr_t)(at + n) & 4095)) & 4095;
	else if (!is_coherent()) /* no two entries share a cache line */
		n += (64 - ((uintptr_t)(at + n) & 63)) & 63;
	return n < left ? n : left;
}

static void list_make(struct list *l)
{
	struct scatterlist *sg;

	*l = (struct list){0};
	assert_int_equal(sg_alloc_table(&l->sgt, ENTRIES, GFP_KERNEL), 0);
	sg = l->sgt.sgl;
	for (int i = 0; i < BUFFERS; i++) {
		size_t at = rnd(2) ? 0 : rnd(4096), end = at + 1 + rnd(60000);

		if (rnd(3) == 0)
			end = (end + 4095) & ~4095ul;
		l->b[i] = buffer_get((enum kind)rnd(KINDS), end);
		for (size_t n; at < end && l->n < ENTRIES; at += n, l->n++, sg = sg_next(sg)) {
			n = cut_length(l->b[i].cpu + at, end - at);
			sg_set_buf(sg, l->b[i].cpu + at, (unsigned int)n);
			l->total += n;
		}
	}
}

static void list_free(struct list *l)
{
	for (int i = 0; i < BUFFERS; i++)
		buffer_put(&l->b[i]);
	sg_free_table(&l->sgt);
}

static void list_copy(struct list *l, u8 *bytes, bool to_buffer)
{
	assert_int_equal(
		sg_copy_buffer(l->sgt.sgl, (unsigned int)l->n, bytes, l->total, 0, to_buffer),
		l->total);
}

/* The promise of dma_get_merge_boundary(): the next entry would have fitted into this segment. */
static void check_merged(const struct segment *s, u64 end, struct scatterlist *next)
{
	if (!dma_get_merge_boundary(dev) || (end | sg_phys(next)) & dma_get_merge_boundary(dev))
		return;
	if (s->len + next->length <= lim.max_seg &&
	    (s->addr & lim.boundary) + s->len + next->length - 1 <= lim.boundary)
		violated(s, "the next entry did not merge");
}

/* The segments are the entries of the list in order, and each one is right. */
static void check_list(struct list *l, unsigned int n)
{
	struct scatterlist *sg, *entry = l->sgt.sgl;
	unsigned int i;
	int used = 0;

	for_each_sg (l->sgt.sgl, sg, n, i) {
		struct segment s = {.by = "dma_map_sg",
				    .addr = sg_dma_address(sg),
				    .len = sg_dma_len(sg),
				    .phys = sg_phys(entry),
				    .mask = lim.mask};
		size_t sum = 0;
		u64 end = 0;

		while (sum < s.len && used < l->n) {
			sum += entry->length;
			end = sg_phys(entry) + entry->length;
			entry = sg_next(entry);
			s.entries++;
			used++;
		}
		assert_int_equal(sum, s.len);
		check_segment(&s);
		if (used < l->n)
			check_merged(&s, end, entry);
	}
	assert_int_equal(used, l->n);
}

static void try_list(u32 seed)
{
	struct scatterlist *sg;
	unsigned int n, i;
	struct list l;
	size_t at = 0;
	u8 *bytes;

	list_make(&l);
	bytes = malloc(l.total);
	assert_non_null(bytes);
	fill(bytes, l.total, seed);
	list_copy(&l, bytes, false);
	n = dma_map_sg(dev, l.sgt.sgl, l.n, DMA_BIDIRECTIONAL);
	if (!n)
		fail_msg("%d entries: %s", l.n, dmamap_strerror());
	check_list(&l, n);
	for_each_sg (l.sgt.sgl, sg, n, i) {
		device_reads(sg_dma_address(sg), bytes + at, sg_dma_len(sg));
		at += sg_dma_len(sg);
	}
	assert_true(holds(bytes, l.total, seed));
	fill(bytes, l.total, seed + 1);
	at = 0;
	for_each_sg (l.sgt.sgl, sg, n, i) {
		device_writes(sg_dma_address(sg), bytes + at, sg_dma_len(sg));
		at += sg_dma_len(sg);
	}
	dma_unmap_sg(dev, l.sgt.sgl, l.n, DMA_BIDIRECTIONAL);
	list_copy(&l, bytes, true);
	assert_true(holds(bytes, l.total, seed + 1));
	free(bytes);
	list_free(&l);
}

static void try_coherent(u32 seed)
{
	size_t n = 1 + rnd(rnd(2) ? 20000 : 400000), span = PAGE_SIZE << get_order(n);
	struct segment s = {.by = "dma_alloc_coherent", .len = n, .mask = lim.coherent_mask};
	u8 *cpu = dma_alloc_coherent(dev, n, &s.addr, GFP_KERNEL);

	if (!cpu)
		violated(&s, dmamap_strerror());
	/* aligned to its size, so that the boundary and the preserved bits add no constraint */
	s.phys = s.addr & (span - 1);
	check_segment(&s);
	if ((s.addr | (uintptr_t)cpu) & (span - 1))
		violated(&s, "an address is not aligned to the size");
	fill(cpu, n, seed);
	both_ways(s.addr, n, seed);
	assert_true(holds(cpu, n, seed + 1));
	dma_free_coherent(dev, n, cpu, s.addr);
}

static void try_pool(u32 seed)
{
	size_t size = 1 + rnd(rnd(2) ? 300 : 9000), align = 1ul << rnd(14), boundary = 0;
	struct segment s[20];
	struct dma_pool *pool;
	u8 *cpu[20];

	if (rnd(2))
		boundary = PAGE_SIZE << get_order(size) << rnd(3);
	pool = dma_pool_create("limits", dev, size, align, boundary);
	assert_non_null(pool);
	for (u32 i = 0; i < COUNT(s); i++) {
		s[i] = (struct segment){
			.by = "dma_pool_alloc", .len = size, .mask = lim.coherent_mask};
		cpu[i] = dma_pool_alloc(pool, GFP_KERNEL, &s[i].addr);
		if (!cpu[i])
			violated(&s[i], dmamap_strerror());
		if (s[i].addr & (align - 1))
			violated(&s[i], "a block is not aligned");
		if (boundary && (s[i].addr & (boundary - 1)) + size > boundary)
			violated(&s[i], "a block crosses the pool's boundary");
		/* the device's boundary need not be that of the pool */
		if (s[i].addr > s[i].mask || size - 1 > s[i].mask - s[i].addr)
			violated(&s[i], "it is not within the mask");
		fill(cpu[i], size, seed + i);
	}
	for (u32 i = 0; i < COUNT(s); i++) {
		assert_true(device_sees(s[i].addr, size, seed + i));
		dma_pool_free(pool, cpu[i], s[i].addr);
	}
	dma_pool_destroy(pool);
}

static u64 both_masks(void)
{
	return lim.mask < lim.coherent_mask ? lim.mask : lim.coherent_mask;
}

static void try_pages(u32 seed)
{
	size_t n = 1 + rnd(rnd(2) ? 20000 : 200000);
	struct segment s = {.by = "dma_alloc_pages", .len = PAGE_ALIGN(n), .mask = both_masks()};
	struct page *page = dma_alloc_pages(dev, n, &s.addr, DMA_BIDIRECTIONAL, GFP_KERNEL);

	if (!page)
		violated(&s, dmamap_strerror());
	s.phys = page_to_phys(page);
	check_segment(&s);
	fill(page_address(page), n, seed);
	dma_sync_single_for_device(dev, s.addr, n, DMA_BIDIRECTIONAL);
	both_ways(s.addr, n, seed);
	dma_sync_single_for_cpu(dev, s.addr, n, DMA_BIDIRECTIONAL);
	assert_true(holds(page_address(page), n, seed + 1));
	dma_free_pages(dev, n, page, s.addr, DMA_BIDIRECTIONAL);
}

static void try_noncontiguous(u32 seed)
{
	size_t n = 1 + rnd(rnd(2) ? 20000 : 200000);
	struct segment s = {
		.by = "dma_alloc_noncontiguous", .len = PAGE_ALIGN(n), .mask = both_masks()};
	struct sg_table *sgt = dma_alloc_noncontiguous(dev, n, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	u8 *bytes = malloc(n);

	assert_non_null(bytes);
	if (!sgt)
		violated(&s, dmamap_strerror());
	assert_int_equal(sgt->nents, 1);
	assert_int_equal(sg_dma_len(sgt->sgl), s.len);
	s.addr = sg_dma_address(sgt->sgl);
	s.phys = sg_phys(sgt->sgl);
	check_segment(&s);
	fill(bytes, n, seed);
	sg_copy_from_buffer(sgt->sgl, sgt->orig_nents, bytes, n);
	dma_sync_sgtable_for_device(dev, sgt, DMA_BIDIRECTIONAL);
	both_ways(s.addr, n, seed);
	dma_sync_sgtable_for_cpu(dev, sgt, DMA_BIDIRECTIONAL);
	sg_copy_to_buffer(sgt->sgl, sgt->orig_nents, bytes, n);
	assert_true(holds(bytes, n, seed + 1));
	dma_free_noncontiguous(dev, n, sgt, DMA_BIDIRECTIONAL);
	free(bytes);
}

static void try_range(u32 seed)
{
	struct segment s = {.by = "dma_iova_try_alloc", .entries = 1, .mask = lim.mask};
	struct dma_iova_state state;

	s.phys = rnd(2) ? 0 : rnd(4096);
	s.len = 1 + rnd(rnd(2) ? 5000 : 300000);
	if (!has_iommu()) {
		assert_false(dma_iova_try_alloc(dev, &state, s.phys, s.len));
		return;
	}
	if (!dma_iova_try_alloc(dev, &state, s.phys, s.len)) {
		/* with RAM at its own address, a narrow mask leaves no addresses */
		assert_true(ram_stays_mapped() && lim.mask <= DMA_BIT_MASK(33));
		return;
	}
	s.addr = state.addr;
	check_segment(&s);
	dma_iova_free(dev, &state);
}

static void test_every_way_to_an_address_obeys_the_limits(void **state)
{
	static void (*const ways[])(u32 seed) = {try_single,	    try_list,  try_coherent,
						 try_pool,	    try_pages, try_list,
						 try_noncontiguous, try_range};

	for (int i = 0; i < (is_simulated() ? ROUNDS : 4); i++) {
		random_limits();
		for (u32 k = 0; k < COUNT(ways); k++)
			ways[k]((u32)i * 16 + k * 2);
		assert_int_equal(live(), 0);
		assert_int_equal(stats().coherent_bytes, 0);
	}
}

/*
 * The caller is responsible for entries that exceed the limits; the rest of the list is not
 * affected.
 */
static void test_an_entry_that_no_limit_allows(void **state)
{
	struct buffer b = buffer_get(PAGES, 128 * KB);
	struct scatterlist sg[3], *at;
	unsigned int n, i;

	lim.mask = mask_of(config->mask_bits);
	lim.boundary = 0xffff;
	lim.max_seg = 4096;
	lim.align = 0;
	assert_int_equal(dma_set_max_seg_size(dev, lim.max_seg), 0);
	assert_int_equal(dma_set_seg_boundary(dev, lim.boundary), 0);
	fill(b.cpu, b.size, 1);
	sg_init_table(sg, 3);
	sg_set_buf(&sg[0], b.cpu, 2048);
	sg_set_buf(&sg[1], b.cpu + 8192, 100000);
	sg_set_buf(&sg[2], b.cpu + 120000, 2048);
	n = dma_map_sg(dev, sg, 3, DMA_TO_DEVICE);
	assert_int_equal(n, 3);
	for_each_sg (sg, at, n, i) {
		const struct segment s = {.by = "dma_map_sg",
					  .addr = sg_dma_address(at),
					  .len = sg_dma_len(at),
					  .phys = sg_phys(at),
					  .entries = 1,
					  .mask = lim.mask};

		check_segment(&s);
	}
	dma_unmap_sg(dev, sg, 3, DMA_TO_DEVICE);
	buffer_put(&b);
}

const struct CMUnitTest limit_tests[] = {
	contract_test(test_every_way_to_an_address_obeys_the_limits),
	contract_test(test_an_entry_that_no_limit_allows),
};
const size_t n_limit_tests = COUNT(limit_tests);
