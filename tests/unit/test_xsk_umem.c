/* SPDX-License-Identifier: BSD-2-Clause */
/* Registration: every refusal with its error code, and the resulting fields. */
#include "xsk_rig.h"

#include "base/fail.h"
#include "xsk/access.h"
#include "xsk/xsk.h"

#include <unistd.h>

static struct area area;
static struct xdp_umem_reg good;

static int setup(void **state)
{
	good = area_reg(&area, 64, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	munmap(area.memory, area.size);
	return 0;
}

static void refused(struct xdp_umem_reg reg, int err, const char *word)
{
	struct xdp_umem *umem = xdp_umem_create(&reg);

	assert_true(IS_ERR(umem));
	assert_int_equal(PTR_ERR(umem), err);
	if (!strstr(dmamap_strerror(), word))
		fail_msg("\"%s\" does not speak of \"%s\"", dmamap_strerror(), word);
}

static struct xdp_umem *accepted(struct xdp_umem_reg reg)
{
	struct xdp_umem *umem = xdp_umem_create(&reg);

	if (IS_ERR(umem))
		fail_msg("%s", dmamap_strerror());
	return umem;
}

#define WITH(field, value)                                                                         \
	({                                                                                         \
		struct xdp_umem_reg r_ = good;                                                     \
		r_.field = (value);                                                                \
		r_;                                                                                \
	})

static void test_chunk_size(void **state)
{
	static const u32 bad[] = {0, 1, 1024, 2047, 4097, 8192, 1u << 31, UINT32_MAX};
	struct xdp_umem_reg r;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++)
		refused(WITH(chunk_size, bad[i]), -EINVAL, "chunk size");
	refused(WITH(chunk_size, 3000), -EINVAL, "power of two");
	r = WITH(chunk_size, 3000);
	r.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG;
	xdp_umem_put(accepted(r));
	xdp_umem_put(accepted(WITH(chunk_size, 4096)));
}

static void test_flags(void **state)
{
	for (u32 bit = 3; bit < 32; bit++)
		refused(WITH(flags, 1u << bit), -EINVAL, "flags");
	xdp_umem_put(accepted(WITH(flags, XDP_UMEM_TX_SW_CSUM)));
}

static void test_headroom(void **state)
{
	struct xdp_umem_reg r;

	refused(WITH(headroom, CHUNK - 256 - 320 - 127), -EINVAL, "headroom");
	refused(WITH(headroom, UINT32_MAX), -EINVAL, "headroom");
	refused(WITH(headroom, CHUNK), -EINVAL, "headroom");
	xdp_umem_put(accepted(WITH(headroom, CHUNK - 256 - 320 - 128)));
	xdp_umem_put(accepted(WITH(headroom, 256)));
	r = WITH(chunk_size, 4096);
	r.headroom = 4096 - 256 - 320 - 127;
	refused(r, -EINVAL, "headroom");
	r.headroom--;
	xdp_umem_put(accepted(r));
}

static void test_range(void **state)
{
	struct xdp_umem_reg r;

	refused(WITH(addr, good.addr + 8), -EINVAL, "page size");
	refused(WITH(len, 0), -EINVAL, "smaller");
	refused(WITH(len, CHUNK - 1), -EINVAL, "smaller");
	refused(WITH(len, area.size - 1), -EINVAL, "whole number");
	refused(WITH(len, UINT64_MAX), -EINVAL, "exceeds the address space");
	r = good;
	r.addr = UINT64_MAX - 4095;
	r.len = 1 << 20;
	refused(r, -EINVAL, "exceeds the address space");
	r = WITH(len, area.size - 1); /* unaligned: a part is left over at the end */
	r.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG;
	xdp_umem_put(accepted(r));
	assert_true(IS_ERR(xdp_umem_create(NULL)));
}

/* The number of chunks is computed in more bits than its field has. */
static void test_chunk_count_overflow(void **state)
{
	struct xdp_umem_reg r = good;

	r.addr = 0;
	r.len = (u64)CHUNK << 32; /* 2^32 chunks: 0 in 32 bits */
	refused(r, -EINVAL, "2^32");
	r.len = ((u64)CHUNK << 32) + CHUNK; /* 1 in 32 bits */
	refused(r, -EINVAL, "2^32");
	r.len = 4096ull << 32;
	r.chunk_size = 4096;
	refused(r, -EINVAL, "2^32");
}

static void test_metadata(void **state)
{
	struct xdp_umem_reg r = good;
	struct xdp_umem *umem;

	r.tx_metadata_len = 7; /* without the flag the field is not read */
	umem = accepted(r);
	assert_int_equal(umem->tx_metadata_len, 0);
	xdp_umem_put(umem);
	for (u32 len = 0; len < 300; len++) {
		r = good;
		xdp_umem_reg_set_metadata(&r, len);
		assert_int_equal(r.tx_metadata_len, len);
		if (len % 8 || len >= 256) {
			refused(r, -EINVAL, "tx_metadata_len");
			continue;
		}
		umem = accepted(r);
		assert_int_equal(umem->tx_metadata_len, len);
		xdp_umem_put(umem);
	}
}

/* Memory that is not mapped, or cannot be written, as pinning would report it. */
static void test_memory(void **state)
{
	struct xdp_umem_reg r = good;

	assert_int_equal(munmap(area.memory + 8 * 4096, 4096), 0);
	refused(r, -ENOMEM, "no memory");
	r.addr += 8 * 4096;
	r.len = 4096;
	refused(r, -EFAULT, "no memory");
	assert_int_equal(mprotect(area.memory + 4 * 4096, 4096, PROT_READ), 0);
	r.addr = good.addr;
	r.len = 8 * 4096;
	refused(r, -ENOMEM, "no memory");
	r.addr += 4 * 4096;
	r.len = 4096;
	refused(r, -EFAULT, "no memory");
	assert_int_equal(mprotect(area.memory + 4 * 4096, 4096, PROT_READ | PROT_WRITE), 0);
	r.addr = good.addr;
	r.len = 8 * 4096;
	xdp_umem_put(accepted(r)); /* up to the hole */
}

/* 16 GiB, of which no page is present before or after. */
static void test_sparse(void **state)
{
	u64 size = 16ull << 30;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct xdp_umem_reg r = {.addr = (uintptr_t)p, .len = size, .chunk_size = 4096};
	struct xdp_umem *umem;
	unsigned char seen[256];

	assert_true(p != MAP_FAILED);
	umem = accepted(r);
	assert_int_equal(umem->chunks, size / 4096);
	for (u64 at = 0; at < size; at += size / 16) {
		assert_int_equal(mincore(p + at, sizeof(seen) * 4096, seen), 0);
		for (u32 i = 0; i < sizeof(seen); i++)
			assert_false(seen[i] & 1);
	}
	xdp_umem_put(umem);
	munmap(p, size);
}

static void test_no_memory(void **state)
{
	const struct fail_rule rule = {.nth = 1, .times = 1};

	fail_set(FAIL_MEMORY, &rule);
	refused(good, -ENOMEM, "memory");
	fail_set(FAIL_MEMORY, NULL);
	xdp_umem_put(accepted(good));
	xdp_umem_put(NULL);
	xdp_umem_put(ERR_PTR(-EINVAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chunk_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_headroom, setup, teardown),
		cmocka_unit_test_setup_teardown(test_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunk_count_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sparse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests_name("xsk_umem", tests, NULL, NULL);
}
