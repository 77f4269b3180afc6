/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounce slots: properties that the contract tests cannot observe. */
#include "core_rig.h"

#include "map/bounce.h"

#include <pthread.h>

static struct device *dev;
static u8 *memory; /* 1 MiB of high RAM */

#define MEMORY_ORDER 8

static int setup(void **state)
{
	dev = rig_open("sim,iommu=0,swiotlb=512K", DMA_BIT_MASK(32));
	memory = (u8 *)__get_free_pages(GFP_KERNEL, MEMORY_ORDER);
	return memory ? 0 : -1;
}

static int teardown(void **state)
{
	rig_fail_none();
	free_pages((unsigned long)memory, MEMORY_ORDER);
	rig_close(dev);
	return 0;
}

static phys_t map_to_boundary(u64 offset, u64 size, u64 boundary)
{
	const struct map_limits l = {
		.last = ~0ull, .boundary = boundary, .align_mask = read_once(&dev->min_align_mask)};

	return bounce_map(dev, phys_of(memory + offset), size, &l, false, 0);
}

static phys_t map(u64 offset, u64 size, u64 last)
{
	const struct map_limits l = {
		.last = last, .boundary = ~0ull, .align_mask = read_once(&dev->min_align_mask)};

	return bounce_map(dev, phys_of(memory + offset), size, &l, false, 0);
}

static void unmap(phys_t at, u64 size)
{
	assert_true(bounce_unmap(dev, at, size, DMA_TO_DEVICE, 0));
}

/* The number of the smallest mappings for which there is space. */
static unsigned int room(void)
{
	phys_t at[600];
	unsigned int n = 0;

	for (; n < ARRAY_SIZE(at); n++) {
		at[n] = map(0, 1, ~0ull);
		if (at[n].v == NO_PHYS.v)
			break;
	}
	for (unsigned int i = 0; i < n; i++)
		unmap(at[i], 1);
	return n;
}

static void test_every_slot_can_be_had(void **state)
{
	assert_int_equal(room(), 512 * KIB / BOUNCE_SLOT);
	assert_int_equal(room(), 512 * KIB / BOUNCE_SLOT);
}

static void test_slots_are_where_they_must_be(void **state)
{
	phys_t a = map(0, 100, ~0ull), b = map(0, 5000, ~0ull), c = map(0, 100, ~0ull);

	assert_true(phys_is_bounce(a) && phys_is_bounce(b) && phys_is_bounce(c));
	assert_int_equal(a.v % BOUNCE_SLOT, 0);
	/* from a page on, at the beginning of a page */
	assert_int_equal(b.v % PAGE_BYTES, 0);
	assert_true(b.v + 5000 <= a.v || a.v + 100 <= b.v);
	assert_true(b.v + 5000 <= c.v || c.v + 100 <= b.v);
	unmap(a, 100);
	unmap(b, 5000);
	unmap(c, 100);
}

static void test_the_last_address_bounds(void **state)
{
	phys_t at;

	at = map(0, 100, mem.bounce_start + BOUNCE_SEGMENT - 1);
	assert_true(at.v != NO_PHYS.v && at.v + 99 < mem.bounce_start + BOUNCE_SEGMENT);
	unmap(at, 100);
	/* exact to the byte */
	at = map(0, 100, mem.bounce_start + 99);
	assert_int_equal(at.v, mem.bounce_start);
	unmap(at, 100);
	at = map(0, 100, mem.bounce_start + 98);
	assert_true(at.v == NO_PHYS.v);
}

/* Threads begin their search in different areas. */
static void *lowest_of_ten(void *arg)
{
	phys_t at[10];
	u64 *low = arg;

	*low = ~0ull;
	for (int i = 0; i < 10; i++) {
		at[i] = map(0, 1, ~0ull);
		*low = min_u64(*low, at[i].v);
	}
	for (int i = 0; i < 10; i++)
		bounce_unmap(dev, at[i], 1, DMA_TO_DEVICE, 0);
	return NULL;
}

