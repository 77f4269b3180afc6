/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page table, compared with an oracle that stores each granule of a window around a 1 GiB
 * boundary separately: random maps, unmaps of parts and of whole mappings, with leaves of all
 * sizes.
 */
#include "test_pt.h"

struct granule {
	u64 entry; /* the result of pt_walk, 0: nothing */
	u8 shift;  /* of its leaf */
};

struct window {
	struct pt *pt;
	u64 start; /* IOVA of granule 0 */
	u64 n;
	struct granule *g;
	u64 seed;
	u64 leaves[3]; /* made so far: of 4 KiB, 2 MiB, 1 GiB */
};

static u64 rnd(struct window *w, u64 below)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (w->seed >> 33) % below;
}

static u64 iova_at(const struct window *w, u64 i)
{
	return w->start + i * K4;
}

/* Maps `n` granules from `i` by a leaf of 2^shift bytes each, in the simplest way. */
static void oracle_leaf(struct window *w, u64 i, unsigned int shift, u64 pa, u64 flags)
{
	for (u64 k = 0; k < 1ull << (shift - 12); k++)
		w->g[i + k] = (struct granule){.entry = (pa + k * K4) | flags, .shift = (u8)shift};
	w->leaves[(shift - 12) / 9]++;
}

static int oracle_map(struct window *w, u64 i, u64 n, u64 pa, u64 flags, unsigned int options)
{
	u64 end = i + n, first = flags & PT_FIRST;

	for (u64 k = i; k < end; k++)
		if (w->g[k].entry)
			return -EEXIST;
	flags &= ~PT_FIRST;
	while (i < end) {
		unsigned int shift = options & PT_MAP_SPLIT ? 21 : 30;
		u64 step, leaf;

		while ((iova_at(w, i) | pa) & ((1ull << shift) - 1) ||
		       (end - i) * K4 < 1ull << shift)
			shift -= 9;
		step = 1ull << (shift - 12);
		leaf = flags & ~PT_LAST;
		if (i + step == end)
			leaf |= flags & PT_LAST;
		oracle_leaf(w, i, shift, pa, leaf | first);
		first = 0;
		i += step;
		pa += step * K4;
	}
	return 0;
}

/* Divides the leaf at i into its children, without those in [from, to). */
static void oracle_split(struct window *w, u64 i, u64 from, u64 to)
{
	unsigned int shift = w->g[i].shift, child = shift - 9;
	u64 start = i - (iova_at(w, i) / K4) % (1ull << (shift - 12)), step = 1ull << (child - 12);
	u64 marks = w->g[i].entry & PT_WHOLE, last = 0;

	for (u64 k = start; k < start + 512 * step; k += step) {
		u64 entry = w->g[k].entry & ~PT_WHOLE;

		if (k >= from && k + step <= to) {
			memset(&w->g[k], 0, step * sizeof(w->g[k]));
			continue;
		}
		oracle_leaf(w, k, child, entry & PT_ADDR, (entry & ~PT_ADDR) | (marks & PT_FIRST));
		marks &= ~PT_FIRST;
		last = k;
	}
	for (u64 k = 0; k < step; k++)
		w->g[last + k].entry |= marks & PT_LAST;
}

static u64 oracle_unmap(struct window *w, u64 i, u64 n)
{
	u64 end = i + n, gone = 0;

	for (u64 k = i; k < end; k++)
		gone += w->g[k].entry != 0;
	for (u64 k = i; k < end; k++) {
		u64 span, start;

		while (w->g[k].entry) {
			span = 1ull << (w->g[k].shift - 12);
			start = k - (iova_at(w, k) / K4) % span;
			if (start >= i && start + span <= end) {
				memset(&w->g[start], 0, span * sizeof(w->g[k]));
				break;
			}
			oracle_split(w, k, i, end);
		}
	}
	return gone * K4;
}

/* Granules of the mapping that begins at i. */
static u64 oracle_mapping(const struct window *w, u64 i)
{
	u64 k = i, step;

	if (!w->g[i].entry || !(w->g[i].entry & PT_FIRST) ||
	    iova_at(w, i) & ((1ull << w->g[i].shift) - 1))
		return 0;
	while (k < w->n && w->g[k].entry && (k == i || !(w->g[k].entry & PT_FIRST))) {
		step = 1ull << (w->g[k].shift - 12);
		k += step;
		if (w->g[k - 1].entry & PT_LAST)
			break;
	}
	return k - i;
}

static void compare(struct window *w, u64 i)
{
	u64 iova = iova_at(w, i) + rnd(w, K4), want = w->g[i].entry;
	struct pt_leaf leaf = walk_leaf(w->pt, iova);

	assert_int_equal(walk_entry(w->pt, iova) & ~PT_SPARE, want);
	assert_int_equal(leaf.size, want ? 1ull << w->g[i].shift : 0);
	if (leaf.size == K4)
		assert_int_equal(leaf.entry, want);
	else if (leaf.size)
		assert_int_equal(leaf.entry & ~PT_SPARE,
				 PT_LARGE | (want & ~(PT_ADDR & (leaf.size - 1))));
	assert_int_equal(pt_mapping_size(w->pt, IOVA(iova_at(w, i))), oracle_mapping(w, i) * K4);
}

