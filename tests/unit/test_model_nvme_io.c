/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O commands of the NVMe model on a fake bus: data, PRP shapes, rings, a failing medium. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "nvme_rig.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE   4096u
#define DATA   RIG_DATA
#define LISTS  (FAKE_BASE + (6ull << 20)) /* PRP lists of the tests */
#define MEDIUM (RIG_BLOCKS * 512u)

static u16 io(struct rig *r, struct rig_ring *q, u32 op, u64 lba, u32 blocks, u64 prp1, u64 prp2)
{
	return rig_do(r, q,
		      (struct nvme_sqe){.cdw0 = op,
					.nsid = 1,
					.prp1 = prp1,
					.prp2 = prp2,
					.cdw10 = (u32)lba,
					.cdw11 = (u32)(lba >> 32),
					.cdw12 = blocks - 1});
}

/* Each byte of the medium is derived from its position. */
static void fill_medium(struct rig *r)
{
	static u32 word[MEDIUM / 4];
	u32 i;

	for (i = 0; i < MEDIUM / 4; i++)
		word[i] = i * 2654435761u;
	assert_int_equal(pwrite(r->fd, word, MEDIUM, 0), MEDIUM);
}

static void test_read_write(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);
	u8 want[PAGE * 2];
	u32 i;

	fill_medium(r);
	assert_int_equal(io(r, &q, NVME_IO_READ, 5, 8, DATA, 0), 0);
	assert_int_equal(pread(r->fd, want, PAGE, 5 * 512), PAGE);
	assert_memory_equal(fake_at(DATA), want, PAGE);
	/* across two pages, the first from its middle */
	assert_int_equal(io(r, &q, NVME_IO_READ, RIG_BLOCKS - 8, 8, DATA + 0x10800, DATA + 0x30000),
			 0);
	assert_int_equal(pread(r->fd, want, PAGE, MEDIUM - PAGE), PAGE);
	assert_memory_equal(fake_at(DATA + 0x10800), want, 2048);
	assert_memory_equal(fake_at(DATA + 0x30000), want + 2048, 2048);
	for (i = 0; i < 2 * PAGE; i++)
		*(u8 *)fake_at(DATA + i) = (u8)(i * 31);
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 100, 16, DATA, DATA + PAGE), 0);
	assert_int_equal(pread(r->fd, want, sizeof(want), 51200), sizeof(want));
	assert_memory_equal(fake_at(DATA), want, sizeof(want));
	/* at once permanent */
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 7, 1 | NVME_IO_FUA, DATA, 0), 0);
}

struct shape { /* a command's data as the test placed it */
	u64 prp1, prp2;
	u32 len;
	u32 parts;
	struct {
		u64 addr;
		u32 len;
	} part[300];
};

/* An address for `page` bytes; neighbours are likely, so that merging is tested, too. */
static u64 some_page(u64 *last, u32 page)
{
	u32 pages = (4u << 20) / page;

	if (rand() % 3 && *last + page < (4u << 20))
		*last += page;
	else
		*last = (u64)((u32)rand() % pages) * page;
	return DATA + *last;
}

/* Puts the pages into lists of any length that the page size permits, chained. */
static u64 lay_lists(struct shape *s, u32 page)
{
	u64 lists = LISTS, first = lists + page - 8ull * (1 + (u32)rand() % (page / 8)), at = first;
	u32 i;

	for (i = 1; i < s->parts; i++, at += 8) {
		if (at % page == page - 8 && i + 1 < s->parts) {
			lists += page;
			nvmesim_put_le64(fake_at(at), 0, lists);
			at = lists;
		}
		nvmesim_put_le64(fake_at(at), 0, s->part[i].addr);
	}
	return first;
}

