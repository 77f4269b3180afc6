/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * src/map/twostep*.c, compared with an oracle that has an array of granules. For each granule it
 * records the link (page, direction, attributes, whether it bounces), which determines what the
 * device must read. The oracle has copies of memory as the CPU sees it, of memory as devices see it
 * (the same on a coherent machine), and of each bounced granule.
 */
#include "twostep_rig.h"

#define PAGES	 32 /* of memory */
#define GRANULES 12 /* of a range at most */
#define LINE	 64

struct granule {
	bool linked, bounced;
	u64 page; /* of memory */
	enum dma_data_direction dir;
	bool no_sync;
	u8 shadow[K4]; /* if bounced: everything that the device sees */
};

static struct oracle {
	u8 cpu[PAGES * K4], device_view[PAGES * K4];
	struct granule g[GRANULES];
	u64 in, size, closed; /* bytes before offset 0; of the range; where it was closed, or 0 */
	bool coherent, untrusted;
	bool exact; /* a part that is not linked is refused */
	bool alone; /* and so is a part beyond the range */
} o;

static u8 *memory;
static struct dma_iova_state st;
static u64 seed;

static u64 rnd(u64 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % below;
}

static u8 *device_memory(void)
{
	return o.coherent ? o.cpu : o.device_view;
}

static u64 granules(void)
{
	return (o.in + o.size + K4 - 1) / K4;
}

/* Copies the lines of memory [at, at + n) from one view to the other. */
static void carry(u8 *to, const u8 *from, u64 at, u64 n)
{
	u64 first = at & ~(u64)(LINE - 1), end = (at + n + LINE - 1) & ~(u64)(LINE - 1);

	if (!o.coherent)
		memcpy(to + first, from + first, end - first);
}

/* The bytes of granule i that are linked, from its start. */
static void linked_bytes(u64 i, u64 *from, u64 *to)
{
	u64 end = o.in + (o.closed ? o.closed : o.size);

	*from = i ? 0 : o.in;
	*to = o.closed && end - i * K4 < K4 ? end - i * K4 : K4;
}

static void model_link_granule(u64 i, u64 page, enum dma_data_direction dir, bool no_sync, u64 from,
			       u64 to)
{
	struct granule *g = &o.g[i];

	*g = (struct granule){.linked = true, .page = page, .dir = dir, .no_sync = no_sync};
	g->bounced = o.untrusted && (from || to < K4);
	if (g->bounced && !no_sync)
		memcpy(g->shadow + from, o.cpu + page * K4 + from, to - from);
	if (!g->bounced && !no_sync)
		carry(o.device_view, o.cpu, page * K4 + from, to - from);
}

static int model_link(u64 offset, u64 size, u64 page, enum dma_data_direction dir, bool no_sync)
{
	u64 first = (o.in + offset) / K4, end = o.in + offset + size, last = (end - 1) / K4;

	if (!size || offset + size > o.size || (offset && (o.in + offset) % K4))
		return -EINVAL;
	if (o.closed && offset >= o.closed)
		return -EINVAL;
	for (u64 i = last + 1; end % K4 && i < granules(); i++)
		if (o.g[i].linked)
			return -EINVAL;
	for (u64 i = first; i <= last; i++)
		if (o.g[i].linked)
			return -EEXIST;
	for (u64 i = first; i <= last; i++)
		model_link_granule(i, page + (i - first), dir, no_sync, i ? 0 : o.in,
				   i == last && end % K4 ? end % K4 : K4);
	if (end % K4)
		o.closed = offset + size;
	return 0;
}