/* Slots below 16 MiB are used for devices that reach no others, as long as there are others. */
static void test_low_slots_are_spared(void **state)
{
	enum { LOW = BOUNCE_SEGMENT_SLOTS };
	phys_t at[2 * LOW], one;
	int n = 0;

	assert_true(mem.bounce_start + BOUNCE_SEGMENT == MEM_DMA_END);
	for (int i = 0; i < 4; i++) {
		pthread_t thread;
		u64 low;

		assert_int_equal(pthread_create(&thread, NULL, lowest_of_ten, &low), 0);
		pthread_join(thread, NULL);
		assert_true(low >= MEM_DMA_END && low < NO_PHYS.v);
	}
	for (; n < LOW; n++) {
		at[n] = map(0, 1, ~0ull);
		assert_true(at[n].v != NO_PHYS.v && at[n].v >= MEM_DMA_END);
	}
	one = map(0, 1, MEM_DMA_END - 1);
	assert_true(one.v < MEM_DMA_END);
	/* then they are used for all devices */
	for (; n < 2 * LOW - 1; n++) {
		at[n] = map(0, 1, ~0ull);
		assert_true(at[n].v != NO_PHYS.v && at[n].v < MEM_DMA_END);
	}
	unmap(one, 1);
	while (n)
		unmap(at[--n], 1);
}

static void test_the_longest_and_one_more(void **state)
{
	phys_t at = map(0, BOUNCE_SEGMENT, ~0ull), all;

	assert_true(at.v != NO_PHYS.v);
	assert_int_equal(bounce_max_size(dev), BOUNCE_SEGMENT);
	/* a longer one needs a run of segments */
	all = map(0, BOUNCE_SEGMENT + 1, ~0ull);
	assert_true(all.v == NO_PHYS.v);
	assert_int_equal(errno, ENOMEM);
	unmap(at, BOUNCE_SEGMENT);
	all = map(0, BOUNCE_SEGMENT + 1, ~0ull);
	assert_int_equal(all.v, mem.bounce_start);
	/* the rest of the last segment is used for other mappings */
	at = map(0, BOUNCE_SEGMENT - BOUNCE_SLOT, ~0ull);
	assert_true(at.v == NO_PHYS.v);
	at = map(0, BOUNCE_SEGMENT - 2 * BOUNCE_SLOT, ~0ull);
	assert_true(at.v != NO_PHYS.v);
	unmap(at, BOUNCE_SEGMENT - 2 * BOUNCE_SLOT);
	unmap(all, BOUNCE_SEGMENT + 1);
	all = map(0, 2 * BOUNCE_SEGMENT, ~0ull);
	assert_true(all.v != NO_PHYS.v);
	unmap(all, 2 * BOUNCE_SEGMENT);
	/* never, however much is unmapped */
	all = map(0, 2 * BOUNCE_SEGMENT + 1, ~0ull);
	assert_true(all.v == NO_PHYS.v);
	assert_int_equal(errno, EIO);
	all = map(0, BOUNCE_SEGMENT + 1, MEM_DMA_END - 1);
	assert_true(all.v == NO_PHYS.v);
	assert_int_equal(errno, EIO);
	assert_int_equal(dma_set_min_align_mask(dev, 4095), 0);
	assert_int_equal(bounce_max_size(dev), BOUNCE_SEGMENT - PAGE_BYTES);
	at = map(4095, BOUNCE_SEGMENT - PAGE_BYTES, ~0ull);
	assert_true(at.v != NO_PHYS.v);
	assert_int_equal(at.v & 4095, 4095);
	unmap(at, BOUNCE_SEGMENT - PAGE_BYTES);
}