/* Every granule near a border of [i, i + n), and some anywhere. */
static void compare_around(struct window *w, u64 i, u64 n)
{
	const u64 at[] = {i, i + n, align_up(i, 512), align_down(i + n, 512), rnd(w, w->n)};

	for (size_t b = 0; b < ARRAY_SIZE(at); b++)
		for (u64 k = at[b] < 3 ? 0 : at[b] - 3; k < at[b] + 3; k++)
			if (k < w->n)
				compare(w, k);
}

/* A range with borders at multiples of 4 KiB up to 1 GiB, as the window permits. */
static void pick_range(struct window *w, u64 *i, u64 *n)
{
	static const u64 align[] = {1, 1, 8, 512, 512, 1 << 18, 1 << 18, 1 << 18};
	u64 a, b, zero = w->start / K4, from, to;

	do
		a = align[rnd(w, ARRAY_SIZE(align))];
	while (a > w->n / 2);
	b = min_u64(align[rnd(w, ARRAY_SIZE(align))], a);
	from = max_u64(align_down(zero + rnd(w, w->n), a), zero);
	to = align_up(from + 1 + rnd(w, rnd(w, 4) ? 4 * a : w->n), b);
	*i = from - zero;
	*n = min_u64(to - from, w->n - *i);
}

static void step_map(struct window *w, u64 i, u64 n)
{
	static const u64 kinds[] = {PT_READ, PT_WRITE, RW, RW | PT_UNCACHED, RW | PT_SOFT_C};
	static const u64 align[] = {K4, M2, G1};
	u64 flags = kinds[rnd(w, ARRAY_SIZE(kinds))] | (rnd(w, 8) ? PT_WHOLE : 0);
	unsigned int options = rnd(w, 3) ? 0 : PT_MAP_SPLIT;
	u64 pa = rnd(w, 3) ? iova_at(w, i) : rnd(w, 1u << 20) * align[rnd(w, 3)];

	if (arena.used > ARENA_TABLES / 4)
		pt_free_limbo(w->pt);
	pa = (pa & ((1ull << 50) - 1)) | (rnd(w, 2) ? 1ull << 50 : 0);
	assert_int_equal(pt_map(w->pt, IOVA(iova_at(w, i)), PHYS(pa), n * K4, flags, options),
			 oracle_map(w, i, n, pa, flags, options));
}

static void step_unmap_mapping(struct window *w, u64 i)
{
	u64 n = oracle_mapping(w, i), want = w->g[i].entry, first = 0;

	assert_int_equal(pt_unmap_mapping(w->pt, IOVA(iova_at(w, i)), &first), n * K4);
	if (!n)
		return;
	assert_int_equal(first & (RW | PT_FIRST | PT_SOFT_C | PT_ADDR),
			 want & (RW | PT_FIRST | PT_SOFT_C | PT_ADDR));
	memset(&w->g[i], 0, n * sizeof(w->g[i]));
}

static void play(struct pt *pt, u64 start, u64 n, int steps, int full_every, unsigned int most)
{
	struct window w = {.pt = pt, .start = start, .n = n, .seed = 20240607};

	w.g = calloc(n, sizeof(*w.g));
	assert_non_null(w.g);
	for (int step = 0; step < steps; step++) {
		u64 i, k;

		pick_range(&w, &i, &k);
		if (rnd(&w, 12) == 0) { /* or there is no space for the largest leaves */
			assert_int_equal(pt_unmap(pt, IOVA(start), n * K4), oracle_unmap(&w, 0, n));
			step_map(&w, i, k);
		}
		switch (rnd(&w, 5)) {
		case 0:
		case 1:
			step_map(&w, i, k);
			break;
		case 2:
		case 3:
			assert_int_equal(pt_unmap(pt, IOVA(iova_at(&w, i)), k * K4),
					 oracle_unmap(&w, i, k));
			break;
		default:
			for (k = 0; k < n / 2 && !oracle_mapping(&w, i); k++)
				i = (i + 1) % n;
			step_unmap_mapping(&w, i);
		}
		compare_around(&w, i, k);
		for (u64 all = 0; step % full_every == 0 && all < n; all++)
			compare(&w, all);
		if (rnd(&w, 8) == 0)
			pt_free_limbo(pt);
	}
	pt_unmap(pt, IOVA(start), n * K4);
	for (u64 all = 0; all < n; all++)
		assert_int_equal(walk_entry(pt, iova_at(&w, all)), 0);
	assert_null(pt->spare);
	pt_free_limbo(pt);
	/* The root, two at most below it, and the partly covered ones at the window's ends. */
	assert_true(pt->tables <= 8);
	for (unsigned int k = 0; k <= most; k++)
		assert_true(w.leaves[k] > 10); /* or it has tested too little */
	free(w.g);
}

static void small_window(void **state)
{
	play(*state, 7 * G1 - 2 * M2, 4 * 512, 6000, 100, 1);
}

static void window_over_the_root(void **state)
{
	play(*state, 512 * G1 - M2 - 5 * K4, 2 * 512 + 10, 3000, 100, 1);
}

static void large_window(void **state)
{
	play(*state, 511 * G1, 3 * 512 * 512, 300, 2000, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PT_TEST(small_window),
		PT_TEST(window_over_the_root),
		PT_TEST(large_window),
	};

	return cmocka_run_group_tests_name("pt_property", tests, NULL, arena_teardown);
}