static void lay_out(struct shape *s, u32 page, u32 blocks)
{
	u64 last = 0;
	u32 offset = (u32)rand() % (page / 4) * 4, left = s->len = blocks * 512;

	s->part[0].addr = some_page(&last, page) + offset;
	s->part[0].len = left < page - offset ? left : page - offset;
	left -= s->part[0].len;
	for (s->parts = 1; left; s->parts++) {
		s->part[s->parts].addr = some_page(&last, page);
		s->part[s->parts].len = left < page ? left : page;
		left -= s->part[s->parts].len;
	}
	s->prp1 = s->part[0].addr;
	s->prp2 = s->parts == 2 ? s->part[1].addr : s->parts > 2 ? lay_lists(s, page) : 0xdead;
}

/*
 * The oracle: a page that is named twice contains what was written last, so parts are compared from
 * the end.
 */
static void check_read(const struct shape *s, const u8 *want)
{
	static u8 seen[4u << 20];
	u32 at = s->len, i = s->parts, k;

	memset(seen, 0, sizeof(seen));
	while (i-- > 0) {
		const u8 *p = fake_at(s->part[i].addr);

		at -= s->part[i].len;
		for (k = 0; k < s->part[i].len; k++) {
			u64 place = s->part[i].addr - DATA + k;

			if (!seen[place]++ && p[k] != want[at + k])
				fail_msg("part %u byte %u is wrong", i, k);
		}
	}
}

static void one_shape(struct rig *r, struct rig_ring *q, u32 page)
{
	static u8 want[1u << 20], medium[1u << 20];
	static struct shape s;
	u32 blocks = rand() % 4 ? 1 + (u32)rand() % 64 : 1 + (u32)rand() % 2048, i, at = 0;
	u64 lba = (u32)rand() % (RIG_BLOCKS - blocks);

	lay_out(&s, page, blocks);
	fake_max_segments = rand() % 2 ? 0 : 1 + rand() % 40;
	if (rand() % 2) {
		assert_int_equal(io(r, q, NVME_IO_READ, lba, blocks, s.prp1, s.prp2), 0);
		assert_int_equal(pread(r->fd, want, s.len, (off_t)lba * 512), s.len);
		check_read(&s, want);
		return;
	}
	for (i = 0; i < s.parts; at += s.part[i++].len)
		memcpy(want + at, fake_at(s.part[i].addr), s.part[i].len);
	assert_int_equal(io(r, q, NVME_IO_WRITE, lba, blocks, s.prp1, s.prp2), 0);
	assert_int_equal(pread(r->fd, medium, s.len, (off_t)lba * 512), s.len);
	assert_memory_equal(medium, want, s.len);
	assert_int_equal(io(r, q, NVME_IO_COMPARE, lba, blocks, s.prp1, s.prp2), 0);
}

static void test_prp_shapes(void **state)
{
	struct rig *r = *state;
	struct rig_ring q;
	u32 mps, i;

	srand(7);
	for (mps = 0; mps <= 4; mps++) {
		rig_disable(r);
		rig_enable(r, mps << 7);
		fill_medium(r);
		q = rig_queue(r, 1, 16);
		for (i = 0; i < 60; i++)
			one_shape(r, &q, PAGE << mps);
	}
}