/* The message names the reason, and suggests only what helps. */
static void test_why_there_is_no_place(void **state)
{
	phys_t at;

	assert_true(map(0, 100, mem.bounce_start - 1).v == NO_PHYS.v);
	assert_int_equal(errno, EIO);
	assert_non_null(strstr(error_text(), "set a wider mask"));
	assert_null(strstr(error_text(), "full"));
	assert_true(map(0, 3 * BOUNCE_SEGMENT, ~0ull).v == NO_PHYS.v);
	assert_non_null(strstr(error_text(), "512 KiB"));
	assert_null(strstr(error_text(), "full"));
	at = map(0, BOUNCE_SEGMENT, MEM_DMA_END - 1);
	assert_true(at.v != NO_PHYS.v);
	assert_true(map(0, 1, MEM_DMA_END - 1).v == NO_PHYS.v);
	assert_int_equal(errno, ENOMEM);
	assert_non_null(strstr(error_text(), "128 of the 128 that the device reaches"));
	assert_non_null(strstr(error_text(), "set a wider mask"));
	unmap(at, BOUNCE_SEGMENT);
	at = map(0, 2 * BOUNCE_SEGMENT - 5 * BOUNCE_SLOT, ~0ull);
	assert_true(map(0, 6 * BOUNCE_SLOT, ~0ull).v == NO_PHYS.v);
	assert_non_null(strstr(error_text(), "6 contiguous free slots"));
	assert_non_null(strstr(error_text(), "251 of the 256"));
	assert_null(strstr(error_text(), "set a wider mask"));
	unmap(at, 2 * BOUNCE_SEGMENT - 5 * BOUNCE_SLOT);
	rig_fail(FAIL_BOUNCE, 1);
	assert_true(map(0, 1, ~0ull).v == NO_PHYS.v);
	assert_non_null(strstr(error_text(), "fault injection"));
	assert_null(strstr(error_text(), "full"));
}

/* Every address is within the boundary, as the device sees it, unless no address can be. */
static void test_a_boundary_is_not_crossed(void **state)
{
	static const u64 boundaries[] = {0x7ff, 0xfff, 0x1fff, 0xffff, 0x3ffff, 0x7ffff, 0x1ff};
	static const u32 masks[] = {0, 0xff, 0xfff};
	enum { N = 24 };
	struct {
		phys_t at;
		u64 size;
	} m[N];
	u64 random = 1, served = 0;

	for (int round = 0; round < 700; round++) {
		u64 boundary = boundaries[round % 7];
		u32 mask = masks[round / 7 % 3];
		int n = 0;

		assert_int_equal(dma_set_min_align_mask(dev, mask), 0);
		for (; n < N; n++) {
			u64 offset, kept;

			random = random * 6364136223846793005ull + 1442695040888963407ull;
			m[n].size = 1 + (random >> 33) % (round % 2 ? 70000 : 5000);
			offset = (random >> 20) % 4096;
			kept = offset & mask;
			m[n].at = map_to_boundary(offset, m[n].size, boundary);
			if (m[n].at.v == NO_PHYS.v)
				break;
			if (kept + m[n].size - 1 > boundary || (kept & ~boundary))
				continue;
			served++;
			if ((m[n].at.v & boundary) + m[n].size - 1 > boundary)
				fail_msg("%llu bytes at %#llx cross %#llx",
					 (unsigned long long)m[n].size,
					 (unsigned long long)m[n].at.v,
					 (unsigned long long)boundary);
		}
		while (n)
			unmap(m[n - 1].at, m[n - 1].size), n--;
	}
	assert_true(served > 1500);
}

/* Freed in another order than allocated: a long run is contiguous again. */
static void test_runs_grow_together(void **state)
{
	enum { N = 256 };
	phys_t at[N], big[2];

	for (int i = 0; i < N; i++) {
		at[i] = map(0, 2048, ~0ull);
		assert_true(at[i].v != NO_PHYS.v);
	}
	for (int i = 0; i < N; i += 2)
		unmap(at[i], 2048);
	big[0] = map(0, 4096, ~0ull);
	assert_true(big[0].v == NO_PHYS.v); /* holes of one slot only */
	assert_int_equal(errno, ENOMEM);
	for (int i = 1; i < N; i += 2)
		unmap(at[i], 2048);
	big[0] = map(0, BOUNCE_SEGMENT, ~0ull);
	big[1] = map(0, BOUNCE_SEGMENT, ~0ull);
	assert_true(big[0].v != NO_PHYS.v && big[1].v != NO_PHYS.v);
	unmap(big[0], BOUNCE_SEGMENT);
	unmap(big[1], BOUNCE_SEGMENT);
}