static void model_unlink(u64 offset, u64 size)
{
	u64 limit = o.closed ? o.closed : o.size;
	bool opens = false;

	if (!size || offset > o.size || size > o.size - offset)
		return;
	for (u64 i = 0; i < granules(); i++) {
		struct granule *g = &o.g[i];
		u64 start = i ? i * K4 - o.in : 0, end = (i + 1) * K4 - o.in, from, to;

		end = end < limit ? end : limit;
		if (!g->linked || start < offset || end > offset + size)
			continue;
		linked_bytes(i, &from, &to);
		if (g->dir != DMA_TO_DEVICE && !g->no_sync && g->bounced)
			memcpy(o.cpu + g->page * K4 + from, g->shadow + from, to - from);
		else if (g->dir != DMA_TO_DEVICE && !g->no_sync)
			carry(o.cpu, o.device_view, g->page * K4 + from, to - from);
		g->linked = false;
		opens |= o.closed && end == o.closed;
	}
	if (opens)
		o.closed = 0;
}

static void model_sync(u64 offset, u64 size, bool to_cpu)
{
	u64 limit = o.closed ? o.closed : o.size, at, n;

	if (!size || offset > limit || size > limit - offset)
		return;
	for (u64 i = (o.in + offset) / K4; i <= (o.in + offset + size - 1) / K4; i++)
		if (!o.g[i].linked)
			return;
	for (at = o.in + offset; size; at += n, size -= n) {
		struct granule *g = &o.g[at / K4];
		u64 in = at % K4, where = g->page * K4 + in;

		n = size < K4 - in ? size : K4 - in;
		if (to_cpu && g->dir == DMA_TO_DEVICE)
			continue;
		if (g->bounced && to_cpu)
			memcpy(o.cpu + where, g->shadow + in, n);
		else if (g->bounced && (g->dir != DMA_FROM_DEVICE || !o.coherent))
			memcpy(g->shadow + in, o.cpu + where, n);
		else if (!g->bounced && to_cpu)
			carry(o.cpu, o.device_view, where, n);
		else if (!g->bounced)
			carry(o.device_view, o.cpu, where, n);
	}
}

static u8 *model_byte(u64 at)
{
	struct granule *g = &o.g[at / K4];

	return g->bounced ? &g->shadow[at % K4] : device_memory() + g->page * K4 + at % K4;
}

static bool model_may(u64 at, u64 n, bool write)
{
	for (u64 i = at / K4; i <= (at + n - 1) / K4; i++)
		if (i >= granules() || !o.g[i].linked ||
		    o.g[i].dir == (write ? DMA_TO_DEVICE : DMA_FROM_DEVICE))
			return false;
	return true;
}

static void check_memory(void)
{
	if (memcmp(memory, o.cpu, sizeof(o.cpu)) == 0)
		return;
	for (u64 i = 0; i < sizeof(o.cpu); i++)
		if (memory[i] != o.cpu[i])
			fail_msg("memory differs from the oracle's at page %llu byte %llu",
				 (unsigned long long)i / K4, (unsigned long long)i % K4);
}

static void do_access(void)
{
	static u8 buf[3 * K4];
	u64 base = st.addr - o.in, at = rnd(granules() * K4), n = rnd(rnd(4) ? 300 : 2 * K4) + 1;
	bool write = rnd(2), may = model_may(at, n, write);
	u8 value = (u8)rnd(256);

	if (!o.exact && !may)
		return;
	if (at + n > granules() * K4 && !o.alone)
		return;
	if (!may) {
		assert_true(refused(base + at, n, write));
		return;
	}
	if (write) {
		device_writes(base + at, value, n);
		for (u64 i = 0; i < n; i++)
			*model_byte(at + i) = value;
		return;
	}
	assert_int_equal(dmamap_bus_read(dev, base + at, buf, n), 0);
	for (u64 i = 0; i < n; i++)
		if (buf[i] != *model_byte(at + i))
			fail_msg("the device sees %#x at byte %llu of the range, not %#x", buf[i],
				 (unsigned long long)(at + i), *model_byte(at + i));
}