/* Each one is completed and leaves the medium unchanged. */
static void test_bad_prps(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);
	u64 *list = fake_at(LISTS), *end = fake_at(LISTS + PAGE - 8);
	u32 i;
	u8 was[512];

	memset(fake_at(DATA), 0x99, 1u << 20);
	for (i = 0; i < 512; i++)
		list[i] = DATA + (u64)(i % 256) * PAGE;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 8, DATA + 2, 0), BAD(NVME_PRP_OFFSET));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 16, DATA, DATA + 8), BAD(NVME_PRP_OFFSET));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, LISTS + 4), BAD(NVME_PRP_OFFSET));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 8, 16, 0), SOFT(NVME_DATA_TRANSFER));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 8, ~7ull, 0), SOFT(NVME_DATA_TRANSFER));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 16, DATA, 0), SOFT(NVME_DATA_TRANSFER));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, 0x800), SOFT(NVME_DATA_TRANSFER));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, ~7ull), SOFT(NVME_DATA_TRANSFER));
	list[3] |= 0x10;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, LISTS), BAD(NVME_PRP_OFFSET));
	list[3] = ~0xfffull;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, LISTS), SOFT(NVME_DATA_TRANSFER));
	/* a chain to an address that is not mapped, to one that is no page, and a cyclic one */
	*end = 0x1000;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, LISTS + PAGE - 8),
			 SOFT(NVME_DATA_TRANSFER));
	*end = LISTS + 8;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, LISTS + PAGE - 8),
			 BAD(NVME_PRP_OFFSET));
	fake_allow(DATA + 16 * PAGE, PAGE, 0);
	list[3] = DATA;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 256, DATA, LISTS), SOFT(NVME_DATA_TRANSFER));
	fake_allow(DATA + 16 * PAGE, PAGE, FAKE_WRITE);
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 256, DATA, LISTS), SOFT(NVME_DATA_TRANSFER));
	fake_allow(DATA + 16 * PAGE, PAGE, FAKE_READ);
	assert_int_equal(io(r, &q, NVME_IO_READ, 0, 256, DATA, LISTS), SOFT(NVME_DATA_TRANSFER));
	assert_int_equal(pread(r->fd, was, 512, 0), 512);
	assert_int_equal(was[0], 0);
	*end = LISTS;
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 64, DATA, LISTS + PAGE - 8), 0);
}

static void test_bad_commands(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);
	struct nvme_sqe c = {.cdw0 = NVME_IO_READ, .nsid = 1, .prp1 = DATA};
	u32 op;

	assert_int_equal(io(r, &q, NVME_IO_READ, RIG_BLOCKS, 1, DATA, 0), BAD(NVME_LBA_RANGE));
	assert_int_equal(io(r, &q, NVME_IO_READ, RIG_BLOCKS - 1, 2, DATA, 0), BAD(NVME_LBA_RANGE));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, UINT64_MAX, 2, DATA, 0), BAD(NVME_LBA_RANGE));
	assert_int_equal(io(r, &q, NVME_IO_COMPARE, 1ull << 55, 1, DATA, 0), BAD(NVME_LBA_RANGE));
	assert_int_equal(io(r, &q, NVME_IO_WRITE_ZEROES, 1, RIG_BLOCKS, 0, 0), BAD(NVME_LBA_RANGE));
	/* more than 1 MiB */
	assert_int_equal(io(r, &q, NVME_IO_READ, 0, 2049, DATA, LISTS), BAD(NVME_INVALID_FIELD));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 2049, DATA, LISTS), BAD(NVME_INVALID_FIELD));
	assert_int_equal(io(r, &q, NVME_IO_COMPARE, 0, 2049, DATA, LISTS), BAD(NVME_INVALID_FIELD));
	c.nsid = 0;
	assert_int_equal(rig_do(r, &q, c), BAD(NVME_INVALID_NAMESPACE));
	c.nsid = 2;
	assert_int_equal(rig_do(r, &q, c), BAD(NVME_INVALID_NAMESPACE));
	c.nsid = NVME_NSID_ALL;
	assert_int_equal(rig_do(r, &q, c), BAD(NVME_INVALID_NAMESPACE));
	c.cdw0 = NVME_IO_FLUSH;
	assert_int_equal(rig_do(r, &q, c), 0);
	c = (struct nvme_sqe){.cdw0 = NVME_IO_READ | 0x4000, .nsid = 1, .prp1 = DATA};
	assert_int_equal(rig_do(r, &q, c), BAD(NVME_INVALID_FIELD));
	c.cdw0 = NVME_IO_READ | 0x200;
	assert_int_equal(rig_do(r, &q, c), BAD(NVME_INVALID_FIELD));
	for (op = 0; op < 256; op++) {
		if (op <= 2 || op == 5 || op == 8 || op == 9)
			continue;
		c.cdw0 = op;
		assert_int_equal(rig_do(r, &q, c), BAD(NVME_INVALID_OPCODE));
	}
}