static void test_what_is_no_mapping(void **state)
{
	struct device *other = rig_open("sim,iommu=0", DMA_BIT_MASK(32));
	phys_t at = map(0, 5000, ~0ull);

	assert_false(bounce_unmap(dev, PHYS(at.v + 2048), 10, DMA_TO_DEVICE, 0));
	assert_false(bounce_unmap(dev, PHYS(at.v + 1), 10, DMA_TO_DEVICE, 0));
	assert_false(bounce_unmap(dev, PHYS(0x1000), 10, DMA_TO_DEVICE, 0));
	assert_false(bounce_unmap(other, at, 5000, DMA_TO_DEVICE, 0));
	assert_false(bounce_sync(other, at, 10, DMA_BIDIRECTIONAL, true));
	assert_false(bounce_sync(dev, PHYS(at.v + 4990), 11, DMA_BIDIRECTIONAL, true));
	assert_false(bounce_sync(dev, at, ~0ull, DMA_BIDIRECTIONAL, true));
	assert_true(bounce_sync(dev, PHYS(at.v + 4990), 10, DMA_BIDIRECTIONAL, true));
	unmap(at, 5000);
	assert_false(bounce_unmap(dev, at, 5000, DMA_TO_DEVICE, 0));
	assert_false(bounce_sync(dev, at, 10, DMA_BIDIRECTIONAL, true));
	rig_close(other);
}

static void test_bytes(void **state)
{
	phys_t at;
	u8 *slot;

	memset(memory, 0x11, 8192);
	at = map(100, 3000, ~0ull);
	slot = phys_ptr(at);
	assert_true(rig_all(slot, 3000, 0x11));
	memset(slot, 0x22, 3000);
	assert_true(bounce_sync(dev, PHYS(at.v + 10), 5, DMA_FROM_DEVICE, true));
	assert_true(rig_all(memory + 110, 5, 0x22) && memory[109] == 0x11 && memory[115] == 0x11);
	memory[120] = 0x33;
	assert_true(bounce_sync(dev, PHYS(at.v + 20), 1, DMA_TO_DEVICE, false));
	assert_int_equal(slot[20], 0x33);
	assert_true(bounce_unmap(dev, at, 3000, DMA_FROM_DEVICE, DMA_ATTR_SKIP_CPU_SYNC));
	assert_int_equal(memory[200], 0x11);
	at = map(0, 100, ~0ull);
	memset(phys_ptr(at), 0x44, 100);
	/* a size that is too large copies only the mapped bytes */
	assert_true(bounce_unmap(dev, at, ~0ull, DMA_FROM_DEVICE, 0));
	assert_true(rig_all(memory, 100, 0x44) && memory[100] == 0x11);
}

static void test_whole_pages_show_nothing_else(void **state)
{
	phys_t at;
	u8 *page, offset;

	memset(memory, 0x11, 8192);
	memset(mem.base + mem.bounce_start, 0x99, mem.bounce_size);
	at = bounce_map(dev, phys_of(memory + 100), 200, BOUNCE_ANYWHERE, true, 0);
	offset = at.v % PAGE_BYTES;
	page = phys_ptr(PHYS(align_down(at.v, PAGE_BYTES)));
	assert_true(rig_all(page + offset, 200, 0x11));
	assert_true(rig_all(page, offset, 0) &&
		    rig_all(page + offset + 200, 4096 - 200 - offset, 0));
	unmap(at, 200);
	memset(mem.base + mem.bounce_start, 0x99, mem.bounce_size);
	at = bounce_map(dev, phys_of(memory), 5000, BOUNCE_ANYWHERE, true, DMA_ATTR_SKIP_CPU_SYNC);
	assert_true(rig_all(phys_ptr(at), 8192, 0));
	unmap(at, 5000);
}