/* A random part, in most cases at the borders of granules. */
static void part(u64 *offset, u64 *size)
{
	u64 first = rnd(granules()), n = rnd(granules() - first) + 1;

	*offset = first ? first * K4 - o.in : 0;
	*size = first ? n * K4 : n * K4 - o.in;
	if (*offset + *size > o.size)
		*size = o.size - *offset;
	if (!rnd(4))
		*size -= rnd(*size < 5000 ? *size : 5000);
	if (!rnd(16))
		*offset += rnd(100);
}

static void do_link(void)
{
	enum dma_data_direction dir = (enum dma_data_direction)rnd(3);
	u64 page = rnd(PAGES - GRANULES), offset, size;
	bool no_sync = !rnd(4);
	int want, got;

	part(&offset, &size);
	want = model_link(offset, size, page, dir, no_sync);
	got = dma_iova_link(dev, &st, virt_to_phys(memory) + page * K4 + (o.in + offset) % K4,
			    offset, size, dir, no_sync ? DMA_ATTR_SKIP_CPU_SYNC : 0);
	if (got != want)
		fail_msg("link of %llu bytes at %llu: %d, the oracle says %d: %s",
			 (unsigned long long)size, (unsigned long long)offset, got, want,
			 dmamap_strerror());
	assert_int_equal(dma_iova_sync(dev, &st, 0, o.size), 0);
}

static void do_unlink(void)
{
	u64 offset, size;

	part(&offset, &size);
	model_unlink(offset, size);
	dma_iova_unlink(dev, &st, offset, size, (enum dma_data_direction)rnd(3), 0);
}

static void do_sync(void)
{
	bool to_cpu = rnd(2);
	u64 offset, size;

	part(&offset, &size);
	if (rnd(2) && size > 200) {
		offset += rnd(100);
		size = rnd(100);
	}
	model_sync(offset, size, to_cpu);
	if (to_cpu)
		dma_iova_sync_for_cpu(dev, &st, offset, size, DMA_BIDIRECTIONAL);
	else
		dma_iova_sync_for_device(dev, &st, offset, size, DMA_BIDIRECTIONAL);
}

static void cpu_stores(void)
{
	u64 at = rnd(sizeof(o.cpu)), n = rnd(200) + 1;
	u8 value = (u8)rnd(256);

	n = n < sizeof(o.cpu) - at ? n : sizeof(o.cpu) - at;
	memset(memory + at, value, n);
	memset(o.cpu + at, value, n);
}

static void begin(void)
{
	o.in = rnd(2) ? rnd(K4) : 0;
	o.size = rnd(GRANULES * K4 - o.in - 1) + 1;
	if (!rnd(3))
		o.size = (o.size + o.in + K4 - 1) / K4 * K4 - o.in;
	o.closed = 0;
	memset(o.g, 0, sizeof(o.g));
	assert_true(dma_iova_try_alloc(dev, &st, o.in, o.size));
}

/* Unlinks a first part; then everything else. */
static void end(void)
{
	u64 len = rnd(2) ? o.size : rnd(o.size + 1);

	model_unlink(0, o.size);
	dma_iova_destroy(dev, &st, len, DMA_BIDIRECTIONAL, 0);
}

static void against(const char *spec)
{
	open_device(spec);
	memory = pages_get(5);
	memcpy(o.cpu, memory, sizeof(o.cpu));
	memset(o.device_view, 0, sizeof(o.device_view)); /* fresh pages */
	o.coherent = !strstr(spec, "coherent=0");
	o.untrusted = strstr(spec, "untrusted=1");
	o.exact = !strstr(spec, "policy=") || o.untrusted || !o.coherent;
	o.alone = !strstr(spec, "policy=identity") && !strstr(spec, "policy=persistent");
	seed = 7;
	for (int i = 0; i < 70; i++) {
		begin();
		for (int k = 0; k < 60; k++) {
			u64 what = rnd(16);

			if (what < 4)
				do_link();
			else if (what < 6)
				do_unlink();
			else if (what < 7)
				do_sync();
			else if (what < 9)
				cpu_stores();
			else
				do_access();
			if (!(k & 7))
				check_memory();
		}
		end();
		check_memory();
	}
	pages_put(memory, 5);
	close_device();
}