static void test_compare(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);

	fill_medium(r);
	assert_int_equal(io(r, &q, NVME_IO_READ, 3, 16, DATA, DATA + PAGE), 0);
	assert_int_equal(io(r, &q, NVME_IO_COMPARE, 3, 16, DATA, DATA + PAGE), 0);
	((u8 *)fake_at(DATA + PAGE))[4095] ^= 1;
	assert_int_equal(io(r, &q, NVME_IO_COMPARE, 3, 16, DATA, DATA + PAGE),
			 BAD(NVME_COMPARE_FAILED));
	fake_allow(DATA + PAGE, PAGE, FAKE_WRITE);
	assert_int_equal(io(r, &q, NVME_IO_COMPARE, 3, 16, DATA, DATA + PAGE),
			 SOFT(NVME_DATA_TRANSFER));
}

static bool medium_is_zero(struct rig *r, u32 lba, u32 blocks)
{
	u8 b[512];
	u32 i;

	for (; blocks; blocks--, lba++) {
		assert_int_equal(pread(r->fd, b, 512, (off_t)lba * 512), 512);
		for (i = 0; i < 512; i++) {
			if (b[i])
				return false;
		}
	}
	return true;
}

static void test_write_zeroes(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);

	fill_medium(r);
	assert_int_equal(io(r, &q, NVME_IO_WRITE_ZEROES, 3, 3000, 0, 0), 0);
	assert_true(medium_is_zero(r, 3, 3000));
	assert_false(medium_is_zero(r, 2, 1));
	assert_false(medium_is_zero(r, 3003, 1));
}

static u16 dataset(struct rig *r, struct rig_ring *q, u32 ranges, u32 attributes, u64 prp1)
{
	return rig_do(r, q,
		      (struct nvme_sqe){.cdw0 = NVME_IO_DATASET,
					.nsid = 1,
					.prp1 = prp1,
					.prp2 = DATA,
					.cdw10 = ranges - 1,
					.cdw11 = attributes});
}

static void put_range(u32 i, u64 lba, u32 blocks)
{
	nvmesim_put_le32(fake_at(DATA + i * 16), 4, blocks);
	nvmesim_put_le64(fake_at(DATA + i * 16), 8, lba);
}

static void test_dataset(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);
	u32 i;

	fill_medium(r);
	for (i = 0; i < 256; i++)
		put_range(i, i * 32 + 8, 8);
	assert_int_equal(dataset(r, &q, 256, 1, DATA), 0); /* a hint alone */
	assert_false(medium_is_zero(r, 8, 1));
	put_range(255, RIG_BLOCKS - 1, 2);
	assert_int_equal(dataset(r, &q, 256, 4, DATA), BAD(NVME_LBA_RANGE));
	assert_false(medium_is_zero(r, 8, 1)); /* all or nothing */
	put_range(255, 0, 0);
	assert_int_equal(dataset(r, &q, 256, 4, DATA), 0);
	assert_true(medium_is_zero(r, 8, 8));
	assert_false(medium_is_zero(r, 16, 1));
	assert_true(medium_is_zero(r, 254 * 32 + 8, 8));
	assert_int_equal(dataset(r, &q, 1, 4, 0), SOFT(NVME_DATA_TRANSFER));
}