static void test_what_a_closed_device_left(void **state)
{
	struct device *other = rig_open("sim,iommu=0", DMA_BIT_MASK(32));
	unsigned int before = room();

	for (u64 size = 1; size < 20000; size += 3000)
		assert_true(bounce_map(other, phys_of(memory), size, BOUNCE_ANYWHERE, false, 0).v !=
			    NO_PHYS.v);
	assert_true(room() < before);
	assert_int_equal(bounce_release(other), 7);
	assert_int_equal(bounce_release(other), 0);
	assert_int_equal(room(), before);
	rig_close(other);
}

static void test_counters(void **state)
{
	u64 bytes = rig_stats(dev).bounced_bytes, full = rig_stats(dev).bounce_full;
	phys_t at = map(0, 1000, ~0ull);

	assert_int_equal(rig_stats(dev).bounced_bytes, bytes + 1000);
	assert_true(bounce_unmap(dev, at, 1000, DMA_BIDIRECTIONAL, 0));
	assert_int_equal(rig_stats(dev).bounced_bytes, bytes + 2000);
	rig_fail(FAIL_BOUNCE, 1);
	assert_true(map(0, 10, ~0ull).v == NO_PHYS.v);
	assert_int_equal(rig_stats(dev).bounce_full, full + 1);
}

/* Random sizes and offsets, compared with a map of the owner of each slot. */
static void test_random_against_an_oracle(void **state)
{
	enum { N = 60 };
	static u8 owner[512 * 1024 / 2048];
	struct {
		phys_t at;
		u64 size;
	} m[N] = {0};
	u64 random = 99;

	memset(owner, 0, sizeof(owner));
	for (int step = 0; step < 20000; step++) {
		u64 i, first, last;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		i = (random >> 33) % N;
		if (!m[i].size) {
			u64 longest = step % 50 ? random >> 63 ? 30000 : 3000 : 400000;
			u64 size = 1 + (random >> 40) % longest;

			m[i].at = map((random >> 20) % 4096, size, ~0ull);
			if (m[i].at.v == NO_PHYS.v)
				continue;
			m[i].size = size;
		}
		first = (m[i].at.v - mem.bounce_start) / BOUNCE_SLOT;
		last = (m[i].at.v + m[i].size - 1 - mem.bounce_start) / BOUNCE_SLOT;
		if (m[i].size <= BOUNCE_SEGMENT - PAGE_BYTES)
			assert_int_equal(first / BOUNCE_SEGMENT_SLOTS, last / BOUNCE_SEGMENT_SLOTS);
		for (u64 s = first; s <= last; s++) {
			assert_true(!owner[s] || owner[s] == i + 1);
			owner[s] = owner[s] ? 0 : (u8)(i + 1);
		}
		if (!owner[first]) {
			unmap(m[i].at, m[i].size);
			m[i].size = 0;
		}
	}
	for (int i = 0; i < N; i++)
		if (m[i].size)
			unmap(m[i].at, m[i].size);
	assert_int_equal(room(), 512 * KIB / BOUNCE_SLOT);
}

#define with_device(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(test_every_slot_can_be_had),
		with_device(test_slots_are_where_they_must_be),
		with_device(test_the_last_address_bounds),
		with_device(test_low_slots_are_spared),
		with_device(test_the_longest_and_one_more),
		with_device(test_why_there_is_no_place),
		with_device(test_a_boundary_is_not_crossed),
		with_device(test_runs_grow_together),
		with_device(test_what_is_no_mapping),
		with_device(test_bytes),
		with_device(test_whole_pages_show_nothing_else),
		with_device(test_what_a_closed_device_left),
		with_device(test_counters),
		with_device(test_random_against_an_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