static void trusted(void **state)
{
	against("sim,check=1");
	against("sim");
	against("sim,bus-offset=0x100000000");
}

static void untrusted(void **state)
{
	against("sim,untrusted=1");
	against("sim,untrusted=1,policy=lazy");
}

static void not_coherent(void **state)
{
	against("sim,coherent=0");
	against("sim,coherent=0,policy=lazy");
	against("sim,coherent=0,policy=identity");
	against("sim,coherent=0,untrusted=1");
}

static void other_policies(void **state)
{
	against("sim,policy=lazy");
	against("sim,policy=identity");
	against("sim,policy=persistent");
}

/* Long ranges: which page is linked at which granule, with leaves of every size. */
#define LONG_GRANULES (5 * 512 + 77)
#define LONG_PAGES    (4 * 512)

static u64 behind[LONG_GRANULES]; /* page + 1, or 0 */

static u64 behind_now(u64 i)
{
	u64 entry = pt_walk(&dev->domain->pt, IOVA(st.addr + i * K4));

	return entry ? (((entry & PT_ADDR) - virt_to_phys(memory)) >> 12) + 1 : 0;
}

static void long_step(void)
{
	u64 first = rnd(LONG_GRANULES), n = rnd(LONG_GRANULES - first) + 1, page;
	bool exists = false;
	int err;

	if (rnd(3)) {
		dma_iova_unlink(dev, &st, first * K4, n * K4, DMA_BIDIRECTIONAL, 0);
		memset(&behind[first], 0, n * sizeof(behind[0]));
		return;
	}
	if (rnd(2))
		first &= ~511ull;
	n = n < LONG_GRANULES - first ? n : LONG_GRANULES - first;
	n = n < LONG_PAGES ? n : LONG_PAGES;
	page = rnd(LONG_PAGES - n + 1);
	if (rnd(2))
		page &= ~511ull;
	for (u64 i = 0; i < n; i++)
		exists |= behind[first + i];
	err = dma_iova_link(dev, &st, virt_to_phys(memory) + page * K4, first * K4, n * K4,
			    DMA_BIDIRECTIONAL, 0);
	assert_int_equal(err, exists ? -EEXIST : 0);
	for (u64 i = 0; !err && i < n; i++)
		behind[first + i] = page + i + 1;
}

static void long_against(const char *spec)
{
	u64 large = 0;

	open_device(spec);
	memory = (u8 *)__get_free_pages(GFP_KERNEL, 11);
	assert_non_null(memory);
	assert_true(dma_iova_try_alloc(dev, &st, 0, LONG_GRANULES * K4));
	memset(behind, 0, sizeof(behind));
	seed = 11;
	for (int i = 0; i < 150; i++) {
		struct pt_leaf leaf;

		long_step();
		if (i % 10)
			continue;
		for (u64 k = 0; k < LONG_GRANULES; k++) {
			assert_int_equal(behind_now(k), behind[k]);
			large += pt_walk_slow(&dev->domain->pt, IOVA(st.addr + k * K4), &leaf) &&
				 leaf.size == M2;
		}
	}
	assert_true(large);
	dma_iova_destroy(dev, &st, LONG_GRANULES * K4, DMA_BIDIRECTIONAL, 0);
	free_pages((unsigned long)memory, 11);
	close_device();
}

static void long_ranges(void **state)
{
	long_against("sim");
	long_against("sim,untrusted=1");
	long_against("sim,coherent=0");
	long_against("sim,policy=lazy");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(trusted),	cmocka_unit_test(untrusted),
	cmocka_unit_test(not_coherent), cmocka_unit_test(other_policies),
	cmocka_unit_test(long_ranges),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