/* Around the rings many times, and around their phases; several queues of several sizes. */
static void test_many_queues(void **state)
{
	static struct rig_ring q[7];
	struct rig *r = *state;
	struct nvme_cqe e;
	u32 i, k, round, n;

	for (i = 0; i < 7; i++)
		q[i] = rig_queue(r, i + 1, 2 + i * 3);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 7; i++) {
			struct nvme_sqe c = {.cdw0 = NVME_IO_WRITE,
					     .nsid = 1,
					     .cdw10 = i * 8,
					     .cdw12 = 7,
					     .prp1 = DATA + i * PAGE};

			n = 1 + round % (q[i].size - 1);
			for (k = 0; k < n; k++)
				rig_put(r, &q[i], &c);
			rig_ring_tail(r, &q[i]);
		}
		for (i = 0; i < 7; i++) {
			n = 1 + round % (q[i].size - 1);
			for (k = 0; k < n; k++) {
				assert_int_equal(rig_take(r, &q[i], &e), 0);
				assert_int_equal(e.sq_id, i + 1);
			}
			assert_false(rig_poll(&q[i]));
		}
	}
}

/*
 * A completion queue that is smaller than the number of commands: the rest waits for its head to
 * advance.
 */
static void test_full_completion_queue(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 64), other = rig_queue(r, 3, 8);
	struct rig_ring small = {
		.id = 2, .size = 4, .phase = 1, .sq = q.sq + 0x20000, .cq = q.sq + 0x30000};
	struct nvme_sqe c = {.cdw0 = NVME_IO_FLUSH, .nsid = 1};
	struct rig_ring look;
	struct nvme_cqe e;
	u32 i;

	assert_int_equal(rig_create_cq(r, 2, 4, small.cq, 3), 0);
	assert_int_equal(rig_create_sq(r, 2, 64, small.sq, 2 << 16 | 1), 0);
	look = small;
	look.size = 64; /* as a submission queue it is larger */
	for (i = 0; i < 50; i++)
		rig_put(r, &look, &c);
	rig_ring_tail(r, &look);
	small.head = 2;
	while (!rig_poll(&small))
		sched_yield();
	/* others continue */
	assert_int_equal(rig_do(r, &other, c), 0);
	assert_int_equal(rig_do(r, &q, c), 0);
	small.head = 3;
	assert_false(rig_poll(&small));
	small.head = 0;
	for (i = 0; i < 50; i++) {
		assert_int_equal(rig_take(r, &small, &e), 0);
		assert_int_equal(e.cid, (u16)(r->cid - 51 + i));
	}
	assert_false(rig_poll(&small));
}

static void test_interrupts(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 5, 8), quiet = rig_queue(r, 6, 8);
	struct nvme_sqe c = {.cdw0 = NVME_IO_FLUSH, .nsid = 1};
	struct nvme_cqe e;
	u32 i;

	/* a completion that the driver does not read is signalled */
	for (i = 1; i <= 5; i++) {
		u64 before = fake_interrupts(5);

		rig_put(r, &q, &c);
		rig_ring_tail(r, &q);
		fake_interrupt_wait(5, before + 1);
		assert_int_equal(rig_take(r, &q, &e), 0);
	}
	assert_int_equal(fake_interrupts(4), 0);
	/* without the enable bit it is not signalled */
	assert_int_equal(rig_do(r, &r->admin, (struct nvme_sqe){.cdw0 = 0, .cdw10 = 6}), 0);
	assert_int_equal(rig_do(r, &r->admin, (struct nvme_sqe){.cdw0 = 4, .cdw10 = 6}), 0);
	memset(fake_at(quiet.cq), 0, PAGE);
	quiet = (struct rig_ring){.id = 6, .size = 8, .phase = 1, .sq = quiet.sq, .cq = quiet.cq};
	assert_int_equal(rig_create_cq(r, 6, 8, quiet.cq, 6 << 16 | 1), 0);
	assert_int_equal(rig_create_sq(r, 6, 8, quiet.sq, 6 << 16 | 1), 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(rig_do(r, &quiet, c), 0);
	assert_int_equal(rig_do(r, &q, c), 0);
	assert_int_equal(fake_interrupts(6), 0);
}

