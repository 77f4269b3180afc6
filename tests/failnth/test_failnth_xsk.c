/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices, UMEMs, sockets, shared sockets, and packets in both directions, with a failure at every
 * place.
 */
#include "failnth.h"

#include "../unit/xsk_rig.h"

struct job {
	const char *spec;
	const struct xdp_driver_ops *ops;
	u16 flags;
	u32 umem_flags;
};

static char memory[64 * 4096] __attribute__((aligned(4096)));

struct things {
	struct xdp_umem *umem;
	struct xdp_sock *xs[3];
};

static int make_rings(struct xdp_sock *xs, bool all)
{
	int err = xdp_sock_set_ring(xs, XDP_RX_RING, 16);

	if (!err)
		err = xdp_sock_set_ring(xs, XDP_TX_RING, 16);
	if (!err && all)
		err = xdp_sock_set_ring(xs, XDP_UMEM_FILL_RING, 16);
	if (!err && all)
		err = xdp_sock_set_ring(xs, XDP_UMEM_COMPLETION_RING, 16);
	return err;
}

static int make(struct things *t, const struct job *j)
{
	struct xdp_umem_reg reg = {.addr = (uintptr_t)memory,
				   .len = sizeof(memory),
				   .chunk_size = CHUNK,
				   .flags = j->umem_flags};
	int err;

	t->umem = xdp_umem_create(&reg);
	if (IS_ERR(t->umem))
		return (int)PTR_ERR(t->umem);
	for (u32 i = 0; i < 3; i++) {
		t->xs[i] = xdp_sock_create();
		if (!t->xs[i])
			return -errno;
		err = make_rings(t->xs[i], i != 1);
		if (err)
			return err;
		err = i ? xdp_sock_bind(t->xs[i], NULL, card.dev, i == 2, XDP_SHARED_UMEM, t->xs[0])
			: xdp_sock_bind(t->xs[i], t->umem, card.dev, 0, j->flags, NULL);
		if (err)
			return err;
	}
	return xdp_set_steering(card.dev, NULL, NULL);
}

/* Nothing is mapped any more, whatever failed. */
static void check_closing(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	assert_int_equal(s.maps, s.unmaps);
	assert_int_equal(card.setups, card.teardowns);
}

static int run(void *arg)
{
	const struct job *j = arg;
	struct things t = {0};
	int err;

	memset(&card, 0, sizeof(card));
	card.dev = dmamap_open(j->spec);
	if (!card.dev)
		return -errno;
	err = dma_set_mask_and_coherent(card.dev, DMA_BIT_MASK(64));
	if (!err)
		err = xdp_register_driver(card.dev, j->ops);
	if (!err)
		err = make(&t, j);
	for (u32 i = 0; i < 3; i++)
		xdp_sock_destroy(t.xs[i]);
	xdp_umem_put(t.umem);
	check_closing(card.dev);
	dmamap_close(card.dev);
	return err;
}

static void test_zero_copy(void **state)
{
	struct job j[] = {
		{"sim,swiotlb=1M", &card_zc, XDP_ZEROCOPY | XDP_USE_SG, 0},
		{"sim,iommu=0,swiotlb=1M", &card_zc, XDP_ZEROCOPY, 0},
		{"sim,coherent=0,swiotlb=1M", &card_zc, XDP_ZEROCOPY,
		 XDP_UMEM_UNALIGNED_CHUNK_FLAG},
	};

	for (u32 i = 0; i < sizeof(j) / sizeof(j[0]); i++)
		failnth_alone(j[i].spec, run, &j[i]);
}

/* Where zero-copy fails, copy mode continues. */
static void test_fall_back(void **state)
{
	struct job j = {"sim,swiotlb=1M", &card_zc, 0, 0};

	failnth_alone("fall-back", run, &j);
}

static void test_copy(void **state)
{
	struct job j = {"sim,swiotlb=1M", &card_copy, XDP_COPY | XDP_USE_SG, 0};

	failnth_alone("copy", run, &j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zero_copy),
		cmocka_unit_test(test_fall_back),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests_name("failnth_xsk", tests, failnth_setup, failnth_teardown);
}