static void test_shrunk_image(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);

	fill_medium(r);
	assert_int_equal(ftruncate(r->fd, 4096 + 100), 0);
	assert_int_equal(io(r, &q, NVME_IO_READ, 0, 8, DATA, 0), 0);
	assert_int_equal(io(r, &q, NVME_IO_READ, 8, 1, DATA, 0), SOFT(NVME_READ_ERROR));
	assert_int_equal(io(r, &q, NVME_IO_READ, 4, 8, DATA, 0), SOFT(NVME_READ_ERROR));
	assert_int_equal(io(r, &q, NVME_IO_READ, 4000, 8, DATA, 0), SOFT(NVME_READ_ERROR));
	assert_int_equal(io(r, &q, NVME_IO_COMPARE, 4000, 8, DATA, 0), SOFT(NVME_READ_ERROR));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 8, DATA, 0), SOFT(NVME_WRITE_FAULT));
	assert_int_equal(io(r, &q, NVME_IO_WRITE_ZEROES, 0, 8, 0, 0), SOFT(NVME_WRITE_FAULT));
	assert_int_equal(dataset(r, &q, 1, 4, DATA), SOFT(NVME_WRITE_FAULT));
	assert_int_equal(lseek(r->fd, 0, SEEK_END), 4096 + 100);
	assert_int_equal(ftruncate(r->fd, MEDIUM), 0);
	assert_int_equal(io(r, &q, NVME_IO_READ, 4000, 8, DATA, 0), 0);
}

/* A medium that accepts no more: here the process may not write that far into a file. */
static void test_write_fault(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);
	struct rlimit was, low;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	low = was;
	low.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 4096, 8, DATA, 0), SOFT(NVME_WRITE_FAULT));
	/* half of it is written, the rest is not */
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 2047, 2, DATA, 0), SOFT(NVME_WRITE_FAULT));
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 2040, 8, DATA, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 4096, 8, DATA, 0), 0);
}

static void test_read_only(void **state)
{
	struct rig r;
	struct rig_ring q;

	rig_open(&r, "readonly", "1");
	rig_enable(&r, 0);
	q = rig_queue(&r, 1, 8);
	assert_int_equal(io(&r, &q, NVME_IO_READ, 0, 8, DATA, 0), 0);
	assert_int_equal(io(&r, &q, NVME_IO_WRITE, 0, 8, DATA, 0), BAD(NVME_WRITE_PROTECTED));
	assert_int_equal(io(&r, &q, NVME_IO_WRITE_ZEROES, 0, 8, 0, 0), BAD(NVME_WRITE_PROTECTED));
	assert_int_equal(dataset(&r, &q, 1, 4, DATA), BAD(NVME_WRITE_PROTECTED));
	assert_int_equal(io(&r, &q, NVME_IO_FLUSH, 0, 1, 0, 0), 0);
	rig_close(&r);
}

/* Without a volatile cache writes are permanent; the cache can be switched off and on. */
static void test_write_cache_off(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 8);

	assert_int_equal(rig_do(r, &r->admin, (struct nvme_sqe){.cdw0 = 9, .cdw10 = 6}), 0);
	assert_int_equal(io(r, &q, NVME_IO_WRITE, 0, 8, DATA, 0), 0);
	assert_int_equal(io(r, &q, NVME_IO_WRITE_ZEROES, 0, 8, 0, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_RIG(test_read_write),
		TEST_RIG(test_prp_shapes),
		TEST_RIG(test_bad_prps),
		TEST_RIG(test_bad_commands),
		TEST_RIG(test_compare),
		TEST_RIG(test_write_zeroes),
		TEST_RIG(test_dataset),
		TEST_RIG(test_many_queues),
		TEST_RIG(test_full_completion_queue),
		TEST_RIG(test_interrupts),
		TEST_RIG(test_shrunk_image),
		TEST_RIG(test_write_fault),
		cmocka_unit_test(test_read_only),
		TEST_RIG(test_write_cache_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
